"""Every hot loop of the project, in one room: one folder an op, four files each.

    <op>/__init__.py    the public function and its contract: shapes, dtypes, formula
    <op>/reference.py   the truth, in NumPy or plain torch, short enough to read
    <op>/cpu.py         numba
    <op>/cuda.py        Triton

On the CPU ops take NumPy arrays (a torch CPU tensor lends its memory by `.numpy()`), on a GPU torch CUDA tensors.
An implementation is chosen by where the arrays live or by name, and what is missing fails loudly: no fall-back.
`tests/neuralcore/test_kernels.py` holds one conformance test for all of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal

from neuralcore.errors import UserError, nearest

Implementation = Literal["auto", "reference", "cpu", "cuda"]

# op -> its implementations; the conformance test walks this table and fails for an op without a case.
OPS: dict[str, tuple[str, ...]] = {
    "adam": ("reference", "cpu"),
    "backward_order": ("reference", "cpu"),
    "bellman": ("reference", "cpu", "cuda"),
    "bellman_in_place": ("reference", "cpu"),
    "bellman_worklist": ("reference", "cpu"),
    "box_iou": ("reference", "cpu", "cuda"),
    "cbow": ("reference", "cpu", "cuda"),
    "chamfer": ("reference", "cpu", "cuda"),
    "chunk_numbers": ("reference", "cpu"),
    "cooccurrences": ("reference", "cpu"),
    "edge_gradient": ("reference", "cpu", "cuda"),
    "edge_step": ("reference", "cpu", "cuda"),
    "epsilon_greedy": ("reference", "cpu"),
    "exact_scores": ("reference", "cpu"),
    "glove": ("reference", "cpu", "cuda"),
    "join_pairs": ("reference", "cpu"),
    "name_numbers": ("reference", "cpu"),
    "ngram_buckets": ("reference", "cpu"),
    "nms": ("reference", "cpu", "cuda"),
    "pair_counts": ("reference", "cpu"),
    "perceptron": ("reference", "cpu"),
    "predecessors": ("reference", "cpu"),
    "q_learning": ("reference", "cpu", "cuda"),
    "random_walks": ("reference", "cpu"),
    "rank_counts": ("reference", "cpu"),
    "repeated_rows": ("reference", "cpu"),
    "returns": ("reference", "cpu", "cuda"),
    "rmsprop": ("reference", "cpu"),
    "roi_align": ("reference", "cpu", "cuda"),
    "roi_align_backward": ("reference", "cpu", "cuda"),
    "row_adagrad": ("reference", "cpu", "cuda"),
    "sentence_ids": ("reference", "cpu"),
    "skipgram": ("reference", "cpu", "cuda"),
    "skipgram_windows": ("reference", "cpu", "cuda"),
    "sparse_sum": ("reference", "cpu"),
    "sum_tree_find": ("reference", "cpu", "cuda"),
    "sum_tree_update": ("reference", "cpu", "cuda"),
    "td_update": ("reference", "cpu"),
    "transducer": ("reference", "cpu", "cuda"),
    "tsne_attraction": ("reference", "cpu"),
    "tsne_repulsion": ("reference", "cpu"),
    "unit_rows": ("reference", "cpu"),
}


def implementation(op: str, name: Implementation, array: Any) -> Callable[..., Any]:
    """The function `neuralcore.kernels.<op>.<name>.<op>`; "auto" goes by where `array` lives.

    Raises:
        UserError: the op has no such implementation; the ones it has are named.
    """
    if name == "auto":
        name = "cuda" if getattr(array, "is_cuda", False) else "cpu"
    if name not in OPS[op]:
        raise UserError(f"op {op} has no implementation {name!r}: {nearest(name, OPS[op])}")
    module = importlib.import_module(f"neuralcore.kernels.{op}.{name}")
    return getattr(module, op)
