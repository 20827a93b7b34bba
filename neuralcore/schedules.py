"""The value of a hyperparameter at a step, as pure functions of the step."""

from __future__ import annotations


def linear(step: int, start: float, end: float, duration: int) -> float:
    """`start` at step 0, moving in a straight line to `end` at `duration` steps, and `end` from there on.

    A `duration` of 0 is `end` from the first step.
    """
    if step >= duration:
        return end
    return start + (end - start) * (step / duration)
