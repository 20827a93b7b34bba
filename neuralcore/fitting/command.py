"""`neuralcore fit`: from a file of settings to a fitted model with honest figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neuralcore.config import defaults, find_config, from_mapping, parse, read_toml, to_mapping
from neuralcore.errors import UserError
from neuralcore.fitting.tasks import TASKS, config_class


@dataclass(frozen=True)
class RunSettings:
    """Where and how a fit runs."""

    run: str = ""
    """run folder; by default runs/<name of the file>"""
    seed: int = 0
    """of everything random"""
    threads: int | None = None
    """torch threads; by default all processors"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""


@dataclass(frozen=True)
class FitArguments:
    """Fit a network to data; the same command goes on where it stopped."""

    file: str
    task: str
    where: RunSettings
    config: Any


COMMON = tuple(f.name for f in dataclasses.fields(RunSettings))


def parse_arguments(words: Sequence[str], prog: str) -> FitArguments:
    """The settings of a TOML file, flags over them. The file's `task` says which settings there are."""
    return FitArguments(*file_and_flags(words, prog, RunSettings, FitArguments.__doc__ or ""))


def file_and_flags(words: Sequence[str], prog: str, settings: Any, description: str) -> tuple[str, str, Any, Any]:
    """(file, task, a command's own settings, the task's config): those of a TOML file, flags over them.

    Args:
        settings: a dataclass with the command's own; what others have of a run's settings is passed over.
    """
    at = next((i for i, word in enumerate(words) if not word.startswith("-") and word.endswith(".toml")), None)
    if at is None:
        if not words or {"-h", "--help"} & set(words):
            print(f"usage: {prog} CONFIG.toml [options]\n\n{description}\n")
            print(f"CONFIG.toml names a task ({', '.join(TASKS)}) and its settings, or is a preset such as")
            print(f"configs/vision/fashion_resnet.toml. Its options: {prog} CONFIG.toml --help")
            raise SystemExit(0 if words else 2)
        raise UserError(f"{prog} needs a .toml file first, such as configs/vision/fashion_resnet.toml")
    path = find_config(words[at])
    values = read_toml(path)
    if "task" not in values:
        raise UserError(f"{path}: 'task' is required: one of {', '.join(TASKS)}")
    task = values.pop("task")
    try:
        cls = config_class(task)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    common = {name: values.pop(name) for name in COMMON if name in values}
    mine = {f.name for f in dataclasses.fields(settings)}
    where = from_mapping(settings, {name: value for name, value in common.items() if name in mine}, path)
    config = from_mapping(cls, values, path)
    both = dataclasses.make_dataclass(
        "Both",
        [("where", settings, field(default_factory=settings)), ("config", cls)],
        frozen=True,
        kw_only=True,
    )
    rest = [*words[:at], *words[at + 1 :]]
    given = parse(
        both, rest, prog=f"{prog} {words[at]}", description=description, default=both(where=where, config=config)
    )
    return str(path), task, given.where, given.config


def fit(arguments: FitArguments) -> int:
    """Fit, judge by the test examples, and leave the model, its card and pictures in the run folder."""
    from neuralcore.device import choose_device, set_threads
    from neuralcore.fitting.loop import evaluate
    from neuralcore.fitting.loop import fit as fit_task
    from neuralcore.fitting.pictures import curves
    from neuralcore.fitting.saved import save_model
    from neuralcore.lazy import installed
    from neuralcore.run_folder import RunFolder
    from neuralcore.telemetry import duration

    where, config = arguments.where, arguments.config
    device = choose_device(where.device)  # one that is missing is told before the data are read
    name = (
        Path(arguments.file).stem if Path(arguments.file).name != "config.toml" else Path(arguments.file).parent.name
    )
    run = Path(where.run or f"runs/{name}")
    RunFolder.check(run)
    kept = {"task": arguments.task, **to_mapping(dataclasses.replace(where, run=str(run))), **to_mapping(config)}
    threads = set_threads(where.threads)
    task = config.build(where.seed)
    count = sum(p.numel() for p in task.model.parameters())
    print(f"{arguments.file}: {arguments.task}, {count:,} weights")
    may_differ = ("run", "threads", "device", "data", "fit.checkpoint_minutes")
    standing = defaults(RunSettings) | defaults(type(config))
    with RunFolder(run, kept, may_differ, standing) as folder:
        done = folder.checkpoints.steps()
        if done:
            print(f"{run}: going on from step {done[-1]:,}")
        found = fit_task(task, config.fit, seed=where.seed, folder=run, device=device, title=name)
        save_model(run / "model", task.model, arguments.task, config, task.description)
        by = f"{threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else str(device)
        took = f"{duration(found.wall)}, {found.cpu:,.0f} CPU-s"
        card = (
            f"# {name}\n\n{arguments.task}, {count:,} weights; {found.epoch:g} epochs of {found.steps:,} steps, seed "
        )
        card += f"{where.seed}, {by}{', stopped early' if found.stopped else ''}; {took}.\n\n"
        times = {"epochs": found.epoch, "steps": found.step, "wall_seconds": found.wall, "cpu_seconds": found.cpu}
        _write_json(run / "fit.json", times)
        for split in ("valid", "test"):
            figures = evaluate(task, split, device, config.fit)
            if figures:
                line = f"{split}: " + ", ".join(f"{key} {value:.4f}" for key, value in figures.items())
                print(line)
                card += line + "\n\n"
                _write_json(run / f"{split}.json", figures)
        if installed("matplotlib"):
            import torch

            curves(found.history, run / "curves.png")
            with torch.no_grad():
                task.draw(run)
        from neuralcore.checkpoint import write_text

        write_text(run / "card.md", card + f"Command: `neuralcore fit {run}/config.toml`\n")
    print(f"run folder {run}: model/ card.md metrics.jsonl checkpoints/ and pictures")
    return 0


def _write_json(path: Path, figures: dict[str, float]) -> None:
    import json

    from neuralcore.checkpoint import write_text
    from neuralcore.fitting.loop import finite

    write_text(path, json.dumps(finite(figures), indent=1) + "\n")
