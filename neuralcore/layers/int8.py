"""Linear layers whose weights are bytes, for inference: a quarter of the memory, and products of bytes.

A row of weights w is kept as round(w / s) in [-127, 127] with s = max|w| / 127; rows of inputs are made bytes in the
same way when they come, and 32-bit sums of products of bytes are multiplied by both scales (dynamic quantisation;
"vector-wise" in Dettmers et al. 2022, without their outliers). torch.ao.quantization, which did this, is deprecated;
the product is `torch._int_mm`, for CPUs.

Axes: B rows, I inputs, O outputs, V tokens, W width.
"""

from __future__ import annotations

import torch
from torch import nn

from neuralcore.errors import UserError

LARGEST = 127.0


def to_bytes(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 rows (…, I) and their scales (…, 1) float32, of rows (…, I)."""
    rows = rows.float()
    scale = rows.abs().amax(-1, keepdim=True).clamp_min(1e-30) / LARGEST
    return (rows / scale).round_().to(torch.int8), scale


class Int8Linear(nn.Module):
    """What `linear` does, nearly.

    Args:
        linear: a layer on the CPU.
    """

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight, scale = to_bytes(linear.weight.detach())
        self.register_buffer("weight", weight)  # (O, I)
        self.register_buffer("scale", scale.squeeze(1))  # (O,)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().clone(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, O) float32 of x (…, I)."""
        rows, scale = to_bytes(x.flatten(0, -2))
        sums = torch._int_mm(rows, self.weight.t())
        found = sums.float().mul_(scale).mul_(self.scale)
        if self.bias is not None:
            found += self.bias
        return found.unflatten(0, x.shape[:-1])


class Int8Embedding(nn.Module):
    """Rows of a table of bytes.

    Args:
        table: on the CPU.
    """

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, table: nn.Embedding):
        super().__init__()
        weight, scale = to_bytes(table.weight.detach())
        self.register_buffer("weight", weight)  # (V, W)
        self.register_buffer("scale", scale)  # (V, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(…, W) float32 of ids (…)."""
        return self.weight[ids].float() * self.scale[ids]


SWAPPED: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: Int8Linear, nn.Embedding: Int8Embedding}


def to_int8(model: nn.Module) -> int:
    """Make linear layers and tables bytes, in place; how many. Others stay, as convolutions and recurrent layers, and
    so do parts that a module names in `read_by_weight`, as it does not call but read them.

    Raises:
        UserError: there is none, or it is not on the CPU.
    """
    if any(value.device.type != "cpu" for value in model.state_dict().values()):
        raise UserError("int8 is for the CPU: load the model there")
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in SWAPPED and name not in getattr(parent, "read_by_weight", ()):
                setattr(parent, name, SWAPPED[type(child)](child))
                count += 1
    if not count:
        raise UserError("int8: the model has no linear layer")
    return count


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights and buffers; shared ones once."""
    return sum({value.data_ptr(): value.nbytes for value in model.state_dict().values()}.values())
