"""`rlkit evaluate` and `rlkit watch`: what came of a run."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from agents import pretrained
from neuralcore.errors import UserError


@dataclass(frozen=True)
class EvaluateArguments:
    """Play whole episodes with a trained agent and print its mean return with an interval.

    In an environment that carries its model, also the agent's exact value and its gap to the optimal one.
    """

    run: tyro.conf.Positional[str]
    """run folder, agent folder, or pretrained:pong_a2c"""
    env: str = ""
    """environment id; by default the run's own"""
    env_args: tuple[str, ...] = ()
    """arguments of the environment, over those of the run, as slip=0.1"""
    episodes: int = 20
    """episodes played; 0 leaves it at the exact value"""
    seed: int = 10_000
    """of the environments"""
    stochastic: bool = False
    """act with the agent's own exploration"""
    discount: float | None = None
    """of the exact value, in (0, 1]; by default the one of the training, or else 0.99"""
    plot: Path | None = None
    """draw the gap of each state to this .png, .pdf or .svg file"""


@dataclass(frozen=True)
class WatchArguments:
    """Film one episode of a trained agent."""

    run: tyro.conf.Positional[str]
    """run folder, agent folder, or pretrained:pong_a2c"""
    env: str = ""
    """environment id; by default the run's own"""
    out: str = ""
    """film, an .mp4 or .gif file; by default video/episode.mp4, or .gif without ffmpeg, in the run folder,
    or for a pretrained agent in runs/<name>"""
    seed: int = 10_000
    """of the environment"""
    max_steps: int = 20_000
    """where the film ends if the episode does not"""
    stochastic: bool = False
    """act with the agent's own exploration"""


def evaluate(arguments: EvaluateArguments) -> int:
    """Play whole episodes with a trained agent and print its mean return with an interval."""
    import agents
    from neuralcore.checkpoint import write_arrays, write_text
    from neuralcore.device import set_threads
    from rlkit import evaluation
    from rlkit.drawing import check_picture

    if arguments.plot is not None:
        check_picture(arguments.plot)
    set_threads(1)  # as in training: more mostly wait for each other
    run = pretrained.resolve(arguments.run)
    agent = agents.load(run)
    env, env_args = environment_of(run, arguments.env, arguments.env_args)
    exact = _exact(agent, env, env_args, arguments)
    row: dict[str, Any] = {"env": env, **_trained_steps(run), "seed": arguments.seed}
    is_run = (run / "config.toml").is_file() and run == Path(arguments.run)
    if arguments.episodes or exact is None:
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
        if is_run:
            write_text(run / "evaluation.json", json.dumps({**row, **result.as_row()}))
    if exact is not None:
        print(f"gap to the optimal value, and what the agent does:\n{exact.text()}\n{exact.summary()}")
        if arguments.plot is not None:
            print(f"drawn to {exact.plot(arguments.plot, f'{run} in {env}, discount {exact.best.discount:g}')}")
        if is_run:
            digest = write_arrays(run / "exact.safetensors", exact.arrays())
            write_text(run / "exact.json", json.dumps({**row, **exact.as_row(), "arrays_sha256": digest}))
    return 0


def _exact(agent: Any, env: str, env_args: dict[str, Any], arguments: EvaluateArguments) -> Any:
    """The agent's exact evaluation, or None: in an environment without a model, or if it is recurrent."""
    from rlkit.environments import make_env
    from rlkit.exact import evaluate_exactly, is_tabular

    environment = make_env(env, **env_args)
    try:
        if is_tabular(environment) and not agent.recurrent:
            given = arguments.discount
            discount = _trained_discount(pretrained.resolve(arguments.run)) if given is None else given
            return evaluate_exactly(agent, environment, discount=discount, deterministic=not arguments.stochastic)
    finally:
        environment.close()
    for flag in ("discount", "plot"):
        if getattr(arguments, flag) is not None:
            why = "a recurrent agent has none" if agent.recurrent else f"{env} carries no model"
            raise UserError(f"--{flag} is for the exact value, and {why}: leave it out")
    return None


def _trained_steps(run: Path) -> dict[str, int]:
    """The transitions that the run's agent was trained for, where an earlier evaluation says so."""
    path = run / "evaluation.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {"steps": earlier["steps"]} if "steps" in earlier else {}


def _trained_discount(run: Path) -> float:
    """The discount in the run's config, whatever its algorithm."""
    path = _config(run)
    tables = tomllib.loads(path.read_text(encoding="utf-8")).values() if path else ()
    return next(
        (float(table["discount"]) for table in tables if isinstance(table, dict) and "discount" in table), 0.99
    )


def watch(arguments: WatchArguments) -> int:
    """Film one episode of a trained agent."""
    import agents
    from neuralcore.device import set_threads
    from rlkit.video import default_film, record_video

    set_threads(1)
    run = pretrained.resolve(arguments.run)
    agent = agents.load(run)
    env, env_args = environment_of(run, arguments.env)
    home = run if run == Path(arguments.run) else Path("runs") / run.name  # what is shipped is not written to
    path = Path(arguments.out or home / "video" / default_film())
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


def environment_of(folder: Path, env: str, env_args: tuple[str, ...] = ()) -> tuple[str, dict[str, Any]]:
    """The environment named with the arguments named, or the one the run was trained in with those it had."""
    from rlkit.environments import parse_env_args

    path = _config(folder)
    if env:
        return env, parse_env_args(env_args)
    if path is None:
        raise UserError(f"{folder} does not say which environment it is for: --env ID")
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return values["env"], {**parse_env_args(values.get("env_args", ())), **parse_env_args(env_args)}


def _config(folder: Path) -> Path | None:
    """The config of the run that a run folder or its agent folder belongs to."""
    return next((p for p in (folder / "config.toml", folder.parent / "config.toml") if p.is_file()), None)
