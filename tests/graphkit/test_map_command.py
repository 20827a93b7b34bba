"""`graphkit map`: what it writes, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from graphkit import SearchIndex, WordVectors
from graphkit.cli import main
from graphkit.search.plane import in_unit_square, read_plane, rows_to_show
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

NAMES = [f"name {i}." for i in range(60)]
MATRIX = np.random.default_rng(0).normal(size=(len(NAMES), 5)).astype(np.float32)


@pytest.fixture
def index() -> SearchIndex:
    return SearchIndex.build(MATRIX, NAMES)


def plane_of(place: Path, index: SearchIndex):
    return read_plane(place, (place / "manifest.json").read_bytes(), index)


def test_a_map_is_written_and_read(tmp_path: Path, index: SearchIndex, capsys: pytest.CaptureFixture):
    folder = index.save(tmp_path / "index")
    assert plane_of(folder, index) is None
    assert main(["map", str(folder), "--iterations", "250", "--perplexity", "5"]) == 0
    said = capsys.readouterr()
    assert "60 rows by t-SNE" in said.out
    assert '"eta_seconds"' in said.err
    plane = plane_of(folder, index)
    assert plane is not None
    assert plane.rows.tolist() == list(range(60))
    assert plane.points.dtype == np.float32
    assert np.abs(plane.points).max() == 1
    assert {
        "method": "tsne",
        "metric": "cosine",
        "perplexity": 5.0,
        "iterations": 250,
    }.items() <= plane.details.items()
    first = {path.name: path.read_bytes() for path in (folder / "map").iterdir()}
    assert main(["map", str(folder), "--iterations", "250", "--perplexity", "5"]) == 0
    assert {path.name: path.read_bytes() for path in (folder / "map").iterdir()} == first
    assert main(["map", str(folder), "--iterations", "250", "--rows", "20"]) == 0
    assert len(list((folder / "map").iterdir())) == 2  # the old points are gone
    again = plane_of(folder, index)
    assert again is not None
    assert again.rows.tolist() == np.linspace(0, 59, 20).astype(int).tolist()


def test_of_words_the_most_frequent_are_shown(tmp_path: Path):
    words = WordVectors(Vocabulary(NAMES, range(60, 0, -1)), MATRIX)
    words.save(tmp_path / "run" / "vectors")
    assert main(["map", str(tmp_path / "run"), "--iterations", "250", "--rows", "20", "--metric", "l2"]) == 0
    place = tmp_path / "run" / "vectors"
    plane = plane_of(place, SearchIndex.build(words, metric="l2"))
    assert plane is not None
    assert plane.rows.tolist() == list(range(20))
    with pytest.raises(UserError, match="a map by l2, not cosine"):
        plane_of(place, SearchIndex.build(words))


def test_another_index_and_damage_are_refused(tmp_path: Path, index: SearchIndex):
    folder = index.save(tmp_path / "index")
    assert main(["map", str(folder), "--iterations", "250"]) == 0
    other = SearchIndex.build(MATRIX[:50], NAMES[:50])
    other.save(tmp_path / "other")
    shutil.copytree(folder / "map", tmp_path / "other" / "map")
    with pytest.raises(UserError, match="of other rows"):
        plane_of(tmp_path / "other", other)
    for path in (folder / "map").iterdir():
        data = path.read_bytes()
        for place in range(0, len(data), max(1, len(data) // 40)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
            with pytest.raises(UserError, match="graphkit map"):
                plane_of(folder, index)
        path.write_bytes(data)
    assert plane_of(folder, index) is not None
    next((folder / "map").glob("*.safetensors")).unlink()
    with pytest.raises(UserError, match="damaged"):
        plane_of(folder, index)


def test_an_index_that_is_saved_meanwhile_gets_no_old_map(
    tmp_path: Path, index: SearchIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    folder = index.save(tmp_path / "index")

    def overtaken(X: np.ndarray, *rest: object) -> tuple[np.ndarray, float]:
        SearchIndex.build(MATRIX[:50], NAMES[:50]).save(folder)
        return X[:, :2], 0.0

    monkeypatch.setattr("graphkit.tsne_many.tsne_of_many", overtaken)
    assert main(["map", str(folder)]) == 2
    assert "saved anew meanwhile" in capsys.readouterr().err
    assert not (folder / "map").exists()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--rows", "3"], "4 to 50000"),
        (["--iterations", "10"], "250 or more"),
        (["--perplexity", "59"], "choose between 1 and 58"),
        (["--metric", "l2"], "cosine"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, index: SearchIndex, typed: list[str], told: str, capsys: pytest.CaptureFixture
):
    folder = index.save(tmp_path / "index")
    assert main(["map", str(folder), *typed]) == 2
    assert told in capsys.readouterr().err
    assert not (folder / "map").exists()


def test_rows_and_points():
    index = SearchIndex.build(MATRIX, NAMES)
    index.remove(NAMES[:2])
    assert rows_to_show(index, 3, by_frequency=True).tolist() == [2, 3, 4]
    assert rows_to_show(index, 3, by_frequency=False).tolist() == [2, 30, 59]
    assert rows_to_show(index, 60, by_frequency=False).tolist() == list(range(2, 60))
    np.testing.assert_array_equal(in_unit_square(np.array([[0, -4.0], [2, 1]])), [[0, -1], [0.5, 0.25]])
    assert in_unit_square(np.zeros((0, 2))).shape == (0, 2)
