"""`rlkit solve`: plan in a known model, draw the solution, say how good it is.

rlkit solve GridWorld-v0 --env-args layout=russell_norvig slip=0.2 --discount 1
rlkit solve FrozenLake-v1 --env-args map_name=8x8 --method policy-iteration --plot lake.png --out runs/lake
rlkit solve transitions.csv --discount 0.9
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from neuralcore.errors import UserError
from rlkit.environments import make_env, parse_env_args

# Gymnasium and NumPy are imported where they are used: together they would double the time of `--help`.


@dataclass(frozen=True)
class SolveArguments:
    """Plan in a known model and print the values, the policy and a guarantee."""

    env: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="ENV|MODEL")]]
    """Environment id, such as GridWorld-v0, FrozenLake-v1 or my_package:MyWorld-v0; or a model: a .csv or .parquet
    table of transitions, or the folder of a saved one."""
    env_args: tuple[str, ...] = ()
    """Arguments of the environment, as slip=0.1 layout=cliff is_slippery=false."""
    method: Literal[
        "auto",
        "value-iteration",
        "gauss-seidel",
        "prioritised",
        "modified-policy-iteration",
        "policy-iteration",
        "q-iteration",
    ] = "auto"
    """How to solve it; auto picks by the model and says which and why."""
    discount: float = 0.99
    """Worth of a reward one step later, in (0, 1]."""
    tolerance: float = 1e-6
    """Bellman residual to stop at."""
    max_iterations: int | None = None
    """Iterations to stop after in any case; by default 100000, and 1000 for policy iteration."""
    horizon: int | None = None
    """Decisions to be made; without it there is no end but the model's own. Takes no method, tolerance or limit."""
    plot: Path | None = None
    """Draw the solution to this .png, .pdf or .svg file."""
    out: Path | None = None
    """Folder to write the values, q, the policy, the certificate and an agent to."""
    save_model: Path | None = None
    """Folder to write the model itself to, for a later `rlkit solve FOLDER`."""

    def __post_init__(self) -> None:
        if self.horizon is not None:
            for name in ("method", "tolerance", "max_iterations"):
                if getattr(self, name) != getattr(SolveArguments, name):
                    flag = name.replace("_", "-")
                    raise ValueError(f"--{flag} does not go with --horizon, which is solved exactly: leave one out")


def solve(arguments: SolveArguments) -> int:
    """Plan in a known model; print values, policy and a guarantee.

    Returns:
        0, or 1 if max_iterations came before the tolerance.
    """
    from rlkit import automatic, planning
    from rlkit.drawing import check_picture

    if arguments.plot is not None:
        check_picture(arguments.plot)
    for flag, folder in (("--out", arguments.out), ("--save-model", arguments.save_model)):
        if folder is not None and folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file: {flag} takes a folder")
    mdp = _model(arguments)
    print(f"{arguments.env}: {mdp.states:,} states, {mdp.actions} actions", flush=True)

    solution: Any
    if arguments.horizon is not None:
        solution = planning.finite_horizon(mdp, arguments.horizon, discount=arguments.discount)
    else:
        with _Progress(f"solve {arguments.env}") as progress:
            solution = automatic.solve(
                mdp,
                arguments.method,
                discount=arguments.discount,
                tolerance=arguments.tolerance,
                max_iterations=arguments.max_iterations,
                progress=progress,
            )
    print(solution)
    if arguments.plot is not None:
        what = f"{arguments.horizon} decisions left" if arguments.horizon else solution.method
        print(
            f"drawn to {solution.plot(arguments.plot, f'{arguments.env} · {what}, discount {solution.discount:g}')}"
        )
    if arguments.out is not None:
        print(f"written to {solution.save(arguments.out)}")
    if arguments.save_model is not None:
        print(f"model written to {mdp.save(arguments.save_model)}")
    return 0 if arguments.horizon is not None or solution.converged else 1


def _model(arguments: SolveArguments) -> Any:
    """The model in a file or folder, or that of the environment."""
    from rlkit.mdp import MDP

    path = Path(arguments.env)
    if path.suffix.lower() in (".csv", ".parquet") or (path / "model.json").is_file():
        if arguments.env_args:
            raise UserError(f"--env-args are for environments, {path} is a model: leave them out")
        return MDP.read(path)
    environment = make_env(arguments.env, **parse_env_args(arguments.env_args))
    try:
        return MDP.of(environment)
    finally:
        environment.close()


class _Progress:
    """Shows how far a planner is, once that takes longer than a second."""

    def __init__(self, title: str):
        from neuralcore.telemetry import Telemetry

        self._line = Telemetry(100, "%", title=title)
        self._begun: float | None = None
        self._shown = False
        self._now = 0.0, 0, 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._show(last=True)
        self._line.close()

    def __call__(self, done: float, iterations: int, residual: float) -> None:
        self._now = done, iterations, residual
        self._begun = self._begun or time.monotonic()
        if time.monotonic() - self._begun > 1.0 and self._line.due():
            self._shown = True
            self._show(last=False)

    def _show(self, *, last: bool) -> None:
        done, iterations, residual = self._now
        figures = {"iteration": iterations, "residual": residual}
        self._line.show(100 if last else int(100 * done), figures, last=last)
