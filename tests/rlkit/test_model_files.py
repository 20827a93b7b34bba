"""Models carried elsewhere and back: files, matrices, arrays, toy-text tables, functions."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from neuralcore.errors import UserError
from neuralcore.kernels.bellman import Rows, Table
from rlkit import MDP, policy_iteration

envs = pytest.importorskip("envs")


def sources() -> dict[str, MDP]:
    return {
        "table": MDP.of(gym.make("GridWorld-v0", layout="cliff", slip=0.1)),
        "toy text": MDP.of(gym.make("FrozenLake-v1")),
        "endless": MDP.random(12, 3, 3, 0),
        "ends without a terminal": MDP.of([[[(0.5, 0, 2.0, True), (0.5, 1, 1.0, False)]], [[(1.0, 0, 0.0, False)]]]),
    }


SOURCES = sources()


def assert_same(found: MDP, mdp: MDP) -> None:
    np.testing.assert_allclose(found.matrix().toarray(), mdp.matrix().toarray(), atol=1e-12)
    np.testing.assert_allclose(found.rewards, mdp.rewards, atol=1e-12)
    assert found.terminals.tolist() == mdp.terminals.tolist()


@pytest.mark.parametrize("name", SOURCES)
def test_saved_and_loaded(name: str, tmp_path: Path):
    mdp = SOURCES[name]
    again = MDP.of(mdp.save(tmp_path / "model"))
    assert type(again.transitions) is type(mdp.transitions)
    for mine, theirs in zip(
        (*again.transitions, again.rewards, again.start), (*mdp.transitions, mdp.rewards, mdp.start)
    ):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    assert_same(again, mdp)
    assert (again.grid is None) == (mdp.grid is None)
    if mdp.grid is not None and again.grid is not None:
        np.testing.assert_array_equal(again.grid.cells, mdp.grid.cells)
        assert again.grid.action_symbols == mdp.grid.action_symbols


def test_a_damaged_model_is_refused(tmp_path: Path):
    folder = SOURCES["endless"].save(tmp_path / "model")
    arrays = folder / "model.safetensors"
    data = bytearray(arrays.read_bytes())
    data[-1] ^= 1
    arrays.write_bytes(data)
    with pytest.raises(UserError, match=r"model\.safetensors"):
        MDP.read(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        MDP.read(folder)
    (folder / "model.json").write_text('{"format": 7}')
    with pytest.raises(UserError, match="not a model of format 1"):
        MDP.read(folder)
    (folder / "model.json").write_text('{"format": 1}')
    with pytest.raises(UserError, match="'arrays_sha256' is missing or unknown: save the model again"):
        MDP.read(folder)
    with pytest.raises(UserError, match=r"holds no model \(no model.json\)"):
        MDP.read(tmp_path)
    with pytest.raises(UserError, match="is a file: a model is saved to a folder"):
        SOURCES["endless"].save(arrays)


@pytest.mark.parametrize("name", SOURCES)
def test_to_toy_text_and_back(name: str):
    mdp = SOURCES[name]
    table = mdp.to_toy_text()
    for state in range(mdp.states):
        for action in range(mdp.actions):
            assert sum(p for p, *_ in table[state][action]) == pytest.approx(1)
    assert_same(MDP.of(table), mdp)


@pytest.mark.parametrize("name", SOURCES)
def test_to_matrices_and_back(name: str):
    mdp = SOURCES[name]
    matrices, rewards = mdp.to_matrices()
    for matrix in matrices:
        np.testing.assert_allclose(matrix.sum(axis=1), 1)
    again = MDP.of((matrices, rewards))
    exact = policy_iteration(mdp, discount=0.9).values
    np.testing.assert_allclose(policy_iteration(again, discount=0.9).values[: mdp.states], exact, atol=1e-9)
    assert again.states == mdp.states + (name == "ends without a terminal")
    dense, _ = mdp.to_arrays()
    assert dense.shape == (mdp.actions, again.states, again.states)
    assert_same(MDP.of((dense, rewards)), again)


def test_rewards_in_every_shape():
    generator = np.random.default_rng(0)
    transitions = generator.dirichlet(np.ones(4), (3, 4))  # (A, S, S)
    sparse = [csr_matrix(matrix) for matrix in transitions]
    of_state, of_action, of_outcome = (generator.normal(size=shape) for shape in ((4,), (4, 3), (3, 4, 4)))
    for given in (transitions, list(transitions), sparse):
        np.testing.assert_allclose(MDP.of((given, of_state)).rewards, np.repeat(of_state[:, None], 3, axis=1))
        np.testing.assert_allclose(MDP.of((given, of_action)).rewards, of_action)
        expected = np.einsum("ast,ast->sa", transitions, of_outcome)
        for paid in (of_outcome, [csr_matrix(matrix) for matrix in of_outcome]):
            np.testing.assert_allclose(MDP.of((given, paid)).rewards, expected)
    with pytest.raises(UserError, match="rewards of action 0 has shape"):
        MDP.of((sparse, [csr_matrix((3, 3))] * 3))
    with pytest.raises(UserError, match="there are rewards of 1 actions and transitions of 3"):
        MDP.of((sparse, [csr_matrix((4, 4))]))
    with pytest.raises(UserError, match="transitions of action 1 has shape"):
        MDP.of(([sparse[0], csr_matrix((4, 5))], of_state))
    with pytest.raises(UserError, match=r"transitions must be A matrices \(S, S\)"):
        MDP.of((["a", "b"], of_state))
    with pytest.raises(UserError, match=r"state 2, action 1: the probabilities sum to 0\.5, not 1"):
        MDP.of(([sparse[0], sparse[1].multiply([[1], [1], [0.5], [1]])], of_state))


def test_a_function():
    mdp = MDP.from_function(lambda s, a: [(0.5, s, 1.0), (0.5, s, 2.0, True)], 2, 3, start=1)
    assert mdp.rewards.tolist() == [[1.5] * 3] * 2
    assert mdp.matrix().toarray()[0].tolist() == [0.5, 0]
    assert mdp.start.tolist() == [0, 1]
    named = MDP.from_function(
        lambda s, a: [(1.0, "b", 1.0)] if s == "a" else [], "ab", ("go", "run"), start={"a": 1.0}
    )
    assert named.state_names == ("a", "b")
    assert named.action_names == ("go", "run")
    assert named.terminals.tolist() == [False, True]
    assert policy_iteration(named).text().splitlines()[1].split() == ["a", "1.000", "go"]
    for outcomes, message in (
        ([(1.0, "c", 0.0)], "state a, action go: outcome .* the successor one of the states"),
        ([(1.0, "b")], "state a, action go: outcome"),
        ([(0.7, "b", 0.0)], "state a, action go: the probabilities sum to 0.7"),
        ([(-1.0, "b", 0.0)], "state a, action go: probability -1"),
        ([(1.0, "b", np.nan)], "state a, action go: reward nan"),
    ):
        with pytest.raises(UserError, match=message):
            MDP.from_function(lambda s, a, o=outcomes: o, "ab", ("go",))
    with pytest.raises(UserError, match="no state may be named twice"):
        MDP.from_function(lambda s, a: [], "aa", 1)
    with pytest.raises(UserError, match="start 'z' is not among the states"):
        MDP.from_function(lambda s, a: [(1.0, "b", 1.0)], "ab", 1, start="z")


NUMBERS = """state,action,successor,probability,reward
1,0,2,0.25,4
0,0,1,1,0
1,0,1,0.75,0
0,1,0,1,0.5
1,1,0,1,0
"""
NAMES = """state,action,successor,probability,reward,terminated
home,walk,work,1.0,-1,0
home,stay,home,1.0,0,0
work,walk,home,0.5,2,0
work,walk,work,0.5,2,1
work,stay,work,1.0,1,0
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables(suffix: str, tmp_path: Path):
    numbers = MDP.of(written(tmp_path / f"numbers{suffix}", NUMBERS))
    assert numbers.matrix().toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0.75, 0.25], [1, 0, 0], [0] * 3, [0] * 3]
    assert numbers.rewards.tolist() == [[0, 0.5], [1, 0], [0, 0]]
    assert numbers.terminals.tolist() == [False, False, True]
    names = MDP.of(str(written(tmp_path / f"names{suffix}", NAMES)))
    assert names.state_names == ("home", "work")
    assert names.action_names == ("walk", "stay")
    assert names.matrix().toarray().tolist() == [[0, 1], [1, 0], [0.5, 0], [0, 1]]
    assert names.rewards.tolist() == [[-1, 0], [2, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NUMBERS.replace("reward", "rewards"), r"no column 'reward': did you mean 'rewards'"),
        (NUMBERS.replace("reward\n", "reward,colour\n").replace("4\n", "4,1\n"), "cannot be read as a table"),
        (NUMBERS.replace("0.75", ""), r"t.csv:4: probability is empty"),
        (NUMBERS.replace("0,1,0,1,0.5", "-3,1,0,1,0.5"), r"t.csv:5: state is -3: numbers begin at 0"),
        (NUMBERS.replace("0.75", "0.7"), "t.csv: state 1, action 0: the probabilities sum to 0.95, not 1"),
        (NUMBERS.replace("0.75", "nan"), "t.csv: state 1, action 0: probability nan"),
        (NUMBERS.replace("1,1,0,1,0\n", ""), "t.csv: state 1, action 1: the probabilities sum to 0, not 1"),
        (
            NAMES.replace("work,walk,work,0.5", "work,walk,work,0.4"),
            "state work, action walk: the probabilities sum to",
        ),
        (NUMBERS.replace("0,0,1,1,0", "0,0,1,x,0"), "column 'probability' holds string: it must be numbers"),
        (NUMBERS.replace("0,0,1,1,0", "0,0.5,1,1,0"), "column 'action' holds double: give whole numbers"),
        ("state,action,successor,probability,reward\n", "the table has no rows"),
        ("", "cannot be read as a table"),
        (NUMBERS.replace("0.75,0", "0.75"), "Row #4: Expected 5 columns, got 4"),
    ],
)
def test_wrong_tables(text: str, message: str, tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        MDP.read(path)


def written(path: Path, text: str) -> Path:
    if path.suffix == ".csv":
        path.write_text(text)
        return path
    import io

    from pyarrow import csv, parquet

    parquet.write_table(csv.read_csv(io.BytesIO(text.encode())), path)
    return path


def test_storages():
    assert isinstance(SOURCES["table"].transitions, Table)
    assert isinstance(SOURCES["toy text"].transitions, Rows)
    mdp = SOURCES["endless"]
    with pytest.raises(ValueError, match="there are 1 names for 12"):
        MDP(mdp.transitions, mdp.rewards, mdp.terminals, mdp.start, state_names=("one",))
    with pytest.raises(ValueError, match="successors are -1 to"):
        MDP(mdp.rows._replace(indices=mdp.rows.indices * 0 - 1), mdp.rewards, mdp.terminals, mdp.start)
