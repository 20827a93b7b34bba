"""Cases of op `glove`: no co-occurrences, one word in all, the same words again and again, rows of any width."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuralcore.kernels.glove import Factor

OP = "glove"
SIZES = [(1, 1, 1, 1), (5, 4, 3, 0), (2, 2, 16, 30), (9, 7, 17, 40), (50, 30, 112, 60), (300, 200, 33, 90)]
TOLERANCE = {"rtol": 2e-5, "atol": 2e-6}  # float32, sums in another order


def make_case(size: tuple[int, int, int, int], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(inputs, outputs, rows, columns, values, learning_rate), keyword x_max, of (V, V of the other, P, E)."""
    words, others, width, count = size
    rows, columns = (rng.integers(0, n, count).astype(np.int32) for n in (words, others))
    values = rng.lognormal(1.0, 2.0, count).astype(np.float32)  # on both sides of x_max
    return (_factor(words, width, rng), _factor(others, width, rng), rows, columns, values, 0.05), {"x_max": 20.0}


def _factor(words: int, width: int, rng: np.random.Generator) -> Factor:
    shapes = (words, width), words
    vectors, biases = (rng.normal(0.0, 0.5, shape).astype(np.float32) for shape in shapes)
    return Factor(vectors, biases, *((1.0 + rng.random(shape)).astype(np.float32) for shape in shapes))


def outputs(args: tuple[Any, ...], result: float) -> dict[str, Any]:
    """What the call changed, its loss, and what it may not change."""
    factors = {f"{side}.{name}": array for side, f in zip("ab", args) for name, array in f._asdict().items()}
    return {"loss": np.array(result), **factors, "rows": args[2], "columns": args[3], "values": args[4]}
