from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import node2vec
from graphkit.walks import walks as walks_module
from graphkit.walks.config import WalkConfig
from graphkit.walks.graph import WalkGraph
from graphkit.walks.walks import walk_stream
from graphkit.words import skipgram as skipgram_module
from graphkit.words.vectors import WordVectors
from neuralcore.errors import UserError
from neuralcore.kernels.random_walks import random_walks

SMALL = WalkConfig(walks_per_node=4, walk_length=10, dimension=8, window=3, negatives=3)


def communities(groups: int = 2, size: int = 12, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Names and edges of groups that are dense inside and joined by one edge each to the next: a0 … b11."""
    rng = np.random.default_rng(seed)
    names = [f"{'abcdef'[group]}{i}" for group in range(groups) for i in range(size)]
    edges = [
        (group * size + i, group * size + j)
        for group in range(groups)
        for i in range(size)
        for j in range(i)
        if j == i - 1 or rng.random() < 0.5
    ]
    return names, np.array(edges + [(group * size, (group + 1) * size % len(names)) for group in range(groups)])


@pytest.fixture
def graph() -> WalkGraph:
    return WalkGraph.of(*communities())


def sentences(ids: np.ndarray) -> list[list[int]]:
    """The stream cut at its -1."""
    found: list[list[int]] = [[]]
    for number in ids.tolist():
        if number < 0:
            found.append([])
        else:
            found[-1].append(number)
    assert found.pop() == []
    return found


# -- the stream -----------------------------------------------------------------------------------------------------


def test_the_stream_holds_the_walks_of_the_op(graph: WalkGraph) -> None:
    config = dataclasses.replace(SMALL, p=0.5, q=2.0, seed=3)
    vocabulary, ids = walk_stream(graph, config)
    assert ids.dtype == np.int32
    assert isinstance(ids, np.memmap)
    walks = sentences(ids)
    named = [[vocabulary.words[number] for number in walk] for walk in walks]
    count = len(graph.names)
    assert len(walks) == 4 * count
    for epoch in range(4):
        some = named[epoch * count : (epoch + 1) * count]
        assert sorted(walk[0] for walk in some) == sorted(graph.names)  # every node begins a walk of every pass
        starts = np.array([graph.names.index(walk[0]) for walk in some], np.int32)
        expected = random_walks(graph.offsets, graph.neighbours, starts, length=10, p=0.5, q=2.0, seed=3, epoch=epoch)
        assert [[graph.names[node] for node in walk] for walk in expected] == some
    assert [walk[0] for walk in named[:count]] != [walk[0] for walk in named[count : 2 * count]]
    flat = [node for walk in named for node in walk]
    assert vocabulary.counts.tolist() == [flat.count(name) for name in vocabulary.words]
    assert vocabulary.words == sorted(graph.names, key=lambda name: (-flat.count(name), name))


def test_threads_and_cuts_change_nothing(graph: WalkGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = walk_stream(graph, SMALL)
    monkeypatch.setattr(walks_module, "PIECE", 5)
    monkeypatch.setattr(walks_module, "BLOCK", 64)
    cut = walk_stream(graph, dataclasses.replace(SMALL, threads=3))
    np.testing.assert_array_equal(whole.ids, cut.ids)
    assert whole.vocabulary.words == cut.vocabulary.words


def test_dead_ends_and_isolated_nodes() -> None:
    """a -> b -> c -> d, and e without edges: a walk ends where no edge leads on, with one -1."""
    graph = WalkGraph.of(list("abcde"), np.array([[0, 1], [1, 2], [2, 3]]), directed=True)
    vocabulary, ids = walk_stream(graph, dataclasses.replace(SMALL, walks_per_node=2, walk_length=3))
    found = sorted("".join(vocabulary.words[number] for number in walk) for walk in sentences(ids))
    assert found == sorted(["abc", "bcd", "cd", "d", "e"] * 2)
    assert dict(zip(vocabulary.words, vocabulary.counts.tolist())) == {"a": 2, "b": 4, "c": 6, "d": 6, "e": 2}


def test_walks_go_by_weight() -> None:
    edges = np.array([[0, 1], [0, 2]])
    graph = WalkGraph.of(["hub", "near", "far"], edges, np.array([99.0, 1.0]))
    vocabulary, _ = walk_stream(graph, dataclasses.replace(SMALL, walks_per_node=50))
    counts = dict(zip(vocabulary.words, vocabulary.counts.tolist()))
    assert counts["near"] > 5 * counts["far"]


# -- training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{}, {"p": 0.25, "q": 4.0}, {"loss": "hierarchical_softmax"}, {"threads": 2}, {"per_pair": True}],
    ids=str,
)
def test_neighbours_come_from_the_same_community(
    graph: WalkGraph, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 500)
    usual = {"walks_per_node": 40, "walk_length": 20, "dimension": 16, "window": 3, "learning_rate": 0.05}
    vectors = node2vec(graph, **{**usual, **settings})
    assert sorted(vectors.words) == sorted(graph.names)
    for node in vectors.words:
        assert {other[0] for other, _ in vectors.neighbours(node, 3)} == {node[0]}, node


def test_all_nodes_have_a_vector(graph: WalkGraph) -> None:
    names, edges = communities()
    alone = WalkGraph.of([*names, "new york"], edges)
    assert alone.isolated == 1
    vectors = node2vec(alone, SMALL)
    row = vectors["new york"]
    assert np.isfinite(vectors.matrix).all()
    assert 0.0 < np.abs(row).max() <= 1.0 / SMALL.dimension  # as it was drawn


def test_every_setting_changes_something(graph: WalkGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 200)
    changed = {
        "walks_per_node": 5,
        "walk_length": 11,
        "p": 0.5,
        "q": 0.5,
        "loss": "hierarchical_softmax",
        "dimension": 9,
        "window": 2,
        "negatives": 4,
        "per_pair": True,
        "epochs": 2,
        "learning_rate": 0.05,
        "minimum_learning_rate": 0.01,
        "seed": 1,
    }
    unchanged = {"threads": None, "checkpoint_every": None}  # tested elsewhere: the walks, the number of checkpoints
    assert {field.name for field in dataclasses.fields(WalkConfig)} == changed.keys() | unchanged.keys()
    base = node2vec(graph, SMALL).matrix
    np.testing.assert_array_equal(node2vec(graph, SMALL).matrix, base)
    for name, value in changed.items():
        config = dataclasses.replace(SMALL, negatives=5) if name == "loss" else SMALL
        before = node2vec(graph, config).matrix
        after = node2vec(graph, config, **{name: value}).matrix
        assert after.shape != before.shape or (after != before).any(), name


def test_a_run_folder(graph: WalkGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipgram_module, "CHUNK", 200)
    run = tmp_path / "run"
    vectors = node2vec(graph, SMALL, run=run, epochs=3, checkpoint_every=400)
    assert vectors.training is not None
    assert vectors.training.words == 3 * vectors.vocabulary.total
    loaded = WordVectors.load(run)
    assert loaded.words == vectors.words
    np.testing.assert_array_equal(loaded.matrix, vectors.matrix)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) > 6
    assert steps[-1] == 3 * vectors.vocabulary.total
    again = node2vec(graph, SMALL, run=run, epochs=3, checkpoint_every=400)
    assert again.training is not None
    assert again.training.words == 0
    with pytest.raises(UserError, match=r"config\.p = 1\.0, not 0\.5"):
        node2vec(graph, SMALL, run=run, epochs=3, p=0.5)
    names, edges = communities(seed=1)
    with pytest.raises(UserError, match="was trained on another text"):
        node2vec(WalkGraph.of(names, edges), SMALL, run=run, epochs=3)


@pytest.mark.parametrize("lost", ["nothing", "walks.bin", "walks.json", "one byte", "walks_nodes.safetensors"])
def test_a_run_that_was_cut_ends_with_the_same_bytes(
    lost: str, graph: WalkGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its walks are still there, gone or damaged: they are made again, the same."""
    monkeypatch.setattr(skipgram_module, "CHUNK", 200)
    settings = {"checkpoint_every": 600, "epochs": 2}
    whole = node2vec(graph, SMALL, run=tmp_path / "whole", **settings)
    run = tmp_path / "cut"
    saved, save = [], skipgram_module.SkipGramTrainer.state

    def stop_at_the_second(trainer: Any) -> Any:
        saved.append(None)
        if len(saved) == 3:
            raise KeyboardInterrupt
        return save(trainer)

    monkeypatch.setattr(skipgram_module.SkipGramTrainer, "state", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        node2vec(graph, SMALL, run=run, **settings)
    monkeypatch.setattr(skipgram_module.SkipGramTrainer, "state", save)
    assert not (run / "vectors").exists()
    if lost == "one byte":
        data = bytearray((run / "walks.bin").read_bytes())
        data[-8] ^= 1
        (run / "walks.bin").write_bytes(data)
    elif lost != "nothing":
        (run / lost).unlink()
    vectors = node2vec(graph, SMALL, run=run, **settings)
    assert vectors.training is not None
    assert 0 < vectors.training.words < 2 * vectors.vocabulary.total
    assert (run / "vectors/manifest.json").read_bytes() == (tmp_path / "whole/vectors/manifest.json").read_bytes()
    np.testing.assert_array_equal(vectors.matrix, whole.matrix)


def test_walks_are_taken_from_the_run_folder(
    graph: WalkGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = walk_stream(graph, SMALL, tmp_path)
    monkeypatch.setattr(walks_module, "_written", lambda *_: pytest.fail("made again"))
    again = walk_stream(graph, dataclasses.replace(SMALL, threads=2, window=5), tmp_path)
    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.vocabulary.words == again.vocabulary.words
    assert first.vocabulary.counts.tolist() == again.vocabulary.counts.tolist()
    monkeypatch.undo()
    other = walk_stream(graph, dataclasses.replace(SMALL, seed=1), tmp_path)
    assert not np.array_equal(first.ids[:50], other.ids[:50])


def test_mistakes(graph: WalkGraph, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown setting 'walklength': did you mean 'walk_length'"):
        node2vec(graph, walklength=3)
    with pytest.raises(UserError, match="p must be above 0, got 0"):
        node2vec(graph, p=0.0)
    with pytest.raises(UserError, match="walk_length must be 2 or more"):
        node2vec(graph, walk_length=1)
    with pytest.raises(UserError, match="walks_per_node must be 1 or more"):
        node2vec(graph, walks_per_node=0)
    with pytest.raises(UserError, match="window must be 1 or more"):
        node2vec(graph, window=0)
    with pytest.raises(UserError, match="say how to read an edge list"):
        node2vec(graph, directed=True)
    (tmp_path / "walks.bin").mkdir()
    with pytest.raises(UserError, match=r"the walks could not be written into .* they take up to 4,224 bytes"):
        walk_stream(graph, SMALL, tmp_path)
