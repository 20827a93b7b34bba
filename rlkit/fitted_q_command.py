"""`rlkit collect` and `rlkit fitted-q`: a data set of transitions, and an agent from it without further play."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from neuralcore.errors import UserError
from rlkit.fitted_q_config import FittedQConfig


@dataclass(frozen=True)
class CollectArguments:
    """Gather transitions in an environment and keep them as a data set."""

    env: tyro.conf.Positional[str]
    """environment id, such as CartPole-v1"""
    out: Path
    """folder to write the data set to; it must not hold one yet"""
    env_args: tuple[str, ...] = ()
    """arguments of the environment, as layout=cliff slip=0.1"""
    steps: int = 10_000
    """transitions"""
    agent: str = ""
    """run or agent folder of who acts, with its own exploration; none takes all actions alike"""
    num_envs: int = 1
    """environments stepped together"""
    seed: int = 0
    """of everything random"""

    def __post_init__(self) -> None:
        for name in ("steps", "num_envs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True)
class FittedQArguments:
    """Learn an agent from a data set alone; the same command goes on where it stopped."""

    data: tyro.conf.Positional[Path]
    """folder that `rlkit collect` wrote, or a .npz or .safetensors file with the same arrays"""
    env: str = ""
    """environment id; by default the data set's own"""
    env_args: tuple[str, ...] = ()
    """arguments of the environment; by default the data set's own"""
    iterations: int = 100
    """regressions in all"""
    seed: int = 0
    """of everything random"""
    run: str = ""
    """run folder; by default runs/fitted-q-<environment>-seed<seed>"""
    checkpoint_every: int = 20
    """iterations between two checkpoints"""
    evaluate_episodes: int = 20
    """greedy episodes played once it is over; 0 for none"""
    fitted_q: FittedQConfig = field(default_factory=FittedQConfig)

    def __post_init__(self) -> None:
        for name in ("iterations", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")


def collect(arguments: CollectArguments) -> int:
    """Run `rlkit collect`."""
    import agents
    from rlkit import dataset
    from rlkit.environments import make_vector_env, parse_env_args

    if (arguments.out / "data.json").exists():
        raise UserError(f"{arguments.out} holds a data set already: choose another --out")
    env = make_vector_env(arguments.env, arguments.num_envs, **parse_env_args(arguments.env_args))
    agent = agents.load(arguments.agent) if arguments.agent else None
    data = dataset.collect(env, arguments.steps, agent=agent, num_envs=arguments.num_envs, seed=arguments.seed)
    env.close()
    dataclasses.replace(data, env=arguments.env, env_args=arguments.env_args).save(arguments.out)
    last = int(data.terminated_t.sum())
    print(f"{arguments.out}: {len(data):,} transitions of {arguments.env}, after {last:,} of them nothing follows")
    print(f"to learn from them: rlkit fitted-q {arguments.out}")
    return 0


def fitted_q(arguments: FittedQArguments) -> int:
    """Run `rlkit fitted-q`."""
    import neuralcore
    from neuralcore.checkpoint import write_text
    from neuralcore.config import defaults, to_mapping
    from neuralcore.device import set_threads
    from neuralcore.run_folder import RunFolder
    from neuralcore.telemetry import Telemetry
    from rlkit.environments import parse_env_args
    from rlkit.evaluation import evaluate
    from rlkit.fitted_q import FittedQ
    from rlkit.train import safe

    set_threads(1)
    data = _read(arguments)
    if not data.env and arguments.evaluate_episodes:
        raise UserError(f"{arguments.data} does not say which environment it is of: --env ID")
    run = Path(arguments.run or f"runs/fitted-q-{safe(data.env)}-seed{arguments.seed}")
    kept = dataclasses.replace(arguments, run=str(run), env=data.env, env_args=data.env_args)
    values = {**to_mapping(kept), "data": str(arguments.data), "data_sha256": _digest(data)}
    learner = FittedQ(data, arguments.fitted_q, seed=arguments.seed)
    may_differ = ("iterations", "run", "checkpoint_every", "evaluate_episodes", "data")
    config = {"algorithm": "fitted-q", **values}
    with RunFolder(run, config, may_differ, defaults(FittedQArguments)) as folder:
        checkpoint = folder.checkpoints.load()
        if checkpoint is not None:
            learner.restore(checkpoint)
            print(f"{run}: going on from iteration {learner.iterations:,}")
        total, start = arguments.iterations, learner.iterations
        with Telemetry(total, "iterations", title=f"fitted-q {data.env}", folder=run, start=start) as telemetry:
            figures: dict[str, Any] = {}
            while learner.iterations < total:
                figures = learner.iterate()
                telemetry.record(learner.iterations, figures)
                if telemetry.due():
                    telemetry.show(learner.iterations, figures)
                if learner.iterations % arguments.checkpoint_every == 0 or learner.iterations == total:
                    folder.checkpoints.save(learner.iterations, *learner.state())
            telemetry.show(learner.iterations, figures, last=True)
        agent: Any = learner.agent
        agent.save(run / "agent")
        text = f"{learner.iterations:,} iterations on {len(data):,} transitions"
        if arguments.evaluate_episodes:
            env_args = parse_env_args(data.env_args)
            result = evaluate(agent, data.env, episodes=arguments.evaluate_episodes, **env_args)
            row = {"env": data.env, "steps": len(data), "seed": arguments.seed, **result.as_row()}
            write_text(run / "evaluation.json", json.dumps(row))
            low, high = result.interval()
            text = (
                f"mean return of {len(result.returns)} greedy episodes {result.mean:.2f} "
                f"(95 % interval {low:.2f} to {high:.2f}) after {text}"
            )
        card = f"# fitted-q on {data.env}\n\n{text}; seed {arguments.seed}.\n\nSettings: `config.toml`. "
        write_text(run / "card.md", f"{card}Data: {arguments.data}. rlgraphkit {neuralcore.__version__}.\n")
    print(f"{text}\nrun folder {run}: agent/ metrics.jsonl card.md checkpoints/")
    return 0


def _read(arguments: FittedQArguments) -> Any:
    """The data set: a folder says what it is of, a file needs --env."""
    from rlkit.dataset import Dataset, read_file
    from rlkit.environments import make_env, parse_env_args

    if arguments.data.suffix not in (".npz", ".safetensors"):
        data = Dataset.load(arguments.data)
        return dataclasses.replace(data, env=arguments.env or data.env, env_args=arguments.env_args or data.env_args)
    if not arguments.data.exists():
        raise UserError(f"{arguments.data} is missing: rlkit collect writes data sets")
    if not arguments.env:
        raise UserError(f"{arguments.data} does not say which environment it is of: --env ID")
    env = make_env(arguments.env, **parse_env_args(arguments.env_args))
    spaces = env.observation_space, env.action_space
    env.close()
    return read_file(arguments.data, *spaces, env=arguments.env, env_args=arguments.env_args)


def _digest(data: Any) -> str:
    """A hash of the transitions, so that a run does not go on with others."""
    import hashlib

    import numpy as np

    from rlkit.dataset import ARRAYS

    hasher = hashlib.sha256()
    for name in ARRAYS:
        hasher.update(np.ascontiguousarray(getattr(data, name)).data)
    return hasher.hexdigest()
