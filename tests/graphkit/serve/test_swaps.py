"""One index after another, each whole, and models that have to fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphkit import SearchIndex, WordVectors
from graphkit.serve.serving import Serving, load
from graphkit.words.vocabulary import Vocabulary
from neuralcore.errors import UserError

WORDS = ["the", "king", "queen", "man", "woman", "kingdom", "sea", "fish"]
N, D = len(WORDS), 6


def test_a_new_index_is_taken_whole_and_a_bad_one_is_not(
    client: Any, tmp_path: Path, words: WordVectors, index: SearchIndex
):
    serving, folder = client.serving, tmp_path / "index"
    old = serving.now
    before = client.get("/search", q="king").json
    index.save(folder)  # the same again
    serving.look()
    assert serving.now is old
    other = SearchIndex.build(words.matrix[:6] * -1, WORDS[:6])
    other.save(folder)  # whose vectors are not the model's
    with pytest.raises(UserError, match="another vector"):
        serving.look()
    assert client.get("/search", q="king").json == before
    serving.look()  # refused once, not each second
    (wrong,) = folder.glob("*.faiss")
    SearchIndex.build(words.matrix[:6], WORDS[:6]).save(folder)
    assert not wrong.exists()
    assert client.get("/search", q="king").json == before  # its files are gone, and still mapped
    assert client.post("/reload", b"").status in (200, 415)
    serving.look()
    after = client.get("/search", q="king").json
    assert after["index"] != before["index"]
    assert len(after["matches"]) == 5
    data = bytearray((folder / "manifest.json").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(UserError):
        serving.look()
    assert client.get("/search", q="king").json == after
    text = client.get("/metrics").body.decode()
    assert "graphkit_swaps_total 1" in text
    assert "graphkit_refused_indexes_total 2" in text


def test_an_answer_keeps_to_the_index_it_began_with(client: Any, monkeypatch: pytest.MonkeyPatch):
    """The exchange comes while an answer is computed."""
    serving = client.serving
    old, search = serving.now, type(serving.now).search
    new = load(serving._folder, serving._model, "another version")

    def exchanged(self: Any, *rest: Any) -> Any:
        serving.now = new
        return search(self, *rest)

    monkeypatch.setattr("graphkit.serve.served.Served.search", exchanged)
    answer = client.post("/search", {"queries": ["king"] * 40}).json
    assert {answer["index"], *(each["index"] for each in answer["answers"])} == {old.version}
    assert client.get("/search", q="king").json["index"] == "another version"


def test_what_is_written_while_it_is_loaded_is_loaded_again(
    client: Any, tmp_path: Path, words: WordVectors, monkeypatch: pytest.MonkeyPatch
):
    """A builder is quicker, so the files of the manifest that was read are gone."""
    serving, folder, loads = client.serving, tmp_path / "index", []
    old = serving.now

    def late(*rest: Any) -> Any:
        loads.append(len(loads))
        if len(loads) in quicker:
            SearchIndex.build(words.matrix, WORDS, attributes={"number": [len(loads)] * N}).save(folder)
            raise UserError("a file is missing")
        return load(*rest)

    monkeypatch.setattr("graphkit.serve.serving.load", late)
    quicker = range(1, 100)
    SearchIndex.build(words.matrix, WORDS).save(folder)
    serving.look()
    assert (serving.now, len(loads)) == (old, 5)
    quicker = range(6, 8)
    serving.look()
    assert len(loads) == 8
    assert serving.now.index.attributes["number"].at(0) == 7
    assert "graphkit_refused_indexes_total 0" in client.get("/metrics").body.decode()


def test_models_have_to_fit(tmp_path: Path, words: WordVectors, index: SearchIndex):
    index.save(tmp_path / "index")
    words.save(tmp_path / "words")
    with pytest.raises(UserError, match="leave --model out"):
        Serving(tmp_path / "words", tmp_path / "words")
    with pytest.raises(UserError, match="not a model"):
        Serving(tmp_path / "index", tmp_path / "index")
    narrow = WordVectors(words.vocabulary, words.matrix[:, :4].copy())
    narrow.save(tmp_path / "narrow")
    with pytest.raises(UserError, match="of 4 numbers"):
        Serving(tmp_path / "index", tmp_path / "narrow")
    WordVectors(Vocabulary([f"x{i}" for i in range(N)], range(N, 0, -1)), words.matrix).save(tmp_path / "others")
    with pytest.raises(UserError, match="no names in common"):
        Serving(tmp_path / "index", tmp_path / "others")
