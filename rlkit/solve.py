"""`rlkit solve`: plan in an environment's own model, draw the solution, say how good it is.

rlkit solve GridWorld-v0 --env-args layout=russell_norvig slip=0.2 --discount 1
rlkit solve FrozenLake-v1 --env-args map_name=8x8 --method policy-iteration --plot lake.png --out runs/lake
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from neuralcore.errors import UserError
from rlkit.environments import make_env, parse_env_args

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

    environment = make_env(arguments.env, **parse_env_args(arguments.env_args))
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
