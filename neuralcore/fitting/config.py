"""What the loop can be told. No torch here: `neuralcore fit --help` reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import tyro

from neuralcore.device import Precision

Optimiser = Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs"]
Schedule = Literal["constant", "step", "exponential", "inverse_time", "inverse_sqrt", "linear", "cosine"]
MOMENTA = ("momentum", "nesterov", "rmsprop")  # the optimisers that have one


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted."""

    epochs: int = 10
    """passes over the training examples"""
    batch_size: int = 128
    """examples of a step; what is left of an epoch that does not fill one is left out, unless it is all there is"""
    optimiser: Optimiser = "adamw"
    """sgd; momentum (Polyak 1964); nesterov; adagrad (Duchi et al. 2011); rmsprop (Tieleman & Hinton 2012); adam
    (Kingma & Ba 2015); adamw (Loshchilov & Hutter 2019); lbfgs (Liu & Nocedal 1989), which takes all at once"""
    learning_rate: float = 1e-3
    """of every step, before the schedule"""
    momentum: float = 0.9
    """of momentum, nesterov and rmsprop"""
    betas: tuple[float, float] = (0.9, 0.999)
    """decay of adam's and adamw's means of gradients and of their squares"""
    weight_decay: float = 0.0
    """of matrices and kernels, not of biases and gains; a part of the gradient (L2), but with adamw beside it"""
    schedule: Schedule = "constant"
    """how the learning rate falls: step and exponential by `decay` every `decay_epochs`, at once or smoothly;
    inverse_time 1 / (1 + t), inverse_sqrt 1 / sqrt(1 + t), with t in decay_epochs; linear and cosine to `final` of it
    at the end"""
    decay: float = 0.1
    """by what step and exponential multiply"""
    decay_epochs: float = 10.0
    """see schedule; of step, exponential, inverse_time and inverse_sqrt"""
    final: float = 0.0
    """share of the learning rate at the end, of linear and cosine"""
    warmup: float = 0.0
    """epochs in which the learning rate rises from 0 in a straight line (Goyal et al. 2017)"""
    clip: float | None = None
    """longest gradient, all weights one vector (Pascanu et al. 2013)"""
    precision: Precision = "fp32"
    """bf16: products in bfloat16, weights in fp32"""
    average: Literal["none", "ema", "snapshots"] = "none"
    """what is judged and kept: the weights; their exponential moving average; the mean of the weights at the end of
    the last `snapshots` epochs (Izmailov et al. 2018), whose batch norms see the training examples once more"""
    average_decay: float = 0.999
    """of ema, each step; in the first steps less, so that it does not remember the first weights"""
    snapshots: int = 5
    """see average"""
    patience: int | None = None
    """stop when so many evaluations in a row brought nothing better"""
    keep: Literal["last", "best"] = "last"
    """which weights are kept in the end: the last, or those that were best on the validation examples"""
    evaluate_every: float = 1.0
    """epochs between evaluations on the validation examples; 0: only at the end"""
    checkpoint_minutes: float = 2.0
    """minutes between checkpoints; every evaluation makes one too. What is computed does not depend on it"""
    freeze: tuple[str, ...] = ()
    """beginnings of names of weights that stay as they are, as `trunk.` or `*.bias`; their batch norms keep their
    statistics"""
    rates: tyro.conf.Suppress[dict[str, float]] = field(default_factory=dict)
    """beginnings of names of weights -> factor of their learning rate; in a file, a table [fit.rates]"""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "snapshots"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("learning_rate", "decay", "decay_epochs", "checkpoint_minutes"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "warmup", "final", "evaluate_every"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("momentum", "average_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ValueError(f"betas must be from 0 to below 1, got {self.betas}")
        if self.clip is not None and not self.clip > 0.0:
            raise ValueError(f"clip must be above 0, or None, got {self.clip}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be 1 or more, or None, got {self.patience}")
        if (self.patience is not None or self.keep == "best") and not self.evaluate_every:
            raise ValueError("patience and keep = 'best' need evaluations: evaluate_every above 0")
        if self.optimiser == "lbfgs" and (self.schedule != "constant" or self.warmup or self.clip is not None):
            raise ValueError("lbfgs searches its step itself: no schedule, warmup or clip")
        if self.average == "snapshots" and self.keep == "best":
            raise ValueError("the mean of snapshots is known at the end only: keep = 'last', or average = 'ema'")
        for name, factor in self.rates.items():
            if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not factor >= 0.0:
                raise ValueError(f"rates: {name} = {factor!r} is no factor of 0 or more")
