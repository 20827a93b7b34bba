"""Cases of op `edge_gradient`: those of `edge_step`, without its tables' states."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.kernels.edge_gradient import EdgeGradient

_spec = importlib.util.spec_from_file_location("edge_step_case", Path(__file__).with_name("edge_step.py"))
assert _spec is not None
assert _spec.loader is not None
_step = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_step)

OP = "edge_gradient"
SIZES = _step.SIZES
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}


def make_case(size: Any, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(entities, relations, given, asked, candidates, answers)."""
    (entities, _, relations, _, *batch), kwargs = _step.make_case(size, rng)
    return (entities, relations, *batch), {"scoring": kwargs["scoring"]}


def outputs(args: tuple[Any, ...], result: EdgeGradient) -> dict[str, Any]:
    """Dense, so that it does not matter how often a row is named; the tables, which have to stay as they were."""
    loss, rows, gradient, relation_rows, of_relations = (
        part.cpu().numpy() if hasattr(part, "cpu") else np.asarray(part) for part in result
    )
    dense = np.zeros(tuple(args[0].shape))
    np.add.at(dense, rows, gradient)
    assert len(set(relation_rows.tolist())) == len(relation_rows)
    dense_relations = np.zeros(tuple(args[1].shape))
    dense_relations[relation_rows] = of_relations
    named = {"loss": loss, "of_entities": dense, "of_relations": dense_relations, "named": np.unique(rows)}
    return {**named, "entities": args[0], "relations": args[1]}
