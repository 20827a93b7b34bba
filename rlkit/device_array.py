"""An array in the memory of a GPU that takes NumPy's indices and numbers: what a replay's frames are kept in there.

A batch is then gathered where it is learned from: of a million frames only what the emulator shows next ever crosses
from the processor to the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from neuralcore.errors import UserError


class DeviceArray:
    """An array whose items are torch tensors on a device.

    Args:
        shape, dtype: NumPy's; not initialised.
        device: where it lies; the CPU works too, for tests.

    Raises:
        UserError: the device has not enough memory.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype | type, device: torch.device):
        kind = torch.from_numpy(np.empty(0, dtype)).dtype
        try:
            self.tensor = torch.empty(shape, dtype=kind, device=device)
        except torch.OutOfMemoryError:
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            raise UserError(
                f"{device} has no room for the replay's {size / 1e9:.2f} GB: lower replay_capacity, or leave out "
                f"replay_on_device"
            ) from None

    @property
    def nbytes(self) -> int:
        """Bytes taken."""
        return self.tensor.nbytes

    def __getitem__(self, index: Any) -> torch.Tensor:
        return self.tensor[self._index(index)]

    def __setitem__(self, index: Any, values: np.ndarray) -> None:
        self.tensor[self._index(index)] = torch.from_numpy(np.ascontiguousarray(values)).to(self.tensor.device)

    def _index(self, index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(self._index(part) for part in index)
        return torch.from_numpy(index).to(self.tensor.device) if isinstance(index, np.ndarray) else index
