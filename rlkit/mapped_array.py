"""An array in a file without a name: as large as the disk, and gone with the process.

The file is never listed in its folder, so nothing is left behind however the process ends, and the system takes disk
space only for the pages that were written. What must outlive the process is the checkpoint's business.
"""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from neuralcore.errors import UserError


def mapped_array(shape: tuple[int, ...], dtype: np.dtype | type, folder: str | Path) -> np.ndarray:
    """An array of zeros whose memory is a sparse temporary file in `folder`, which is made if it is not there.

    Raises:
        UserError: no file can be made there, or the disk has not enough room for all of it: a disk that is full when
            a page is written would end the process without a word.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise UserError(f"{folder} has {free / 1e9:.2f} GB free, the replay needs {size / 1e9:.2f} GB")
        with tempfile.TemporaryFile(dir=folder) as file:
            os.truncate(file.fileno(), size)
            memory = mmap.mmap(file.fileno(), size)  # keeps the file, which has no name, until the array is gone
    except OSError as error:
        raise UserError(f"the replay cannot be kept in {folder}: {error.strerror}") from None
    return np.ndarray(shape, dtype, buffer=memory)
