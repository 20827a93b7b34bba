"""`rlkit train`: an algorithm by name or a TOML file, an environment, a run folder."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from neuralcore.config import defaults, find_config, from_mapping, parse, preset_folder, read_toml, to_mapping
from neuralcore.errors import UserError, nearest


class Algorithm(NamedTuple):
    """Where an algorithm lives: `module` has `learner`; `<module>_config`, which imports no torch, has `config`."""

    module: str
    learner: str
    config: str
    network: bool = False  # whether there is a device to choose


ALGORITHMS = {
    "dqn": Algorithm("rlkit.dqn", "DQN", "DQNConfig", network=True),
    "a2c": Algorithm("rlkit.a2c", "A2C", "A2CConfig", network=True),
    "ppo": Algorithm("rlkit.ppo", "PPO", "PPOConfig", network=True),
    "reinforce": Algorithm("rlkit.reinforce", "REINFORCE", "REINFORCEConfig", network=True),
    "q-learning": Algorithm("rlkit.tabular", "QLearning", "TDConfig"),
    "sarsa": Algorithm("rlkit.tabular", "SARSA", "TDConfig"),
    "expected-sarsa": Algorithm("rlkit.tabular", "ExpectedSARSA", "TDConfig"),
    "linear-q": Algorithm("rlkit.linear_q", "LinearQ", "LinearQConfig"),
    "monte-carlo": Algorithm("rlkit.tabular", "MonteCarloControl", "TabularConfig"),
}
USAGE = "usage: rlkit train ALGORITHM|FILE.toml [flags]"


@dataclass(frozen=True)
class TrainArguments:
    """Train an agent; the same command goes on where it stopped."""

    env: str = ""
    """environment id, such as CartPole-v1 or ALE/Pong-v5"""
    env_args: tuple[str, ...] = ()
    """arguments of the environment, as layout=cliff slip=0.1"""
    steps: int = 100_000
    """transitions in all"""
    seed: int = 0
    """of everything random"""
    run: str = ""
    """run folder; by default runs/<algorithm>-<environment>-seed<seed>"""
    checkpoint_every: int = 50_000
    """transitions between two checkpoints"""
    seconds: float | None = None
    """stop after so many seconds, with a checkpoint"""
    evaluate_episodes: int = 20
    """greedy episodes played once the training is over; 0 for none"""
    new_episodes: bool = False
    """where it goes on, end the episodes that were open: for environments that are not deterministic"""
    step_timeout: float = 300.0
    """seconds after which a step of the environments that has not ended ends the command; 0 waits for ever"""

    def __post_init__(self) -> None:
        if self.step_timeout < 0:
            raise ValueError(f"step_timeout must be 0 (wait for ever) or more, got {self.step_timeout}")


@dataclass(frozen=True)
class NetworkArguments(TrainArguments):
    """What an algorithm with a network is asked besides."""

    device: str = "auto"
    """auto, cpu or cuda"""
    threads: int = 1
    """torch threads; more than one mostly wait for each other, and for the emulator's, at batches of 32"""


def parse_arguments(words: Sequence[str], prog: str) -> tuple[str, Any]:
    """The algorithm's name and its arguments: defaults, then the TOML file, then flags."""
    if not words or words[0] in ("-h", "--help"):
        presets = sorted(p.relative_to(preset_folder()).as_posix() for p in preset_folder().glob("rl/*.toml"))
        print(f"{USAGE}\n\nalgorithms: {', '.join(ALGORITHMS)}   (their flags: rlkit train dqn --help)")
        print("presets:    " + "\n            ".join(f"configs/{name}" for name in presets))
        raise SystemExit(0)
    first, flags = words[0], words[1:]
    if first.startswith("-"):
        raise UserError(f"name an algorithm or a .toml file first: {USAGE}")
    if first.endswith(".toml"):
        path = find_config(first)
        values = read_toml(path)
        algorithm = values.pop("algorithm", None)
        if algorithm not in ALGORITHMS:
            raise UserError(f"{path}: algorithm = {algorithm!r}: {nearest(str(algorithm), ALGORITHMS)}")
        default: Any = from_mapping(_arguments_class(algorithm), values, path)
    else:
        algorithm, default = first, None
        if algorithm not in ALGORITHMS:
            raise UserError(f"unknown algorithm {algorithm!r}: {nearest(algorithm, ALGORITHMS)}")
    cls = _arguments_class(algorithm)
    arguments = parse(cls, flags, prog=f"{prog} {first}", description=cls.__doc__ or "", default=default)
    if not arguments.env:
        raise UserError("name an environment: --env CartPole-v1 or --env GridWorld-v0")
    return algorithm, arguments


def _arguments_class(algorithm: str) -> type:
    """`TrainArguments` with one field more: the algorithm's config, under its name."""
    entry = ALGORITHMS[algorithm]
    config = getattr(importlib.import_module(f"{entry.module}_config"), entry.config)
    return dataclasses.make_dataclass(
        f"Train{entry.learner}",
        [(table_of(algorithm), config, field(default_factory=config))],
        bases=(NetworkArguments if entry.network else TrainArguments,),
        frozen=True,
        namespace={"__doc__": TrainArguments.__doc__, "__module__": __name__},
    )


def table_of(algorithm: str) -> str:
    """The algorithm's table in a TOML file: `[q_learning]`."""
    return algorithm.replace("-", "_")


def train(parsed: tuple[str, Any]) -> int:
    """Train, evaluate, and leave the agent, its figures and its card in the run folder."""
    import json

    import neuralcore
    from neuralcore.checkpoint import write_text
    from neuralcore.device import set_threads
    from neuralcore.run_folder import RunFolder
    from rlkit import loop
    from rlkit.environments import make_vector_env, parse_env_args
    from rlkit.evaluation import evaluate
    from rlkit.watchdog import watch

    algorithm_name, arguments = parsed
    run = Path(arguments.run or f"runs/{algorithm_name}-{safe(arguments.env)}-seed{arguments.seed}")
    # What is kept is a command in itself: `rlkit train <run>/config.toml` goes on from here, without a clock.
    kept = dataclasses.replace(arguments, run=str(run), seconds=None, new_episodes=False)
    config = {"algorithm": algorithm_name, **to_mapping(kept)}
    algorithm_config = getattr(arguments, table_of(algorithm_name))
    _hint_at_preset(arguments, algorithm_name, algorithm_config)
    env_args = parse_env_args(arguments.env_args)
    env = make_vector_env(arguments.env, algorithm_config.num_envs, **env_args)
    entry = ALGORITHMS[algorithm_name]
    device = {}
    if entry.network:
        device["device"] = arguments.device
        set_threads(arguments.threads)
    learner = getattr(importlib.import_module(entry.module), entry.learner)
    algorithm = learner(env, algorithm_config, seed=arguments.seed, **device)
    # Nothing is written before all that could be wrong with the words has been found out.
    may_differ = (
        "steps",
        "run",
        "evaluate_episodes",
        "new_episodes",
        "step_timeout",
        f"{table_of(algorithm_name)}.trunk_from",  # the checkpoint has its weights
        "dqn.replay_folder",
        "dqn.replay_on_device",
    )
    keeping = RunFolder(run, config, may_differ, defaults(type(arguments)))
    with keeping as folder, watch(algorithm.rollout, arguments.step_timeout):
        done = folder.checkpoints.steps()
        if done:
            print(f"{run}: going on from step {done[-1]:,}")
        loop.train(
            algorithm,
            arguments.steps,
            folder=run,
            checkpoint_every=arguments.checkpoint_every,
            seconds=arguments.seconds,
            title=f"{algorithm_name} {arguments.env}",
            new_episodes=arguments.new_episodes,
        )
        algorithm.agent.save(run / "agent")
        env.close()
        figures = f"{algorithm.steps:,} transitions, not evaluated"
        if arguments.evaluate_episodes:
            evaluation = evaluate(algorithm.agent, arguments.env, episodes=arguments.evaluate_episodes, **env_args)
            row = {"env": arguments.env, "steps": algorithm.steps, "seed": arguments.seed, **evaluation.as_row()}
            write_text(run / "evaluation.json", json.dumps(row))
            low, high = evaluation.interval()
            figures = (
                f"mean return of {len(evaluation.returns)} greedy episodes {evaluation.mean:.2f} "
                f"(95 % interval {low:.2f} to {high:.2f}) after {algorithm.steps:,} transitions"
            )
        command = f"rlkit train {run}/config.toml"
        card = f"# {algorithm_name} on {arguments.env}\n\n{figures}; seed {arguments.seed}.\n\n"
        card += f"Settings: `config.toml`. Command: `{command}`. rlgraphkit {neuralcore.__version__}.\n"
        write_text(run / "card.md", card)
    print(f"{figures}\nrun folder {run}: agent/ metrics.jsonl card.md checkpoints/")
    if algorithm.steps < arguments.steps:
        print(f"to go on from here: {command}")
    return 0


def safe(env_id: str) -> str:
    return env_id.replace("/", "-").replace(":", "-")


def preset_of(settings: dict[str, Any]) -> str:
    """The preset that trains as a run's `config.toml` does, but for seed, length, folder and comfort; "" if none."""
    cls = _arguments_class(settings["algorithm"])
    same = ("env", "env_args", table_of(settings["algorithm"]))

    def training(values: dict[str, Any], source: Path | None) -> dict[str, Any]:
        values = {key: value for key, value in values.items() if key != "algorithm"}
        mapping = to_mapping(from_mapping(cls, values, source))
        return {key: mapping[key] for key in same}

    for path in sorted(preset_folder().glob("rl/*.toml")):
        values = read_toml(path)
        if values.get("algorithm") == settings["algorithm"] and training(values, path) == training(settings, None):
            return f"configs/rl/{path.name}"
    return ""


def _hint_at_preset(arguments: TrainArguments, algorithm: str, config: Any) -> None:
    """DQN's defaults are for Atari and do not suit a cart and a pole: name the preset for the environment, if any."""
    if config != type(config)():
        return
    for path in sorted(preset_folder().glob("rl/*.toml")):
        values = read_toml(path)
        asked = algorithm, arguments.env, arguments.env_args
        if (values.get("algorithm"), values.get("env"), tuple(values.get("env_args", ()))) == asked:
            print(f"these are the defaults of {algorithm}; a preset for {arguments.env}: configs/rl/{path.name}")
