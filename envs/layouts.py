"""Grid layouts as drawings: well-known ones by name, any one from text or a file, random ones of any size.

A drawing has one character a cell and lines of equal length:

    #          wall
    . or space free cell
    S          free cell in which episodes begin (several: one is drawn uniformly)
    + or G     terminal, reward +1 by default
    - or X     terminal, reward -1 by default
    T          terminal, reward 0 by default

`terminal_rewards` of the environment changes these rewards and adds further terminal symbols.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from envs.errors import unknown_name

WALL, FREE, START = "#", ". ", "S"
TERMINAL_REWARDS = {"+": 1.0, "G": 1.0, "-": -1.0, "X": -1.0, "T": 0.0}


def open_room(height: int, width: int) -> str:
    """An empty room: start in the top left corner, goal in the bottom right one."""
    return random_layout(height, width, 0.0, seed=0)


def random_layout(height: int, width: int, wall_fraction: float, seed: int) -> str:
    """A room with walls strewn at random, in which the goal can always be reached.

    A random staircase from the start (top left) to the goal (bottom right) is kept free; every other cell is a wall
    with probability `wall_fraction`, independently. The same arguments give the same drawing.

    Args:
        height, width: cells, at least two cells in all.
        wall_fraction: probability in [0, 1).
        seed: of the generator.

    Returns:
        The drawing, `height` lines of `width` characters.

    Raises:
        ValueError: a size or a fraction out of range.
    """
    if height < 1 or width < 1 or height * width < 2:
        raise ValueError(
            f"height {height} and width {width} give no room for a start and a goal: need two cells or more"
        )
    if not 0 <= wall_fraction < 1:
        raise ValueError(f"wall_fraction is {wall_fraction}: it must lie in [0, 1)")
    generator = np.random.default_rng(seed)
    cells = np.where(generator.random((height, width)) < wall_fraction, WALL, ".")
    downwards = generator.permutation(np.arange(height + width - 2) < height - 1)  # the moves of the staircase
    rows = np.concatenate([[0], np.cumsum(downwards)])
    columns = np.concatenate([[0], np.cumsum(~downwards)])
    cells[rows, columns] = "."
    cells[0, 0], cells[-1, -1] = START, "G"
    return "\n".join("".join(row) for row in cells.tolist())


LAYOUTS = {
    # Russell & Norvig, Artificial Intelligence: A Modern Approach, figure 17.1 (3rd edition).
    "russell_norvig": "...+\n.#.-\nS...",
    # Sutton & Barto, Reinforcement Learning (2nd edition), example 4.1; there slip 0 and living reward -1.
    "sutton_barto_4x4": "T...\n....\n....\n...T",
    # Sutton & Barto, example 6.6, except that falling ends the episode here (there it leads back to the start);
    # theirs are living_reward=-1, terminal_rewards={"X": -100, "G": 0}, slip=0.
    "cliff": "............\n............\n............\nSXXXXXXXXXXG",
    # Sutton & Barto, example 8.1 (the Dyna maze).
    "dyna_maze": ".......#G\n..#....#.\nS.#....#.\n..#......\n.....#...\n.........",
    # Sutton, Precup & Singh (1999), Between MDPs and semi-MDPs, with the goal in a corner; starts anywhere.
    "four_rooms": (
        "#############\n#.....#.....#\n#.....#.....#\n#...........#\n#.....#.....#\n#.....#.....#\n##.####.....#\n"
        "#.....###.###\n#.....#.....#\n#.....#.....#\n#...........#\n#.....#....G#\n#############"
    ),
    # A narrow bridge between a near and a far reward (Berkeley CS 188); there terminal_rewards={"G": 10, "-": -100}.
    "bridge": "#-----#\n+S....G\n#-----#",
    # A maze with dead ends.
    "maze": (
        "S#.....#...\n.#.###.#.#.\n.#.#.#...#.\n.#.#.#####.\n...#.....#.\n####.###.#.\n...#.#...#.\n.#...#.###.\n"
        ".#####.#...\n.#.....#.##\n.....###..G"
    ),
    "open_5x5": open_room(5, 5),
    "open_10x10": open_room(10, 10),
    "open_20x20": open_room(20, 20),
}


def read_layout(layout: str | Path, terminals: Collection[str]) -> np.ndarray:
    """The cells of a layout given by name, as a drawing, or as a .txt file that holds one.

    A string is a known name, or a path if it ends in ".txt", or a drawing if it has several lines or nothing but
    symbols ("S..G"). Empty lines before and after a drawing are ignored.

    Args:
        layout: name, drawing or path.
        terminals: the symbols that stand for terminal cells.

    Returns:
        (H, W) array of one-character strings.

    Raises:
        ValueError: an unknown name, an unreadable file, an empty or ragged drawing, an unknown symbol (with its line
            and column), or no cell to begin in.
    """
    symbols = {WALL, *FREE, START, *terminals}
    if isinstance(layout, Path) or layout.endswith(".txt"):
        source = str(layout)
        try:
            drawing = Path(layout).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ValueError(f"{source}: cannot read the layout: {reason}") from error
    elif layout in LAYOUTS:
        source, drawing = f"layout {layout!r}", LAYOUTS[layout]
    elif "\n" in layout or set(layout) <= symbols:
        source, drawing = "layout", layout
    else:
        raise unknown_name("layout", layout, LAYOUTS)
    return _cells(drawing, symbols, source)


def _cells(drawing: str, symbols: set[str], source: str) -> np.ndarray:
    lines = drawing.splitlines()
    first = 1  # the number of the first line kept, as an editor shows it
    while lines and not lines[0]:
        lines.pop(0)
        first += 1
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError(f"{source}: the drawing is empty: draw at least one free cell, such as 'S.+'")
    for number, line in enumerate(lines, first):
        if len(line) != len(lines[0]):
            raise ValueError(
                f"{source}, line {number}: {len(line)} cells, but line {first} has {len(lines[0])}: "
                f"make all lines equally long ({WALL!r} fills up with wall)"
            )
        strange = set(line) - symbols
        if strange:
            column = min(line.index(symbol) for symbol in strange)
            raise ValueError(
                f"{source}, line {number}, column {column + 1}: unknown symbol {line[column]!r}: known are "
                f"{' '.join(sorted(symbols - {' '}))} and space; "
                f"terminal_rewards={{{line[column]!r}: reward}} makes it a terminal"
            )
    text = "".join(lines)
    if not set(text) & {*FREE, START}:
        raise ValueError(f"{source}: no free cell to begin in: draw at least one '.' or {START!r}")
    return np.frombuffer(text.encode("utf-32-le"), dtype="<U1").reshape(len(lines), -1)
