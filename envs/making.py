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

MODES = ("sync", "async", "vector_entry_point")
MAKE_ARGUMENTS = ("max_episode_steps", "disable_env_checker", "render_mode")  # what gymnasium.make itself takes


def make(env_id: str, **kwargs: Any) -> gym.Env:
    """One environment: `gymnasium.make`, with Atari games preprocessed as in `make_vec`.

    Args:
        env_id: a registered id, "module:id" to import a module that registers it first, or "module:Class" or
            "module:function" for what makes the environment when called with `kwargs`.
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
        env_id: as in `make`.
        num_envs: N, the number of copies.
        vectorization_mode: "sync" steps the copies in turn, "async" in a process each, "vector_entry_point" all at
            once in the environment's own vector form, where it has one. None takes that form for GridWorld and Chain
            (compiled, the same results as "sync"; not where there are wrappers or vector_kwargs) and for Atari games
            (ALE's), and "sync" for all others: a vector form registered elsewhere, such as Gymnasium's of CartPole,
            need not do what single copies do with the same seeds.
        vector_kwargs: further arguments of Gymnasium's SyncVectorEnv or AsyncVectorEnv, such as {"context": "spawn"}.
        wrappers: applied to each copy, in order.
        **kwargs: as in `make`; for native Atari, those of `make_atari_vec`.

    Returns:
        The vector environment. `gymnasium.make(vector.spec)` makes a single copy in the case of native Atari.

    Raises:
        ValueError: an unknown id, mode or argument, or a bad value; "vector_entry_point" for an environment without
            one. A vector form takes neither wrappers nor vector_kwargs, and those of grids and chains no render_mode.
    """
    spec = find(env_id)
    if num_envs < 1:
        raise ValueError(f"num_envs is {num_envs}: it must be at least 1")
    if vectorization_mode not in (None, *MODES):
        raise unknown_name("vectorization_mode", vectorization_mode, MODES)
    if "autoreset_mode" in (vector_kwargs or {}):
        raise ValueError(
            "vector_kwargs holds autoreset_mode, which is NEXT_STEP here: use gymnasium.make_vec for others"
        )
    atari, for_copies = is_atari(spec), bool(wrappers or vector_kwargs)
    if vectorization_mode is None:
        ours = str(spec.vector_entry_point).startswith("envs.")
        vectorization_mode = "vector_entry_point" if atari or (ours and not for_copies) else "sync"
    if vectorization_mode == "vector_entry_point":
        if for_copies:
            raise ValueError(f"wrappers and vector_kwargs need vectorization_mode='sync' or 'async' for {spec.id}")
        return make_atari_vec(spec.id, num_envs, **kwargs) if atari else _make_vector_form(spec, num_envs, kwargs)
    if atari:
        rendering = {"render_mode": kwargs.pop("render_mode", None)}
        spec, kwargs = atari_spec(spec.id, kwargs), rendering
    else:
        _check_arguments(spec, kwargs)
    return gym.make_vec(
        spec,
        num_envs,
        vectorization_mode,
        vector_kwargs={**(vector_kwargs or {}), "autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP},
        wrappers=list(wrappers),
        **kwargs,
    )


def _make_vector_form(spec: EnvSpec, num_envs: int, kwargs: dict[str, Any]) -> gym.vector.VectorEnv:
    """The environment that steps all copies at once, with `make`'s arguments meaning what they mean there."""
    if spec.vector_entry_point is None:
        raise ValueError(f"{spec.id} has no vector entry point: its vectorization_mode is 'sync' or 'async'")
    _check_arguments(spec, kwargs)
    kwargs.pop("disable_env_checker", None)  # there is none: it looks at single copies
    if kwargs.get("max_episode_steps", 0) is None:
        del kwargs["max_episode_steps"]  # as registered
    return gym.make_vec(spec, num_envs, "vector_entry_point", **kwargs)


def find(env_id: str) -> EnvSpec:
    """The specification registered for "id" or "module:id", or that of "module:Class" or "module:function".

    Raises:
        ValueError: no such module, id or class, with the nearest known ids.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError as error:
            raise ValueError(f"environment {env_id!r}: cannot import {module!r}: {error}") from error
        if (inspect.isclass(found) and issubclass(found, gym.Env)) or inspect.isfunction(found):
            return EnvSpec(env_id, entry_point=env_id)
        if name not in gym.registry and found is not None:
            raise ValueError(
                f"environment {env_id!r}: {name} is no gymnasium.Env class, nor a function that makes one"
            )
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
