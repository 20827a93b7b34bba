"""Values and policies as text for a terminal and as pictures.

A grid shows what each cell is worth and where its action leads; a terminal shows the mean reward of entering it,
for it has no value of its own. Axes: S states, H × W cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import
from rlkit.mdp import Grid

figures = lazy_import("matplotlib.figure", extra="plots")
patches = lazy_import("matplotlib.patches", extra="plots")
colours = lazy_import("matplotlib.colors", extra="plots")

PICTURES = (".png", ".pdf", ".svg")
WALL, INK, GAIN, LOSS, NEUTRAL = "#363c48", "#2b2b33", "#2e9b57", "#cb3e38", "#969ca8"
HEAT = ("#fbf3e4", "#f6d9a8", "#e9a66c", "#c76d5c", "#86445f", "#42284f")  # pale to deep, of even lightness steps
DIRECTIONS = {
    "↑": (0, -1),
    "→": (1, 0),
    "↓": (0, 1),
    "←": (-1, 0),
    "↗": (1, -1),
    "↘": (1, 1),
    "↙": (-1, 1),
    "↖": (-1, -1),
}
NUMBERS_UP_TO, ARROWS_UP_TO = 16, 50  # cells a side; beyond, they would not be legible


def text_grid(grid: Grid, values: np.ndarray, policy: np.ndarray, terminals: np.ndarray, width: int = 120) -> str:
    """A table with value and action in each cell; actions alone where that is too wide, a line where they are too.

    Args:
        values: (S,). policy: (S,) actions. terminals: (S,) bool.
        width: columns of the terminal.
    """
    height, columns = grid.cells.shape
    size = max(map(len, grid.action_symbols))
    if columns * (size + 1) - 1 > width:
        return f"(a grid of {height} × {columns} cells is too wide for {width} columns: plot it to a file)"
    digits = _digits(values)
    symbols = [grid.action_symbols[action] for action in policy]
    acting = [f"{_number(value, digits)} {symbol}" for value, symbol in zip(values, symbols)]
    ending = [f"({_signed(reward)})" for reward in grid.terminal_rewards]
    cells = [end if terminal else act for end, act, terminal in zip(ending, acting, terminals)]
    widest = max(map(len, cells))
    for padding in (" ", ""):
        boxed = [f"{padding}{cell:>{widest}}{padding}" for cell in cells]
        if columns * (len(boxed[0]) + 1) + 1 <= width:
            legend = ["(r) an end of the episode, entered for the reward r"] if terminals.any() else []
            return "\n".join([_table(grid.cells, boxed), *legend])
    short = [("●" if terminal else symbol).ljust(size) for symbol, terminal in zip(symbols, terminals)]
    rows = (" ".join("█" * size if state < 0 else short[state] for state in row) for row in grid.cells.tolist())
    return "\n".join([*map(str.rstrip, rows), "● an end of the episode; the values are too wide for this drawing"])


def _table(states: np.ndarray, texts: list[str]) -> str:
    """Ruled (H, W) cells, each state's text (all of one length) in its cell; walls are filled."""
    size = len(texts[0])
    rows = ["│".join("█" * size if state < 0 else texts[state] for state in row) for row in states.tolist()]
    top, middle, bottom = (a + b.join(["─" * size] * states.shape[1]) + c for a, b, c in ("┌┬┐", "├┼┤", "└┴┘"))
    return "\n".join([top, f"\n{middle}\n".join(f"│{row}│" for row in rows), bottom])


def text_table(
    values: np.ndarray,
    policy: np.ndarray,
    terminals: np.ndarray,
    state_names: tuple[str, ...] = (),
    action_names: tuple[str, ...] = (),
    rows: int = 16,
) -> str:
    """The first `rows` states with their values and actions, by name where they have names."""
    digits = _digits(values)
    numbers = [_number(value, digits) for value in values[:rows]]
    size = max(len("value"), *map(len, numbers))
    names = [state_names[state] if state_names else str(state) for state in range(len(numbers))]
    width = max(7, *map(len, names))
    lines = [f"{'state':>{width}}  {'value':>{size}}  action"]
    for state, number in enumerate(numbers):
        action = action_names[policy[state]] if action_names else policy[state]
        lines.append(f"{names[state]:>{width}}  {number:>{size}}  {'end' if terminals[state] else action}")
    if len(values) > rows:
        lines.append(f"{'…':>{width}}  and {len(values) - rows} more states")
    return "\n".join(lines)


def plot_grid(
    path: str | Path,
    title: str,
    grid: Grid,
    values: np.ndarray,
    policy: np.ndarray,
    terminals: np.ndarray,
    label: str = "value",
) -> Path:
    """A heat map of the values with the policy as arrows; walls dark, terminals green, red or grey by their reward.

    Args:
        label: what the values are.

    Raises:
        UserError: the path cannot be a picture, or matplotlib is not installed.
    """
    path = _picture(path)
    height, width = grid.cells.shape
    scale = min(0.85, 10 / max(height, width))  # inches a cell
    figure = figures.Figure(figsize=(width * scale, height * scale), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))  # all of it: what stands around is added by the tight box of savefig
    axes.set_title(title, fontsize=11, pad=10, loc="left")
    image, low, lowest = draw_grid(axes, grid, values, policy, terminals, scale)
    bar_axes = axes.inset_axes([1 + 0.12 / (width * scale), 0, 0.17 / (width * scale), 1])
    bar = figure.colorbar(image, cax=bar_axes, extend="min" if lowest < low else "neither")
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    figure.savefig(path, bbox_inches="tight", pad_inches=0.15)
    return path


def draw_grid(
    axes: Any, grid: Grid, values: np.ndarray, policy: np.ndarray, terminals: np.ndarray, scale: float
) -> tuple[Any, float, float]:
    """Draw a grid into matplotlib axes, for a picture of several.

    Args:
        scale: inches a cell.

    Returns:
        The image, for a colour bar; the value its colours begin at; the lowest value.
    """
    height, width = grid.cells.shape
    axes.set_facecolor(WALL)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(WALL)

    free = (grid.cells >= 0) & ~terminals[grid.cells]
    shown = np.ma.masked_where(~free, values[grid.cells])
    # The lowest 2 % of a large grid are often cells that are walled in; they must not use up the colours.
    low = float(np.quantile(shown.compressed(), 0.02, method="lower")) if free.any() else 0.0
    high = max(float(shown.max()) if free.any() else 0.0, low + 1e-9)  # where all are equal, all are pale
    heat = colours.LinearSegmentedColormap.from_list("heat", HEAT)
    image = axes.imshow(shown, cmap=heat, interpolation="nearest", vmin=low, vmax=high)

    rows, columns = np.nonzero(free)
    states = grid.cells[rows, columns]
    ink = np.where(image.norm(values[states]) > 0.6, "white", INK)
    numbered = max(height, width) <= NUMBERS_UP_TO
    if numbered:
        digits = _digits(values)
        for row, column, state, colour in zip(rows.tolist(), columns.tolist(), states, ink):
            axes.add_patch(_square(row, column, fill=False))
            _write(axes, row - 0.24, column, _number(values[state], digits), colour, scale)
    if max(height, width) <= ARROWS_UP_TO:
        _draw_arrows(axes, grid, rows + (0.16 if numbered else 0.0), columns, policy[states], ink, scale)
    _draw_terminals(axes, grid, terminals, scale)
    return image, low, float(shown.min()) if free.any() else 0.0


def plot_states(
    path: str | Path,
    title: str,
    values: np.ndarray,
    policy: np.ndarray,
    terminals: np.ndarray,
    label: str = "value",
) -> Path:
    """The value of each state by its number, coloured by its action, for models that are no grid."""
    path = _picture(path)
    figure = figures.Figure(figsize=(9, 4.5), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_title(title, fontsize=11, pad=10, loc="left")
    axes.set_xlabel("state")
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e4e8")
    axes.set_axisbelow(True)
    acting = np.flatnonzero(~terminals)
    points = axes.scatter(
        acting, values[acting], c=policy[acting], cmap="tab10", s=14, vmin=0, vmax=max(9, policy.max())
    )
    names, labels = points.legend_elements(num=None if policy.max() < 10 else "auto")
    axes.legend(names, labels, title="action", fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, bbox_inches="tight", pad_inches=0.15)
    return path


def plot_intervals(path: str | Path, labels: Sequence[str], points: Sequence[tuple[float, float, float]]) -> Path:
    """One line a label: a figure with the interval it may lie in, as (figure, low, high)."""
    path = _picture(path)
    figure = figures.Figure(figsize=(8, 0.9 + 0.42 * len(labels)), dpi=150)
    axes = figure.add_axes((0, 0, 1, 1))
    for row, (point, low, high) in enumerate(points):
        axes.plot([low, high], [row, row], color=HEAT[4], linewidth=9, alpha=0.45, solid_capstyle="butt")
        axes.plot([point, point], [row - 0.28, row + 0.28], color=INK, linewidth=2)
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel("interquartile mean of the returns, with its 95 % interval", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e3e4e8")
    axes.set_axisbelow(True)
    figure.savefig(path, bbox_inches="tight", pad_inches=0.15)
    return path


def _draw_arrows(
    axes: Any, grid: Grid, y: np.ndarray, x: np.ndarray, actions: np.ndarray, ink: np.ndarray, scale: float
) -> None:
    """One arrow a cell; symbols that are no arrows are written out."""
    directions = np.array([DIRECTIONS.get(symbol, (0, 0)) for symbol in grid.action_symbols], float)
    lengths = np.hypot(*directions.T)
    known = lengths[actions] > 0
    steps = 0.42 * directions / np.maximum(lengths, 1)[:, None]
    u, v = steps[actions[known]].T
    style = {"angles": "xy", "scale_units": "xy", "scale": 1, "pivot": "mid", "units": "xy", "width": 0.045}
    axes.quiver(x[known], y[known], u, v, color=ink[known], headwidth=4.5, headlength=4.5, headaxislength=4, **style)
    for row, column, action, colour in zip(y[~known], x[~known], actions[~known], ink[~known]):
        _write(axes, row, column, grid.action_symbols[action], colour, scale)


def _draw_terminals(axes: Any, grid: Grid, terminals: np.ndarray, scale: float) -> None:
    rows, columns = np.nonzero((grid.cells >= 0) & terminals[grid.cells])
    rewards = grid.terminal_rewards[grid.cells[rows, columns]]
    fills = np.where(rewards > 0, GAIN, np.where(rewards < 0, LOSS, NEUTRAL))
    if max(grid.cells.shape) > ARROWS_UP_TO:  # a cell is too small to be seen
        axes.scatter(columns, rows, marker="D", s=36, c=fills, edgecolors="white", linewidths=1.2)
        return
    for row, column, reward, fill in zip(rows.tolist(), columns.tolist(), rewards, fills):
        axes.add_patch(_square(row, column, facecolor=fill))
        if max(grid.cells.shape) <= NUMBERS_UP_TO:
            _write(axes, row, column, _signed(reward), "white", scale, weight="bold")


def _write(axes: Any, row: float, column: float, text: str, colour: str, scale: float, **style: Any) -> None:
    axes.text(column, row, text, color=colour, ha="center", va="center", fontsize=12 * scale, **style)


def _square(row: int, column: int, **style: Any) -> Any:
    return patches.Rectangle((column - 0.5, row - 0.5), 1, 1, edgecolor="white", linewidth=1.2, **style)


def check_picture(path: str | Path) -> None:
    """Refuse a path that no picture can be written to, before hours of planning."""
    _picture(path)


def _picture(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise UserError(f"cannot draw to {path}: the name must end in {', '.join(PICTURES)}")
    if not path.parent.is_dir():
        raise UserError(f"cannot draw to {path}: there is no folder {path.parent}")
    return path


def _digits(values: np.ndarray) -> int:
    """Decimals to show: three for values below 10, fewer for larger ones."""
    largest = float(np.abs(values).max())
    return 3 if largest < 10 else 2 if largest < 100 else 1 if largest < 1_000 else 0


def _number(value: float, digits: int) -> str:
    return f"{round(float(value), digits) + 0.0:.{digits}f}"  # + 0.0: no "-0.000"


def _signed(reward: float) -> str:
    return f"{reward:+.3g}" if reward else "0"
