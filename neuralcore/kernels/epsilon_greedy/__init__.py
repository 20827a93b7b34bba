"""Op `epsilon_greedy`: draw actions from the epsilon-greedy policy of a table of action values, ties at random.

In state s, with probability ε any of the A actions, else any of those that attain max_a q(s, a), all alike (Sutton &
Barto 2018, section 2.2). One uniform number u an action decides both: u < ε explores, with action ⌊A u / ε⌋; above,
it takes number ⌊m (u - ε) / (1 - ε)⌋ of the m actions that tie. Axes: S states, A actions, N draws.
"""

from __future__ import annotations

import numpy as np

from neuralcore import kernels
from neuralcore.shape import match_shape


def epsilon_greedy(
    q: np.ndarray,
    states: np.ndarray,
    epsilon: float,
    uniforms: np.ndarray,
    *,
    implementation: kernels.Implementation = "auto",
) -> np.ndarray:
    """An action for each state, (N,) int64.

    Args:
        q: (S, A) float64.
        states: (N,) int64.
        epsilon: ε in [0, 1].
        uniforms: (N,) float64 in [0, 1), such as `generator.random(N)`.
        implementation: "reference", "cpu" or "auto", which is the latter.

    Raises:
        ValueError: a shape does not fit.
        IndexError: a state is not in 0 … S-1.
    """
    if not (q.ndim == 2 and states.ndim == 1 and states.shape == uniforms.shape):  # as in `td_update`
        match_shape(q, -1, -1, name="q")
        match_shape(uniforms, *match_shape(states, -1, name="states"), name="uniforms")
    draw = kernels.implementation("epsilon_greedy", implementation, q)
    return draw(q, states, epsilon, uniforms)
