"""Planners side by side: the same models, the same residual, CPU-seconds and memory.

    pip install quantecon mdpsolver bettermdptools mdptoolbox-hiive      (in an environment of their own, PEERS)
    python benchmarks/planning.py --peers PEERS/bin/python               (about 20 minutes on two cores)

Every contender gets the model in the form it takes, in a process of its own, solves a small model first so that
compiled code is loaded, and then solves at discount .99. What counts is the Bellman residual of its values recomputed
here: a contender that stops short of 1e-6 is asked again with a tenth of the tolerance, and its first sufficient run
is the one that is timed. Reading the model is timed apart. Writes docs/results/planning.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results" / "planning.md"
DISCOUNT, RESIDUAL = 0.99, 1e-6
TIMEOUT, TOO_SLOW = 90, 5  # seconds of a process; CPU-seconds on a grid, from which the next is not tried
SIDES = {
    "grid 10,000": 112,
    "grid 100,000": 354,
    "grid 1,000,000": 1_120,
    "grid 10,000,000": 3_540,
}  # a fifth is wall
PEERS = ("quantecon", "mdpsolver", "bettermdptools", "mdptoolbox-hiive")

Solver = Callable[[float], Any]  # tolerance -> values


# Each contender: (matrices [A] of (S, S), rewards (S, A), the name of the model) -> a function of the tolerance.


def rlkit_environment(matrices: Any, rewards: Any, name: str) -> Solver:
    """Ours, from the environment's own arrays."""
    import gymnasium as gym

    import envs  # noqa: F401
    from rlkit import MDP, solve

    mdp = MDP.of(gym.make("GridWorld-v0", layout=layout(SIDES.get(name, 20))))
    return lambda tolerance: solve(mdp, discount=DISCOUNT, tolerance=tolerance).values


def rlkit_matrices(matrices: Any, rewards: Any, name: str) -> Solver:
    """Ours, from the same scipy matrices as the others."""
    from rlkit import MDP, solve

    mdp = MDP.of((matrices, rewards))
    return lambda tolerance: solve(mdp, discount=DISCOUNT, tolerance=tolerance).values


def quantecon(method: str) -> Callable[..., Solver]:
    def build(matrices: Any, rewards: Any, name: str) -> Solver:
        from quantecon.markov import DiscreteDP
        from scipy.sparse import vstack

        states, actions = rewards.shape
        by_state = np.arange(states * actions).reshape(actions, states).T.reshape(-1)
        stacked = vstack(matrices, format="csr")[by_state]
        pairs = np.repeat(np.arange(states), actions), np.tile(np.arange(actions), states)
        problem = DiscreteDP(rewards.reshape(-1), stacked, DISCOUNT, *pairs)
        # Its epsilon is 2 γ / (1 - γ) times the change it stops at.
        scale = 2 * DISCOUNT / (1 - DISCOUNT)
        return lambda tolerance: problem.solve(method=method, epsilon=scale * tolerance, max_iter=100_000).v

    return build


def mdpsolver(update: str) -> Callable[..., Solver]:
    def build(matrices: Any, rewards: Any, name: str) -> Solver:
        import mdpsolver as package

        columns: list[list[list[int]]] = [[] for _ in range(len(rewards))]
        chances: list[list[list[float]]] = [[] for _ in range(len(rewards))]
        for matrix in matrices:
            bounds, indices, data = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
            for state in range(len(rewards)):
                columns[state].append(indices[bounds[state] : bounds[state + 1]])
                chances[state].append(data[bounds[state] : bounds[state + 1]])
        model = package.model()
        model.mdp(discount=DISCOUNT, rewards=rewards.tolist(), tranMatProbs=chances, tranMatColumns=columns)

        def solve(tolerance: float) -> Any:
            model.solve(algorithm="mpi", tolerance=tolerance / (1 - DISCOUNT), update=update)
            return model.getValueVector()

        return solve

    return build


def bettermdptools(matrices: Any, rewards: Any, name: str) -> Solver:
    from bettermdptools.algorithms.planner import Planner

    table: dict[int, dict[int, list[tuple[float, int, float, bool]]]] = {}
    for state in range(len(rewards)):
        table[state] = {}
        for action, matrix in enumerate(matrices):
            row = range(matrix.indptr[state], matrix.indptr[state + 1])
            paid = float(rewards[state, action])
            table[state][action] = [(float(matrix.data[k]), int(matrix.indices[k]), paid, False) for k in row]
    planner = Planner(table)
    return lambda tolerance: planner.value_iteration_vectorized(DISCOUNT, 3_000, tolerance, np.float64)[0]


def hiive(method: str) -> Callable[..., Solver]:
    def build(matrices: Any, rewards: Any, name: str) -> Solver:
        from hiive.mdptoolbox import mdp

        def solve(tolerance: float) -> Any:
            epsilon = tolerance * DISCOUNT / (1 - DISCOUNT)
            problem = getattr(mdp, method)(matrices, rewards, DISCOUNT, epsilon, 10_000, skip_check=True)
            problem.run()
            return problem.V

        return solve

    return build


def scipy_sparse(matrices: Any, rewards: Any, name: str) -> Solver:
    """The yardstick: value iteration in four lines."""

    def solve(tolerance: float) -> Any:
        values, change = np.zeros(len(rewards)), np.inf
        while change > tolerance:
            swept = np.max(
                [rewards[:, a] + DISCOUNT * (matrix @ values) for a, matrix in enumerate(matrices)], axis=0
            )
            change, values = np.abs(swept - values).max(), swept
        return values

    return solve


CONTENDERS: dict[str, tuple[Callable[..., Solver], str | None]] = {  # name -> (builder, distribution of a peer)
    "rlkit, from the environment": (rlkit_environment, None),
    "rlkit, from matrices": (rlkit_matrices, None),
    "quantecon modified policy iteration": (quantecon("modified_policy_iteration"), "quantecon"),
    "quantecon policy iteration": (quantecon("policy_iteration"), "quantecon"),
    "quantecon value iteration": (quantecon("value_iteration"), "quantecon"),
    "mdpsolver modified policy iteration": (mdpsolver("standard"), "mdpsolver"),
    "mdpsolver the same, Gauss-Seidel": (mdpsolver("gs"), "mdpsolver"),
    "bettermdptools value iteration": (bettermdptools, "bettermdptools"),
    "mdptoolbox-hiive value iteration": (hiive("ValueIteration"), "mdptoolbox-hiive"),
    "mdptoolbox-hiive modified policy iteration": (hiive("PolicyIterationModified"), "mdptoolbox-hiive"),
    "scipy.sparse value iteration": (scipy_sparse, None),
}
EVERYONE = list(CONTENDERS)
OURS = EVERYONE[:2]
MODELS = [*SIDES, "random 100,000"]


def policies_of_ours(matrices: Any, rewards: Any) -> int:
    from rlkit import policy_iteration

    return policy_iteration((matrices, rewards), discount=DISCOUNT).iterations


def policies_of_quantecon(matrices: Any, rewards: Any) -> int:
    from quantecon.markov import DiscreteDP

    dense = np.stack([matrix.toarray() for matrix in matrices], axis=1)  # (S, A, S)
    return int(DiscreteDP(rewards, dense, DISCOUNT).solve(method="policy_iteration", max_iter=1_000).num_iter)


def policies_of_hiive(matrices: Any, rewards: Any) -> int:
    from hiive.mdptoolbox import mdp

    problem = mdp.PolicyIteration(matrices, rewards, DISCOUNT, max_iter=1_000, skip_check=True)
    problem.run()
    return int(problem.iter)


# name -> (how many policies policy iteration looks at, whether that is a peer)
LAKE: dict[str, tuple[Callable[..., int], bool]] = {
    "rlkit": (policies_of_ours, False),
    "quantecon": (policies_of_quantecon, True),
    "mdptoolbox-hiive": (policies_of_hiive, True),
}


def layout(side: int) -> str:
    """A room of side x side cells, a fifth of them walls, start and goal in opposite corners."""
    import envs

    return envs.random_layout(side, side, 0.2, seed=0)


def make_model(name: str) -> tuple[list[Any], np.ndarray]:
    """(matrices, rewards) of a model by name."""
    import gymnasium as gym

    from rlkit import MDP

    if name.startswith("FrozenLake"):
        newest = max(spec for spec in gym.registry if spec.startswith("FrozenLake-v"))
        return MDP.of(gym.make(newest, map_name=name.split()[1])).to_matrices()
    if name.startswith("random"):
        return MDP.random(100_000, 4, 3, seed=0).to_matrices()
    side = SIDES.get(name, 20)
    return MDP.of(gym.make("GridWorld-v0", layout=layout(side))).to_matrices()


def residual_of(values: np.ndarray, matrices: Any, rewards: np.ndarray) -> float:
    """max |Tv - v|, with scipy alone."""
    backed_up = np.max([rewards[:, a] + DISCOUNT * (matrix @ values) for a, matrix in enumerate(matrices)], axis=0)
    return float(np.abs(backed_up - values).max())


def write_model(path: Path, name: str) -> None:
    matrices, rewards = make_model(name)
    parts = {f"{part}{a}": getattr(m, part) for a, m in enumerate(matrices) for part in ("data", "indices", "indptr")}
    np.savez(path, rewards=rewards, **parts)


def read_model(path: Path) -> tuple[list[Any], np.ndarray]:
    from scipy.sparse import csr_matrix

    file = np.load(path)
    rewards = file["rewards"]
    states, actions = rewards.shape
    parts = ("data", "indices", "indptr")
    return [csr_matrix(tuple(file[f"{p}{a}"] for p in parts), (states, states)) for a in range(actions)], rewards


def contend(contender: str, name: str, small: Path, path: Path, repeats: int) -> None:
    """One contender on one model, in this process; prints a JSON line."""
    build, _ = CONTENDERS[contender]
    build(*read_model(small), "small")(RESIDUAL)
    from_environment = contender == OURS[0]
    matrices, rewards = (None, None) if from_environment else read_model(path)
    started = time.process_time()
    solve = build(matrices, rewards, name)
    reading = time.process_time() - started
    memory_before = peak_memory()
    for attempt in range(6):
        cpu, wall = [], []
        for _ in range(repeats):
            started, clock = time.process_time(), time.perf_counter()
            values = solve(RESIDUAL * 10.0**-attempt)
            cpu.append(time.process_time() - started)
            wall.append(time.perf_counter() - clock)
        memory = peak_memory()
        checked = read_model(path) if from_environment else (matrices, rewards)
        residual = residual_of(np.asarray(values, np.float64), *checked)
        if residual <= RESIDUAL:
            break
    row = {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "reading": reading, "residual": residual}
    print(json.dumps({**row, "gigabytes": memory, "before": memory_before, "asked": attempt}))


def peak_memory() -> float:
    """Gigabytes this process has had at most; `ru_maxrss` would count the process that started it as well."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers installed")
    parser.add_argument("--only", nargs="*", default=MODELS, help="models to run")
    parser.add_argument("--contend", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend and arguments.contend[0] in LAKE:
        print(json.dumps({"policies": LAKE[arguments.contend[0]][0](*read_model(Path(arguments.contend[3])))}))
        return
    if arguments.contend:
        contender, name, small, path, repeats = arguments.contend
        contend(contender, name, Path(small), Path(path), int(repeats))
        return
    sections = []
    last: dict[str, dict[str, Any]] = {}  # contender -> its row on the grid before
    with tempfile.TemporaryDirectory() as folder:
        small, path = Path(folder) / "small.npz", Path(folder) / "model.npz"
        write_model(small, "small")
        for name in arguments.only:
            write_model(path, name)
            random = name.startswith("random")
            rows = []
            for contender in EVERYONE[1:] if random else EVERYONE:
                before = None if random else last.get(contender)
                row = measure(contender, name, small, path, arguments.peers, before)
                rows.append(row)
                if not random:
                    last[contender] = row
            sections.append(f"## {name} states\n\n" + table(rows))
        sections.append(lake_table(path, arguments.peers))
    OUT.write_text(report("\n\n".join(sections), arguments.peers))
    print(f"written to {OUT}")


def measure(
    contender: str, name: str, small: Path, path: Path, peers: str, before: dict[str, Any] | None
) -> dict[str, Any]:
    """One contender in a process of its own; what goes wrong is part of the table.

    Args:
        before: its row on the next smaller grid, by which it may be left out of this one.
    """
    if before is not None and before.get("cpu", TOO_SLOW) >= TOO_SLOW:
        return {"contender": contender, "failed": "left out"}
    python = peers if CONTENDERS[contender][1] else sys.executable
    repeats = "5" if name == "grid 10,000" and contender in OURS else "3" if contender in OURS else "1"
    command = [python, __file__, "--contend", contender, name, str(small), str(path), repeats]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(path.parent)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False, cwd=ROOT
        )
        lines = done.stdout.strip().splitlines()
        row = json.loads(lines[-1]) if done.returncode == 0 and lines else {"failed": last_line(done.stderr)}
    except subprocess.TimeoutExpired:
        row = {"failed": f"not done in {TIMEOUT} s"}
    row = {"contender": contender, **row}
    print(name, row, flush=True)
    return row


def lake_table(path: Path, peers: str) -> str:
    """How many policies policy iteration evaluates on FrozenLake, where many actions are equally good."""
    rows = []
    for side in ("4x4", "8x8"):
        write_model(path, f"FrozenLake {side}")
        for name, (_, peer) in LAKE.items():
            command = [peers if peer else sys.executable, __file__, "--contend", name, side, "-", str(path), "1"]
            environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(path.parent)}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=ROOT)
            found = (
                json.loads(done.stdout.splitlines()[-1])["policies"]
                if done.returncode == 0
                else last_line(done.stderr)
            )
            rows.append(f"| {name} | {side} | {found} |")
            print(rows[-1], flush=True)
    heading = "## Policies until policy iteration stops, FrozenLake (at most 1,000)\n\n"
    return heading + "| planner | lake | policies |\n|---|---|---|\n" + "\n".join(rows)


def last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return (lines[-1] if lines else "failed without a word")[:100]


def table(rows: list[dict[str, Any]]) -> str:
    ours = min(row["cpu"] for row in rows if row["contender"] in OURS and "cpu" in row)
    lines = [
        "| planner | CPU s | times ours | wall s | residual | peak GB | of it before planning | reading, CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['contender']} | {row['failed']} | | | | | | |")
            continue
        residual = f"{row['residual']:.1e}"
        if row["asked"]:
            residual += f" (asked for 1e-{6 + row['asked']})"
        figures = (
            f"{row['cpu']:.3g} | {row['cpu'] / ours:.1f} | {row['wall']:.3g} | {residual} | {row['gigabytes']:.2f}"
        )
        lines.append(f"| {row['contender']} | {figures} | {row['before']:.2f} | {row['reading']:.2g} |")
    return "\n".join(lines)


def report(sections: str, peers: str) -> str:
    import neuralcore

    asked = "; import importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    found = subprocess.run([peers, "-c", "import sys" + asked, *PEERS], capture_output=True, text=True, check=False)
    versions = found.stdout.strip() or "no peers installed"
    own = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy", "numba"))
    return (
        "# Planning beside other planners\n\n"
        "Grids: a fifth of the cells are walls, slip .2, living reward -.04, one goal. Random: a garnet with 4\n"
        "actions of 3 outcomes, in which nothing ends. Discount .99, to a Bellman residual of at most 1e-6,\n"
        "recomputed by scipy from the values that were returned. Planning is timed without reading the model and\n"
        "after a small model has been solved; median of three runs of ours (five on the smallest), one of the\n"
        "others. Memory is the process's peak. Who did not finish a grid in 90 s, or took 5 CPU-seconds, is left\n"
        "out of the larger ones.\n\n"
        f"{sections}\n\n"
        f"{date.today()}, rlgraphkit {neuralcore.__version__} ({own}), {versions},\n"
        f"Python {platform.python_version()}, two cores of a {platform.machine()} machine.\n\n"
        "`python benchmarks/planning.py --peers PEERS/bin/python`\n"
    )


if __name__ == "__main__":
    main()
