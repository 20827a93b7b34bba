"""Check ranks and sizes at the door, so that `(B,)` never meets `(B, 1)` by silent broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Arrays = tuple["np.ndarray", ...]


def match_shape(array: Any, *expected: int | type(Ellipsis), name: str = "array") -> tuple[int, ...]:  # type: ignore[valid-type]
    """Check the shape of a NumPy array or torch tensor and return the sizes that were left open.

    Args:
        array: anything with `.shape`.
        expected: one entry an axis: a number must be met exactly, -1 takes any size and is returned, one `...`
            stands for any number of leading or middle axes.
        name: what the message calls the array.

    Returns:
        The sizes found at the -1 entries, in order.

    Raises:
        ValueError: the rank or a size differs; the message carries both shapes.

    >>> import numpy as np
    >>> match_shape(np.zeros((32, 4)), -1, 4)
    (32,)
    """
    shape = tuple(array.shape)
    if Ellipsis in expected:
        cut = expected.index(Ellipsis)
        tail = len(expected) - cut - 1
        middle = len(shape) - cut - tail
        pattern = expected[:cut] + (None,) * max(middle, 0) + expected[cut + 1 :]
    else:
        pattern = expected
    fits = len(pattern) == len(shape) and all(
        want is None or want == -1 or want == size for want, size in zip(pattern, shape)
    )
    if not fits:
        wanted = ", ".join("…" if e is Ellipsis else "any" if e == -1 else str(e) for e in expected)
        raise ValueError(f"{name} has shape {shape}, expected ({wanted})")
    return tuple(size for want, size in zip(pattern, shape) if want == -1)


def match_arrays(first: Arrays, **others: Arrays) -> None:
    """Check that tuples of arrays are alike: as many arrays, of the same shapes.

    Raises:
        ValueError: they are not; the message names the tuple and the array.
    """
    for name, arrays in others.items():
        if len(arrays) != len(first):
            raise ValueError(f"{name} has {len(arrays)} arrays, expected {len(first)}")
        for index, (array, like) in enumerate(zip(arrays, first)):
            if array.shape != like.shape:
                raise ValueError(f"{name}[{index}] has shape {array.shape}, expected {like.shape}")
