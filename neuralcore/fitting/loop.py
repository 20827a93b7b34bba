"""THE loop: steps over batches until a network fits, with everything that keeps that honest and lets it be killed.

What a step does depends on the seed and its number alone: the order of an epoch, what varies a batch and dropout are
drawn anew for each, from generators that are seeded by them. So a run that goes on from a checkpoint does what the
uninterrupted one does, byte for byte, and a checkpoint need not fall between two epochs.

S steps are an epoch; examples that do not fill a batch are left out of it, others each time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuralcore.checkpoint import CheckpointStore, Shard
from neuralcore.device import autocast, place
from neuralcore.errors import UserError
from neuralcore.fitting.averaging import (
    MeanOfSnapshots,
    MovingAverage,
    State,
    as_arrays,
    as_state,
    see_again,
    state_of,
    swapped,
)
from neuralcore.fitting.config import FitConfig
from neuralcore.fitting.optimisers import freeze, make_optimiser, rate_at, restore, set_rate, train_mode
from neuralcore.fitting.plain import put_together, taken_apart
from neuralcore.fitting.task import Task
from neuralcore.seeding import derived_seed, seeded_torch
from neuralcore.telemetry import Telemetry

LOOKED_AT = 16  # steps between two looks whether the loss is still a number: each waits for the device


class Fit:
    """A task being fitted; `run` does all of it.

    Args:
        task: see `Task`. config: how. seed: of everything random.
        folder: of the run, for checkpoints and metrics, from which it goes on; None keeps nothing.
        device: where.

    Attributes:
        step: steps done. steps: of an epoch. total: of all.
        history: a row of figures for each evaluation; "valid_…" are the task's own.
        stopped: whether it ended before the last epoch, for want of improvement.
        wall, cpu: seconds that `run` took, and those of all threads, of earlier processes too.
    """

    def __init__(
        self,
        task: Task,
        config: FitConfig,
        *,
        seed: int = 0,
        folder: Path | None = None,
        device: torch.device | None = None,
    ):
        self.task, self.config, self.seed, self.folder = task, config, seed, folder
        self.device = device or torch.device("cpu")
        place(task.model, self.device)
        freeze(task.model, config.freeze)
        self.players = task.players()
        self.optimisers = [make_optimiser(player.parameters, config) for player in self.players]
        examples = len(self._order(0))
        if not examples:
            raise UserError("there are no training examples")
        self._size = examples if config.optimiser == "lbfgs" else min(config.batch_size, examples)
        self.steps = examples // self._size
        self.step, self.total = 0, self.steps * config.epochs
        self._every = max(round(config.evaluate_every * self.steps), 1) if config.evaluate_every else self.total
        self.history: list[dict[str, Any]] = []
        self.stopped = False
        self._average = MovingAverage(task.model, config.average_decay) if config.average == "ema" else None
        self._snapshots = MeanOfSnapshots() if config.average == "snapshots" else None
        self._best: tuple[int, float, State] | None = None  # the step, its score, the weights
        self._sums: dict[str, torch.Tensor | float] = {}  # of figures, since the last evaluation
        self._summed = 0
        self.wall = self.cpu = 0.0
        self._clocks = time.monotonic(), time.process_time()  # when they were last added to
        self.store = None if folder is None else CheckpointStore(folder / "checkpoints")
        if self.store is not None:
            checkpoint = self.store.load()
            if checkpoint is not None:
                self._restore(checkpoint.state, checkpoint.shards)

    @property
    def epoch(self) -> float:
        """Passes done, in fractions."""
        return self.step / self.steps

    def run(self, telemetry: Telemetry | None = None) -> Fit:
        """Take the steps that are left; then the model has the weights that are kept, and is in evaluation mode.

        Raises:
            UserError: the loss is no longer a number.
        """
        saved = time.monotonic()
        self._clocks = saved, time.process_time()
        while self.step < self.total and not self.stopped:
            self._take_step()
            if telemetry is not None and self.step % 4 == 0 and telemetry.due():
                telemetry.show(self.step * self._size, {"epoch": self.epoch, **self._means()})
            if self.step % LOOKED_AT == 0 or self.step == self.total:
                self._check_loss()
            if self._snapshots and self.step % self.steps == 0 and self._is_snapshot():
                self._snapshots.take(self.task.model)
            if self.step % self._every == 0 or self.step == self.total:
                self._judge(telemetry)
                self._save()
                saved = time.monotonic()
            elif time.monotonic() - saved > 60.0 * self.config.checkpoint_minutes:
                self._save()
                saved = time.monotonic()
        self._keep()
        self._count_time()
        self.task.model.eval()
        return self

    def _take_step(self) -> None:
        train_mode(self.task.model, self.config.freeze)
        rows = self._rows()
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "batch", self.step))
        batch = self.task.batch(rows, generator, self.device)
        rate = rate_at(self.epoch, self.config)
        with seeded_torch(self.seed, "step", self.step):
            if self.device.type == "cuda":
                torch.cuda.manual_seed(derived_seed(self.seed, "step", self.step))
            for number, optimiser in enumerate(self.optimisers):
                set_rate(optimiser, rate)
                self._move(number, batch)
        self.step += 1
        if self._average is not None:
            self._average.take(self.task.model, self.step)

    def _move(self, number: int, batch: Any) -> None:
        """A step of one player."""
        player, optimiser = self.players[number], self.optimisers[number]
        seen: dict[str, torch.Tensor | float] = {}

        def loss() -> torch.Tensor:
            optimiser.zero_grad(set_to_none=True)
            # L-BFGS asks several times: each time it is given the same.
            generator = torch.Generator().manual_seed(derived_seed(self.seed, player.name, self.step))
            with autocast(self.device, self.config.precision):
                value, figures = player.loss(batch, generator)
            value.backward()
            name = "loss" if len(self.players) == 1 else f"loss_{player.name}"
            if not seen:
                seen.update({name: value.detach(), **figures})
            return value

        if self.config.optimiser == "lbfgs":
            optimiser.step(loss)  # type: ignore[arg-type]
        else:
            loss()
            if self.config.clip is not None:
                torch.nn.utils.clip_grad_norm_(list(player.parameters.values()), self.config.clip)
            optimiser.step()
        for name, figure in seen.items():
            self._sums[name] = torch.as_tensor(figure, dtype=torch.float64) + self._sums.get(name, 0.0)
        self._summed += number == 0

    def _order(self, epoch: int) -> np.ndarray:
        return self.task.order(np.random.default_rng(derived_seed(self.seed, "order", epoch)))

    def _rows(self) -> np.ndarray:
        epoch, at = divmod(self.step, self.steps)
        if at == 0 or getattr(self, "_ordered", None) is None:
            self._ordered = self._order(epoch)
        return self._ordered[at * self._size : (at + 1) * self._size]

    def _means(self) -> dict[str, float]:
        return {name: float(value) / max(self._summed, 1) for name, value in self._sums.items()}

    def _check_loss(self) -> None:
        for name, value in self._means().items():
            if name.startswith("loss") and not math.isfinite(value):
                raise UserError(f"the {name} became {value} before step {self.step}: lower the learning rate")

    def _is_snapshot(self) -> bool:
        return self.step > self.total - self.config.snapshots * self.steps

    def _judged(self) -> State | None:
        """The weights that are judged, if they are others than the model's."""
        return self._average.state if self._average is not None else None

    def _judge(self, telemetry: Telemetry | None) -> None:
        """Evaluate, remember what is best, and stop where nothing was for long."""
        with swapped(self.task.model, self._judged()):
            found = evaluate(self.task, "valid", self.device, self.config)
            row = {"epoch": self.epoch, "learning_rate": rate_at(self.epoch, self.config), **self._means()}
            row |= {f"valid_{name}": value for name, value in found.items()}
            self.history.append({"step": self.step, **row})
            self._sums, self._summed = {}, 0
            score = found.get(self.task.score)
            if score is not None and (self.config.keep == "best" or self.config.patience is not None):
                sign = -1.0 if self.task.lower else 1.0
                if self._best is None or sign * score > sign * self._best[1]:
                    self._best = self.step, score, state_of(self.task.model)
        if telemetry is not None:
            telemetry.record(self.step * self._size, row)
            telemetry.show(self.step * self._size, row, last=self.step == self.total)
        if self.config.patience is not None and self._best is not None:
            since = sum(earlier["step"] > self._best[0] for earlier in self.history)
            self.stopped = since >= self.config.patience

    def _keep(self) -> None:
        """Give the model the weights that are kept."""
        if self.config.keep == "best" and self._best is not None:
            self.task.model.load_state_dict(self._best[2])
        elif self._average is not None:
            self.task.model.load_state_dict(self._average.state)
        elif self._snapshots is not None and self._snapshots.count:
            self.task.model.load_state_dict(self._snapshots.state)
            train_mode(self.task.model, self.config.freeze)
            see_again(self.task.model, self._pass)

    def _pass(self) -> Iterator[object]:
        """An epoch's batches through the model, without learning from them."""
        rows = self._order(self.config.epochs)
        for at in range(self.steps):
            generator = torch.Generator().manual_seed(derived_seed(self.seed, "again", at))
            batch = self.task.batch(rows[at * self._size : (at + 1) * self._size], generator, self.device)
            with seeded_torch(self.seed, "again", at), autocast(self.device, self.config.precision):
                yield self.players[0].loss(batch, generator)

    def _count_time(self) -> None:
        now = time.monotonic(), time.process_time()
        self.wall, self.cpu = self.wall + now[0] - self._clocks[0], self.cpu + now[1] - self._clocks[1]
        self._clocks = now

    def _save(self) -> None:
        self._count_time()
        if self.store is None:
            return
        arrays: dict[str, np.ndarray] = {}
        optimisers = []
        for number, optimiser in enumerate(self.optimisers):
            optimisers.append(taken_apart(optimiser.state_dict(), arrays, str(number)))
        shards = {"model": Shard(as_arrays(self.task.model.state_dict())), "optimisers": Shard(arrays)}
        if getattr(self.task, "carried", None):
            shards["carried"] = Shard(as_arrays(self.task.carried))  # type: ignore[attr-defined]
        if self._average is not None:
            shards["average"] = Shard(as_arrays(self._average.state))
        if self._snapshots is not None:
            shards["snapshots"] = Shard(as_arrays(self._snapshots.state), self._snapshots.count)
        if self._best is not None:
            shards["best"] = Shard(as_arrays(self._best[2]), self._best[0])
        sums = {name: float(value) for name, value in self._sums.items()}
        state = {
            "step": self.step,
            "steps": self.steps,
            "optimisers": optimisers,
            "history": self.history,
            "stopped": self.stopped,
            "best": None if self._best is None else [self._best[0], self._best[1]],
            "snapshots": 0 if self._snapshots is None else self._snapshots.count,
            "sums": [sums, self._summed],
            "seconds": [self.wall, self.cpu],
        }
        self.store.save(self.step, finite(state), shards)

    def _restore(self, state: dict[str, Any], shards: dict[str, dict[str, np.ndarray]]) -> None:
        if state["steps"] != self.steps:
            raise UserError(
                f"{self.folder}: its epochs had {state['steps']} steps, these have {self.steps}: the data or the "
                "batch size is another; restore it to go on, or choose another --run"
            )
        try:
            self.task.model.load_state_dict(as_state(shards["model"], self.device))
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise UserError(f"{self.folder}: its model is another one ({first}): choose another --run") from None
        for optimiser, plain in zip(self.optimisers, state["optimisers"]):
            restore(optimiser, put_together(plain, shards["optimisers"]))
        if "carried" in shards:
            self.task.carried = as_state(shards["carried"], self.device)  # type: ignore[attr-defined]
        if self._average is not None:
            self._average.state = as_state(shards["average"], self.device)
        if self._snapshots is not None:
            self._snapshots.count = state["snapshots"]
            self._snapshots.state = as_state(shards["snapshots"], self.device)
        if state["best"] is not None:
            self._best = state["best"][0], state["best"][1], as_state(shards["best"], self.device)
        self.step, self.history, self.stopped = state["step"], state["history"], state["stopped"]
        self._sums, self._summed = dict(state["sums"][0]), state["sums"][1]
        self.wall, self.cpu = state["seconds"]


def fit(
    task: Task,
    config: FitConfig | None = None,
    *,
    seed: int = 0,
    folder: str | Path | None = None,
    device: torch.device | None = None,
    title: str = "fit",
) -> Fit:
    """Fit a task's model, or go on with it where `folder` has a checkpoint; progress is shown.

    Raises:
        UserError: no examples, a loss that is no longer a number, or a folder of another model.
    """
    found = Fit(
        task, config or FitConfig(), seed=seed, folder=None if folder is None else Path(folder), device=device
    )
    size, start = found._size, found.step
    with Telemetry(found.total * size, "examples", title=title, folder=folder, start=start * size) as telemetry:
        return found.run(telemetry)


@torch.no_grad()
def evaluate(task: Task, split: str, device: torch.device, config: FitConfig) -> dict[str, float]:
    """A task's figures of a split, its model in evaluation mode and in the loop's precision."""
    task.model.eval()
    with autocast(device, config.precision):
        return task.evaluate(split)


def finite(value: Any) -> Any:
    """JSON values without NaN and infinities, which JSON does not know: None stands for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value
