"""`neuralcore check`: before a long fit, a minute in which most mistakes show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuralcore.errors import UserError
from neuralcore.fitting.command import file_and_flags

OFF = {"smoothing": 0.0, "mixup": 0.0, "cutmix": 0.0}  # under these a loss has a floor of its own


@dataclass(frozen=True)
class CheckSettings:
    """How it is checked."""

    seed: int = 0
    """of everything random"""
    threads: int | None = None
    """torch threads; by default all processors"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""
    picture: str = ""
    """.png of the learning rates that were tried; empty: none is drawn"""


@dataclass(frozen=True)
class CheckArguments:
    """Look for what would keep a network from learning: the checks that courses teach, each with its figures."""

    file: str
    task: str
    where: CheckSettings
    config: Any


def parse_arguments(words: Sequence[str], prog: str) -> CheckArguments:
    """As of `neuralcore fit`, whose files it takes."""
    return CheckArguments(*file_and_flags(words, prog, CheckSettings, CheckArguments.__doc__ or ""))


def check(arguments: CheckArguments) -> int:
    """Look for what would keep a network from learning; exit code 1, and the names, if something would."""
    from neuralcore.device import choose_device, place, set_threads
    from neuralcore.fitting import check as checks
    from neuralcore.fitting.optimisers import freeze

    where, config = arguments.where, arguments.config
    device = choose_device(where.device)
    if where.picture and Path(where.picture).suffix != ".png":
        raise UserError(f"--picture {where.picture}: name a .png file")
    set_threads(where.threads)
    plain = dataclasses.replace(config, **{k: v for k, v in OFF.items() if getattr(config, k, v) != v})
    task = plain.build(where.seed)
    place(task.model, device)
    freeze(task.model, config.fit.freeze)
    fit, seed = config.fit, where.seed
    print(f"{arguments.file}: {arguments.task}, {sum(p.numel() for p in task.model.parameters()):,} weights")
    failed = []
    for run in (  # one after the other, each told as soon as it is known
        lambda: checks.initial_loss(task, seed=seed, device=device),
        lambda: checks.gradients(task, seed=seed, device=device),
        lambda: checks.dead_units(task, seed=seed, device=device),
        lambda: checks.overfit(task, seed=seed, device=device),
        lambda: checks.updates(task, fit, seed=seed, device=device),
        lambda: checks.learning_rates(task, fit, seed=seed, device=device),
    ):
        found = run()
        mark = {True: "passed", False: "FAILED", None: "skipped"}[found.passed]
        print(f"{mark:8} {found.name}: {found.text}", flush=True)
        failed += [found.name] if found.passed is False else []
        if where.picture and found.figures.get("rates"):
            from neuralcore.fitting.pictures import rates_picture

            Path(where.picture).parent.mkdir(parents=True, exist_ok=True)
            figures = found.figures
            suggested = figures.get("suggested")
            rates_picture(figures["rates"], figures["losses"], suggested, fit.learning_rate, Path(where.picture))
            print(f"         drawn to {where.picture}")
    print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    return 1 if failed else 0
