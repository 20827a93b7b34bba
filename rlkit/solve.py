"""`rlkit solve`: plan in an environment's own model, draw the solution, say how good it is.

rlkit solve GridWorld-v0 --env-args layout=russell_norvig slip=0.2 --discount 1
rlkit solve FrozenLake-v1 --env-args map_name=8x8 --method policy-iteration --plot lake.png --out runs/lake
"""

from __future__ import annotations

import importlib
import inspect
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from neuralcore.errors import UserError, nearest

# Gymnasium and NumPy are imported where they are used: together they would double the time of `--help`.


@dataclass(frozen=True)
class SolveArguments:
    """Plan in a known model and print the values, the policy and a guarantee."""

    env: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="ENV")]]
    """Environment id, such as GridWorld-v0, FrozenLake-v1 or my_package:MyWorld-v0."""
    env_args: tuple[str, ...] = ()
    """Arguments of the environment, as slip=0.1 layout=cliff is_slippery=false."""
    method: Literal["value-iteration", "policy-iteration", "q-iteration"] = "value-iteration"
    """How to solve it. Policy iteration is exact; the other two stop within the tolerance."""
    discount: float = 0.99
    """Worth of a reward one step later, in (0, 1]."""
    tolerance: float | None = None
    """Bellman residual to stop at; by default 1e-6, and 1e-9 for policy iteration."""
    max_iterations: int | None = None
    """Iterations to stop after in any case; by default 100000, and 1000 for policy iteration."""
    plot: Path | None = None
    """Draw the solution to this .png, .pdf or .svg file."""
    out: Path | None = None
    """Folder to write the values, q, the policy, the certificate and an agent to."""


def solve(arguments: SolveArguments) -> int:
    """Plan in an environment's own model; print values, policy and a guarantee.

    Returns:
        0, or 1 if max_iterations came before the tolerance.
    """
    from rlkit import planning
    from rlkit.drawing import check_picture

    if arguments.plot is not None:
        check_picture(arguments.plot)
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise UserError(f"{arguments.out} is a file: --out takes a folder")
    planner = getattr(planning, arguments.method.replace("-", "_"))
    limits = {"tolerance": arguments.tolerance, "max_iterations": arguments.max_iterations}
    given = {name: value for name, value in limits.items() if value is not None}

    environment = make_environment(arguments.env, parse_env_args(arguments.env_args))
    try:
        solution = planner(environment, discount=arguments.discount, **given)
    finally:
        environment.close()

    print(f"{arguments.env}: {solution.mdp.states} states, {solution.mdp.actions} actions")
    print(solution)
    if arguments.plot is not None:
        title = f"{arguments.env} · {solution.method}, discount {solution.discount:g}"
        print(f"drawn to {solution.plot(arguments.plot, title)}")
    if arguments.out is not None:
        print(f"written to {solution.save(arguments.out)}")
    return 0 if solution.converged else 1


def parse_env_args(words: tuple[str, ...]) -> dict[str, Any]:
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


def make_environment(name: str, arguments: dict[str, Any]) -> Any:
    """`gym.make` with our own environments registered, and its errors in one line.

    Raises:
        UserError: an unknown id, an argument the environment does not take, or a value it refuses.
    """
    import gymnasium as gym

    importlib.import_module("envs")  # by name: rlkit does not know which environments there are
    try:
        return gym.make(name, disable_env_checker=True, **arguments)
    except ModuleNotFoundError as error:
        raise UserError(f"environment {name!r}: {error}") from None
    except gym.error.UnregisteredEnv:
        raise UserError(f"unknown environment {name!r}: {nearest(name, _tabular_ids(gym.registry))}") from None
    except (gym.error.Error, TypeError, ValueError, KeyError, AssertionError) as error:
        if arguments and (unknown := re.search(r"unexpected keyword argument '(\w+)'", str(error))):
            takes = _parameters(gym, name)
            raise UserError(f"{name} takes no argument {unknown[1]!r}: {nearest(unknown[1], takes)}") from None
        reason = str(error).split(" was raised from the environment creator")[0]
        given = f" with {arguments}" if arguments else ""
        raise UserError(f"{name} cannot be made{given}: {reason}") from None


def _tabular_ids(registry: Any) -> list[str]:
    """Ids of environments with a model: ours but the probes, and Gymnasium's toy-text ones but Blackjack."""
    entries = {name: str(spec.entry_point) for name, spec in registry.items()}
    return [
        name
        for name, entry in entries.items()
        if entry.startswith(("envs.", "gymnasium.envs.toy_text")) and not re.search("probe|blackjack", entry)
    ]


def _parameters(gym: Any, name: str) -> list[str]:
    """The arguments an environment's class takes."""
    creator = gym.envs.registration.load_env_creator(gym.spec(name.rpartition(":")[2]).entry_point)
    return [p for p in inspect.signature(creator).parameters if p not in ("self", "kwargs")]
