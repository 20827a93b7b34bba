"""How the next token is drawn; no torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """How the next token is drawn of its probabilities.

    Attributes:
        temperature: p^(1 / temperature), so that below 1 the likely come oftener; 0: always the likeliest (greedy).
        top_k: of the k likeliest only; 0: of all.
        top_p: of the fewest that together are as likely as this (nucleus, Holtzman et al. 2020); 1: of all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature >= 0.0:
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be 0 or more, got {self.top_k}")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")
