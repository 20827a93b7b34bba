"""Cases of op `q_learning`: one action, equal values, terminal states, clipping or not, over a block, no rows."""

from __future__ import annotations

from typing import Any

import numpy as np

OP = "q_learning"
SIZES = [(1, 1, None), (5, 3, 1.0), (70, 6, 0.5), (33, 18, None), (0, 4, 1.0)]  # (B, A, clip)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def make_case(size: tuple[int, int, float | None], rng: np.random.Generator) -> tuple[tuple[Any, ...], dict]:
    """(q_tm1, action_tm1, reward_t, discount_t, q_target_t, q_selector_t, weight, clip)."""
    batch, actions, clip = size
    q_tm1, q_target_t, q_selector_t = (rng.normal(size=(batch, actions)).astype(np.float32) for _ in range(3))
    q_selector_t = q_selector_t.round()  # with ties
    action_tm1 = rng.integers(0, actions, batch)
    reward_t = rng.normal(size=batch).astype(np.float32)
    discount_t = (0.9 * rng.integers(0, 2, batch)).astype(np.float32)
    weight = rng.random(batch, np.float32)
    return (q_tm1, action_tm1, reward_t, discount_t, q_target_t, q_selector_t, weight, clip), {}


def outputs(args: tuple[Any, ...], result: Any) -> dict[str, Any]:
    return result._asdict()
