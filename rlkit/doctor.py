"""`rlkit doctor`: is an environment sound, what can learn in it, how fast is it?

rlkit doctor CartPole-v1
rlkit doctor my_package.worlds:MyWorld --env-args size=5
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from neuralcore.errors import UserError

if TYPE_CHECKING:
    import gymnasium as gym

STEPS = 1_000


@dataclass(frozen=True)
class DoctorArguments:
    """Check an environment before training in it."""

    env: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="ENV")]]
    """environment id, or MODULE:CLASS or MODULE:FUNCTION of your own, found from the current folder"""
    env_args: tuple[str, ...] = ()
    """arguments of the environment, as layout=cliff slip=0.1"""
    seed: int = 0
    """of the environment and of the random actions"""


class Finding(Exception):
    """What is wrong with the environment, and what to do."""


def doctor(arguments: DoctorArguments) -> int:
    """Check an environment: spaces, seeds, steps, its model, copies of it.

    Returns:
        0, or 1 if something is wrong with it.
    """
    from rlkit.environments import make_env, parse_env_args

    env_args = parse_env_args(arguments.env_args)
    environment = make_env(arguments.env, **env_args)
    wrong = 0
    try:
        for fine, line in examine(environment, arguments, env_args):
            wrong += not fine
            print(f"  {'ok   ' if fine else 'WRONG'} {line}", flush=True)
    finally:
        environment.close()
    print(f"{arguments.env}: " + ("sound" if not wrong else f"{wrong} of its checks found something wrong"))
    return 1 if wrong else 0


def examine(env: gym.Env, arguments: DoctorArguments, env_args: dict[str, Any]) -> Iterator[tuple[bool, str]]:
    """(whether it is fine, a line that says what) for each thing that was looked at; one check's end is not all's."""
    for name, check in _checks(env, arguments, env_args):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the checks below say it themselves
                for line in check():
                    yield True, f"{name}: {line}"
        except (Finding, UserError) as finding:
            yield False, f"{name}: {finding}"
        except Exception as error:  # whatever an environment raises is what is wrong with it
            yield False, f"{name}: raised {type(error).__name__}: {_one_line(error)}"


def _checks(
    env: gym.Env, arguments: DoctorArguments, env_args: dict[str, Any]
) -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
    yield "spaces", lambda: _spaces(env)
    yield "gymnasium's own checker", lambda: _gymnasium(env)
    yield "seeds", lambda: _seeds(env, arguments.seed)
    yield "steps", lambda: _steps(env, arguments.seed)
    if hasattr(env.unwrapped, "model") or hasattr(env.unwrapped, "P"):
        yield "model", lambda: _model(env, arguments.seed)
    yield "copies", lambda: _copies(arguments, env_args)


def _spaces(env: gym.Env) -> Iterator[str]:
    from gymnasium.spaces import Box, Discrete

    seen, done = env.observation_space, env.action_space
    if not isinstance(seen, (Box, Discrete)):
        raise Finding(
            f"observations are {seen}: learners here take Box and Discrete; "
            "wrap the environment in a function named by MODULE:FUNCTION"
        )
    if not isinstance(done, (Box, Discrete)):
        raise Finding(f"actions are {done}: learners here take Discrete and Box; give each combination a number")
    if isinstance(done, Box) and not (done.is_bounded()):
        raise Finding(f"actions are {done}, without bounds: give low and high")
    yield f"observations {_short(seen)}, actions {_short(done)}"
    if isinstance(seen, Discrete) and isinstance(done, Discrete):
        yield "tables can learn in it: rlkit train q-learning"
    if isinstance(done, Discrete):
        yield "networks can learn in it: rlkit train dqn, a2c, ppo or reinforce"
    else:
        yield "networks can learn in it: rlkit train a2c, ppo or reinforce"


def _gymnasium(env: gym.Env) -> Iterator[str]:
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, skip_render_check=True)
    yield "passed"
    for advice in dict.fromkeys(_one_line(warning.message) for warning in caught):
        yield f"it advises: {advice}"


def _seeds(env: gym.Env, seed: int) -> Iterator[str]:
    import numpy as np

    runs = []
    for _ in range(2):
        observation, _ = env.reset(seed=seed)
        env.action_space.seed(seed)
        trace = [observation]
        for _ in range(100):
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            trace += [observation, reward]
            if terminated or truncated:
                trace.append(env.reset()[0])
        runs.append(trace)
    same = len(runs[0]) == len(runs[1]) and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*runs))
    if not same:
        raise Finding(f"seed {seed} and the same actions gave two different episodes: draw from self.np_random alone")
    yield f"seed {seed} twice is the same 100 steps"


def _steps(env: gym.Env, seed: int) -> Iterator[str]:
    import numpy as np

    observation, _ = env.reset(seed=seed)
    returns, earned, ended, started = [], 0.0, 0, time.perf_counter()
    for step in range(STEPS):
        action = env.action_space.sample()
        observation, reward, terminated, truncated, _ = env.step(action)
        if not env.observation_space.contains(observation):
            shown = np.asarray(observation)
            raise Finding(
                f"step {step} showed {_one_line(observation)} ({shown.dtype}, shape {shown.shape}), which is not in "
                f"{_short(env.observation_space)}: mend the space or the observation"
            )
        if not np.isfinite(float(reward)):
            raise Finding(f"step {step} with action {action} paid {reward}: rewards must be finite")
        earned += float(reward)
        if terminated or truncated:
            ended += 1
            returns.append(earned)
            earned = 0.0
            env.reset()
    speed = STEPS / (time.perf_counter() - started)
    yield f"{STEPS:,} random ones at {speed:,.0f} a second, all observations in the space, all rewards finite"
    if not ended:
        raise Finding(f"no episode ended in {STEPS:,} random steps: end it, or give it max_episode_steps")
    yield f"{ended} episodes, mean return {np.mean(returns):.4g}"


def _model(env: gym.Env, seed: int) -> Iterator[str]:
    """Whether every step that is taken is one that the model knows."""
    from gymnasium.spaces import Discrete

    from rlkit.mdp import MDP

    mdp = MDP.of(env)
    yield f"{mdp.states:,} states, {mdp.actions} actions"
    table = getattr(env.unwrapped, "P", None)
    if table is None or not isinstance(env.observation_space, Discrete):
        return
    state, _ = env.reset(seed=seed)
    for step in range(STEPS):
        action = int(env.action_space.sample())
        successor, reward, terminated, truncated, _ = env.step(action)
        known = [(s, float(r), bool(end)) for p, s, r, end in table[int(state)][action] if p > 0]
        if (int(successor), float(reward), bool(terminated)) not in known:
            raise Finding(
                f"step {step} went from state {state} by action {action} to {successor} for {reward}, terminated "
                f"{terminated}: the model knows {known}"
            )
        state = env.reset()[0] if terminated or truncated else successor
    yield f"{STEPS:,} steps are as it says; plan in it: rlkit solve"


def _copies(arguments: DoctorArguments, env_args: dict[str, Any]) -> Iterator[str]:
    from rlkit.environments import make_vector_env
    from rlkit.rollout import Rollout

    vector = make_vector_env(arguments.env, 2, **env_args)
    rollout = Rollout(vector, arguments.seed)
    for _ in range(100):
        rollout.step(vector.action_space.sample())
    vector.close()
    yield "two side by side step as training steps them"


def _short(space: Any) -> str:
    """A space in a line, without all of its bounds."""
    text = " ".join(str(space).split())
    return text if len(text) <= 60 else f"{type(space).__name__}{space.shape} of {space.dtype}"


def _one_line(thing: Any) -> str:
    text = " ".join(str(thing).replace("\x1b[33mWARN: ", "").replace("\x1b[0m", "").split())
    return text if len(text) <= 200 else f"{text[:200]}…"
