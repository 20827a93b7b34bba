"""Vectors of texts: the pairs, the loss, and what is learned of a small set."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore.data.text_pairs import read_pairs
from neuralcore.data.tokens import UNKNOWN
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig, fit
from neuralcore.fitting.saved import save_model
from neuralcore.language.encode_text import cut, encoded, known, ranking_loss
from neuralcore.language.encode_text_config import EncodeTextConfig
from neuralcore.language.mask_config import MaskConfig


def things(**others: object) -> EncodeTextConfig:
    settings: dict = {"unit": "words", "size": 100, "width": 16, "dimension": 8, "length": 16, "valid": 0.2}
    settings["settings"] = {"layers": 1, "heads": 2, "dropout": 0.0}
    return EncodeTextConfig("things", **(settings | others))


def test_pairs_of_a_group_stay_together_and_have_no_word_in_common() -> None:
    found = read_pairs("things", 0.2, 0)
    train, valid = found["train"], found["valid"]
    assert (len(train), len(valid)) == (192, 48)
    assert not set(train.groups) & set(valid.groups)
    for first, second in zip(train.first, train.second):
        assert not set(first.split()) & set(second.split())
    assert list(read_pairs("things", 0.0, 0)) == ["train"]
    assert read_pairs("things", 0.2, 1)["valid"].first != valid.first


@pytest.mark.parametrize(
    ("text", "told"),
    [("a\tone\n", "line 1: group, text"), ("a\tb\tc\n\na\t \tc\n", "line 3"), ("a\tb\tc\na\td\te\n", "1 groups")],
)
def test_bad_pairs(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        read_pairs(str(path), 0.0, 0)


def test_no_pairs() -> None:
    with pytest.raises(UserError, match="no such file of pairs"):
        read_pairs("nowhere.tsv", 0.0, 0)


def test_loss_by_hand() -> None:
    first, second = torch.eye(3), torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    losses, right = ranking_loss(first, second, torch.tensor([0, 1, 2]), 0.5)
    e = math.exp(2.0)
    expected = [-math.log(e / (2 * e + 1)), -math.log(e / (e + 2)), -math.log(1 / 3)]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-6)
    assert right.tolist() == [True, True, False]
    # The first and the third are of one group: neither is wrong for the other.
    losses, right = ranking_loss(first, second, torch.tensor([0, 1, 0]), 0.5)
    np.testing.assert_allclose(losses.numpy(), [-math.log(e / (e + 1)), expected[1], -math.log(1 / 2)], rtol=1e-6)


def test_held_out_titles_find_what_says_the_same_in_other_words() -> None:
    task = things(width=32, dimension=32).build(seed=0)
    before = task.evaluate("valid")["mrr"]
    fit(task, FitConfig(epochs=8, batch_size=32, learning_rate=3e-3, evaluate_every=0), seed=0)
    assert before < 0.3
    assert task.evaluate("valid")["mrr"] > 0.6
    assert task.evaluate("test") == {}


def test_a_vector_has_length_1_and_no_regard_for_its_batch() -> None:
    task = things().build(seed=0)
    task.model.eval()
    rows = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
    found = encoded(task.model, rows)
    assert found.shape == (3, 8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    for row, mine in zip(rows, found):
        np.testing.assert_allclose(encoded(task.model, [row])[0], mine, atol=1e-6)


def vectors_of(words: list[str], folder: Path) -> tuple[str, np.ndarray]:
    rows = np.random.default_rng(0).normal(size=(len(words), 4)).round(3)
    (folder / "vectors.txt").write_text("".join(f"{w} {' '.join(map(str, r))}\n" for w, r in zip(words, rows)))
    return str(folder / "vectors.txt"), rows


def test_word_vectors_to_begin_with_keep_their_cosines(tmp_path: Path) -> None:
    words = ["river", "stream", "wood", "forest", "seldom"]
    path, rows = vectors_of(words, tmp_path)
    shape: dict = {"model": "words", "settings": {}, "width": 4, "dimension": 6, "vectors": path, "unit": "terms"}
    task = things(**shape).build(seed=0)
    assert task.tokens.symbols[5:] == words  # of the pairs' words those that have vectors, and the others' too
    task.model.eval()
    found = encoded(task.model, [task.tokens.encode(text) for text in ("River, stream!", ["a", "Forest"][1])])
    first, second = rows[:2].mean(0), rows[3]
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    np.testing.assert_allclose(found[0] @ found[1], cosine, atol=1e-6)
    assert len(things(**(shape | {"size": 8})).build(seed=0).tokens) == 8


def test_steps_say_what_they_weigh() -> None:
    task = things(model="words", settings={}, width=3, dimension=3).build(seed=0)
    model = task.model.eval()
    with torch.no_grad():
        model.weight.weight.copy_(torch.tensor([[1.0, -2.0, 0.5]]))
        model.head.weight.copy_(torch.eye(3))
    steps = model.words.weight.detach().numpy()[[5, 6, 7]].astype(np.float64)
    weights = np.exp(steps @ [1.0, -2.0, 0.5])
    expected = weights @ steps
    np.testing.assert_allclose(encoded(model, [[5, 6, 7]])[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert sum(w.numel() for w in model.parameters()) == 3 * len(task.tokens) + (3 + 1) + 3 * (3 + 1)


def test_unknown_words_are_passed_over() -> None:
    task = things().build(seed=0)
    lamp = task.tokens.encode("lamp")
    assert known(task.tokens, ["quux lamp", "quux", ""]) == [lamp, [], []]
    assert cut(task.tokens, ["lamp lamp", ""], 1) == [lamp, [UNKNOWN]]


def test_length_and_temperature_change_what_is_learned() -> None:
    short = things(length=2).build(seed=0)
    assert max(map(len, short.rows["train"][1])) == 2
    losses = []
    for temperature in (0.05, 0.5):
        task = things(temperature=temperature).build(seed=0)
        batch = task.batch(np.arange(8), torch.Generator(), torch.device("cpu"))
        losses.append(float(task.loss(batch, torch.Generator())[0].detach()))
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"valid": 1.0},
        {"dimension": 0},
        {"fit": FitConfig(batch_size=1)},
        {"unit": "bpe", "size": None},
        {"vectors": "a", "unit": "bpe"},
        {"vectors": "a", "start": "b"},
    ],
)
def test_contradictions(wrong: dict) -> None:
    with pytest.raises(
        ValueError, match=next(iter(wrong)) if "fit" not in wrong and "unit" not in wrong else "batch_size|bpe"
    ):
        things(**wrong)


def test_a_masked_model_to_start_from(tmp_path: Path) -> None:
    small: dict = {"model": "convolution", "settings": {"channels": 2}, "width": 8}
    config = MaskConfig("grammar", length=8, **small)
    masked = config.build(seed=0)
    save_model(tmp_path / "model", masked.model, "mask", config, masked.description)
    task = things(start=str(tmp_path), **small).build(seed=1)
    assert task.tokens == masked.tokens
    assert torch.equal(task.model.words.weight, masked.model.words.weight)
    with pytest.raises(UserError, match="its model, settings or width are others"):
        things(start=str(tmp_path), **(small | {"width": 16})).build(seed=1)
