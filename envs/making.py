"""`make` and `make_vec`: environments by name, Atari games preprocessed alike in both, errors in one line."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator

from envs.atari import atari_spec, is_atari, make_atari, make_atari_vec
from envs.errors import unknown_name

MAKE_ARGUMENTS = ("max_episode_steps", "disable_env_checker", "render_mode")  # what gymnasium.make itself takes


def make(env_id: str, **kwargs: Any) -> gym.Env:
    """One environment: `gymnasium.make`, with Atari games preprocessed as in `make_vec`.

    Args:
        env_id: a registered id, or "module:id" to import a module that registers it first.
        **kwargs: of `gymnasium.make` and the environment, such as render_mode or max_episode_steps; for Atari, those
            of `make_atari`.

    Returns:
        The environment in Gymnasium's usual wrappers.

    Raises:
        ValueError: an unknown id or argument, with the nearest known one, or a bad value.
    """
    spec = find(env_id)
    if is_atari(spec):
        return make_atari(spec.id, **kwargs)
    _check_arguments(spec, kwargs)
    return gym.make(spec, **kwargs)


def make_vec(
    env_id: str,
    num_envs: int = 1,
    *,
    vectorization_mode: str | None = None,
    vector_kwargs: dict[str, Any] | None = None,
    wrappers: Sequence[Callable[[gym.Env], gym.Wrapper]] = (),
    **kwargs: Any,
) -> gym.vector.VectorEnv:
    """N copies of an environment behind one batched API, with NEXT_STEP autoreset.

    NEXT_STEP: the step after an episode's last one ignores its action and gives the first observation of the next
    episode, with reward 0; that row is no transition.

    Args:
        env_id: a registered id, or "module:id" to import a module that registers it first.
        num_envs: N, the number of copies.
        vectorization_mode: "sync" steps the copies in turn, "async" in a process each; None takes ALE's native
            vector environment for Atari games and "sync" for all others.
        vector_kwargs: further arguments of Gymnasium's SyncVectorEnv or AsyncVectorEnv, such as {"context": "spawn"}.
        wrappers: applied to each copy, in order.
        **kwargs: as in `make`; for native Atari, those of `make_atari_vec`.

    Returns:
        The vector environment. `gymnasium.make(vector.spec)` makes a single copy in the case of native Atari.

    Raises:
        ValueError: an unknown id, mode or argument, or a bad value. ALE's native vector environment takes neither
            wrappers nor vector_kwargs.
    """
    spec = find(env_id)
    if num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}: it must be at least 1")
    if vectorization_mode not in (None, "sync", "async"):
        raise unknown_name("vectorization_mode", vectorization_mode, ("sync", "async"))
    if "autoreset_mode" in (vector_kwargs or {}):
        raise ValueError(
            "vector_kwargs holds autoreset_mode, which is NEXT_STEP here: use gymnasium.make_vec for others"
        )
    if is_atari(spec):
        if vectorization_mode is None:
            if wrappers or vector_kwargs:
                raise ValueError(
                    "wrappers and vector_kwargs need vectorization_mode='sync' or 'async' for Atari games"
                )
            return make_atari_vec(spec.id, num_envs, **kwargs)
        rendering = {"render_mode": kwargs.pop("render_mode", None)}
        spec, kwargs = atari_spec(spec.id, kwargs), rendering
    else:
        _check_arguments(spec, kwargs)
    return gym.make_vec(
        spec,
        num_envs,
        vectorization_mode or "sync",
        vector_kwargs={**(vector_kwargs or {}), "autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP},
        wrappers=list(wrappers),
        **kwargs,
    )


def find(env_id: str) -> EnvSpec:
    """The specification registered for "id" or "module:id".

    Raises:
        ValueError: no such module or id, with the nearest known ids.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise ValueError(f"environment {env_id!r}: cannot import {module!r}: {error}") from error
    if name not in gym.registry:
        newest_first = reversed(gym.registry)  # what was registered last is likelier to be meant than Gymnasium's own
        raise unknown_name("environment", name, newest_first)
    return gym.registry[name]


def _check_arguments(spec: EnvSpec, kwargs: dict[str, Any]) -> None:
    """Name an argument the environment does not have, and the nearest it has, before Gymnasium wraps the error."""
    creator = load_env_creator(spec.entry_point) if isinstance(spec.entry_point, str) else spec.entry_point
    if creator is None:
        return  # vector-only: Gymnasium says so itself
    parameters = inspect.signature(creator).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for name in kwargs:
        if name not in known and name not in MAKE_ARGUMENTS:
            raise unknown_name(f"argument of {spec.id}", name, dict.fromkeys([*known, *MAKE_ARGUMENTS]))
