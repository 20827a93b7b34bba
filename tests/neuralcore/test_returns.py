"""Op `returns` by hand and against the sums written out; that its implementations agree is in test_kernels."""

from __future__ import annotations

import numpy as np
import pytest

from neuralcore.kernels.returns import returns

NO = np.zeros((3, 1), bool)


def column(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float64)[:, None]


def at(row: int, flag: bool = True) -> np.ndarray:
    flags = np.full((3, 1), not flag)
    flags[row] = flag
    return flags


def test_by_hand() -> None:
    # δ = 1 + 0.5·20 - 10 = 1, 2 + 0.5·30 - 20 = -3, 3 + 0.5·40 - 30 = -7; each passes on 0.5·0.5
    found = returns(column(1, 2, 3), column(10, 20, 30, 40), NO, NO, ~NO, 0.5, 0.5)
    np.testing.assert_allclose(found.advantages, column(-0.1875, -4.75, -7))
    np.testing.assert_allclose(found.returns, column(9.8125, 15.25, 23))


def test_lambda_1_is_the_n_step_return_and_lambda_0_one_step() -> None:
    rewards, values = column(1, 2, 3), column(10, 20, 30, 40)
    n_step = returns(rewards, values, NO, NO, ~NO, 0.5, 1.0).returns
    np.testing.assert_allclose(n_step, column(1 + 1 + 0.75 + 5, 2 + 1.5 + 10, 3 + 20))
    one_step = returns(rewards, values, NO, NO, ~NO, 0.5, 0.0).returns
    np.testing.assert_allclose(one_step, column(1 + 10, 2 + 15, 3 + 20))


@pytest.mark.parametrize(
    ("end", "advantages"),
    [
        # Row 1 ends the episode, row 2 is the reset row: what it pays and what follows it must not count.
        ("terminated", (1 + 10 - 10 + 0.5 * (2 - 20), 2 - 20, 0)),
        ("truncated", (1 + 10 - 10 + 0.5 * (2 + 15 - 20), 2 + 15 - 20, 0)),
    ],
)
def test_ends_and_reset_rows(end: str, advantages: tuple[float, ...]) -> None:
    ends = {"terminated": NO, "truncated": NO, end: at(1)}
    rows = column(1, 2, 1e9), column(10, 20, 30, 1e9)
    found = returns(*rows, ends["terminated"], ends["truncated"], at(2, False), 0.5, 1.0)
    np.testing.assert_allclose(found.advantages, column(*advantages))
    assert found.returns[2] == 30


def test_both_at_once_is_terminated() -> None:
    found = returns(column(1, 2, 3), column(10, 20, 30, 40), at(1), at(1), ~NO, 0.5, 1.0)
    assert found.advantages[1] == 2 - 20


def test_environments_do_not_meet() -> None:
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    flags = np.zeros((3, 4), bool)
    whole = returns(rewards, values, flags, flags, ~flags, 0.9, 0.8).advantages
    for i in range(4):
        parts = [np.ascontiguousarray(a[:, i : i + 1]) for a in (rewards, values, flags, flags, ~flags)]
        np.testing.assert_array_equal(returns(*parts, 0.9, 0.8).advantages[:, 0], whole[:, i])


def test_what_does_not_fit_is_refused() -> None:
    rewards, values = column(1, 2, 3), column(10, 20, 30, 40)
    with pytest.raises(ValueError, match=r"values has shape \(3, 1\), expected \(4, 1\)"):
        returns(rewards, values[:3], NO, NO, ~NO, 0.9, 0.9)
    with pytest.raises(ValueError, match="transition has shape"):
        returns(rewards, values, NO, NO, ~NO[:, 0], 0.9, 0.9)
    with pytest.raises(ValueError, match="one dtype"):
        returns(rewards.astype(np.float32), values, NO, NO, ~NO, 0.9, 0.9)
