"""`graphkit walk`: vectors of a graph's nodes from walks over it (DeepWalk, node2vec).

graphkit walk edges.tsv --run runs/walks
graphkit walk edges.csv --p 0.25 --q 0.25 --directed --weighted
graphkit walk configs/graph/blogcatalog_node2vec.toml
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from graphkit.walks.config import WalkConfig
from neuralcore.config import find_config, from_mapping, parse, read_toml
from neuralcore.errors import UserError


@dataclass(frozen=True)
class WalkArguments:
    """Learn vectors of a graph's nodes from random walks (DeepWalk, node2vec); the same command goes on where it
    stopped."""

    graph: Positional[str]
    """edge list, two nodes a line between tabs, commas or spaces (also .gz and .xz); a file or folder of graphkit
    embed; or a .toml file that names one"""
    run: str = ""
    """run folder; by default runs/walk-<graph>"""
    directed: bool = False
    """whether walks go along an edge from its first node to its second only"""
    weighted: bool = False
    """whether the third column of the edge list is a weight, by which walks choose"""
    nodes: str = ""
    """file of names, one a line, of nodes that are to have a vector even if no edge names them"""
    show: str = ""
    """nodes whose neighbours are printed in the end, with commas between; by default those most visited"""
    config: WalkConfig = field(default_factory=WalkConfig)


def parse_arguments(words: Sequence[str], prog: str) -> WalkArguments:
    """The arguments: defaults, then the TOML file where one is named, then flags."""
    description, default = WalkArguments.__doc__ or "", None
    at = next((i for i, word in enumerate(words) if word.endswith(".toml") and not word.startswith("-")), None)
    if at is not None:
        path = find_config(words[at])
        default = from_mapping(WalkArguments, read_toml(path), path)
        if not default.graph:
            raise UserError(
                f"{path}: its graph was given in Python and has no file: go on with graphkit.node2vec there"
            )
        # The graph comes from the file; tyro still wants its positional.
        words = [*words[:at], default.graph, *words[at + 1 :]]
    return parse(WalkArguments, words, prog=prog, description=description, default=default)


def walk(arguments: WalkArguments) -> int:
    """Learn vectors of a graph's nodes from random walks (DeepWalk, node2vec)."""
    from graphkit.samples import resolve
    from graphkit.walks.graph import WalkGraph
    from graphkit.walks.walks import node2vec
    from graphkit.words.look import named, neighbour_lines
    from neuralcore.checkpoint import write_text
    from neuralcore.run_folder import RunFolder
    from neuralcore.telemetry import duration

    source, config = resolve(arguments.graph), arguments.config
    name = arguments.graph.removeprefix("sample:").rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    run = Path(arguments.run or f"runs/walk-{name}")
    RunFolder.check(run)
    graph = WalkGraph.read(
        source, directed=arguments.directed, weighted=arguments.weighted, nodes=arguments.nodes or None
    )
    print(f"graph        {graph}")
    vectors = node2vec(dataclasses.replace(graph, source=arguments.graph), config, run=run)
    done = vectors.training
    assert done is not None
    if done.words:
        speed = f"{done.words:,} nodes of walks in {duration(done.seconds)}, {done.words / done.seconds:,.0f} nodes/s"
    else:
        speed = "nothing: the run had been finished"
    lines = neighbour_lines(vectors, named(arguments.show) or vectors.words[:6])
    print(f"trained      {speed}")
    print(f"vectors      {run}/vectors (graphkit search {run} NODE)")
    print("\n".join(["neighbours   by the cosine", *(f"  {line}" for line in lines)]))
    settings = ", ".join(f"{key} {value}" for key, value in dataclasses.asdict(config).items())
    write_text(
        run / "card.md",
        f"# {name}\n\nVectors of nodes from random walks over {arguments.graph}: {graph}.\n\n{settings}.\n\n"
        + "".join(f"- {line}\n" for line in lines)
        + f"\nCommand: `graphkit walk {run}/config.toml`\n",
    )
    return 0
