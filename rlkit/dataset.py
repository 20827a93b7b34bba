"""A fixed set of transitions: gathered in an environment, kept on disk without pickle, its hash checked when read.

A folder as `Dataset.save` writes it holds `transitions.safetensors` and `data.json` (environment, spaces, hash).
Arrays made elsewhere are read from one .npz or .safetensors file. Both name the arrays alike (T transitions):

    observation_tm1 (T, …)   what was seen
    action_tm1 (T,)          what was done, in the action space
    reward_t (T,)            what it paid
    terminated_t (T,)        whether nothing follows; a truncated episode is not terminated
    observation_t (T, …)     what came of it
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.agent import Agent, space_from_json, space_to_json
from neuralcore.checkpoint import read_arrays, write_arrays, write_text
from neuralcore.errors import UserError
from rlkit.environments import vector_env_of
from rlkit.rollout import Rollout

FORMAT = 1
ARRAYS = ("observation_tm1", "action_tm1", "reward_t", "terminated_t", "observation_t")


@dataclass(frozen=True, eq=False)
class Dataset:
    """T transitions, checked against their spaces.

    Attributes:
        observation_tm1, observation_t: (T, …). action_tm1: (T,) int64, as the action space counts them.
        reward_t: (T,) float64. terminated_t: (T,) bool.
        observation_space: Box or Discrete. action_space: Discrete.
        env, env_args: the environment's id and arguments as words ("slip=0.1"); empty where not known.

    Raises:
        UserError: an array that does not fit, named with what was expected.
    """

    observation_tm1: np.ndarray
    action_tm1: np.ndarray
    reward_t: np.ndarray
    terminated_t: np.ndarray
    observation_t: np.ndarray
    observation_space: gym.Space
    action_space: gym.Space
    env: str = ""
    env_args: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not isinstance(self.action_space, gym.spaces.Discrete):
            raise UserError(f"transitions need Discrete actions, not {self.action_space}")
        size, shape = len(self.observation_tm1), tuple(self.observation_space.shape or ())
        wanted = dict.fromkeys(ARRAYS, (size,)) | dict.fromkeys(("observation_tm1", "observation_t"), (size, *shape))
        for name in ARRAYS:
            array = getattr(self, name)
            if array.shape != wanted[name]:
                raise UserError(f"{name} has shape {array.shape}, expected {wanted[name]}: one row a transition")
        if size == 0:
            raise UserError("there are no transitions: at least one is needed")
        for name, space in self._numbered():
            array = getattr(self, name)
            if not np.issubdtype(array.dtype, np.integer):
                raise UserError(f"{name} is {array.dtype}: integers of {space} are expected")
            wrong = (array < space.start) | (array >= space.start + space.n)
            if wrong.any():
                row = int(wrong.argmax())
                raise UserError(f"{name}[{row}] is {array[row]}, which is not in {space}")
        if self.terminated_t.dtype != np.bool_:
            raise UserError(f"terminated_t is {self.terminated_t.dtype}: booleans are expected")
        for name in ("reward_t", "observation_tm1", "observation_t"):
            finite = np.isfinite(getattr(self, name)).reshape(size, -1).all(axis=1)
            if not finite.all():
                raise UserError(f"{name}[{int(finite.argmin())}] is not finite: leave such transitions out")

    def _numbered(self) -> list[tuple[str, gym.spaces.Discrete]]:
        """The arrays of numbers of a Discrete space."""
        observed, space = ("observation_tm1", "observation_t"), self.observation_space
        pairs = [("action_tm1", self.action_space), *((name, space) for name in observed)]
        return [(name, space) for name, space in pairs if isinstance(space, gym.spaces.Discrete)]

    @property
    def actions(self) -> gym.spaces.Discrete:
        """The action space, known to be Discrete."""
        assert isinstance(self.action_space, gym.spaces.Discrete)
        return self.action_space

    def __len__(self) -> int:
        return len(self.reward_t)

    def save(self, folder: str | Path) -> Path:
        """Write the folder; arrays first, then the description that holds their hash."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        digest = write_arrays(folder / "transitions.safetensors", {name: getattr(self, name) for name in ARRAYS})
        description = {
            "format": FORMAT,
            "env": self.env,
            "env_args": list(self.env_args),
            "transitions": len(self),
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "sha256": digest,
        }
        write_text(folder / "data.json", json.dumps(description, indent=1))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Dataset:
        """What `save` wrote, its hash verified before anything in it is used.

        Raises:
            UserError: there is no data set, or a byte of it has changed.
        """
        path = Path(folder) / "data.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']}, this version reads {FORMAT}")
            arrays = read_arrays(path.with_name("transitions.safetensors"), values["sha256"])
            spaces = space_from_json(values["observation_space"]), space_from_json(values["action_space"])
            found: dict[str, Any] = {name: arrays[name] for name in ARRAYS}
            found |= {"env": str(values["env"]), "env_args": tuple(values["env_args"])}
        except FileNotFoundError as error:
            raise UserError(f"{folder} holds no data set (no {Path(error.filename).name}): rlkit collect") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder}: the data set is damaged ({error}): write it again") from None
        return cls(**found, observation_space=spaces[0], action_space=spaces[1])


def read_file(path: str | Path, observation_space: gym.Space, action_space: gym.Space, **of_env: Any) -> Dataset:
    """A data set from arrays in one .npz or .safetensors file, whose spaces it does not say.

    Args:
        of_env: `env` and `env_args`, where they are known.

    Raises:
        UserError: no such file, another kind of file, a pickled array, an array missing or of the wrong shape.
    """
    path = Path(path)
    try:
        arrays = _read(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: rlkit collect writes data sets") from None
    except Exception as error:  # what safetensors raises derives from Exception alone
        raise UserError(
            f"{path}: cannot be read as arrays ({error}): write it with numpy.savez or safetensors, without objects"
        ) from None
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise UserError(f"{path} has no array {missing[0]!r}: it needs {', '.join(ARRAYS)}")
    found: dict[str, Any] = {name: arrays[name] for name in ARRAYS}
    try:
        return Dataset(**found, observation_space=observation_space, action_space=action_space, **of_env)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read(path: Path) -> Mapping[str, np.ndarray]:
    if path.suffix == ".npz":
        with open(path, "rb") as stream:
            # NumPy takes anything else for a pickle, and tells how to open it all the same.
            if not zipfile.is_zipfile(stream):
                raise ValueError("it is damaged, or no .npz file")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                return {name: file[name] for name in file.files if name in ARRAYS}
    if path.suffix == ".safetensors":
        from safetensors.numpy import load

        return load(path.read_bytes())
    raise ValueError(f"its name ends in {path.suffix or 'nothing'}, not in .npz or .safetensors")


def collect(
    env: str | gym.vector.VectorEnv, transitions: int, *, agent: Agent | None = None, num_envs: int = 1, seed: int = 0
) -> Dataset:
    """Gather transitions.

    Args:
        env: an environment id, or a gymnasium vector environment in autoreset mode NEXT_STEP.
        transitions: T. agent: who acts, with its own exploration; None takes all actions alike.
        num_envs: environments stepped together. seed: of the environments and the random actions.
    """
    if transitions < 1:
        raise UserError(f"transitions must be 1 or more, got {transitions}")
    vector = vector_env_of(env, num_envs)
    space, generator = vector.single_action_space, np.random.default_rng(seed)
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError(f"transitions need Discrete actions, not {space}")
    if agent is not None and (agent.observation_space, agent.action_space) != (
        vector.single_observation_space,
        space,
    ):
        raise UserError(f"the agent is for {agent.observation_space} and {agent.action_space}, not this environment")
    rollout, gathered, count = Rollout(vector, seed), [], 0
    while count < transitions:
        if agent is None:
            actions = space.start + generator.integers(space.n, size=vector.num_envs)
        else:
            actions = agent.act(rollout.observations)
        step = rollout.step(actions)
        rows = step.transition
        after = np.array(rollout.observations)[rows]
        gathered.append(
            (step.observation_t[rows], step.action_t[rows], step.reward[rows], step.terminated[rows], after)
        )
        count += int(np.count_nonzero(rows))
    if isinstance(env, str):
        vector.close()
    joined = (np.concatenate(parts)[:transitions] for parts in zip(*gathered))
    arrays: dict[str, Any] = dict(zip(ARRAYS, joined, strict=True))
    return Dataset(**arrays, observation_space=vector.single_observation_space, action_space=space)
