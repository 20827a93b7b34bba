"""What formats of graphs' vectors have in common: files that are whole or not there, and the sides of relations."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from neuralcore.errors import UserError

SIDES = ("lhs", "rhs")  # acts on the head and asks for tails, acts on the tail and asks for heads
Allocate = Callable[[tuple[int, int], type], np.ndarray]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` when all went well and is gone otherwise."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"{path} could not be written ({error.strerror}); what was there is intact") from None
        raise


def beside(path: Path) -> Path:
    """Where the relations of a file of vectors are."""
    return path.with_name(f"{path.stem}.relations{path.suffix}")


def tables(operators: list[str], sides: list[str], numbers: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Operator -> (2 n, W), from the numbers of each relation's sides, as `GraphVectors` has them."""
    tables = {}
    for operator in dict.fromkeys(operators):
        found = [
            [row for op, at, row in zip(operators, sides, numbers) if (op, at) == (operator, side)] for side in SIDES
        ]
        if len(found[0]) != len(found[1]):
            raise ValueError(
                f"{len(found[0])} {operator} relations have numbers for {SIDES[0]}, {len(found[1])} for rhs"
            )
        tables[operator] = np.stack(found[0] + found[1]).astype(np.float32)
    return tables
