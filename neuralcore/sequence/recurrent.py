"""Recurrent layers by name: "rnn", "irnn", "lstm", "gru".

    rnn    h_t = tanh(W x_t + U h_{t-1} + b)                                                      Elman 1990
    irnn   h_t = max(W x_t + U h_{t-1} + b, 0), at first U = 1, b = 0, W normal, 0.001 wide        Le et al. 2015
    lstm   i, f, o = sigmoid(…), g = tanh(…); c_t = f c_{t-1} + i g, h_t = o tanh(c_t)
                                                   Hochreiter & Schmidhuber 1997, Gers et al. 2000
    gru    r, z = sigmoid(…), n = tanh(W x_t + b + r (U h_{t-1} + b')); h_t = (1 - z) n + z h_{t-1}
                                                   Cho et al. 2014, r after the product

They compute by torch.nn's layers, which are compiled. Ours are the first weights, lengths, and that the state is
alike for all: a tuple of tensors. First weights come from torch's global generator and are, where nothing is said
above, uniform within ±1/sqrt(W). Forget gates of the LSTM begin with a bias of 1: it keeps at first most of what it
has seen (Jozefowicz et al. 2015).

Axes: B examples, T steps, F features, W width, L layers, D directions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from neuralcore.errors import UserError, nearest
from neuralcore.shape import match_shape

State = tuple[torch.Tensor, ...]

GATES = {"rnn": 1, "irnn": 1, "lstm": 4, "gru": 3}
IRNN_SPREAD = 0.001  # of the first weights of inputs, Le et al. 2015, section 4


class Recurrent(nn.Module):
    """Layers of one kind, each on the outputs of the one before, and all steps of a sequence at once.

    Args:
        name: "rnn", "irnn", "lstm" or "gru". features: F, of a step. width: W, of each direction's state.
        layers: L. bidirectional: whether each layer also reads from the end, D = 2.
        dropout: share of what goes from one layer to the next that is dropped (Zaremba et al. 2014).

    Attributes:
        outputs: D · W, numbers of a step's output.

    Raises:
        UserError: an unknown name, or a dropout that nothing would be dropped by.
    """

    def __init__(
        self,
        name: str,
        features: int,
        width: int,
        layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        if name not in GATES:
            raise UserError(f"unknown recurrent layer {name!r}: {nearest(name, GATES)}")
        if min(features, width, layers) < 1:
            raise UserError(
                f"features, width and layers must be 1 or more, got {features}, {width} and {layers} ({name})"
            )
        if not 0.0 <= dropout < 1.0:
            raise UserError(f"dropout must be from 0 to below 1, got {dropout}")
        if dropout and layers == 1:
            raise UserError(f"dropout = {dropout} lies between layers, and there is one: layers = 2, or dropout = 0")
        self.name, self.features, self.width, self.layers = name, features, width, layers
        self.directions = 2 if bidirectional else 1
        self.outputs = self.directions * width
        kind: Any = {"lstm": nn.LSTM, "gru": nn.GRU}.get(name, nn.RNN)
        extra = {"nonlinearity": "relu"} if name == "irnn" else {}
        self.unrolled = kind(
            features, width, layers, batch_first=True, bidirectional=bidirectional, dropout=dropout, **extra
        )
        with torch.no_grad():
            for key, weight in self.unrolled.named_parameters():
                if name == "irnn":
                    _identity(key, weight)
                elif name == "lstm" and key.startswith(
                    "bias"
                ):  # two are added; the gates lie in the order i, f, g, o
                    weight[width : 2 * width] = 1.0 if key.startswith("bias_ih") else 0.0

    def zeros(self, count: int) -> State:
        """The state of B sequences of which nothing has been seen: (h,), an LSTM's (h, c), each (L · D, B, W)."""
        like: torch.Tensor = self.unrolled.weight_hh_l0
        shape = (self.layers * self.directions, count, self.width)
        return tuple(like.new_zeros(shape) for _ in range(2 if self.name == "lstm" else 1))

    def forward(
        self, inputs: torch.Tensor, state: State | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, State]:
        """All steps.

        Args:
            inputs: (B, T, F).
            state: before the first step, as `zeros` has it; None for that of nothing seen. Gradients flow into it:
                who carries it over to what follows cuts them there by `detached` (truncated backpropagation
                through time, Williams & Peng 1990).
            lengths: (B,) int64 from 1 to T, where sequences have padding behind. It changes nothing: outputs there
                are 0, states are those after the last real step, and the other direction begins at that step.

        Returns:
            Outputs of the last layer (B, T, D · W), forwards first, and the state after the last step.
        """
        count, steps = match_shape(inputs, -1, -1, self.features, name="inputs")
        if state is not None:
            for part, like in zip(state, ("h", "c")):
                match_shape(part, self.layers * self.directions, count, self.width, name=f"state {like}")
        given = None if state is None else state if self.name == "lstm" else state[0]
        if lengths is None:
            outputs, after = self.unrolled(inputs, given)
        else:
            match_shape(lengths, count, name="lengths")
            if int(lengths.min()) < 1 or int(lengths.max()) > steps:
                raise ValueError(f"lengths must be from 1 to {steps}, got {lengths.min()} to {lengths.max()}")
            packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
            outputs, after = self.unrolled(packed, given)
            outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=steps)
        return outputs, after if self.name == "lstm" else (after,)


def make_recurrent(
    name: str, features: int, width: int, layers: int = 1, bidirectional: bool = False, dropout: float = 0.0
) -> Recurrent:
    """`Recurrent` layers by name.

    Raises:
        UserError: an unknown name, which the message answers with the nearest, or numbers that make no layers.
    """
    return Recurrent(name, features, width, layers, bidirectional=bidirectional, dropout=dropout)


def detached(state: State) -> State:
    """The state as numbers only: what follows does not reach back through it."""
    return tuple(part.detach() for part in state)


def parameter_count(name: str, features: int, width: int, layers: int = 1, bidirectional: bool = False) -> int:
    """Weights of `Recurrent`: D G W (inputs + W + 2) a layer, with G gates.

    The 2 are the biases: torch.nn has one for the inputs and one for the state, of which papers count one.
    """
    directions = 2 if bidirectional else 1
    inputs = [features] + (layers - 1) * [directions * width]
    return sum(directions * GATES[name] * width * (size + width + 2) for size in inputs)


def _identity(key: str, weight: torch.Tensor) -> None:
    """First weights of an IRNN, by the name torch.nn gives them."""
    if key.startswith("weight_hh"):
        nn.init.eye_(weight)
    elif key.startswith("weight_ih"):
        nn.init.normal_(weight, std=IRNN_SPREAD)
    else:
        nn.init.zeros_(weight)
