"""Rows that are added, removed and updated, against an index built anew; and attributes, against a list of rows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from graphkit import SearchIndex
from graphkit.search import nearest_rows
from neuralcore.errors import UserError

N, D = 211, 13
METRICS = ("cosine", "dot", "l2")
FACTORIES = ("Flat", "HNSW16", "IVF5,Flat", "SQ8")
TYPES = ["film", "book", "song"]


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def names() -> list[str]:
    return [f"row {i}." for i in range(N)]


def answers(index: SearchIndex, queries: np.ndarray, k: int = 7, **conditions: object) -> list[list[tuple]]:
    """Names and scores to five digits."""
    found = index.search(queries, k, **conditions)
    return [[(m.name, m.title, round(m.score, 5)) for m in matches] for matches in found]


def whole(index: SearchIndex) -> tuple:
    return (
        list(index.names),
        index.faiss.ntotal,
        index.search(np.eye(D), len(index)),
        len(index),
        index.compaction_wanted,
    )


@pytest.mark.parametrize("metric", METRICS)
def test_changes_are_a_build_of_what_is_left(matrix: np.ndarray, names: list[str], metric: str, tmp_path: Path):
    index = SearchIndex.build(matrix[:150], names[:150], metric=metric, factory="Flat")
    index.add(names[150:], matrix[150:])
    index.remove([names[7], names[180], names[0]])
    moved = np.random.default_rng(1).normal(size=(2, D))
    index.update([names[9], names[200]], moved)
    index.remove([names[9]])
    index.add([names[7]], matrix[8:9])  # which had been removed
    kept = [i for i in range(N) if i not in (0, 7, 9, 180, 200)]
    rows = np.concatenate([matrix[kept], moved[1:], matrix[8:9]])
    anew = SearchIndex.build(rows, [*(names[i] for i in kept), names[200], names[7]], metric=metric, factory="Flat")
    queries = np.random.default_rng(2).normal(size=(25, D))
    for compacted in (False, True):
        for changed in (
            index,
            SearchIndex.load(index.save(tmp_path / "index")),
            SearchIndex.load(tmp_path / "index", mapped=True),
        ):
            assert (changed.names, len(changed)) == (anew.names, N - 3)
            assert answers(changed, queries) == answers(anew, queries)
            assert answers(changed, queries, N + 5) == answers(anew, queries, N + 5)
            assert changed.search("row 7.") == anew.search("row 7.")
            assert "row 9." not in changed
            with pytest.raises(UserError, match=r"no name 'row 0\.'"):
                changed.search("row 0.")
        if not compacted:
            before = index.search("row 7.")
            index.compact()
            assert index.faiss.ntotal == len(index)
            assert before == index.search("row 7.")  # old answers keep their names


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_kind_of_index_changes(matrix: np.ndarray, names: list[str], factory: str):
    index = SearchIndex.build(matrix, names, metric="l2", factory=factory)
    gone = names[::3]
    index.remove(gone)
    index.update([names[1]], [np.full(D, 50)])
    far = [m.name for m in index.search(np.full(D, 49), 1)]
    assert far == [names[1]]
    assert index.compaction_wanted
    found = {m.name for matches in index.search(matrix, 20) for m in matches}
    assert not found & set(gone)
    index.compact()
    assert not index.compaction_wanted
    exact = SearchIndex.build(matrix, names, metric="l2", factory="Flat")
    exact.remove(gone)
    exact.update([names[1]], [np.full(D, 50)])
    pairs = zip(index.search(matrix, 10), exact.search(matrix, 10))
    shared = [len({m.name for m in a} & {m.name for m in b}) for a, b in pairs]
    assert np.mean(shared) > 9


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda i: i.add(["new", "row 3."], np.ones((2, D))), "the name 'row 3.' is there already"),
        (lambda i: i.add(["new", "new"], np.ones((2, D))), "the name 'new' is there twice, in rows 0 and 1"),
        (lambda i: i.add(["new", ""], np.ones((2, D))), "the name of row 1 is empty"),
        (lambda i: i.add(["new", 3], np.ones((2, D))), "the name of row 1 is 3, a int"),
        (lambda i: i.add("new", np.ones((1, D))), "names is one string, 'new': give a list"),
        (lambda i: i.add([], np.ones((0, D))), "no names are given"),
        (lambda i: i.add(["new", "other"], [[1] * D, [np.nan] * D]), "row 1 ('other') holds NaN"),
        (lambda i: i.add(["new"], np.zeros((1, D))), "row 0 ('new') is zero"),
        (lambda i: i.add(["new"], np.ones((1, D + 1))), f"the matrix has shape (1, {D + 1}), 1 names need (1, {D})"),
        (lambda i: i.add(["new"], np.ones((1, D)), titles=["a", "b"]), "2 titles for 1 names"),
        (lambda i: i.add(["new"], np.ones((1, D)), attributes={"yaer": [1]}), "no attribute 'yaer'"),
        (lambda i: i.remove(["row 3.", "row 3"]), "no name 'row 3' among 211: did you mean 'row 3.'?"),
        (lambda i: i.remove(["row 3.", "row 3."]), "the name 'row 3.' is there twice"),
        (lambda i: i.remove([f"row {j}." for j in range(N)]), "these are all the rows"),
        (lambda i: i.update(["row 3.", "new"], np.ones((2, D))), "no name 'new'"),
        (lambda i: i.update(["row 3.", "row 4."], [[1] * D, [0] * D]), "row 1 ('row 4.') is zero"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(matrix: np.ndarray, names: list[str], change, told: str):
    index = SearchIndex.build(matrix, names)
    before = whole(index)
    with pytest.raises(UserError) as error:
        change(index)
    assert told in str(error.value)
    assert whole(index) == before


def test_a_kind_that_cannot_leave_rows_out_says_so(matrix: np.ndarray, names: list[str]):
    index = SearchIndex.build(matrix, names, factory="LSH", metric="l2")
    with pytest.raises(UserError, match="LSH cannot leave rows out of a search"):
        index.remove(["row 3."])
    assert len(index) == N


def test_titles_come_and_go(matrix: np.ndarray, names: list[str]):
    index = SearchIndex.build(matrix[:5], names[:5])
    index.add(names[5:7], matrix[5:7], titles=["five", ""])
    index.add(names[7:8], matrix[7:8])
    assert list(index.titles) == ["", "", "", "", "", "five", "", ""]
    index.update(["row 5."], matrix[9:10])
    assert index.search("five", 1).mode == "title"
    index.remove(["row 5."])
    with pytest.raises(UserError, match="no name 'five'"):
        index.search("five")


# ---- attributes


@pytest.fixture
def attributes() -> dict:
    draw = np.random.default_rng(3)
    years = draw.integers(1950, 2020, N).astype(float)
    years[::10] = np.nan
    return {"type": [TYPES[i] for i in draw.integers(0, 3, N)], "year": years, "rank": list(range(N))}


def right(row: int, attributes: dict, where: dict) -> bool:
    """Each condition by its definition, in Python."""
    for name, condition in where.items():
        value = attributes[name][row]
        operator, wanted = condition if isinstance(condition, tuple) else ("=", condition)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        holds = (
            {
                "=": value in wanted,
                "!=": value == value and value not in wanted,
                ">=": value >= wanted[0],
                "<=": value <= wanted[0],
                ">": value > wanted[0],
                "<": value < wanted[0],
            }
            if not isinstance(value, str)
            else {"=": value in wanted, "!=": value not in wanted}
        )
        if not holds[operator]:
            return False
    return True


WHERES = [
    {"type": "film"},
    {"type": ["film", "song"]},
    {"type": ("!=", "film"), "year": (">=", 1990)},
    {"year": ("<", 1990)},
    {"year": ("!=", 1990)},
    {"year": ("<=", 1990), "rank": (">", 100)},
    {"rank": 17},
    {"rank": (">", 1000)},
]


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF5,Flat"])
@pytest.mark.parametrize("few", [True, False])
def test_filters_against_the_rows_that_pass(
    matrix: np.ndarray, names: list[str], attributes: dict, where: dict, factory: str, few: bool, monkeypatch
):
    """With `few` false, approximate indices search with a selector rather than comparing the rows that pass."""
    if not few:
        monkeypatch.setattr(nearest_rows.kinds, "EXACT_NUMBERS", 0)
        monkeypatch.setattr(nearest_rows, "SHARE", 0)
    index = SearchIndex.build(matrix, names, attributes=attributes, factory=factory, recall=1.0)
    index.remove(["row 5.", "row 17."] if where == {"rank": (">", 1000)} else ["row 5."])
    rows = [i for i in range(N) if right(i, attributes, where) and i != 5]
    found = index.search(matrix[:25], 6, where=where)
    if not rows:
        assert all(len(matches) == 0 for matches in found)
        return
    oracle = SearchIndex.build(matrix[rows], [names[i] for i in rows], factory="Flat").search(matrix[:25], 6)
    if few or factory == "Flat":
        for mine, its in zip(found, oracle):
            assert [m.name for m in mine] == [m.name for m in its]
            np.testing.assert_allclose([m.score for m in mine], [m.score for m in its], rtol=1e-6)
    else:
        shared = [len({m.name for m in a} & {m.name for m in b}) / len(b) for a, b in zip(found, oracle)]
        assert np.mean(shared) > 0.9
        assert {m.name for matches in found for m in matches} <= {names[i] for i in rows}


def test_a_name_is_filtered_and_left_out(matrix: np.ndarray, names: list[str], attributes: dict):
    index = SearchIndex.build(matrix, names, attributes=attributes)
    films = [names[i] for i in range(N) if attributes["type"][i] == "film"]
    found = [m.name for m in index.search(films[0], N, where=["type=film"])]
    assert sorted([films[0], *found]) == sorted(films)
    typed = index.search(films[0], N, where=["type = film", "year>=1990", "year<2000.5"])
    assert typed == index.search(films[0], N, where={"type": "film", "year": (">=", 1990)}) or len(typed) < len(found)
    assert {m.name for m in typed} <= {
        names[i] for i in range(N) if right(i, attributes, {"type": "film", "year": (">=", 1990)})
    }


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"tpye": "film"}, "no attribute 'tpye': did you mean 'type'?"),
        ({"type": "flim"}, "no row has type = 'flim': did you mean 'film'?"),
        ({"type": ("!=", "flim")}, "no row has type = 'flim'"),
        ({"type": (">", "film")}, "'type' holds strings, which are = or != only"),
        ({"type": ("~", "film")}, "give (operator, value)"),
        ({"type": []}, "no value is asked for"),
        ({"year": "new"}, "'new' is no number, and 'year' holds numbers"),
        ({"year": "nan"}, "nan compares with nothing"),
        ({"year": (">", [1, 2])}, "compare with one number"),
        (["year"], "where 'year': write ATTRIBUTE=VALUE"),
        (["year>"], "'' is no number"),
    ],
)
def test_filters_that_are_refused(matrix: np.ndarray, names: list[str], attributes: dict, where, told: str):
    with pytest.raises(UserError) as error:
        SearchIndex.build(matrix, names, attributes=attributes).search("row 1.", where=where)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"type": ["film"]}, "attribute 'type' has 1 values for 211 rows"),
        ({"type": "film"}, "attribute 'type' is one string"),
        ({"type": ["film"] * (N - 1) + [None]}, "attribute 'type' of row 210 is None"),
        ({"type": ["film"] * (N - 1) + [7]}, "attribute 'type' of row 210 is 7, a int"),
    ],
)
def test_attributes_that_are_refused(matrix: np.ndarray, names: list[str], attributes: dict, told: str):
    with pytest.raises(UserError) as error:
        SearchIndex.build(matrix, names, attributes=attributes)
    assert told in str(error.value)


def test_no_attributes_at_all(matrix: np.ndarray, names: list[str]):
    with pytest.raises(UserError, match="the rows have no attributes"):
        SearchIndex.build(matrix, names).search("row 1.", where={"type": "film"})


@pytest.mark.parametrize("mapped", [False, True])
def test_attributes_are_saved_and_grow(
    matrix: np.ndarray, names: list[str], attributes: dict, mapped: bool, tmp_path: Path
):
    index = SearchIndex.build(matrix, names, attributes=attributes)
    more = {"type": ["play", "film"], "year": [2021, 2022], "rank": [N, N + 1]}
    with pytest.raises(UserError, match="have the attribute 'type': give it to the new ones"):
        index.add(["new 1", "new 2"], matrix[:2])
    with pytest.raises(UserError, match="attribute 'year' holds numbers: give the new rows such"):
        index.add(["new 1", "new 2"], matrix[:2], attributes={**more, "year": ["a", "b"]})
    index.add(["new 1", "new 2"], matrix[:2], attributes=more)
    index.update(["new 1", "row 7."], matrix[3:5])
    again = SearchIndex.load(index.save(tmp_path), mapped=mapped)
    for where in ({"type": "play"}, {"year": (">", 2020)}, {"type": attributes["type"][7], "rank": 7}, *WHERES):
        assert again.search(matrix[0], N, where=where) == index.search(matrix[0], N, where=where)
    assert [m.name for m in again.search(matrix[0], where={"type": "play"})] == ["new 1"]
    assert [m.name for m in again.search(matrix[0], where={"rank": 7})] == ["row 7."]
    index.compact()
    assert [m.name for m in index.search(matrix[0], where={"rank": 7})] == ["row 7."]


def test_types_come_along_and_tell_names_apart(matrix: np.ndarray):
    source = SimpleNamespace(
        names=["1", "2", "1", "3"],
        titles=["", "", "Heat", ""],
        matrix=matrix[:4],
        attributes={"type": ["user", "user", "film", "film"]},
    )
    index = SearchIndex.build(source)
    assert list(index.names) == ["user/1", "2", "film/1", "3"]
    assert list(index.titles) == ["1", "", "Heat", ""]
    assert {m.name for m in index.search("Heat", where={"type": "film"})} == {"3"}


def test_types_of_a_graphs_entities():
    torch = pytest.importorskip("torch")
    assert torch
    from graphkit.embedding.embedding import GraphEmbedding
    from graphkit.graphs.graph import Graph

    edges = {"train": np.array([[0, 0, 2], [1, 0, 3]])}
    types = {"user": 2, "film": 2}
    graph = Graph.of(["a", "b", "a", "heat"], ["likes"], edges, types=types, sides=[("user", "film")])
    embedding = GraphEmbedding(graph, dimension=4)
    embedding.matrix = np.eye(4, dtype=np.float32) + 1
    index = SearchIndex.build(embedding.entities)
    assert list(index.names) == ["user/a", "b", "film/a", "heat"]
    assert [m.name for m in index.search("b", where=["type=film"])] == ["film/a", "heat"]
    with pytest.raises(UserError, match=r"'a' could be 'user/a' \(a\) or 'film/a' \(a\)"):
        index.search("a")
    one_type = Graph.of(["a", "b"], ["likes"], {"train": np.array([[0, 0, 1]])})
    plain = GraphEmbedding(one_type, dimension=4)
    plain.matrix = np.eye(2, 4, dtype=np.float32)
    assert SearchIndex.build(plain.entities).attributes == {}
