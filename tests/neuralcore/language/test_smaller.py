"""Models made smaller: bytes for weights, fewer layers, shortlists; and the commands for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from neuralcore.cli import main
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig, fit
from neuralcore.fitting.saved import load_model, save_model
from neuralcore.language.encoders import make_encoder
from neuralcore.language.mask import MaskModel
from neuralcore.language.sentences_config import SentencesConfig
from neuralcore.language.shortlist import Shortlist, narrowed, widened
from neuralcore.language.text_model import TextModel
from neuralcore.layers.int8 import Int8Embedding, Int8Linear, to_bytes, to_int8, weight_bytes
from neuralcore.sequence.transformer import TransformerDecoder

SETTINGS = {"layers": 2, "heads": 2, "dropout": 0.0, "layer_drop": 0.2}
HOW = FitConfig(epochs=4, batch_size=32, learning_rate=1e-2, evaluate_every=0.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted Transformer of opinions."""
    config = SentencesConfig("opinions", model="transformer", width=32, settings=SETTINGS, dropout=0.0, fit=HOW)
    task = config.build(seed=0)
    fit(task, HOW)
    folder = tmp_path_factory.mktemp("run")
    save_model(folder / "model", task.model, "sentences", config, task.description)
    return folder


def test_rows_of_bytes() -> None:
    rows, scale = to_bytes(torch.tensor([[1.27, -0.5, 0.004], [0.0, 0.0, 0.0], [-254.0, 127.0, 1.0]]))
    assert rows.tolist() == [[127, -50, 0], [0, 0, 0], [-127, 64, 0]]
    assert scale[[0, 2], 0].tolist() == pytest.approx([0.01, 2.0])


@pytest.mark.parametrize("shape", [(1, 7), (5, 3, 7), (0, 7)])
def test_a_layer_of_bytes_is_the_layer_nearly(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(7, 11), torch.randn(shape)
    small = Int8Linear(linear)
    weight = small.weight.float() * small.scale[:, None]
    rows, scale = to_bytes(x)
    with torch.no_grad():
        torch.testing.assert_close(small(x), (rows.float() * scale) @ weight.t() + linear.bias)
        assert float((small(x) - linear(x)).abs().max() if x.numel() else 0.0) < 0.05
    table = nn.Embedding(9, 4)
    found = Int8Embedding(table)(torch.tensor([[3, 8]]))
    torch.testing.assert_close(found, table.weight.detach()[[3, 8]][None], atol=0.02, rtol=0.0)


def test_what_is_read_by_its_weight_stays() -> None:
    model = MaskModel(50, 16, make_encoder("transformer", 16, {"layers": 1}))
    before = weight_bytes(model)
    assert to_int8(model) == 5
    assert isinstance(model.words, nn.Embedding)
    assert weight_bytes(model) < before
    assert model.eval()(torch.tensor([[7, 8]])).shape == (1, 2, 50)
    decoder = TransformerDecoder(16, 1, 2, 32, cross=True).eval()
    x, memory = torch.randn(2, 3, 16), torch.randn(2, 4, 16)
    with torch.no_grad():
        whole = decoder(x, memory)
        assert to_int8(decoder) == 5  # not the projections of the attention to the memory
        torch.testing.assert_close(decoder(x, memory), whole, atol=0.1, rtol=0.1)
    with pytest.raises(UserError, match="no linear layer"):
        to_int8(nn.Conv1d(2, 2, 1))


def test_a_smaller_model_is_a_model(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shrink", str(run), "--out", str(tmp_path / "small"), "--int8", "--layers", "1"]) == 0
    shown = capsys.readouterr().out.splitlines()
    sizes = [float(line.split(": ")[1].split(" MB")[0]) for line in shown[:3]]
    assert sizes[0] > sizes[1] > sizes[2]
    assert [line.split(":")[0] for line in shown[:3]] == ["as fitted", "1 layers", "int8"]
    assert all("accuracy" in line for line in shown[:3])
    small = load_model(tmp_path / "small").model
    assert isinstance(small, TextModel)
    assert isinstance(small.head, Int8Linear)
    assert len(small.encoder.blocks.blocks) == 1  # type: ignore[union-attr, arg-type]
    text = tmp_path / "text.txt"
    text.write_text("The plot isn't dull.\n\nthe film was never good .\n")
    answers = []
    for model in (run, tmp_path / "small"):
        assert main(["tell", str(model), str(text), "--cut"]) == 0
        answers.append([line.split("\t") for line in capsys.readouterr().out.splitlines()])
    assert [row[2] for row in answers[0]] == ["The plot isn't dull.", "the film was never good ."]
    assert answers[0][1][0] == "0"
    assert all(0.5 <= float(row[1]) <= 1.0 for rows in answers for row in rows)


def test_int8_costs_little(run: Path) -> None:
    model = load_model(run).model
    ids = torch.randint(5, 25, (64, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(ids).softmax(1)
        to_int8(model)
        assert float((model(ids).softmax(1) - whole).abs().mean()) < 0.02


def test_commands_say_what_is_wrong(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    assert main(["shrink", str(run), "--out", str(tmp_path / "small"), "--int8"]) == 0
    capsys.readouterr()
    for words, message in (
        (["shrink", str(run), "--int8"], "out is required"),
        (["shrink", str(run), "--out", "x"], "nothing is to be made smaller"),
        (["shrink", str(run), "--out", "x", "--layers", "3"], "keep must be from 1 to the 2 layers"),
        (["shrink", str(tmp_path / "small"), "--out", "x", "--int8"], "its weights are bytes already"),
        (["tell", str(run), str(tmp_path / "empty.txt")], "is empty"),
        (["tell", str(tmp_path), "x.txt"], "holds no fitted model"),
    ):
        assert main(words) == 2
        assert message in " ".join(capsys.readouterr().err.split())


def test_candidates_are_what_meets_oftener_than_by_chance() -> None:
    # 5 goes with 15, 6 with 16 and 17; 18 with all.
    pairs = [([5, 5], [15, 18]), ([6], [16, 17, 18]), ([5, 6], [15, 16, 18]), ([6], [16, 17, 18, 18])]
    found = Shortlist.learn(pairs, sources=8, targets=20, common=1, each=2)
    assert found.common.tolist() == [0, 1, 2, 3, 4, 18]
    assert found.partners[5].tolist() == [15, 18]  # 2·2/(2+2), 2·2/(2+4); 16: 2·1/(2+3)
    assert found.partners[6].tolist() == [16, 18]  # 2·3/(3+3), 2·3/(3+4) before 17's 2·2/(3+2)
    assert found.partners[7].tolist() == [-1, -1]
    assert found.candidates([5]).tolist() == [0, 1, 2, 3, 4, 15, 18]
    assert found.candidates([7]).tolist() == [0, 1, 2, 3, 4, 18]
    assert found.candidates(np.array([[5, 6]])).tolist() == [0, 1, 2, 3, 4, 15, 16, 18]


def test_a_shortlist_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    pairs = [(generator.integers(5, 30, 6), generator.integers(5, 40, 7)) for _ in range(50)]
    whole = Shortlist.learn(pairs, 30, 40, common=5, each=4)
    monkeypatch.setattr("neuralcore.language.shortlist.AT_ONCE", 100)
    pieces = Shortlist.learn(pairs, 30, 40, common=5, each=4)
    assert np.array_equal(whole.partners, pieces.partners)
    assert np.array_equal(whole.common, pieces.common)


@pytest.mark.parametrize("bias", [True, False])
def test_a_narrowed_output_has_the_same_logits(bias: bool) -> None:
    output, x = nn.Linear(8, 30, bias=bias), torch.randn(2, 3, 8)
    candidates = torch.tensor([0, 4, 7, 29])
    with torch.no_grad():
        found = narrowed(output, candidates)(x)
        torch.testing.assert_close(found, output(x)[..., candidates])
        wide = widened(found, candidates, 30)
    assert torch.equal(candidates[found.argmax(-1)], wide.argmax(-1))
    assert torch.isinf(wide).sum() == 2 * 3 * 26
