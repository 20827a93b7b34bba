"""Arrays in mapped files: read on and on, they need not stay in memory."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def forget_pages(array: np.ndarray) -> None:
    """Give the memory of a mapped file's pages back; they are read again when wanted. Other arrays are left alone."""
    base: Any = array
    while base is not None:
        pages = getattr(base, "_mmap", None)
        if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)
            return
        base = getattr(base, "base", None)
