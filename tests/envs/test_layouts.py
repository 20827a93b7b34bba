"""Layouts: every named one can be solved, random ones too, and a bad drawing is told where it is bad."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import envs
from envs.layouts import open_room, read_layout

TERMINALS = "+-GXT"


def reachable(model):
    """The states that some sequence of moves reaches from a start."""
    seen, frontier = set(), np.flatnonzero(model.start)
    while len(frontier):
        seen.update(frontier.tolist())
        frontier = np.setdiff1d(model.successors[frontier], list(seen))
    return seen


@pytest.mark.parametrize("name", sorted(envs.LAYOUTS))
def test_named_layouts_reach_every_terminal(name):
    model = gym.make("GridWorld-v0", layout=name, slip=0.0).unwrapped.model
    terminals = set(np.flatnonzero(model.terminals).tolist())
    assert terminals
    assert terminals <= reachable(model)


@pytest.mark.parametrize(("height", "width", "fraction"), [(7, 9, 0.0), (1, 2, 0.5), (20, 3, 0.9), (30, 30, 0.4)])
def test_random_layouts_reach_the_goal(height, width, fraction):
    for seed in range(5):
        drawing = envs.random_layout(height, width, fraction, seed)
        cells = read_layout(drawing, TERMINALS)
        assert cells.shape == (height, width)
        assert (cells[0, 0], cells[-1, -1]) == ("S", "G")
        model = gym.make("GridWorld-v0", layout=drawing).unwrapped.model
        assert int(np.flatnonzero(model.terminals)[0]) in reachable(model)


def test_random_layout_follows_its_arguments():
    assert envs.random_layout(9, 9, 0.3, seed=1) == envs.random_layout(9, 9, 0.3, seed=1)
    assert envs.random_layout(9, 9, 0.3, seed=1) != envs.random_layout(9, 9, 0.3, seed=2)
    walls = envs.random_layout(200, 200, 0.3, seed=0).count("#") / 40_000
    assert walls == pytest.approx(0.3, abs=0.02)
    assert open_room(2, 3) == "S..\n..G"


@pytest.mark.parametrize("arguments", [(0, 5, 0.1, 0), (1, 1, 0.1, 0), (5, 5, 1.0, 0), (5, 5, -0.1, 0)])
def test_random_layout_refuses_what_it_cannot_draw(arguments):
    with pytest.raises(ValueError, match=r"two cells|must lie in"):
        envs.random_layout(*arguments)


def test_space_is_free_and_outer_blank_lines_are_ignored():
    cells = read_layout("\n\n# +\n...\n\n", TERMINALS)
    assert cells.tolist() == [["#", " ", "+"], [".", ".", "."]]
    model = gym.make("GridWorld-v0", layout="\n# +\n...\n").unwrapped.model
    assert model.grid.tolist() == [[-1, 0, 1], [2, 3, 4]]


def test_layout_from_a_file(tmp_path):
    path = tmp_path / "room.txt"
    path.write_text("S.+\r\n#..\r\n", encoding="utf-8", newline="")
    for layout in (path, str(path)):
        assert gym.make("GridWorld-v0", layout=layout).unwrapped.cells.tolist() == [["S", ".", "+"], ["#", ".", "."]]
    path.write_text("S.+\n#.?\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"room.txt, line 2, column 3: unknown symbol '\?'"):
        read_layout(path, TERMINALS)
    path.write_bytes(b"S.\xff")
    with pytest.raises(ValueError, match=r"room.txt: cannot read the layout: it is not UTF-8"):
        read_layout(path, TERMINALS)
    with pytest.raises(ValueError, match=r"absent.txt: cannot read the layout: No such file"):
        read_layout(Path(tmp_path, "absent.txt"), TERMINALS)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("", "drawing is empty"),
        ("\n\n", "drawing is empty"),
        ("\n...\n..\n", "line 3: 2 cells, but line 2 has 3"),
        ("...\n.q+", r"line 2, column 2: unknown symbol 'q'.*terminal_rewards=\{'q': reward\}"),
        ("#+\n#-", "no free cell to begin in"),
        ("rusell_norvig", "unknown layout 'rusell_norvig': did you mean 'russell_norvig'"),
    ],
)
def test_bad_layouts_are_told_where(layout, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_layout(layout, TERMINALS)
    assert "\n" not in str(caught.value)
