"""Environments by name: ids and `name=value` words in, gymnasium environments out, mistakes in one line.

`rlkit` does not depend on the package `envs`: it is found by name, when it is called. Its `make` and `make_vec`
know this project's environments, Atari's (preprocessed alike in both) and every id that gymnasium knows.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neuralcore.errors import UserError

if TYPE_CHECKING:
    import gymnasium as gym


def make_vector_env(env_id: str, num_envs: int, **arguments: Any) -> gym.vector.VectorEnv:
    """`num_envs` copies of an environment, in the autoreset mode the rollout wants (NEXT_STEP).

    Raises:
        UserError: there is no such environment, or it refuses the arguments.
    """
    return _made("make_vec", env_id, arguments, num_envs)


def vector_env_of(env: str | gym.vector.VectorEnv, num_envs: int) -> gym.vector.VectorEnv:
    """What an algorithm was given to learn in: an id, or an environment that must have `num_envs` copies.

    Raises:
        UserError: it has another number of them, or there is no such environment.
    """
    if isinstance(env, str):
        return make_vector_env(env, num_envs)
    if env.num_envs != num_envs:
        raise UserError(f"the environment has {env.num_envs} copies, num_envs is {num_envs}")
    return env


def make_env(env_id: str, **arguments: Any) -> gym.Env:
    """One environment, with the same observations as `make_vector_env` gives.

    Raises:
        UserError: there is no such environment, or it refuses the arguments.
    """
    return _made("make", env_id, arguments)


def _made(maker: str, env_id: str, arguments: dict[str, Any], *positional: int) -> Any:
    import gymnasium as gym

    if ":" in env_id and "" not in sys.path:
        sys.path.append("")  # someone's own module, beside where the command was typed
    try:
        return getattr(importlib.import_module("envs"), maker)(env_id, *positional, **arguments)
    except (ValueError, TypeError, KeyError, AssertionError, ModuleNotFoundError, gym.error.Error) as error:
        reason = str(error).split(" was raised from the environment creator")[0]
        raise UserError(reason if env_id in reason else f"environment {env_id}: {reason}") from None


def parse_env_args(words: Sequence[str]) -> dict[str, Any]:
    """`("slip=0.1", "layout=cliff")` -> `{"slip": 0.1, "layout": "cliff"}`: TOML values, bare words as strings.

    Raises:
        UserError: a word that is not name=value, or a name given twice.
    """
    out: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (equals and name.isidentifier()):
            raise UserError(f"--env-args {word!r} is not name=value, as slip=0.1")
        if name in out:
            raise UserError(f"--env-args gives {name} twice: {out[name]!r} and {text!r}")
        try:
            out[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            out[name] = {"True": True, "False": False}.get(text, text)
    return out
