"""Checks before a fit: what a course has you look at when a network does not learn.

After Karpathy, "A recipe for training neural networks" (2019), and Stanford's CS231n, "Neural networks part 3". Each
check takes a `Task`, leaves its model as it was, and gives a `Verdict` with its figures. What is drawn comes from the
seed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from neuralcore.fitting.averaging import state_of
from neuralcore.fitting.config import FitConfig
from neuralcore.fitting.optimisers import make_optimiser, set_rate
from neuralcore.fitting.task import Figures, Player, Task
from neuralcore.layers.rectified import ceiling
from neuralcore.seeding import derived_seed, seeded_torch

EXAMPLES = 20  # that are learned by heart
BY_HEART = 0.1  # of the first loss, left when they are
GRADIENT_EXAMPLES = 4
MOST = 100  # weights of a player whose gradients are tried, but for one of each array
SMALL, TINY = 1e-5, 1e-7  # moves of a weight; the second where the first may have crossed a ReLU's corner
WIDTH = 3.0  # steps, the deviation of the Gaussian that smooths losses over learning rates
RATIOS = 1e-6, 0.1  # of an update to its weights: below nothing moves, above nothing is kept


class Verdict(NamedTuple):
    """What a check found.

    Attributes:
        name: of the check. passed: None where it does not apply. text: why, with figures. figures: name -> value.
    """

    name: str
    passed: bool | None
    text: str
    figures: dict[str, Any]


@contextlib.contextmanager
def kept(task: Task) -> Iterator[None]:
    """The context after which the model's weights, buffers and mode are what they were."""
    state, training = state_of(task.model), {m: m.training for m in task.model.modules()}
    try:
        yield
    finally:
        task.model.load_state_dict(state)
        task.model.zero_grad(set_to_none=True)
        for module, was in training.items():
            module.training = was


def some_batch(task: Task, count: int, seed: int, device: torch.device, number: int = 0) -> Any:
    """The batch of the first `count` examples of an order drawn by the seed, or of its batch number `number`."""
    rows = task.order(np.random.default_rng(derived_seed(seed, "check")))
    at = number * count % max(len(rows) - count + 1, 1)
    generator = torch.Generator().manual_seed(derived_seed(seed, "check", number))
    return task.batch(rows[at : at + count], generator, device)


def loss_of(player: Player, batch: Any, seed: int) -> tuple[torch.Tensor, Figures]:
    """A player's loss, the same whenever it is asked for: dropout too is drawn by the seed."""
    with seeded_torch(seed, "check"):
        return player.loss(batch, torch.Generator().manual_seed(seed))


def initial_loss(task: Task, *, batch_size: int = 128, seed: int = 0, device: torch.device) -> Verdict:
    """With first weights, cross-entropy of C classes is about log C: nothing is known yet. From half to twice passes.

    Far above, first weights are too large, or inputs not normalised; below, labels leak.
    """
    name, classes = "initial loss", getattr(task, "classes", None)
    if classes is None or getattr(getattr(task, "config", None), "loss", "cross_entropy") != "cross_entropy":
        return Verdict(name, None, "it is known for cross-entropy of classes only", {})
    with kept(task), torch.no_grad():
        task.model.train()
        loss = float(loss_of(task.players()[0], some_batch(task, batch_size, seed, device), seed)[0])
    chance = math.log(classes)
    text = f"{loss:.4f}, and log {classes} = {chance:.4f}"
    return Verdict(name, 0.5 * chance <= loss <= 2.0 * chance, text, {"loss": loss, "chance": chance})


def overfit(
    task: Task,
    *,
    examples: int = EXAMPLES,
    steps: int = 300,
    learning_rate: float = 1e-3,
    seed: int = 0,
    device: torch.device,
) -> Verdict:
    """A few examples, always the same, are learned by heart: all told right, or a tenth of the loss left.

    By Adam, without dropout. Where a loss has a floor, as that of a VAE, of grey pixels and what the code costs, its
    task's `by_heart` is the share of the first loss that may be left. What cannot do this has a broken loss, labels
    that are not their examples', or too few weights. Have label smoothing and mixing of examples off, under which a
    loss has another floor.
    """
    name, share = f"overfit {examples} examples", getattr(task, "by_heart", BY_HEART)
    players = task.players()
    if len(players) > 1:
        return Verdict(name, None, "several players have no loss that falls", {})
    with kept(task), _without_dropout(task.model):
        task.model.train()
        batch = some_batch(task, examples, seed, device)
        optimiser = torch.optim.Adam([p for p in players[0].parameters.values() if p.requires_grad], learning_rate)
        first, loss, right, step = math.nan, math.nan, None, 0
        for step in range(steps + 1):
            optimiser.zero_grad()
            value, figures = loss_of(players[0], batch, seed)
            loss = float(value.detach())
            first = loss if step == 0 else first
            right = next((float(v) for key, v in figures.items() if key.endswith("accuracy")), None)
            if loss < share * first or not math.isfinite(loss) or (right is not None and right >= 0.999):
                break
            value.backward()
            optimiser.step()
    passed = loss < share * first or (right is not None and right >= 0.999)
    text = f"loss {first:.4f} → {loss:.4f} in {step} steps" + ("" if right is None else f", {right:.0%} told right")
    return Verdict(name, passed, text, {"first": first, "loss": loss, "steps": step, "right": right})


def gradients(task: Task, *, weights: int = 3, seed: int = 0, device: torch.device) -> Verdict:
    """Derivatives of the loss by a few weights of each layer, against (L(w + h) - L(w - h)) / 2h, in float64.

    A weight passes within 1e-3 of the larger of the two, of a thousandth of the layer's largest gradient, or of a
    hundred-thousandth of all layers'; one that does not is tried again with a smaller h, as the first may have
    crossed the corner of a ReLU. Of deep networks fewer weights of each array are tried, one of each at least.
    """
    worst, where, tried = 0.0, "", 0
    generator = np.random.default_rng(derived_seed(seed, "weights"))
    with kept(task), _in_double(task.model):
        task.model.train()
        batch = _doubled(some_batch(task, GRADIENT_EXAMPLES, seed, device))
        for player in task.players():
            named = {n: p for n, p in player.parameters.items() if p.requires_grad}
            each = min(weights, max(MOST // len(named), 1))
            loss, _ = loss_of(player, batch, seed)
            given = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
            slopes = [torch.zeros_like(p) if s is None else s for p, s in zip(named.values(), given)]
            floor = max(1e-5 * max(float(s.abs().max()) for s in slopes), 1e-12)
            for (name, parameter), found in zip(named.items(), slopes):
                least = max(1e-3 * float(found.abs().max()), floor)
                for at in generator.choice(parameter.numel(), min(each, parameter.numel()), replace=False):
                    index = np.unravel_index(int(at), tuple(parameter.shape))
                    exact, tried = float(found[index]), tried + 1
                    errors = []
                    for h in (SMALL, TINY):
                        measured = _central(player, batch, seed, parameter, index, h)
                        errors.append(abs(measured - exact) / max(abs(measured), abs(exact), least))
                        if errors[-1] < 1e-3:
                            break
                    if min(errors) > worst:
                        worst, where = min(errors), name
    text = f"{tried} weights, largest relative error {worst:.1e}" + (f" in {where}" if worst >= 1e-3 else "")
    return Verdict("gradients", worst < 1e-3, text, {"error": worst, "weights": tried, "where": where})


@torch.no_grad()
def _central(player: Player, batch: Any, seed: int, weights: torch.Tensor, index: Any, h: float) -> float:
    was, values = weights[index].clone(), []
    for move in (h, -h):
        weights[index] = was + move
        values.append(float(loss_of(player, batch, seed)[0]))
    weights[index] = was
    return (values[0] - values[1]) / (2.0 * h)


def learning_rates(
    task: Task,
    config: FitConfig,
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    seed: int = 0,
    device: torch.device,
) -> Verdict:
    """The loss while the learning rate rises in equal ratios from step to step (Smith 2017, section 3.3).

    Smoothed by a Gaussian around each step: a running mean lags behind, and would call for rates several times too
    large. It has fallen where it is below what the first fifth, whose rates change nothing yet, has by chance. The
    rate suggested is that of the steepest fall. It passes if the config's rate is below the one after the lowest loss
    at which all is lost again.

    Returns:
        Figures "rates" and "losses" (smoothed), each a list, "suggested" and "explodes".
    """
    name, players = "learning rates", task.players()
    if config.optimiser == "lbfgs" or len(players) > 1:
        why = (
            "lbfgs searches along lines" if config.optimiser == "lbfgs" else "several players have no loss that falls"
        )
        return Verdict(name, None, why, {})
    rates: list[float] = []
    seen: list[float] = []
    still = max(steps // 5, 2)
    with kept(task):
        task.model.train()
        optimiser = make_optimiser(players[0].parameters, config)
        for step in range(steps):
            rate = lowest * (highest / lowest) ** (step / (steps - 1))
            set_rate(optimiser, rate)
            optimiser.zero_grad()
            loss, _ = loss_of(players[0], some_batch(task, config.batch_size, seed, device, step), seed + step)
            value = float(loss.detach())
            if not math.isfinite(value) or (step >= still and value > 4.0 * np.mean(seen[:still])):
                break
            loss.backward()
            optimiser.step()
            rates.append(rate)
            seen.append(value)
    reach = np.arange(len(seen))
    near = np.exp(-0.5 * ((reach[:, None] - reach) / WIDTH) ** 2)
    losses = (near @ np.array(seen) / near.sum(1)).tolist()
    figures: dict[str, Any] = {"rates": rates, "losses": losses}
    begin = float(np.mean(seen[:still])) if seen else math.nan
    chance = 3.0 * float(np.std(seen[:still])) / math.sqrt(2.0 * math.sqrt(math.pi) * WIDTH) if seen else math.nan
    best = int(np.argmin(losses)) if losses else 0
    if best < still or losses[best] > begin - max(chance, 0.02 * abs(begin)):
        return Verdict(name, False, f"the loss fell at no rate from {lowest:g} to {highest:g}", figures)
    suggested = rates[int(np.argmin(np.gradient(losses)[: best + 1]))]
    explodes = next((rate for rate, loss in zip(rates[best:], losses[best:]) if loss > begin), rates[-1])
    text = f"steepest at {suggested:.1e}, lost again by {explodes:.1e}; the config's is {config.learning_rate:.1e}"
    figures |= {"suggested": suggested, "explodes": explodes}
    return Verdict(name, config.learning_rate < explodes, text, figures)


def updates(task: Task, config: FitConfig, *, steps: int = 10, seed: int = 0, device: torch.device) -> Verdict:
    """|Δw| / |w| of each matrix and kernel, the median over the first steps at the config's rate; 1e-3 is usual."""
    name = "updates"
    if config.optimiser == "lbfgs":
        return Verdict(name, None, "lbfgs searches along lines", {})
    ratios: dict[str, list[float]] = {}
    with kept(task):
        task.model.train()
        players = task.players()
        optimisers = [make_optimiser(player.parameters, config) for player in players]
        for step in range(steps):
            batch = some_batch(task, config.batch_size, seed, device, step)
            for player, optimiser in zip(players, optimisers):
                set_rate(optimiser, config.learning_rate)
                before = {
                    n: p.detach().clone() for n, p in player.parameters.items() if p.requires_grad and p.ndim > 1
                }
                optimiser.zero_grad()
                loss_of(player, batch, seed + step)[0].backward()
                optimiser.step()
                for key, old in before.items():
                    if float(old.norm()) > 0.0:
                        ratio = float((player.parameters[key].detach() - old).norm() / old.norm())
                        ratios.setdefault(key, []).append(ratio)
    found = {key: float(np.median(values)) for key, values in ratios.items()}
    bad = [key for key, ratio in found.items() if not RATIOS[0] <= ratio <= RATIOS[1]]
    middle = float(np.median(list(found.values()))) if found else math.nan
    text = f"{len(found)} layers, median {middle:.1e}"
    if found:
        text += f", from {min(found.values()):.1e} to {max(found.values()):.1e}"
    text += f"; outside {RATIOS[0]:g} to {RATIOS[1]:g}: {', '.join(bad[:5])}" if bad else ""
    return Verdict(name, not bad, text, found)


def dead_units(task: Task, *, batch_size: int = 128, seed: int = 0, device: torch.device) -> Verdict:
    """ReLUs whose unit (a channel) is 0 for every example of a batch: nothing reaches its weights. Below half passes.

    Modules and functions alike are seen; each is named by the module that was done last before it.
    """
    shares: dict[str, float] = {}
    with kept(task), torch.no_grad():
        task.model.train()
        batch = some_batch(task, batch_size, seed, device)
        with _ReLUs(task.model, shares):
            loss_of(task.players()[0], batch, seed)
    if not shares:
        return Verdict("dead units", None, "there are no ReLUs", {})
    worst = max(shares, key=lambda key: shares[key])
    text = f"{len(shares)} ReLUs, at most {shares[worst]:.0%} of one's units" + (
        f", after {worst}" if shares[worst] else ""
    )
    return Verdict("dead units", shares[worst] < 0.5, text, shares)


class _ReLUs(TorchFunctionMode):
    """Counts the dead units of every ReLU while it is entered."""

    def __init__(self, model: nn.Module, shares: dict[str, float]):
        super().__init__()
        self.shares, self.last = shares, "the input"
        self.names = {module: name for name, module in model.named_modules() if not list(module.children())}

    def __enter__(self) -> Any:
        self.handles = [module.register_forward_hook(self._after) for module in self.names]
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        for handle in self.handles:
            handle.remove()
        super().__exit__(*exception)

    def _after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.last = self.names[module]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if ceiling(func, args, kwargs or {}) is not None and given.ndim > 1:
            dead = given.transpose(0, 1).flatten(1).eq(0.0).all(1)
            self.shares[self.last] = float(dead.float().mean())
        return given


@contextlib.contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    layers = [m for m in model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    shares = [layer.p for layer in layers]
    for layer in layers:
        layer.p = 0.0
    try:
        yield
    finally:
        for layer, share in zip(layers, shares):
            layer.p = share


class _Double(TorchFunctionMode):
    """What is brought to float32 while it is entered comes to float64 instead."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        if func is torch.Tensor.to:
            args = [torch.float64 if a is torch.float32 else a for a in args]
        kwargs = {k: torch.float64 if v is torch.float32 else v for k, v in (kwargs or {}).items()}
        return func(*args, **kwargs)


def _doubled(batch: Any) -> Any:
    """A batch with its float32 numbers in float64."""
    if isinstance(batch, torch.Tensor):
        return batch.double() if batch.dtype == torch.float32 else batch
    if isinstance(batch, dict):
        return {key: _doubled(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        values = [_doubled(value) for value in batch]
        return type(batch)(*values) if hasattr(batch, "_fields") else type(batch)(values)
    return batch


@contextlib.contextmanager
def _in_double(model: nn.Module) -> Iterator[None]:
    model.double()
    try:
        with _Double():
            yield
    finally:
        model.float()
