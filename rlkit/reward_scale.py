"""Rewards in units of how far returns spread, so that a step size suits tasks that pay in hundredths or in hundreds.

"Implementation matters in deep policy gradients" (Engstrom et al. 2020, reward scaling): each environment has a
running return R ← γ R + r that begins anew with every episode, and a reward is divided by the standard deviation of
all those seen so far, then clipped to [-10, 10]. Nothing is subtracted: a shift of the rewards would change what
long episodes are worth.

The moments of N environments are merged step by step (Chan, Golub and LeVeque 1979), not kept in a list.
"""

from __future__ import annotations

import numpy as np

from rlkit.rollout import Step

LIMIT = 10.0  # of a scaled reward: while few are known, their deviation may be next to nothing
FIRST_WEIGHT = 1e-4  # of the mean 0 and variance 1 that are assumed before anything is seen, in observations


class RewardScale:
    """Scales rewards, and learns from each step how; a reset row teaches nothing.

    Args:
        count: N environments. discount: γ of the running returns.

    Attributes:
        returns: (N,) float64, what each open episode has paid, the past discounted.
        weight, mean, variance: number of running returns seen, and their moments.
    """

    def __init__(self, count: int, discount: float):
        self.discount = discount
        self.returns = np.zeros(count)
        self.weight, self.mean, self.variance = FIRST_WEIGHT, 0.0, 1.0

    @property
    def deviation(self) -> float:
        """What rewards are divided by."""
        return float(np.sqrt(self.variance + 1e-8))

    def scale(self, reward: np.ndarray, step: Step) -> np.ndarray:
        """The rewards (N,) of a step, scaled by what is known with them.

        Args:
            reward: (N,) float64, which may differ from the step's own, as clipped ones do.
        """
        self.returns = np.where(step.transition, self.discount * self.returns + reward, self.returns)
        seen = self.returns[step.transition]
        if len(seen):
            self._merge(len(seen), float(seen.mean()), float(seen.var()))
        self.returns[step.terminated | step.truncated] = 0.0
        return (reward / self.deviation).clip(-LIMIT, LIMIT)

    def _merge(self, count: int, mean: float, variance: float) -> None:
        total, apart = self.weight + count, mean - self.mean
        squares = self.variance * self.weight + variance * count + apart * apart * self.weight * count / total
        self.mean, self.variance, self.weight = self.mean + apart * count / total, squares / total, total

    def cut(self) -> None:
        """All episodes end here."""
        self.returns = np.zeros_like(self.returns)

    def state(self) -> dict[str, np.ndarray]:
        """Everything, as arrays."""
        return {"returns": self.returns, "moments": np.array([self.weight, self.mean, self.variance])}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become what `state` was taken from."""
        self.returns = arrays["returns"].copy()
        self.weight, self.mean, self.variance = arrays["moments"].tolist()
