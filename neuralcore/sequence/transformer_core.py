"""A core of agents that attends to the last steps of the episode, where `LSTMCore` squeezes them into one vector.

Axes: T steps, N environments, F features, M steps that are remembered, W width, H heads, S = M + T.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from neuralcore.layers.initial import InitialWeights, set_initial
from neuralcore.sequence.attention import attend
from neuralcore.sequence.positions import rotate
from neuralcore.shape import match_shape

KEEP = 2.0  # bias of the gates that lets layers begin as if they were not there (Parisotto et al. 2020, section 3.2)


class TransformerCore(nn.Module):
    """The gated Transformer of Parisotto et al. (2020), on a window of steps.

    Layers norm before they act, and a gate, in the form of a GRU, puts what they found to what was there:

        y = ReLU(found),  r, z = sigmoid(W y + U x - b),  x' = (1 - z) x + z tanh(W y + U (r x))     b = 2, of z alone

    Each layer remembers its inputs of the last M steps (Dai et al. 2019), so that its steps see M steps back and L
    layers L M; gradients do not flow into what is remembered. Deviations: distances are told by rotary positions
    (Su et al. 2021), not by the relative ones of the paper. It works in fp32 whatever the precision around it.

    Args:
        features: F. width: W, a multiple of twice the heads. memory: M. layers: L. heads: H.
            The feeds between are W wide too.
        initial: of linear layers, "fan_in", or "orthogonal" with gain 1. generator: first weights come from it.
    """

    def __init__(
        self,
        features: int,
        width: int,
        *,
        memory: int = 32,
        layers: int = 2,
        heads: int = 2,
        initial: InitialWeights = "fan_in",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"the core's width must be a multiple of {2 * heads}, twice its heads, got {width}")
        self.features, self.width, self.memory = features, width, memory
        self.input = nn.Linear(features, width)
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        for part in self.modules():
            if isinstance(part, nn.Linear):
                set_initial(part, initial, generator, gain=1.0)
        for part in self.modules():
            if isinstance(part, _Gate):
                part.open()

    def zeros(self, count: int) -> torch.Tensor:
        """(N, M, L W + 1): the state of N environments that have seen nothing.

        A row is a step, the last the latest: what each layer took in, and 1 where there was such a step.
        """
        shape = (count, self.memory, len(self.layers) * self.width + 1)
        return torch.zeros(shape, device=self.input.weight.device)

    def forward(
        self, features: torch.Tensor, state: torch.Tensor, begins: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Steps that follow each other.

        Args:
            features: (T, N, F).
            state: (N, M, L W + 1) before the first step, through which no gradient flows.
            begins: (T, N) bool, whether an episode begins with a step, which then sees none before it.

        Returns:
            Outputs (T, N, W) of each step, and the state after the last, without gradient.
        """
        steps, count = match_shape(features, -1, -1, self.features, name="features")
        match_shape(state, count, self.memory, len(self.layers) * self.width + 1, name="state")
        match_shape(begins, steps, count, name="begins")
        with torch.autocast(features.device.type, enabled=False):
            episode = begins.T.long().cumsum(1)  # (N, T), counted from that of the state, 0
            of_memory = torch.where(state[:, :, -1] > 0.0, 0, -1)
            episodes = torch.cat([of_memory, episode], 1)  # (N, S)
            seen = self._seen(episode, episodes, steps)
            x = self.input(features.float()).transpose(0, 1)  # (N, T, W)
            taken = []
            for layer, before in zip(self.layers, state[:, :, :-1].split(self.width, 2)):
                window = torch.cat([before, x], 1)
                taken.append(window[:, -self.memory :].detach())
                x = layer(x, window, seen)
            real = (episodes == episode[:, -1:])[:, -self.memory :, None].float()
            after = torch.cat([*taken, torch.ones_like(real)], 2) * real
        return x.transpose(0, 1), after

    def _seen(self, episode: torch.Tensor, episodes: torch.Tensor, steps: int) -> torch.Tensor:
        """(N, 1, T, S) bool: a step sees itself and M before it, of its episode."""
        at = torch.arange(self.memory, self.memory + steps, device=episode.device)[:, None]
        to = torch.arange(self.memory + steps, device=episode.device)
        near = (to <= at) & (to >= at - self.memory)
        return ((episode[:, :, None] == episodes[:, None]) & near)[:, None]


class _Layer(nn.Module):
    """Attention to the window, then a feed, a gate after each."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.gate, self.feed_gate = _Gate(width), _Gate(width)

    def forward(self, x: torch.Tensor, window: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """(N, T, W) of x (N, T, W), the last steps of a window (N, S, W); seen (N, 1, T, S)."""
        normed = self.norm(window)
        q = self._split(self.query(normed[:, -x.shape[1] :]))
        k, v = map(self._split, self.key_value(normed).chunk(2, 2))
        found = attend(rotate(q, window.shape[1] - x.shape[1]), rotate(k), v, seen)
        x = self.gate(x, self.out(found.transpose(1, 2).flatten(2)))
        return self.feed_gate(x, self.feed(self.feed_norm(x)))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """(N, H, T, D) of (N, T, W)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class _Gate(nn.Module):
    """Puts what was found to what was there; see `TransformerCore`."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.found = nn.Linear(width, 3 * width)
        self.there = nn.Linear(width, 2 * width, bias=False)
        self.reset = nn.Linear(width, width, bias=False)

    def open(self) -> None:
        """The first bias."""
        with torch.no_grad():
            self.found.bias.zero_()
            self.found.bias[self.width : 2 * self.width] = -KEEP

    def forward(self, x: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """(N, T, W) of both (N, T, W)."""
        r_y, z_y, n_y = self.found(F.relu(found)).chunk(3, 2)
        r_x, z_x = self.there(x).chunk(2, 2)
        r, z = torch.sigmoid(r_y + r_x), torch.sigmoid(z_y + z_x)
        return torch.lerp(x, torch.tanh(n_y + self.reset(r * x)), z)
