"""The map: principal components of now, and t-SNE where it was laid out beforehand and is of this index."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import SearchIndex, WordVectors
from graphkit.search.plane import Plane, write_plane
from graphkit.tsne import principal_components

WORDS = ["the", "king", "queen", "man", "woman", "kingdom", "sea", "fish"]
N = len(WORDS)


def a_plane(seed: int = 0) -> Plane:
    points = np.random.default_rng(seed).uniform(-1, 1, (3, 2)).astype(np.float32)
    return Plane(np.array([1, 5, 7]), points, {"method": "tsne", "metric": "cosine"})


def points_of(drawn: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(drawn["points"]), "<f4").reshape(-1, 2)


def test_the_map_is_the_principal_plane(client: Any, index: SearchIndex):
    drawn = client.get("/map").json
    points = points_of(drawn)
    rows = index.faiss.reconstruct_n(0, N).astype(np.float64)
    expected, _ = principal_components(rows)
    expected /= np.abs(expected).max()
    signs = np.sign((points * expected).sum(axis=0))
    np.testing.assert_allclose(points, expected * signs, atol=1e-5)
    kinds = np.frombuffer(base64.b64decode(drawn["kind"]), np.uint8)
    assert [drawn["kinds"][kind] for kind in kinds] == ["word"] * 7 + ["animal"]
    assert (drawn["method"], drawn["methods"], drawn["rows"]) == ("pca", ["pca"], list(range(N)))
    assert client.get("/map").json == drawn


def test_a_map_made_beforehand_is_given_first(
    tmp_path: Path, index: SearchIndex, words: WordVectors, start: Callable[..., Any]
):
    folder = index.save(tmp_path / "index")
    write_plane(folder, a_plane())
    client = start(folder)
    drawn = client.get("/map").json
    assert (drawn["method"], drawn["methods"], drawn["rows"]) == ("tsne", ["tsne", "pca"], [1, 5, 7])
    np.testing.assert_array_equal(points_of(drawn), a_plane().points)
    assert base64.b64decode(drawn["kind"]) == bytes(
        [drawn["kinds"].index("word")] * 2 + [drawn["kinds"].index("animal")]
    )
    assert client.get("/map", method="tsne").json == drawn
    other = client.get("/map", method="pca").json
    assert (other["method"], len(other["rows"])) == ("pca", N)
    assert client.get("/map", method="umap").status == 404


def test_maps_come_while_it_is_served_and_go_with_their_rows(
    tmp_path: Path,
    index: SearchIndex,
    words: WordVectors,
    start: Callable[..., Any],
    capsys: pytest.CaptureFixture,
):
    folder = index.save(tmp_path / "index")
    client = start(folder)
    serving = client.serving
    old = serving.now
    assert client.get("/map", method="tsne").status == 404
    write_plane(folder, a_plane())
    serving.look()
    assert serving.now.index is old.index  # only the map is another one
    assert serving.now.version != old.version
    assert client.get("/map").json["method"] == "tsne"
    write_plane(folder, a_plane(1))
    serving.look()
    np.testing.assert_array_equal(points_of(client.get("/map").json), a_plane(1).points)
    SearchIndex.build(words.matrix[:7], WORDS[:7]).save(folder)
    serving.look()
    assert len(serving.now.index) == 7
    assert client.get("/map").json["methods"] == ["pca"]
    assert "is the map of other rows" in capsys.readouterr().err


def test_a_damaged_map_stops_nothing(
    tmp_path: Path, index: SearchIndex, start: Callable[..., Any], capsys: pytest.CaptureFixture
):
    folder = index.save(tmp_path / "index")
    made = write_plane(folder, a_plane())
    (made / "manifest.json").write_text("{}")
    assert start(folder).get("/map").json["methods"] == ["pca"]
    assert "damaged" in capsys.readouterr().err
