"""DeepWalk and node2vec: walks over a graph read as sentences, whose words are nodes.

Perozzi, Al-Rfou & Skiena 2014, https://arxiv.org/abs/1403.6652, algorithm 1; Grover & Leskovec 2016,
https://arxiv.org/abs/1607.00653, algorithm 1. In each of `walks_per_node` passes a walk starts at every node, in an
order of its own (op `random_walks`); skip-gram then predicts nodes of a walk from those near them
(`graphkit.words.skipgram`, which says where it differs from word2vec). p = q = 1 is DeepWalk's walk, and
`loss="hierarchical_softmax"` its training.

The walks are written to a file, 4 bytes a node, and read from there as a memory map: neither they nor the draws of
threads need fit in memory. They depend on the graph, the seed and the settings of walks alone, not on threads.

A node without edges is a walk of one node. It is in no window, so its vector stays what it was drawn as: short
(each number within ±1/D) and near nothing. A node that edges only lead to ends each walk that comes to it, and learns
there.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np

from graphkit.walks.config import WalkConfig
from graphkit.walks.graph import WalkGraph
from graphkit.words.skipgram import SkipGramTrainer
from graphkit.words.stream import WordStream
from graphkit.words.vectors import Training, WordVectors
from graphkit.words.vocabulary import Vocabulary
from neuralcore.checkpoint import read_arrays, sealed, sha256, unsealed, write_arrays, write_text
from neuralcore.config import defaults, replaced, to_mapping
from neuralcore.errors import UserError
from neuralcore.kernels.random_walks import END_OF_WALK, random_walks
from neuralcore.run_folder import RunFolder
from neuralcore.seeding import derived_seed
from neuralcore.telemetry import Telemetry

PIECE = 1 << 12  # walks that a thread takes at once
BLOCK = 1 << 22  # positions of the file that are counted or renumbered at once
QUIET = 3.0  # seconds before progress is shown
FORMAT = 1
WALKS, NODES, MANIFEST = "walks.bin", "walks_nodes.safetensors", "walks.json"
SETTINGS = ("walks_per_node", "walk_length", "p", "q", "seed")  # what walks depend on, beside the graph


def node2vec(
    graph: WalkGraph | str | Path,
    config: WalkConfig | None = None,
    *,
    directed: bool = False,
    weighted: bool = False,
    nodes: str | Path | None = None,
    run: str | Path | None = None,
    **settings: Any,
) -> WordVectors:
    """Learn a vector for every node.

    Args:
        graph: a `WalkGraph`, or an edge list with `directed`, `weighted` and `nodes` as in `WalkGraph.read`.
        config: see `WalkConfig`; `settings` are fields of it, for short.
        run: a run folder, for progress, metrics, checkpoints, the walks and, in the end, `vectors/`. A run that was
            killed goes on by the same call, and with one thread ends with the same bytes.

    Returns:
        vectors whose words are the names of the nodes and whose counts are their visits, the most visited first.

    Raises:
        UserError: the graph cannot be read; the run folder is in use or holds a run of other settings or another
            graph; the walks cannot be written; the loss is no longer finite.

    >>> node2vec("edges.tsv", p=0.25, q=0.25).neighbours("a")  # doctest: +SKIP
    """
    config = replaced(config or WalkConfig(), settings)
    if not isinstance(graph, WalkGraph):
        graph = WalkGraph.read(graph, directed=directed, weighted=weighted, nodes=nodes)
    elif directed or weighted or nodes is not None:
        raise UserError("directed, weighted and nodes say how to read an edge list: a WalkGraph is read already")
    folder = None if run is None else Path(run)
    with contextlib.ExitStack() as stack:
        store = None
        if folder is not None:
            reading = {
                "directed": graph.directed,
                "weighted": graph.cumulative is not None,
                "nodes": graph.nodes_file,
            }
            kept = {"graph": graph.source, "run": str(run), **reading, "config": to_mapping(config)}
            may_differ = ("run", "graph", "nodes", "config.threads", "config.checkpoint_every")
            keeping = RunFolder(folder, kept, may_differ, {"config": defaults(WalkConfig)})
            store = stack.enter_context(keeping).checkpoints
        vocabulary, ids = walk_stream(graph, config, folder)
        trainer = SkipGramTrainer(ids, vocabulary, config.skipgram)
        checkpoint = store.load() if store else None
        if checkpoint is not None:
            trainer.restore(checkpoint)
        before = trainer.words
        trainer.compile()  # before the clock starts
        title = "node2vec" if (config.p, config.q) != (1.0, 1.0) else "deepwalk"
        total = config.epochs * vocabulary.total
        with Telemetry(total, "nodes", title=title, folder=folder, start=before) as telemetry:
            started = time.monotonic()
            trainer.fit(telemetry, store)
            seconds = time.monotonic() - started
        vectors = WordVectors(vocabulary, trainer.vectors()[0], config.skipgram)
        vectors.training = Training(trainer.words - before, "nodes", seconds)
        if folder is not None:
            vectors.save(folder / "vectors")
    return vectors


def walk_stream(graph: WalkGraph, config: WalkConfig, folder: Path | None = None) -> WordStream:
    """The nodes with their visits, the most visited first, and all walks as numbers of theirs in a mapped file.

    Args:
        folder: where the file is kept, and taken from when it is there already and whole; None writes a temporary
            one, which goes away with the array.

    Raises:
        UserError: the file cannot be written.
    """
    made_from = {"graph": graph.digest, **{name: getattr(config, name) for name in SETTINGS}}
    found = None if folder is None else _kept(folder, made_from, graph)
    if found is not None:
        return found
    try:
        if folder is None:
            with tempfile.TemporaryFile() as file:
                return _written(graph, config, file)[0]
        (folder / MANIFEST).unlink(missing_ok=True)
        # Written beside: an older array of this process may still be a map of the file that was there.
        with open(folder / f"{WALKS}.tmp", "w+b") as file:
            stream, order = _written(graph, config, file)
        (folder / f"{WALKS}.tmp").replace(folder / WALKS)
        digests = {
            WALKS: sha256(folder / WALKS),
            NODES: write_arrays(folder / NODES, {"order": order, "visits": stream.vocabulary.counts}),
        }
        write_text(folder / MANIFEST, sealed({"format": FORMAT, "settings": made_from, "sha256": digests}))
    except OSError as error:
        if folder is not None:
            with contextlib.suppress(OSError):
                (folder / f"{WALKS}.tmp").unlink()
        size = 4 * len(graph.names) * config.walks_per_node * (config.walk_length + 1)
        raise UserError(
            f"the walks could not be written into {folder or tempfile.gettempdir()} ({error.strerror}): they take up "
            f"to {size:,} bytes"
        ) from None
    return stream


def _kept(folder: Path, made_from: dict[str, Any], graph: WalkGraph) -> WordStream | None:
    """The walks of an earlier call, if they are there, whole, and of the same graph and settings."""
    try:
        manifest = unsealed((folder / MANIFEST).read_bytes())
        if (manifest["format"], manifest["settings"]) != (FORMAT, made_from):
            return None
        if sha256(folder / WALKS) != manifest["sha256"][WALKS]:
            return None
        numbers = read_arrays(folder / NODES, manifest["sha256"][NODES])
        ids = np.memmap(folder / WALKS, "<i4", "r")
    except (OSError, ValueError, KeyError, TypeError):
        return None  # they are made again, the same
    return WordStream(Vocabulary([graph.names[i] for i in numbers["order"]], numbers["visits"]), ids)


def _written(graph: WalkGraph, config: WalkConfig, file: IO[bytes]) -> tuple[WordStream, np.ndarray]:
    """Write the walks, number their nodes by visits, and map the file; also the order of the nodes (N,) by number."""
    for piece in _pieces(graph, config):
        file.write(piece.data)
    file.flush()
    ids = np.memmap(file, "<i4", "r+")
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, len(ids), BLOCK)]
    visits = np.zeros(len(graph.names), np.int64)
    for block in blocks:
        nodes = ids[block]
        visits += np.bincount(nodes[nodes != END_OF_WALK], minlength=len(visits))
    names, counts = graph.names, visits.tolist()
    order = np.array(sorted(range(len(names)), key=lambda node: (-counts[node], names[node])), dtype=np.int32)
    number_of = np.full(len(names) + 1, END_OF_WALK, np.int32)  # the last for END_OF_WALK, which is -1
    number_of[order] = np.arange(len(names), dtype=np.int32)
    for block in blocks:
        ids[block] = number_of[ids[block]]
    ids.flush()
    return WordStream(Vocabulary([names[node] for node in order], visits[order]), ids), order


def _pieces(graph: WalkGraph, config: WalkConfig) -> Iterator[np.ndarray]:
    """The walks in their order, some at a time, one after the other with -1 after each: (n,) int32 node numbers."""
    nodes = len(graph.names)
    starts = np.empty(0, np.int32)

    def piece(epoch: int, first: int) -> np.ndarray:
        walks = random_walks(
            graph.offsets,
            graph.neighbours,
            starts[first : first + PIECE],
            cumulative=graph.cumulative,
            length=config.walk_length,
            p=config.p,
            q=config.q,
            seed=config.seed,
            epoch=epoch,
            first=first,
        )
        ended = np.pad(walks, ((0, 0), (0, 1)), constant_values=END_OF_WALK)
        first_end = ended[:, 1:] != END_OF_WALK  # a place stays if it, or the one before it, is a node
        return ended[np.concatenate([np.ones((len(walks), 1), bool), first_end | (walks != END_OF_WALK)], axis=1)]

    total, done, began = config.walks_per_node * nodes, 0, time.monotonic()
    with Telemetry(total, "walks", title="walks") as telemetry, ThreadPoolExecutor(config.threads) as pool:
        for epoch in range(config.walks_per_node):
            order = np.random.default_rng(derived_seed(config.seed, "starts", epoch))
            starts = order.permutation(nodes).astype(np.int32)
            firsts = range(0, nodes, PIECE)
            at_once = 2 * config.threads  # pieces, which bounds the memory however slow the disk is
            for some in (firsts[i : i + at_once] for i in range(0, len(firsts), at_once)):
                yield from pool.map(piece, [epoch] * len(some), some)
                done += sum(min(PIECE, nodes - first) for first in some)
                if time.monotonic() - began > QUIET and telemetry.due():
                    telemetry.show(done, {})
