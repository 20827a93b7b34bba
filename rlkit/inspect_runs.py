"""`rlkit evaluate`, `rlkit watch` and `rlkit compare`: what came of a run."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class EvaluateArguments:
    """Play whole episodes with a trained agent and print its mean return with an interval."""

    run: tyro.conf.Positional[str]
    """run folder or agent folder"""
    env: str = ""
    """environment id; by default the run's own"""
    episodes: int = 20
    """episodes played"""
    seed: int = 10_000
    """of the environments"""
    stochastic: bool = False
    """act with the agent's own exploration"""


@dataclass(frozen=True)
class WatchArguments:
    """Film one episode of a trained agent."""

    run: tyro.conf.Positional[str]
    """run folder or agent folder"""
    env: str = ""
    """environment id; by default the run's own"""
    out: str = ""
    """film, an .mp4 file; by default <run>/video/episode.mp4"""
    seed: int = 10_000
    """of the environment"""
    max_steps: int = 20_000
    """where the film ends if the episode does not"""
    stochastic: bool = False
    """act with the agent's own exploration"""


@dataclass(frozen=True)
class CompareArguments:
    """Put evaluated runs side by side."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """run folders that hold an evaluation.json"""


def evaluate(arguments: EvaluateArguments) -> int:
    """Run `rlkit evaluate`."""
    import agents
    from neuralcore.checkpoint import write_text
    from rlkit import evaluation

    agent = agents.load(arguments.run)
    env, env_args = _environment(Path(arguments.run), arguments.env)
    result = evaluation.evaluate(
        agent,
        env,
        episodes=arguments.episodes,
        seed=arguments.seed,
        deterministic=not arguments.stochastic,
        **env_args,
    )
    low, high = result.interval()
    print(
        f"{env}: mean return {result.mean:.2f}, 95 % interval {low:.2f} to {high:.2f}, "
        f"{len(result.returns)} episodes, mean length {result.lengths.mean():.0f}"
    )
    if (Path(arguments.run) / "config.toml").is_file():
        row = {"env": env, "seed": arguments.seed, **result.as_row()}
        write_text(Path(arguments.run) / "evaluation.json", json.dumps(row))
    return 0


def watch(arguments: WatchArguments) -> int:
    """Run `rlkit watch`."""
    import agents
    from rlkit.video import record_video

    agent = agents.load(arguments.run)
    env, env_args = _environment(Path(arguments.run), arguments.env)
    path = Path(arguments.out or Path(arguments.run) / "video" / "episode.mp4")
    result = record_video(
        agent,
        env,
        path,
        seed=arguments.seed,
        deterministic=not arguments.stochastic,
        max_steps=arguments.max_steps,
        **env_args,
    )
    print(f"{path}: one episode of {env}, return {result.mean:g}, {int(result.lengths[0])} steps")
    return 0


def compare(arguments: CompareArguments) -> int:
    """Run `rlkit compare`."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from rlkit.evaluation import bootstrap_interval

    table = Table("run", "environment", "steps", "episodes", "mean return", "95 % interval", "min", "max")
    for run in arguments.runs:
        path = Path(run) / "evaluation.json"
        if not path.is_file():
            raise UserError(f"{path} is missing: rlkit evaluate {run}")
        row = json.loads(path.read_text(encoding="utf-8"))
        returns = np.array(row["returns"])
        low, high = bootstrap_interval(returns)
        figures = [f"{returns.mean():.2f}", f"{low:.2f} … {high:.2f}", f"{returns.min():g}", f"{returns.max():g}"]
        steps = f"{row['steps']:,}" if "steps" in row else "?"
        table.add_row(run, row["env"], steps, str(len(returns)), *figures)
    Console().print(table)
    return 0


def _environment(folder: Path, env: str) -> tuple[str, dict[str, Any]]:
    """The environment named, or the one the run was trained in with the arguments it had."""
    from rlkit.environments import parse_env_args

    path = next((p for p in (folder / "config.toml", folder.parent / "config.toml") if p.is_file()), None)
    if env or path is None:
        if not env:
            raise UserError(f"{folder} does not say which environment it is for: --env ID")
        return env, {}
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return values["env"], parse_env_args(values.get("env_args", ()))
