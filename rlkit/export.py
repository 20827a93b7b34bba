"""`rlkit export`: a trained agent as a small folder to give away.

rlkit export runs/pong-a2c --out pong_a2c      agent/ config.toml evaluation.json curve.csv curve.png card.md

The folder is a run folder without its checkpoints: `rlkit evaluate`, `rlkit watch` and `agents.load` take it, and
`rlkit train pong_a2c/config.toml` trains such an agent anew. Nothing in it can run code.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class ExportArguments:
    """Write a trained agent as a small folder to give away: weights, settings, figures, learning curve and card."""

    run: tyro.conf.Positional[str]
    """run folder"""
    out: str
    """folder to write; it must not exist yet"""
    weights: Literal["float16", "float32"] = "float16"
    """how the weights are stored; the agent is evaluated with them as they are stored"""
    episodes: int = 20
    """greedy episodes played for the card"""
    seed: int = 10_000
    """of the environments they are played in"""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ValueError(f"episodes must be 1 or more, got {self.episodes}")


def export(arguments: ExportArguments) -> int:
    """Write a trained agent as a small folder to give away."""
    import agents
    from agents.agent import repack
    from neuralcore.checkpoint import write_text
    from neuralcore.config import read_toml, to_toml
    from neuralcore.device import set_threads
    from rlkit.curves import learning_curve
    from rlkit.environments import parse_env_args
    from rlkit.evaluation import evaluate

    run, out = Path(arguments.run), Path(arguments.out)
    if out.exists():
        raise UserError(f"{out} exists: remove it, or choose another --out")
    if not (run / "config.toml").is_file():
        raise UserError(f"{run} is no run folder (no config.toml): name one that `rlkit train` made")
    set_threads(1)  # as in training: more mostly wait for each other
    agents.load(run)
    settings = read_toml(run / "config.toml")
    settings.pop("run", None)  # the place of this run is nobody else's
    steps = _steps(run)
    curve = learning_curve(run, steps)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        repack(run, partial / "agent", arguments.weights)
        agent = agents.load(partial)
        env_args = parse_env_args(settings.get("env_args", ()))
        evaluation = evaluate(agent, settings["env"], episodes=arguments.episodes, seed=arguments.seed, **env_args)
        row = {"env": settings["env"], "steps": steps, "seed": arguments.seed, **evaluation.as_row()}
        write_text(partial / "evaluation.json", json.dumps(row))
        write_text(partial / "config.toml", to_toml(settings))
        curve.write(partial / "curve.csv")
        curve.plot(partial / "curve.png", f"{settings['algorithm']} on {settings['env']}, seed {settings['seed']}")
        size = (partial / "agent" / "weights.safetensors").stat().st_size
        write_text(partial / "card.md", card(out.name, settings, row, agent, arguments.weights, size))
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    low, high = evaluation.interval()
    print(
        f"{out}: {size / 1e6:.1f} MB of weights in {arguments.weights}; mean return of {arguments.episodes} greedy "
        f"episodes {evaluation.mean:.2f} (95 % interval {low:.2f} to {high:.2f})"
    )
    return 0


def _steps(run: Path) -> int:
    """How many transitions the run's agent has been trained for."""
    path = run / "evaluation.json"
    steps = json.loads(path.read_text(encoding="utf-8")).get("steps") if path.is_file() else None
    if steps is None:
        raise UserError(f"{run} does not say how long its agent was trained: rlkit train {run}/config.toml")
    return int(steps)


def _command(settings: dict[str, Any]) -> str:
    """The command that trains such an agent: of a preset with just these settings, or else of the exported ones."""
    from rlkit.train import preset_of

    preset = preset_of(settings)
    return f"rlkit train {preset} --seed {settings['seed']}" if preset else "rlkit train config.toml"


def card(name: str, settings: dict[str, Any], row: dict[str, Any], agent: Any, weights: str, size: int) -> str:
    """The model card: what the agent is, how well it plays, and how it came to be."""
    import neuralcore

    low, high = row["interval_95"]
    architecture = getattr(agent, "architecture", {})
    network = ", ".join(f"{key} {str(value).strip('[]')}" for key, value in architecture.items())
    count = sum(parameter.numel() for parameter in agent.network.parameters()) if network else 0
    lines = [
        f"# {name}: {settings['algorithm']} on {settings['env']}",
        "",
        f"Mean return of {row['episodes']} greedy episodes: **{row['mean_return']:.2f}** (95 % interval {low:.2f} to "
        f"{high:.2f}, from {row['min_return']:g} to {row['max_return']:g}), environments seeded from {row['seed']}, "
        f"after {row['steps']:,} of {settings['steps']:,} planned transitions. One training, seed "
        f"{settings['seed']}: another seed may do better or worse.",
        "",
        "![Learning curve](curve.png)",
        "",
        f"- Observations `{agent.observation_space}`, actions `{agent.action_space}`.",
        f"- {network.capitalize()}; {count:,} weights in {weights}, {size / 1e6:.1f} MB." if network else "",
        f"- Trained by `{_command(settings)}`; the curve's points are in `curve.csv`.",
        "- Judged by `rlkit evaluate` (`evaluation.json`), with the weights as they are stored here.",
        f'- Played by `agents.load("{name}").act(observation)` or `rlkit watch {name}`, {name} being this folder. '
        f"Written by rlgraphkit {neuralcore.__version__}; safetensors and JSON, nothing that can run code.",
    ]
    return "\n".join(line for i, line in enumerate(lines) if line or i in (1, 3, 5)) + "\n"
