"""The training loop that every algorithm shares: when to report, when to keep, when to stop.

An algorithm takes one step of experience in `advance` and gives numbers; the loop logs them. A checkpoint comes
every so many transitions, counted and not timed, and holds everything, the environments in the middle of their
episodes too (`rlkit.history`): a killed run that goes on and an uninterrupted one are the same run.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from neuralcore.checkpoint import Checkpoint, CheckpointStore, Shard
from neuralcore.errors import UserError
from neuralcore.telemetry import Telemetry

if TYPE_CHECKING:
    import torch

    from rlkit.rollout import Rollout

RETURN_WINDOW = 20  # episodes in the mean return that is shown
PIECE = 2**22  # bytes of actions in a file of a checkpoint
MOST_EPISODES = 10_000  # kept in memory for a caller to take, where there is no run folder to report them to


class Algorithm(Protocol):
    """What the loop needs of an algorithm."""

    name: str
    steps: int
    rollout: Rollout

    def advance(self) -> None:
        """One step of experience and its updates."""

    def plan(self, steps: int) -> None:
        """The length of the whole training, for schedules."""

    def metrics(self) -> dict[str, float]:
        """Figures since the last call."""

    def cut(self, number: int) -> None:
        """End the open episodes as a time limit would, and begin new ones."""

    def state(self) -> tuple[dict[str, Any], dict[str, Shard]]:
        """Everything needed to go on but the rollout, which the loop keeps."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Become what `state` was taken from."""


def train(
    algorithm: Algorithm,
    steps: int,
    *,
    folder: str | Path | None = None,
    checkpoint_every: int = 50_000,
    report_every: int = 1_000,
    seconds: float | None = None,
    title: str | None = None,
    new_episodes: bool = False,
) -> None:
    """Train until `algorithm.steps` reaches `steps`.

    Args:
        steps: transitions in all, those of earlier calls counted.
        folder: a run folder: metrics, checkpoints, and from where to go on if it holds a checkpoint. None keeps
            nothing and shows nothing; the newest episodes are then in `algorithm.rollout.episodes`.
        checkpoint_every: transitions between two checkpoints.
        report_every: transitions between two rows of `metrics.jsonl`.
        seconds: stop after so long by the clock (with a checkpoint), whatever `steps` says.
        title: first words of the progress line.
        new_episodes: where the training goes on from a checkpoint, the episodes that were open there end as by a
            time limit. For environments that are not deterministic, and cannot be brought back to where they were.
    """
    store = None if folder is None else CheckpointStore(Path(folder) / "checkpoints")
    returns: deque[float] = deque(maxlen=RETURN_WINDOW)
    checkpoint = store.load() if store else None
    if checkpoint is not None:
        _restore(algorithm, checkpoint, new_episodes)
        returns.extend(checkpoint.state["returns"])
    algorithm.plan(steps)
    if store is None:
        while algorithm.steps < steps:
            algorithm.advance()
            if len(algorithm.rollout.episodes) > 2 * MOST_EPISODES:
                del algorithm.rollout.episodes[:-MOST_EPISODES]
        return
    started = time.monotonic()
    with Telemetry(
        steps, "steps", title=title or algorithm.name, folder=folder, start=algorithm.steps, seconds=seconds
    ) as telemetry:
        next_report = _next_multiple(algorithm.steps, report_every)
        next_checkpoint = _next_multiple(algorithm.steps, checkpoint_every)
        reported = algorithm.steps
        row: dict[str, float] = {}
        while algorithm.steps < steps:
            if seconds is not None and time.monotonic() - started >= seconds:
                break
            algorithm.advance()
            keep = algorithm.steps >= next_checkpoint and algorithm.steps < steps
            # What has been summed up since the last row is not in a checkpoint, so a row comes before each.
            if keep or algorithm.steps >= next_report:
                row, reported = _report(algorithm, telemetry, returns), algorithm.steps
                next_report = _next_multiple(algorithm.steps, report_every)
            if telemetry.due():
                telemetry.show(algorithm.steps, _shown(returns, row))
            if algorithm.steps >= next_checkpoint:
                algorithm.rollout.history.mark(algorithm.steps)  # also at the end: a longer training does so here
            if keep:
                _keep(algorithm, store, returns)
                next_checkpoint = _next_multiple(algorithm.steps, checkpoint_every)
        if reported != algorithm.steps:
            row = _report(algorithm, telemetry, returns)
        if not store.steps() or store.steps()[-1] != algorithm.steps:
            _keep(algorithm, store, returns)
        telemetry.show(algorithm.steps, _shown(returns, row), last=True)


def save(algorithm: Algorithm, folder: str | Path) -> Path:
    """Write a checkpoint of everything an algorithm needs to go on."""
    return CheckpointStore(folder).save(algorithm.steps, *_everything(algorithm))


def load(algorithm: Algorithm, folder: str | Path, *, new_episodes: bool = False) -> None:
    """Go on from the newest good checkpoint in a folder; for `new_episodes` see `train`.

    Raises:
        UserError: there is none, or its environments cannot be brought back.
    """
    checkpoint = CheckpointStore(folder).load()
    if checkpoint is None:
        raise UserError(f"{folder} holds no checkpoint: name a folder that `save` wrote")
    _restore(algorithm, checkpoint, new_episodes)


def _everything(algorithm: Algorithm) -> tuple[dict[str, Any], dict[str, Shard]]:
    state, shards = algorithm.state()
    plain, arrays = algorithm.rollout.state()
    actions = arrays.pop("history.actions", None)
    kept = {"rollout": Shard(arrays)} | ({} if actions is None else _pieces(actions))
    return {**state, "rollout": plain}, {**shards, **kept}


def _pieces(actions: np.ndarray) -> dict[str, Shard]:
    """The actions since the oldest reset, (T, N, …), in pieces.

    Where episodes never end they are those of the whole training; a full piece is written once, then linked.
    """
    rows = max(PIECE // max(actions[:1].nbytes, 1), 1)
    shards = {}
    for number, first in enumerate(range(0, max(len(actions), 1), rows)):
        piece = actions[first : first + rows]
        version = int.from_bytes(hashlib.sha256(piece.tobytes()).digest()[:7]) if len(piece) == rows else None
        shards[f"actions_{number:05d}"] = Shard({"actions": piece}, version)
    return shards


def _restore(algorithm: Algorithm, checkpoint: Checkpoint, new_episodes: bool) -> None:
    """Become what `_everything` was taken from; the environments come last, as they may take long."""
    try:
        algorithm.restore(checkpoint)
    except KeyError as error:
        raise UserError(
            f"{checkpoint.folder} holds no {error.args[0]}: it was saved with other settings; load it with those"
        ) from None
    if "rollout" not in checkpoint.state:  # of version 0.1.0, which ended the open episodes at a checkpoint
        algorithm.rollout.restart(algorithm.steps)
        return
    plain, arrays = checkpoint.state["rollout"], checkpoint.shards["rollout"]
    pieces = [checkpoint.shards[name]["actions"] for name in sorted(checkpoint.shards) if name[:8] == "actions_"]
    if pieces:
        arrays = arrays | {"history.actions": np.concatenate(pieces)}
    algorithm.rollout.restore(plain, arrays, environments=not new_episodes)
    if new_episodes:
        algorithm.cut(algorithm.steps)


def _report(algorithm: Algorithm, telemetry: Telemetry, returns: deque[float]) -> dict[str, float]:
    """One row of figures since the last one, kept by the telemetry; the finished episodes go into `returns`."""
    finished = algorithm.rollout.take_episodes()
    returns.extend(e.episode_return for e in finished)
    row = algorithm.metrics()
    _check_finite(row, algorithm)
    if finished:
        row["return"] = float(np.mean([e.episode_return for e in finished]))
        row["length"] = float(np.mean([e.length for e in finished]))
    row["episodes"] = len(finished)
    telemetry.record(algorithm.steps, row)
    return row


def _keep(algorithm: Algorithm, store: CheckpointStore, returns: deque[float]) -> None:
    state, shards = _everything(algorithm)
    store.save(algorithm.steps, {**state, "returns": list(returns)}, shards)


def _shown(returns: deque[float], row: dict[str, float]) -> dict[str, float | str]:
    shown: dict[str, float | str] = {"return": float(np.mean(returns)) if returns else "…"}
    return shown | {name: row[name] for name in ("epsilon", "loss") if name in row}


def _check_finite(row: dict[str, float], algorithm: Algorithm) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise UserError(
                f"{name} became {value} by step {algorithm.steps}: lower the learning rate; "
                "the checkpoints before it are whole"
            )


def _next_multiple(step: int, every: int) -> int:
    return (step // every + 1) * every


def optimizer_arrays(optimizer: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """An optimiser's state as named arrays: `<parameter number>.<what>` (its settings come from the config)."""
    arrays = {}
    for index, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            arrays[f"{index}.{name}"] = value.detach().cpu().numpy()
    return arrays


def restore_optimizer(optimizer: torch.optim.Optimizer, arrays: dict[str, np.ndarray]) -> None:
    """Give an optimiser the state that `optimizer_arrays` took."""
    import torch

    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = torch.from_numpy(array.copy())
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
