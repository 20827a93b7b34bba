"""Pictures of grids in plain NumPy: coloured cells, and a disc for the agent."""

from __future__ import annotations

import numpy as np

FREE = np.array([247, 247, 242], np.uint8)
WALL = np.array([54, 60, 72], np.uint8)
START = np.array([233, 232, 205], np.uint8)
LINE = np.array([205, 207, 209], np.uint8)
AGENT = np.array([37, 99, 185], np.uint8)
GOOD = np.array([46, 155, 87], np.uint8)
BAD = np.array([203, 62, 56], np.uint8)
NEUTRAL = np.array([150, 156, 168], np.uint8)

LARGEST_CELL, LARGEST_PICTURE = 64, 640  # pixels; beyond 640 cells a side, a cell is one pixel


def reward_colour(reward: float, largest: float) -> np.ndarray:
    """Green for a gain, red for a loss, grey for nothing; the paler, the smaller beside `largest`. (3,) uint8."""
    if reward == 0 or largest == 0:
        return NEUTRAL
    strength = 0.35 + 0.65 * min(abs(reward) / largest, 1.0)
    return (strength * (GOOD if reward > 0 else BAD) + (1 - strength) * FREE).astype(np.uint8)


def cell_size(height: int, width: int) -> int:
    """The side of a cell in pixels for a grid of height x width cells; even, as video encoders like it, or 1."""
    size = max(1, min(LARGEST_CELL, LARGEST_PICTURE // max(height, width)))
    return size - size % 2 if size > 1 else 1


def draw_cells(colours: np.ndarray) -> np.ndarray:
    """Cells as squares with thin lines between them.

    Args:
        colours: (H, W, 3) uint8, one colour a cell.

    Returns:
        (H·c, W·c, 3) uint8 with c = `cell_size(H, W)`.
    """
    size = cell_size(*colours.shape[:2])
    picture = colours.repeat(size, axis=0).repeat(size, axis=1)
    if size >= 8:
        for edge in (0, size - 1):
            picture[edge::size] = LINE
            picture[:, edge::size] = LINE
    return picture


def draw_agent(picture: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    """A copy of the picture with the agent's disc in one cell of `size` pixels."""
    picture = picture.copy()
    cell = picture[row * size : (row + 1) * size, column * size : (column + 1) * size]
    if size < 8:  # too small for a disc
        cell[:] = AGENT
        return picture
    centre = np.arange(size) + 0.5 - size / 2
    distance = np.hypot(centre[:, None], centre)
    cover = np.clip(0.32 * size - distance + 0.5, 0, 1)[..., None]  # share of the pixel inside: a smooth edge
    cell[:] = np.rint(cover * AGENT + (1 - cover) * cell).astype(np.uint8)
    return picture
