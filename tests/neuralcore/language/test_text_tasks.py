"""Sentences, tags and masked words: counts, padding, learning by heart, first vectors, starts and teachers."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from neuralcore.data.made_texts import grammar
from neuralcore.data.tokens import MASK, PAD, SPECIAL, UNKNOWN, Tokens, padded
from neuralcore.errors import UserError
from neuralcore.fitting import FitConfig, fit
from neuralcore.fitting.saved import load_model, save_model
from neuralcore.language import mask
from neuralcore.language.encoders import ENCODERS, make_encoder, pruned
from neuralcore.language.mask import MaskModel, masked
from neuralcore.language.mask_config import MaskConfig
from neuralcore.language.sentences import SentencesTask, distillation, logits_of
from neuralcore.language.sentences_config import SentencesConfig
from neuralcore.language.tag import NONE
from neuralcore.language.tag_config import TagConfig
from neuralcore.language.text_model import TextModel, pool
from neuralcore.sequence.recurrent import parameter_count
from neuralcore.vision.counting import parameters

SMALL = {
    "words": {},
    "convolution": {"windows": [2, 3], "channels": 16},
    "recurrent": {"hidden": 12},
    "transformer": {"layers": 2, "heads": 2, "dropout": 0.0},
}
HEART = FitConfig(epochs=60, batch_size=8, learning_rate=2e-2, evaluate_every=0.0)


def opinions(model: str = "convolution", **others: object) -> SentencesConfig:
    settings = {"settings": SMALL[model], "width": 16, "dropout": 0.0, "fit": HEART} | others
    return SentencesConfig("opinions", model=model, **settings)  # type: ignore[arg-type]


def few(task: SentencesTask, count: int = 8) -> SentencesTask:
    """The task with a handful of training sentences, which are what it is tested by."""
    some = task.splits["train"].of(np.arange(count))
    task.splits, task.rows = (
        {"train": some, "test": some},
        dict.fromkeys(("train", "test"), task.rows["train"][:count]),
    )
    return task


def saved(folder: Path, task: object, name: str) -> str:
    save_model(folder / "model", task.model, name, task.config, task.description)  # type: ignore[attr-defined]
    return str(folder)


def test_published_counts() -> None:
    # Kim 2014: 100 kernels over windows of 3, 4 and 5 words of 300 numbers.
    assert parameters(make_encoder("convolution", 300)) == 100 * 300 * (3 + 4 + 5) + 300 == 360_300
    assert parameters(make_encoder("recurrent", 300)) == parameter_count("lstm", 300, 128, bidirectional=True)
    # BERT base (Devlin et al. 2019): its 12 layers of 768 are 85,054,464 weights; ours have a norm more, at the end.
    layer = parameters(make_encoder("transformer", 768, {"layers": 1, "heads": 12})) - 2 * 768
    assert 12 * layer == 85_054_464
    assert parameters(TextModel(1000, 50, make_encoder("words", 50), 4)) == 1000 * 50 + 51 * 4
    masked_words = MaskModel(1000, 64, make_encoder("transformer", 64, {"layers": 1}))
    assert parameters(masked_words) == 1000 * 65 + (12 * 64**2 + 15 * 64) + 65 * 64 + 2 * 64


@pytest.mark.parametrize("name", ENCODERS)
def test_padding_changes_nothing(name: str) -> None:
    torch.manual_seed(0)
    model = TextModel(30, 16, make_encoder(name, 16, SMALL[name]), 3).eval()
    rows = [[7, 8, 9, 10], [11, 12], [13]]
    together = model(torch.from_numpy(padded(rows, 9)))
    alone = torch.cat([model(torch.from_numpy(padded([row]))) for row in rows])
    torch.testing.assert_close(together, alone)
    steps = TextModel(30, 16, make_encoder(name, 16, SMALL[name]), 3, steps=True).eval()
    torch.testing.assert_close(
        steps(torch.from_numpy(padded(rows, 9)))[1, :2], steps(torch.from_numpy(padded([rows[1]])))[0]
    )
    order = name != "words"  # a mean of words knows no order
    turned = model(torch.from_numpy(padded([rows[0][::-1]])))
    assert torch.allclose(turned[0], alone[0], atol=1e-6) != order


def test_windows_are_correlations() -> None:
    encoder = make_encoder("convolution", 2, {"windows": [2], "channels": 1})
    kernel = next(iter(encoder.kernels))  # type: ignore[union-attr, arg-type]
    kernel.weight.data = torch.tensor([[[1.0, 10.0], [0.0, 100.0]]])
    kernel.bias.data.zero_()
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    real = torch.tensor([[True, True, False]])
    # 1 x_t[0] + 10 x_{t+1}[0] + 100 x_{t+1}[1]; the third word is not there
    assert encoder(x, real)[0, :, 0].tolist() == [1 + 30 + 400, 3, 0]


def test_pools() -> None:
    steps = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [100.0, 100.0]]])
    real = torch.tensor([[True, True, False]])
    assert pool(steps, real, "mean").tolist() == [[2.0, -6.0]]
    assert pool(steps, real, "max").tolist() == [[3.0, -5.0]]


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_is_learned_by_heart(name: str) -> None:
    task = few(opinions(name).build(seed=0))
    fit(task, HEART)
    found = task.evaluate("test")
    assert found["accuracy"] == 1.0
    assert found["loss"] < 0.1
    again, other = few(opinions(name).build(seed=0)), few(opinions(name).build(seed=0))
    for twice in (again, other):
        fit(twice, dataclasses.replace(HEART, epochs=2))
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), other.model.parameters()))


def test_windows_learn_what_not_means_and_a_mean_cannot() -> None:
    how = FitConfig(epochs=6, batch_size=32, learning_rate=1e-2, evaluate_every=0.0)
    figures = {}
    for name in ("convolution", "words"):
        task = opinions(name, fit=how).build(seed=0)
        fit(task, how)
        figures[name] = task.evaluate("test")["accuracy"]
    assert figures["convolution"] > 0.95
    assert figures["words"] < 0.8


def test_words_that_are_dropped_are_unknown() -> None:
    task = opinions(word_drop=0.5).build(seed=0)
    rows = np.arange(64)
    plain = opinions().build(seed=0).batch(rows, torch.Generator().manual_seed(0), torch.device("cpu")).ids
    found = task.batch(rows, torch.Generator().manual_seed(0), torch.device("cpu")).ids
    gone = (found == UNKNOWN) & (plain != UNKNOWN)
    assert torch.equal(found[~gone], plain[~gone])
    assert 0.4 < float(gone.sum() / (plain != PAD).sum()) < 0.6


def test_first_vectors(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("film 1 1 1 1\ngood 3 3 3 3\nunseen 2 2 2 2\nfurther 0 0 0 1\n")
    task = opinions(width=4, vectors=str(tmp_path / "v.txt"), size=None).build(seed=0)
    numbers, table = task.tokens.numbers, task.model.words.weight
    rows = table.detach()[[numbers[word] for word in ("film", "good", "unseen", "further")]]
    torch.testing.assert_close(rows[1], 3 * rows[0])
    torch.testing.assert_close(rows[2], 2 * rows[0])
    assert float(rows.square().mean()) == pytest.approx(1 / 4)
    room = len(task.tokens) - 1
    assert "further" not in opinions(width=4, vectors=str(tmp_path / "v.txt"), size=room).build(0).tokens.numbers
    with pytest.raises(UserError, match="vectors: they have 4 numbers, the model's width is 16"):
        opinions(vectors=str(tmp_path / "v.txt")).build(seed=0)
    (tmp_path / "w.txt").write_text("xyz 1 1\n")
    with pytest.raises(UserError, match="none of their words is known here"):
        opinions(width=2, settings=SMALL["words"], model="words", size=20, vectors=str(tmp_path / "w.txt")).build(0)
    frozen = dataclasses.replace(HEART, epochs=1, freeze=("words.",))
    before = task.model.words.weight.clone()
    fit(few(task), frozen)
    assert torch.equal(task.model.words.weight, before)


def test_what_is_masked() -> None:
    ids = torch.randint(len(SPECIAL), 50, (64, 40), generator=torch.Generator().manual_seed(0))
    ids[:, 30:] = PAD
    found = masked(ids, 0.15, 50, torch.Generator().manual_seed(1))
    assert not found.at[:, 30:].any()
    assert torch.equal(found.targets, ids[found.at])
    assert torch.equal(found.ids[~found.at], ids[~found.at])
    count = int(found.at.sum())
    assert 0.12 < count / (64 * 30) < 0.18
    seen = found.ids[found.at]
    assert 0.72 < float((seen == MASK).sum()) / count < 0.88
    assert 0.03 < float((seen == found.targets).sum()) / count < 0.2
    assert int(seen[seen != MASK].min()) >= len(SPECIAL)
    one = masked(torch.tensor([[7, PAD]]), 1e-9, 50, torch.Generator().manual_seed(0))
    assert one.at.tolist() == [[True, False]]


def test_hidden_words_are_told_by_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask, "grammar", lambda: grammar(500))
    how = FitConfig(epochs=12, batch_size=16, learning_rate=2e-2, evaluate_every=0.0)
    config = MaskConfig("grammar", width=16, length=16, model="recurrent", settings={"hidden": 16}, fit=how)
    task = config.build(seed=0)
    with torch.no_grad():
        before = task.evaluate("test")
    fit(task, how)
    with torch.no_grad():
        after, again = task.evaluate("test"), task.evaluate("test")
    assert before["perplexity"] > 0.8 * len(task.tokens)
    assert after["perplexity"] < 9.0  # a word of the right kind: 27 words, of which 3 to 7 fit
    assert after["perplexity"] == pytest.approx(float(np.exp(after["loss"])))
    assert again == after


def test_logits_of_chosen_steps_are_those_of_all() -> None:
    torch.manual_seed(0)
    model = MaskModel(40, 16, make_encoder("transformer", 16, SMALL["transformer"])).eval()
    ids = torch.randint(5, 40, (3, 7))
    at = torch.rand(3, 7) < 0.4
    torch.testing.assert_close(model(ids, at), model(ids)[at])


def test_a_start_gives_words_and_encoder(tmp_path: Path) -> None:
    how = dataclasses.replace(HEART, epochs=1)
    settings = SMALL["transformer"]
    other = MaskConfig("grammar", width=16, length=16, settings=settings, fit=how).build(seed=3)
    run = saved(tmp_path / "mask", other, "mask")
    config = TagConfig("grammar", start=run, model="transformer", width=16, settings=settings, fit=how)
    tag = config.build(seed=0)
    assert tag.tokens == other.tokens
    mine, theirs = tag.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(mine[n], theirs[n]) for n in mine if n.startswith(("words.", "encoder.")))
    sentences = opinions("transformer", start=run).build(seed=0)
    assert sentences.tokens == other.tokens
    with pytest.raises(UserError, match=r"start: .* has no words\.weight of \(\d+, 8\)"):
        dataclasses.replace(config, width=8).build(seed=0)
    with pytest.raises(UserError, match=r"its model, settings or width are others"):
        dataclasses.replace(config, settings={**settings, "layers": 3}).build(seed=0)
    run = saved(tmp_path / "sentences", few(opinions("transformer").build(seed=1)), "sentences")
    again = opinions("transformer", start=run).build(seed=0)  # of the same task: the head too
    assert torch.equal(again.model.head.weight, load_model(run).model.state_dict()["head.weight"])


def test_distillation() -> None:
    logits, teacher = torch.tensor([[1.0, -1.0], [0.0, 2.0]]), torch.tensor([[1.0, -1.0], [2.0, 0.0]])
    found = distillation(logits, teacher, 2.0)
    p = 1 / (1 + np.exp(-1.0))  # of logits 2 apart, divided by 2
    assert found.tolist() == pytest.approx([0.0, 4 * (p - (1 - p)) * 1.0], abs=1e-6)
    logits.requires_grad_()
    distillation(logits, teacher, 50.0).sum().backward()  # for large T: the difference of centred logits / K
    assert logits.grad is not None
    torch.testing.assert_close(
        logits.grad[1], (torch.tensor([-1.0, 1.0]) - torch.tensor([1.0, -1.0])) / 2, rtol=0.01, atol=0.01
    )


def test_a_student_learns_from_its_teacher_alone(tmp_path: Path) -> None:
    how = FitConfig(epochs=4, batch_size=32, learning_rate=2e-2, evaluate_every=0.0)
    teacher = opinions(fit=how).build(seed=0)
    fit(teacher, how)
    run = saved(tmp_path, teacher, "sentences")
    student = opinions(settings={"windows": [2]}, teacher=run, taught=1.0).build(seed=1)
    assert student.odds is not None
    assert np.allclose(student.odds.numpy(), logits_of(teacher.model, teacher.rows["train"]))
    student.splits["train"].labels[:] = 0  # what the labels say has no weight
    fit(student, how)
    said = logits_of(student.model, student.rows["train"]).argmax(1)
    assert float((said == student.odds.argmax(1).numpy()).mean()) > 0.9


def test_layers_are_left_out() -> None:
    torch.manual_seed(0)
    settings = {"layers": 4, "heads": 2, "dropout": 0.0, "layer_drop": 0.5}
    encoder = make_encoder("transformer", 16, settings)
    blocks = list(encoder.blocks.blocks)  # type: ignore[union-attr]
    x, real = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    encoder.train()
    seen = {tuple(encoder(x, real)[0, 0].tolist()) for _ in range(40)}
    assert 5 < len(seen) <= 16  # each of the four is there or not
    pruned(encoder.eval(), 2)
    expected = encoder.blocks.norm(blocks[2](blocks[0](x * 4.0)))  # type: ignore[union-attr, operator]
    torch.testing.assert_close(encoder(x, real), expected)
    for wrong, keep in ((encoder, 3), (encoder, 0), (make_encoder("words", 16), 1)):
        with pytest.raises(UserError):
            pruned(wrong, keep)


def test_tags_are_learned_by_heart_and_counted() -> None:
    how = FitConfig(epochs=10, batch_size=20, learning_rate=2e-2, evaluate_every=0.0)
    config = TagConfig("grammar", width=16, settings={"hidden": 8}, dropout=0.0, fit=how)
    task = config.build(seed=0)
    for split in ("train", "valid", "test"):
        task.rows[split], task.tags[split] = task.rows[split][:100], task.tags[split][:100]
    task.known["test"] = np.concatenate([[False], np.ones(sum(map(len, task.rows["test"])) - 1, bool)])
    fit(task, how)
    found = task.evaluate("test")
    assert found["accuracy"] > 0.9
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    assert found["new_words"] in (0.0, 1.0)
    tags, said = task.told("test")
    assert found["accuracy"] == (tags == said).mean()
    ends = list(itertools.accumulate(len(row) for row in task.rows["test"]))
    whole = [bool((tags[a:b] == said[a:b]).all()) for a, b in zip([0, *ends], ends)]
    assert found["sentences"] == pytest.approx(np.mean(whole))
    task.tags["test"][0][0] = NONE  # a tag that no training sentence has is told wrong
    assert task.evaluate("test")["accuracy"] == pytest.approx(found["accuracy"] - (tags[0] == said[0]) / len(tags))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: opinions(length=3).build(0), r"opinions, train: sentence \d+ has \d tokens, more than length = 3"),
        (lambda: opinions(model="convolution", settings={"window": [2]}).build(0), "convolution has no 'window'"),
        (lambda: make_encoder("transfomer", 8), "unknown model 'transfomer'"),
        (lambda: make_encoder("words", 8, {"layers": 2}), "words has no 'layers'"),
        (lambda: make_encoder("transformer", 10, {"heads": 4}), "4 heads do not divide a width of 10"),
        (lambda: TagConfig("grammar", length=5).build(0), "a train sentence has 10 words, more than length = 5"),
        (lambda: MaskConfig("grammar", length=10**6).build(0), "an example 1000000: lower length"),
        (lambda: MaskConfig("nothing.txt").build(0), "nothing.txt is not there"),
    ],
)
def test_what_cannot_be_is_said(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    task = opinions().build(seed=0)
    task.description["tokens"] = Tokens.learn(["a b"], "words").description()
    run = saved(tmp_path, task, "sentences")
    with pytest.raises((UserError, RuntimeError)):
        load_model(run)
    other = MaskConfig("grammar", width=16, length=16, settings=SMALL["transformer"]).build(0)
    config = opinions(teacher=saved(tmp_path / "mask", other, "mask"))
    with pytest.raises(UserError, match="tells other kinds apart"):
        config.build(0)
