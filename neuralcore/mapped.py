"""Arrays in mapped files: read on and on, they need not stay in memory."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def forget_pages(array: np.ndarray) -> None:
    """Give the memory of a mapped file's pages back; they are read again when wanted. Other arrays are left alone.

    So are those of `copied_on_write`, whose pages may be other than the file's.
    """
    base: Any = array
    while base is not None:
        if getattr(base, "mode", None) == "c":
            return
        pages = getattr(base, "_mmap", None)
        if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)
            return
        base = getattr(base, "base", None)


def copied_on_write(array: np.ndarray) -> np.ndarray:
    """A mapped array as one that may be written to: a page that is comes into memory, the file stays as it is."""
    import numpy as np

    if not isinstance(array, np.memmap):
        return array
    assert array.filename is not None
    return np.memmap(array.filename, array.dtype, "c", array.offset, array.shape)
