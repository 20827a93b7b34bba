"""Ops `skipgram`, `cbow` and `skipgram_windows`: steps worked out by hand, and what is drawn."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from neuralcore.kernels.cbow import cbow
from neuralcore.kernels.skipgram import reference, skipgram
from neuralcore.kernels.skipgram_windows import alias_table, keep_probabilities, reach, skipgram_windows
from neuralcore.kernels.skipgram_windows.reference import splitmix64

# -- the op ---------------------------------------------------------------------------------------------------------


def one_window(x: list[float], rows: list[list[float]], contexts: int = 1) -> list[Any]:
    """Context word 0, repeated; outputs all rows, of which the first belongs to it."""
    return [
        np.array([x] * len(rows), dtype=np.float32),
        np.array(rows, dtype=np.float32),
        np.arange(len(rows), dtype=np.int32)[None],
        np.array([[1] + [-1] * (len(rows) - 1)], dtype=np.int8),
        np.array([0, contexts]),
        np.zeros(contexts, dtype=np.int32),
    ]


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_one_pair_by_hand(implementation: Any) -> None:
    # x . b_0 = log 3, so s = 3/4 and the step on the logit is 0.1 (1 - 3/4) = 0.025;
    # x . b_1 = 0, so s = 1/2 and the step is -0.1 / 2 = -0.05.
    args = one_window([1.0, 2.0], [[math.log(3), 0.0], [2.0, -1.0]])
    loss = skipgram(*args, 0.1, implementation=implementation)
    assert loss == pytest.approx(math.log(4 / 3) + math.log(2), rel=1e-6)
    x = [1 + 0.025 * math.log(3) - 0.05 * 2, 2 + 0.05]
    np.testing.assert_allclose(args[0], [x, [1, 2]], rtol=1e-6)
    np.testing.assert_allclose(args[1], [[math.log(3) + 0.025, 0.05], [1.95, -1.1]], rtol=1e-6)


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_what_is_no_row_is_left_out(implementation: Any) -> None:
    rows = [[0.3, 0.1], [0.2, -0.4], [0.0, 0.5]]
    plain, gaps = one_window([0.5, 1.0], rows), one_window([0.5, 1.0], rows)
    plain[2:4] = np.array([[0, 1]], dtype=np.int32), np.array([[1, -1]], dtype=np.int8)
    gaps[2:4] = np.array([[0, -1, 1, -1, -1]], dtype=np.int32), np.array([[1, -1, -1, -1, 1]], dtype=np.int8)
    losses = [skipgram(*args, 0.1, implementation=implementation) for args in (plain, gaps)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    np.testing.assert_allclose(plain[0], gaps[0], rtol=1e-6)
    np.testing.assert_allclose(plain[1], gaps[1], rtol=1e-6)


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_cbow_moves_every_context_word_by_the_step_of_their_mean(implementation: Any) -> None:
    # The mean of (1, 2) and (3, -2) is (2, 0), its logit 2 log 3 / 2 = log 3, the step on it 0.1 (1 - 3/4) = 0.025.
    tables = [np.array([[1, 2], [3, -2]], np.float32), np.array([[math.log(3) / 2, 7.0]], np.float32)]
    window = np.zeros((1, 1), np.int32), np.ones((1, 1), np.int8), np.array([0, 2]), np.array([0, 1], np.int32)
    loss = cbow(*tables, *window, 0.1, implementation=implementation)
    assert loss == pytest.approx(math.log(4 / 3), rel=1e-6)
    change = np.array([0.025 * math.log(3) / 2, 0.025 * 7.0])
    np.testing.assert_allclose(tables[0], np.array([[1, 2], [3, -2]]) + change, rtol=1e-6)
    np.testing.assert_allclose(tables[1], [[math.log(3) / 2 + 0.05, 7.0]], rtol=1e-6)


@pytest.mark.parametrize("implementation", ["reference", "cpu"])
def test_a_margin_by_hand(implementation: Any) -> None:
    # Scores 1, 0.5 and -1: the first word drawn is too near by 1/2, the second is far enough.
    args = one_window([1.0, 2.0], [[1.0, 0.0], [0.5, 0.0], [1.0, -1.0]])
    assert skipgram(*args, 0.1, margin=True, implementation=implementation) == pytest.approx(0.5)
    np.testing.assert_allclose(args[0][0], [1 + 0.1 * (1 - 0.5), 2], rtol=1e-6)
    np.testing.assert_allclose(args[1], [[1.1, 0.2], [0.4, -0.2], [1, -1]], rtol=1e-6)
    args[3] = np.array([[1, 1, -1]], dtype=np.int8)
    with pytest.raises(ValueError, match="the only one of sign 1"):
        skipgram(*args, 0.1, margin=True)


@pytest.mark.parametrize("margin", [False, True])
def test_the_step_is_the_gradient_of_the_loss(margin: bool) -> None:
    """By finite differences, in float64 straight at the reference; learning rate 0 only measures."""
    rng = np.random.default_rng(3)
    args = one_window([0.0] * 3, [[0.0] * 3] * 4)
    args[0], args[1] = rng.normal(size=(2, 4, 3))
    before = [args[0].copy(), args[1].copy()]
    reference.skipgram(*args, 1e-6, margin=margin)
    for table in (0, 1):
        gradient = (before[table] - args[table]) / 1e-6
        numeric = np.zeros_like(gradient)
        for at in np.ndindex(*gradient.shape):
            losses = []
            for sign in (1, -1):
                tables = [b.copy() for b in before]
                tables[table][at] += sign * 1e-5
                losses.append(reference.skipgram(*tables, *args[2:], 0.0, margin=margin))
            numeric[at] = (losses[0] - losses[1]) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("margin", [False, True])
@pytest.mark.parametrize("implementation", ["cpu", "cuda"])
def test_what_is_no_number_shows_in_the_loss(implementation: Any, margin: bool) -> None:
    args = one_window([1.0, math.nan], [[0.5, 0.0], [2.0, -1.0]])
    if implementation == "cuda":
        torch = pytest.importorskip("torch")
        pytest.importorskip("triton")
        args = [torch.from_numpy(a).to("cuda" if torch.cuda.is_available() else "cpu") for a in args]
    assert math.isnan(skipgram(*args, 0.1, margin=margin, implementation=implementation))


def test_the_door_of_the_op() -> None:
    args = one_window([1.0, 2.0], [[0.0, 0.0], [2.0, -1.0]])
    for place, value, message in [
        (1, args[1][:, :1], "output_table has shape"),
        (3, args[3][:, :1], "signs has shape"),
        (4, np.array([0, 2]), "contexts has shape"),
        (4, np.array([1, 1]), "offsets must start at 0"),
        (5, np.array([2], dtype=np.int32), r"contexts has a number outside 0\.\.1"),
        (2, np.array([[0, -2]], dtype=np.int32), r"outputs has a number outside -1\.\.1"),
        (0, args[0].astype(np.float64), "input_table is float64"),
    ]:
        wrong = [*args]
        wrong[place] = value
        with pytest.raises(ValueError, match=message):
            skipgram(*wrong, 0.1)


# -- the draws ------------------------------------------------------------------------------------------------------


def stream(words: int = 50, sentences: int = 900, length: int = 20) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.concatenate(
        [[*np.minimum(rng.geometric(0.1, length) - 1, words - 1), -1] for _ in range(sentences)]
    ).astype(np.int32)


def draw(ids: np.ndarray, begin: int, end: int, keep: np.ndarray, **changes: Any) -> Any:
    weights = np.arange(1, len(keep) + 1) ** 0.75
    options = {"window": 5, "negatives": 5, "seed": 1, "epoch": 0} | changes
    return skipgram_windows(ids, begin, end, keep, *alias_table(weights), **options)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("stretch", [(0, 5), (200, 450), (777, 777), (2990, 3000), (18_850, 18_900)])
def test_a_part_of_the_stream_is_enough(stretch: tuple[int, int], pairs: bool) -> None:
    ids, keep = stream(), np.full(50, 0.3)
    ids[300:4000] = np.abs(ids[300:4000])  # one long sentence
    settings = {"window": 5, "negatives": 5, "seed": 1, "epoch": 0, "pairs": pairs}
    first, last = reach(ids, *stretch, keep, **settings)
    assert 0 <= first <= stretch[0] <= stretch[1] <= last <= len(ids)
    assert last - first < stretch[1] - stretch[0] + 200
    begin, end = (position - first for position in stretch)
    whole, part = (
        draw(ids, *stretch, keep, **settings),
        draw(ids[first:last], begin, end, keep, **settings, origin=first),
    )
    for name in whole._fields:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name), err_msg=name)


def test_splitmix64_gives_the_published_numbers() -> None:
    # The first outputs from state 1234567, as listed with the reference C code by other implementations.
    assert [splitmix64(1234567, i) for i in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_where_the_stream_is_cut_does_not_matter() -> None:
    ids = stream()
    keep = np.random.default_rng(2).random(50)
    whole = draw(ids, 0, len(ids), keep)
    cuts = [0, 1, 20, 21, 22, 700, 701, 9000, len(ids)]
    parts = [draw(ids, a, b, keep) for a, b in itertools.pairwise(cuts)]
    for name in ("outputs", "contexts"):
        np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in parts]), getattr(whole, name))
    np.testing.assert_array_equal(np.concatenate([np.diff(p.offsets) for p in parts]), np.diff(whole.offsets))


def test_frequent_words_stay_as_often_as_they_should() -> None:
    # Long sentences: a word that is left alone in its sentence has no window.
    ids, keep = stream(sentences=60, length=300), np.linspace(0.05, 1.0, 50)
    targets = np.concatenate([draw(ids, 0, len(ids), keep, epoch=epoch).outputs[:, 0] for epoch in range(5)])
    there = 5 * np.bincount(ids[ids >= 0], minlength=50)
    stayed = np.bincount(targets, minlength=50)
    deviation = (stayed - there * keep) / np.sqrt(np.maximum(there * keep * (1 - keep), 1))
    assert np.abs(deviation).max() < 4.5
    assert stayed[49] == there[49]  # the last one always stays


def test_window_sizes_are_uniform_and_sentences_are_kept_apart() -> None:
    sentence = np.arange(41, dtype=np.int32)
    ids = np.concatenate([[*sentence, -1]] * 400).astype(np.int32)
    windows = draw(ids, 0, len(ids), np.ones(41))
    targets = windows.outputs[:, 0]
    assert len(targets) == 400 * 41
    inner = (targets >= 5) & (targets <= 35)
    sizes, counts = np.unique(np.diff(windows.offsets)[inner], return_counts=True)
    assert sizes.tolist() == [2, 4, 6, 8, 10]
    assert np.abs(counts / counts.sum() - 0.2).max() < 0.02
    distance = windows.contexts - np.repeat(targets, np.diff(windows.offsets))
    assert np.abs(distance).max() == 5
    assert (distance != 0).all()


def test_a_dropped_word_makes_room_for_the_next() -> None:
    ids = np.array([0, 1, 2, 1, 3, -1, 1, 4], dtype=np.int32)
    windows = draw(ids, 0, len(ids), np.array([1.0, 0.0, 1.0, 1.0, 1.0]), window=1)
    assert windows.outputs[:, 0].tolist() == [0, 2, 3]  # 4 stands alone in its sentence
    assert windows.contexts.tolist() == [2, 0, 3, 2]
    assert windows.offsets.tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("pairs", [False, True])
def test_negatives_follow_the_noise_distribution(pairs: bool) -> None:
    # One negative to a word that is never drawn: what equals the target or an earlier one would be left out.
    ids = np.where(stream() < 0, -1, 50).astype(np.int32)
    weights = np.append(np.arange(1, 51) ** 0.75, 0.0)
    options = {"window": 2, "negatives": 1, "seed": 1, "epoch": 0, "pairs": pairs}
    windows = skipgram_windows(ids, 0, len(ids), np.ones(51), *alias_table(weights), **options)
    assert set(np.diff(windows.offsets)) == ({1} if pairs else {1, 2, 3, 4})
    drawn = np.bincount(windows.outputs[:, 1], minlength=50)
    expected = weights[:50] / weights.sum() * drawn.sum()
    assert ((drawn - expected) ** 2 / expected).sum() < 90  # chi-squared, 49 degrees of freedom: 0.9997


def test_seed_and_epoch_change_the_draws() -> None:
    ids, keep = stream(sentences=20), np.full(50, 0.5)
    bytes_of = lambda **changes: b"".join(a.tobytes() for a in draw(ids, 0, len(ids), keep, **changes))  # noqa: E731
    assert bytes_of() == bytes_of()
    assert len({bytes_of(), bytes_of(seed=2), bytes_of(epoch=1), bytes_of(seed=0, epoch=1)}) == 4


def test_the_alias_table_is_the_distribution() -> None:
    weights = np.random.default_rng(0).random(1000) ** 4
    probability, alias = alias_table(weights)
    mass = np.bincount(alias, weights=1.0 - probability, minlength=1000) + probability
    np.testing.assert_allclose(mass / 1000, weights / weights.sum(), atol=1e-9)


def test_keep_probabilities_by_hand() -> None:
    counts = np.array([900, 90, 10])  # shares .9, .09, .01; t = .01
    np.testing.assert_allclose(keep_probabilities(counts, 0.01), [math.sqrt(1 / 90) + 1 / 90, 1 / 3 + 1 / 9, 1.0])
    assert keep_probabilities(counts, 0.0).tolist() == [1.0, 1.0, 1.0]
