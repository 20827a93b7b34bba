"""Optimisers by name, their parameter groups, and the learning rate of a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from neuralcore import schedules
from neuralcore.errors import UserError, nearest
from neuralcore.fitting.config import FitConfig


def make_optimiser(parameters: Mapping[str, nn.Parameter], config: FitConfig) -> torch.optim.Optimizer:
    """The optimiser of some named weights, in groups of the same weight decay and rate; frozen ones are in none.

    A group's key "factor" is what the learning rate is multiplied by. L-BFGS has one group, and no weight decay.

    Raises:
        UserError: nothing is left to train, or L-BFGS was asked for different rates.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((decay, _factor(name, config.rates)), []).append(parameter)
    if not groups:
        raise UserError(f"freeze = {list(config.freeze)} leaves nothing to train: name fewer weights")
    if config.optimiser == "lbfgs":
        if len(groups) > 1:
            raise UserError("lbfgs takes all weights as one: no weight_decay and no rates")
        ((decay, factor),) = groups
        found: torch.optim.Optimizer = torch.optim.LBFGS(
            groups[decay, factor], config.learning_rate, line_search_fn="strong_wolfe"
        )
        found.param_groups[0]["factor"] = factor
        return found
    listed = [{"params": group, "weight_decay": decay, "factor": f} for (decay, f), group in groups.items()]
    rate, name = config.learning_rate, config.optimiser
    if name == "adagrad":
        return torch.optim.Adagrad(listed, rate)
    if name == "rmsprop":
        return torch.optim.RMSprop(listed, rate, momentum=config.momentum)
    if name in ("adam", "adamw"):
        kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
        return kind(listed, rate, config.betas, fused=True)
    momentum = 0.0 if name == "sgd" else config.momentum
    return torch.optim.SGD(listed, rate, momentum, nesterov=name == "nesterov", fused=True)


def _factor(name: str, rates: Mapping[str, float]) -> float:
    """Of the beginnings that fit a name, the longest one's factor; 1 if there is none."""
    fitting = [beginning for beginning in rates if begins(name, beginning)]
    return rates[max(fitting, key=lambda beginning: len(beginning.replace("*", "")))] if fitting else 1.0


def begins(name: str, beginning: str) -> bool:
    """Whether a weight's name begins so; a * in it stands for anything, as in `trunk.*.bias`."""
    return fnmatchcase(name, beginning + "*")


def rate_at(epoch: float, config: FitConfig) -> float:
    """The learning rate after `epoch` epochs, counted in fractions."""
    c, t = config, max(epoch - config.warmup, 0.0)
    rest = max(c.epochs - c.warmup, 1e-9)
    rate = {
        "constant": lambda: c.learning_rate,
        "step": lambda: schedules.steps(epoch, c.learning_rate, c.decay, c.decay_epochs),
        "exponential": lambda: schedules.exponential(t, c.learning_rate, c.decay, c.decay_epochs),
        "inverse_time": lambda: schedules.inverse_time(t, c.learning_rate, c.decay_epochs),
        "inverse_sqrt": lambda: schedules.inverse_sqrt(t, c.learning_rate, c.decay_epochs),
        "linear": lambda: c.learning_rate * (1.0 + (c.final - 1.0) * min(t / rest, 1.0)),
        "cosine": lambda: schedules.cosine(t, c.learning_rate, c.final * c.learning_rate, rest),
    }[c.schedule]()
    return rate * schedules.warm_up(epoch, c.warmup) if c.warmup else rate


def restore(optimiser: torch.optim.Optimizer, state: dict) -> None:
    """Take a state dictionary, each tensor of which then lies in memory as its weights do.

    Torch's fused steps take both by their order in memory, and channels-last weights have another than files.
    """
    optimiser.load_state_dict(state)
    for parameter, entry in optimiser.state.items():
        for name, value in entry.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                entry[name] = torch.empty_like(parameter).copy_(value)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step, each group's by its factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def freeze(model: nn.Module, beginnings: Iterable[str]) -> None:
    """Have the weights whose names begin so stay as they are.

    Raises:
        UserError: no weight's name begins so.
    """
    named = list(model.named_parameters(remove_duplicate=False))  # shared weights have several names
    names = [name for name, _ in named]
    for beginning in beginnings:
        if not any(begins(name, beginning) for name in names):
            raise UserError(f"freeze: no weights begin with {beginning!r}: {nearest(beginning, names)}")
    for name, parameter in named:
        if any(begins(name, beginning) for beginning in beginnings):
            parameter.requires_grad_(False)


def train_mode(model: nn.Module, frozen: Iterable[str]) -> None:
    """Training mode, but for batch norms among the frozen: they go on with the statistics they have."""
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and any(begins(f"{name}.", beginning) for beginning in frozen):
            module.eval()
