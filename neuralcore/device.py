"""Which device, which precision, how many threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from neuralcore.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

Precision = Literal["fp32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """The torch device for a name: "auto" takes CUDA where there is a GPU, else the CPU.

    Raises:
        UserError: a CUDA device was asked for by name and there is none: no silent fall-back to the CPU.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device {name!r} is not known: use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r} was asked for, but torch {torch.__version__} sees no GPU: use cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {name!r} was asked for, but there are {torch.cuda.device_count()} GPUs")
    return device


def gpu(name: str) -> torch.device | None:
    """The GPU that a name stands for, or None where it stands for the CPU; for ops, which do without torch there.

    Raises:
        UserError: it is not there, or no CUDA device.
    """
    if name == "cpu":
        return None
    device = choose_device(name)
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {name!r} cannot do this: use auto, cpu, cuda or cuda:N")
    return device if device.type == "cuda" else None


def cpu_count() -> int:
    """The processors this process may use (respects taskset and containers, which `os.cpu_count` does not)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_threads(count: int | None) -> int:
    """Give torch `count` threads (None: every processor) and return the number set.

    Small networks want one: too many torch threads beside an emulator's own cost a factor of two to three.
    """
    import torch

    count = cpu_count() if count is None else count
    if count < 1:
        raise UserError(f"threads must be 1 or more, got {count}")
    torch.set_num_threads(count)
    return count


@contextlib.contextmanager
def one_thread_each() -> Iterator[int]:
    """The context in which each of torch's products is made on one thread; gives how many threads there were.

    So many may then call torch at once: the bytes are the same for any number of them, and none waits for another at
    a barrier, spinning, which beside a process that has the other's core is most of the time of a small product.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """The context in which this thread's CPU takes numbers below 1e-38 for 0.

    Adam's means of gradients that have become 0 decay into such numbers, which cost the CPU a hundred times as much:
    half of a small network's update. Afterwards the thread is as it was.
    """
    import torch

    flushed = bool(np.float32(1e-40) * np.float32(1.0) == 0.0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed)


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager:
    """The context in which a forward pass runs at that precision; weights and losses stay in float32."""
    import torch

    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16)


def place(model: nn.Module, device: torch.device) -> None:
    """Move a model to a device, the kernels of its convolutions over images with their channels last in memory.

    So the convolutions of CPUs and tensor cores run without transposing. Those over clips stay as they are: torch has
    another word for their order, and is not faster by it on a CPU.
    """
    import torch

    model.to(device)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
