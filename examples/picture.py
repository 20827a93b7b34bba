"""The picture on the README's first screen, from what `make demo` left in runs/demo: `python examples/picture.py`."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import matplotlib.image
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import agents
import envs
from graphkit import GraphEmbedding
from rlkit import value_iteration

FOLDER = Path("runs/demo")
OUT = Path(__file__).parent.parent / "docs" / "picture.png"
INK, ACCENT, GREY = "#1f2933", "#d1495b", "#9aa5b1"
# Neighbourhoods of WordNet that the map names, each by a sense and how many of its neighbours
CENTRES = ["dog.n.01", "violin.n.01", "france.n.01", "physics.n.01", "oak.n.02", "painter.n.01"]


def gridworld(axes) -> None:
    """The textbook's 4x3 grid, solved."""
    path = FOLDER / "gridworld.png"
    if not path.exists():
        value_iteration(gym.make("GridWorld-v0"), discount=1.0).plot(path)
    axes.imshow(matplotlib.image.imread(path))
    axes.axis("off")
    axes.set_title("planning: solved exactly, and certified", loc="left", color=INK)


def cartpole(axes) -> None:
    """The return of every report, exploration included."""
    rows = [json.loads(line) for line in (FOLDER / "cartpole" / "metrics.jsonl").read_text().splitlines()]
    points = [(row["step"], row["return"]) for row in rows if "return" in row]
    steps, returns = np.array(points).T
    axes.plot(steps / 1000, returns, color=ACCENT, lw=2)
    axes.axhline(500, color=GREY, lw=1, ls=":")
    axes.set_xlabel("thousand steps", color=INK)
    axes.set_ylabel("return", color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title("DQN learns to balance a pole", loc="left", color=INK)


def pong(axes) -> None:
    """A moment of the agent's episode."""
    env = envs.make("ALE/Pong-v5", render_mode="rgb_array")
    agent = agents.load("pretrained:pong_a2c")
    observation, _ = env.reset(seed=3)
    for _ in range(90):
        observation, *_ = env.step(agent.act(observation))
    axes.imshow(env.render())
    axes.axis("off")
    axes.set_title("A2C plays Pong, from pixels", loc="left", color=INK)


def wordnet(axes) -> None:
    """Some senses and their nearest ones, by the two directions in which they differ most."""
    entities = GraphEmbedding.load(FOLDER / "wn18rr").entities
    matrix = entities.matrix / np.linalg.norm(entities.matrix, axis=1, keepdims=True)
    rows, colours = [], []
    for number, centre in enumerate(CENTRES):
        row = entities.titles.index(centre)
        near = np.argsort(-matrix @ matrix[row])[:5]
        rows += near.tolist()
        colours += [number] * len(near)
    chosen = matrix[rows] - matrix[rows].mean(0)
    # t-SNE would be prettier; principal components of the chosen rows are honest about distance.
    _, _, directions = np.linalg.svd(chosen, full_matrices=False)
    place = chosen @ directions[:2].T
    axes.scatter(*place.T, c=colours, cmap="Dark2", s=18)
    for (x, y), row in zip(place, rows):
        axes.annotate(entities.titles[row].split(".")[0].replace("_", " "), (x, y), fontsize=7, color=INK,
                      xytext=(3, 2), textcoords="offset points")  # fmt: skip
    axes.margins(0.14, 0.05)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color(GREY)
    axes.set_title("WordNet: what is like what", loc="left", color=INK)


def main() -> None:
    figure = Figure(figsize=(13, 7.2), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 3, width_ratios=[1.25, 0.9, 1.5])
    gridworld(figure.add_subplot(grid[0, 0]))
    cartpole(figure.add_subplot(grid[1, 0]))
    pong(figure.add_subplot(grid[:, 1]))
    wordnet(figure.add_subplot(grid[:, 2]))
    FigureCanvasAgg(figure).print_png(OUT)
    print(OUT)


if __name__ == "__main__":
    main()
