"""A run of task encode_text as the encoder of a text index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import main
from graphkit.search.documents import Document
from graphkit.search.sequence_encoder import PASSAGES, SequenceEncoder
from graphkit.search.text_index import TextIndex
from neuralcore.errors import UserError
from neuralcore.fitting.saved import save_model
from neuralcore.language.encode_text_config import EncodeTextConfig
from neuralcore.language.mask_config import MaskConfig


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = EncodeTextConfig("things", unit="words", size=100, model="words", width=16, dimension=8, length=4)
    task = config.build(seed=0)
    save_model(tmp_path / "run" / "model", task.model, "encode_text", config, task.description)
    return tmp_path / "run"


def test_vectors_of_texts(run: Path) -> None:
    encoder = SequenceEncoder.load(run)
    found = encoder.encode(["lamp river", "", "the stream and the light and the rock"])
    assert found.dtype == np.float32
    assert not found[1].any()
    np.testing.assert_allclose(np.linalg.norm(found[[0, 2]], axis=1), 1.0, rtol=1e-5)
    parts = encoder.encode(["the stream and the", "light and the rock"]).sum(axis=0)
    np.testing.assert_allclose(found[2], parts / np.linalg.norm(parts), rtol=1e-5, atol=1e-6)
    # No more than the first passages are read.
    start = " ".join(["river lamp stone road"] * PASSAGES)
    np.testing.assert_array_equal(*encoder.encode([start, f"{start} house dog house dog"]))


def test_an_index_keeps_it(run: Path, tmp_path: Path) -> None:
    documents = [Document("a", "the stream and the light"), Document("b", "the infant and the hound")]
    index = TextIndex.build(documents, SequenceEncoder.load(run), lexical=False)
    index.save(tmp_path / "index")
    loaded = TextIndex.load(tmp_path / "index")
    assert isinstance(loaded.encoder, SequenceEncoder)
    assert loaded.search("the infant and the hound", k=2) == index.search("the infant and the hound", k=2)
    assert loaded.search("the infant and the hound")[0].name == "b"
    assert loaded.search("an infant or hound").unknown == ["an", "or"]
    with pytest.raises(UserError, match=r"no word of the query is known \('cauliflower'\)"):
        loaded.search("cauliflower")


def test_another_task_is_refused(tmp_path: Path) -> None:
    config = MaskConfig("grammar", width=8, length=8, model="convolution", settings={"channels": 2})
    task = config.build(seed=0)
    save_model(tmp_path / "model", task.model, "mask", config, task.description)
    with pytest.raises(UserError, match="task 'mask'"):
        SequenceEncoder.load(tmp_path)


def test_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents.tsv").write_text("a\tthe stream and the light\nb\tthe infant and the hound\n")
    given = ["documents", str(tmp_path / "documents.tsv"), "--vectors", str(run), "--index", str(tmp_path / "index")]
    assert main([*given, "--no-bm25"]) == 0
    assert "a sequence encoder (words, 4 tokens at once)" in capsys.readouterr().err
    assert main(["search-text", str(tmp_path / "index"), "the infant"]) == 0
    assert main([*given, "--a", "1e-3"]) == 2
    assert "--a changes nothing with a sequence encoder" in capsys.readouterr().err
