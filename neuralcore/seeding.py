"""Randomness as an argument: each part owns a generator, and every generator's state goes into the checkpoint.

One seed makes a family of named streams. A name's stream depends on the seed and the name alone, so adding a
part to a program leaves the others' numbers as they were. Nothing here touches the global generators.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from neuralcore.lazy import lazy_import

if TYPE_CHECKING:
    import numpy as np
    import torch
else:
    np = lazy_import("numpy")


def derived_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that is a fixed function of a seed and a path of names (an environment's, an episode's)."""
    keys = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextlib.contextmanager
def seeded_torch(seed: int, *names: str | int) -> Iterator[None]:
    """The context in which torch's global CPU generator begins at a seed; afterwards it is as it was.

    For what takes no generator of its own: the first weights of torch.nn's layers, dropout.
    """
    import torch

    state = torch.get_rng_state()
    torch.default_generator.manual_seed(derived_seed(seed, *names))  # not torch.manual_seed, which seeds GPUs too
    try:
        yield
    finally:
        torch.set_rng_state(state)


class Generators:
    """The named generators of one run.

    Args:
        seed: any non-negative integer.

    >>> g = Generators(0)
    >>> g.numpy("replay").integers(10) == Generators(0).numpy("replay").integers(10)
    True
    """

    def __init__(self, seed: int):
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, got {seed}")
        self.seed = int(seed)
        self._numpy: dict[str, np.random.Generator] = {}
        self._torch: dict[str, torch.Generator] = {}

    def numpy(self, name: str) -> np.random.Generator:
        """The NumPy generator of that name, made at the first call."""
        if name not in self._numpy:
            self._numpy[name] = np.random.Generator(np.random.PCG64(derived_seed(self.seed, name)))
        return self._numpy[name]

    def torch(self, name: str, device: str = "cpu") -> torch.Generator:
        """The torch generator of that name; its numbers depend on the kind of device."""
        if name not in self._torch:
            import torch

            self._torch[name] = torch.Generator(device=device).manual_seed(derived_seed(self.seed, name))
        return self._torch[name]

    def state(self) -> dict[str, Any]:
        """Every generator's state as plain JSON values."""
        return {
            "seed": self.seed,
            "numpy": {name: g.bit_generator.state for name, g in self._numpy.items()},
            "torch": {name: bytes(g.get_state().numpy()).hex() for name, g in self._torch.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue every stream exactly where `state` was taken."""
        self.seed = int(state["seed"])
        for name, value in state["numpy"].items():
            self.numpy(name).bit_generator.state = value
        for name, value in state["torch"].items():
            import torch

            data = torch.frombuffer(bytearray.fromhex(value), dtype=torch.uint8)
            self.torch(name).set_state(data)
