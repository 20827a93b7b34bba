"""The agent protocol and the folder an agent is kept in.

An agent folder holds `agent.json` (class, spaces, architecture, the hash of the weights), `weights.safetensors`
and nothing that can run code. Whoever trained it is not needed to load it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np

from agents import pretrained
from neuralcore.checkpoint import read_arrays, write_arrays, write_text
from neuralcore.errors import UserError, nearest

FORMAT = 1


@runtime_checkable
class Agent(Protocol):
    """Anything that acts.

    A recurrent agent remembers what it has been shown: one observation after the other, or row by row one batch after
    the other. Whoever plays with an agent says where episodes begin; the others have nothing to forget.

        agent.begin()
        while not over:
            observation, _, terminated, truncated, _ = env.step(agent.act(observation))

    Attributes:
        observation_space, action_space: of one environment (not of a batch).
        recurrent: whether actions depend on more than the observation.
    """

    observation_space: gym.Space
    action_space: gym.Space
    recurrent: bool

    def act(self, observations: Any, *, deterministic: bool = False) -> Any:
        """Actions for one observation or for a batch with a leading axis N; the answer has the same leading axis."""
        ...

    def begin(self, which: np.ndarray | None = None) -> None:
        """What is shown next begins new episodes: in all rows, or in those that `which` (N,) bool tells."""
        ...

    def action_probabilities(self, observations: Any, *, deterministic: bool = False) -> np.ndarray:
        """(N, A): how likely `act` takes each of A Discrete actions for each of N observations."""
        ...

    def save(self, folder: str | Path) -> Path:
        """Write the agent folder and return it."""
        ...

    @classmethod
    def load(cls, folder: str | Path) -> Agent:
        """The agent that `save` wrote."""
        ...


class Memoryless:
    """The part of an agent that remembers nothing."""

    recurrent = False

    def begin(self, which: np.ndarray | None = None) -> None:
        """There is nothing to forget."""


def likely(greedy: np.ndarray, actions: int, epsilon: float = 0.0) -> np.ndarray:
    """(N, A) probabilities of greedy actions (N,), counted from 0, and with probability `epsilon` of uniform ones."""
    probabilities = np.full((len(greedy), actions), epsilon / actions)
    probabilities[np.arange(len(greedy)), greedy] += 1 - epsilon
    return probabilities


def load(folder: str | Path) -> Agent:
    """The agent in a folder, whatever its class; a run folder is searched for its `agent/`.

    Args:
        folder: a path, or `pretrained:<name>` for an agent that is shipped (`agents.pretrained`).

    Raises:
        UserError: there is no agent, it was written by another version, or a file is not as it was written.
    """
    import agents

    folder = agent_folder(pretrained.resolve(folder))
    description = _describe(folder)
    known = [name for name in agents.__all__ if name.endswith("Agent") and name != "Agent"]
    if description.get("class") not in known:
        raise UserError(
            f"{folder / 'agent.json'}: class {description.get('class')!r}: "
            f"{nearest(str(description.get('class')), known)}"
        )
    return getattr(agents, description["class"]).load(folder)


def agent_folder(folder: Path) -> Path:
    """The folder itself, or a run folder's `agent/`."""
    inner = folder / "agent"
    return inner if not (folder / "agent.json").is_file() and (inner / "agent.json").is_file() else folder


def repack(folder: Path, out: Path, weights: Literal["float32", "float16"]) -> Path:
    """Write an agent's folder once more, its float32 weights in another precision; `load` gives float32 again.

    Raises:
        UserError: there is no agent; a weight is too large for 16 bits.
    """
    description = _describe(agent_folder(folder))
    description, arrays = read_agent(agent_folder(folder), description["class"])
    with np.errstate(over="ignore"):  # it becomes infinite, which is told below
        packed = {name: a.astype(weights) if a.dtype == np.float32 else a for name, a in arrays.items()}
    for name, array in packed.items():
        if array.dtype == np.float16 and not np.isfinite(array).all():
            raise UserError(
                f"{folder}: a weight of {name} is too large for 16 bits: export it with --weights float32"
            )
    written = {"format", "class", "observation_space", "action_space", "weights_sha256", "weights"}
    details = {key: value for key, value in description.items() if key not in written}
    spaces = description["observation_space"], description["action_space"]
    return write_agent(out, description["class"], *spaces, packed, {**details, "weights": weights})


def write_agent(
    folder: str | Path,
    class_name: str,
    observation_space: gym.Space,
    action_space: gym.Space,
    arrays: Mapping[str, np.ndarray],
    details: Mapping[str, Any],
) -> Path:
    """Write an agent folder: weights first, then the description that holds their hash."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digest = write_arrays(folder / "weights.safetensors", arrays)
    description = {
        "format": FORMAT,
        "class": class_name,
        "observation_space": space_to_json(observation_space),
        "action_space": space_to_json(action_space),
        "weights_sha256": digest,
        **details,
    }
    write_text(folder / "agent.json", json.dumps(description, indent=1))
    return folder


def read_agent(folder: str | Path, class_name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description (its spaces rebuilt) and the arrays of an agent folder, hashes verified.

    Weights stored in 16 bits come back as the float32 they stand for.
    """
    folder = Path(folder)
    description = _describe(folder)
    if description.get("class") != class_name:
        raise UserError(f"{folder} holds a {description.get('class')}, not a {class_name}: use agents.load")
    try:
        arrays = read_arrays(folder / "weights.safetensors", description["weights_sha256"])
        if description.get("weights") == "float16":
            arrays = {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in arrays.items()}
        description["observation_space"] = space_from_json(description["observation_space"])
        description["action_space"] = space_from_json(description["action_space"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: the agent is damaged ({error}): save it again") from None
    return description, arrays


def is_single(observations: Any, space: gym.Space) -> bool:
    """Whether these are one observation of `space` rather than a batch with a leading axis.

    Raises:
        ValueError: they are neither.
    """
    shape, wanted = np.shape(observations), tuple(space.shape or ())
    if shape == wanted:
        return True
    if shape[1:] == wanted:
        return False
    raise ValueError(f"observations have shape {shape}, expected {wanted} or (N, {', '.join(map(str, wanted))})")


def space_to_json(space: gym.Space) -> dict[str, Any]:
    """A Discrete or Box space as plain values."""
    if isinstance(space, gym.spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, gym.spaces.Box):
        bounds = {
            side: float(array.flat[0]) if (array == array.flat[0]).all() else array.tolist()
            for side, array in (("low", space.low), ("high", space.high))
        }
        return {
            "kind": "Box",
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            **_text_infinities(bounds),
        }
    raise UserError(f"{space} cannot be stored: agents act on Discrete and Box spaces")


def space_from_json(value: Mapping[str, Any]) -> gym.Space:
    """The space that `space_to_json` described."""
    if value["kind"] == "Discrete":
        return gym.spaces.Discrete(value["n"], start=value["start"])
    if value["kind"] == "Box":
        dtype = np.dtype(value["dtype"])
        low, high = (np.asarray(value[side], dtype=np.float64) for side in ("low", "high"))
        shape = tuple(value["shape"])
        return gym.spaces.Box(
            np.broadcast_to(low, shape).astype(dtype),
            np.broadcast_to(high, shape).astype(dtype),
            dtype=dtype.type,
        )
    raise ValueError(f"unknown space {value['kind']!r}")


def _text_infinities(bounds: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity; "inf" and "-inf" are read back by NumPy as the numbers."""

    def text(value: Any) -> Any:
        if isinstance(value, list):
            return [text(v) for v in value]
        return value if np.isfinite(value) else str(value)

    return {side: text(value) for side, value in bounds.items()}


def _describe(folder: Path) -> dict[str, Any]:
    path = folder / "agent.json"
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no agent (no agent.json): name a run folder or its agent/") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}): save the agent again") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError(f"{path}: not an agent of format {FORMAT}: load it with the version that wrote it")
    return description
