"""Memory given back to the system: pages of mapped files, which can be read again, and what is free on the heap."""

from __future__ import annotations

import ctypes
import mmap
import sys
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


def give_free_memory_back() -> None:
    """Have the C library return what is free on its heap, after a stage that used much of it.

    It keeps pieces below 32 MB for later, as many as were in use at once: 60 MB after a list of 50 million edges was
    checked. Nothing happens where the C library is not GNU's.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
