"""The value of a hyperparameter at a step, as pure functions of the step; `t` may be any unit of time.

Source: the usual ones, as in "SGDR" (Loshchilov & Hutter 2017) for the cosine, "Attention is all you need" (Vaswani
et al. 2017) for the inverse square root, Goyal et al. 2017 for the warm-up.
"""

from __future__ import annotations

import math


def linear(step: int, start: float, end: float, duration: int) -> float:
    """`start` at step 0, moving in a straight line to `end` at `duration` steps, and `end` from there on.

    A `duration` of 0 is `end` from the first step.
    """
    if step >= duration:
        return end
    return start + (end - start) * (step / duration)


def cosine(t: float, start: float, end: float, duration: float) -> float:
    """`start` at 0, along half a cosine to `end` at `duration`, and `end` from there on."""
    if t >= duration:
        return end
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * t / duration))


def steps(t: float, start: float, factor: float, every: float) -> float:
    """`start`, multiplied by `factor` at each whole multiple of `every`."""
    return start * factor ** math.floor(t / every)


def exponential(t: float, start: float, factor: float, every: float) -> float:
    """`start`, multiplied by `factor` in each stretch of `every`, smoothly."""
    return start * factor ** (t / every)


def inverse_time(t: float, start: float, every: float) -> float:
    """start / (1 + t / every)."""
    return start / (1.0 + t / every)


def inverse_sqrt(t: float, start: float, every: float) -> float:
    """start / sqrt(1 + t / every)."""
    return start / math.sqrt(1.0 + t / every)


def warm_up(t: float, duration: float) -> float:
    """A factor that rises from 0 in a straight line to 1 at `duration`, and stays there."""
    return 1.0 if t >= duration else t / duration
