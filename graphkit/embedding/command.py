"""`graphkit embed` and `graphkit evaluate`: from an edge list to vectors with honest figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from graphkit.embedding.config import EmbedConfig, FeatureConfig, RelationConfig
from neuralcore.config import defaults, find_config, from_mapping, parse, read_toml, to_mapping

if TYPE_CHECKING:
    from graphkit.embedding.evaluation import Ranking


@dataclass(frozen=True)
class EmbedArguments:
    """Learn vectors of a graph's entities from its edges; the same command goes on where it stopped."""

    graph: tyro.conf.Positional[str]
    """edge list (head<TAB>relation<TAB>tail, also .gz and .xz), folder of train/valid/test.tsv, sample:wn18rr, or a
    .toml file that names one"""
    run: str = ""
    """run folder; by default runs/embed-<graph>"""
    seed: int = 0
    """of everything random"""
    threads: int | None = None
    """torch threads; by default all processors"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one (there no training gives the same bytes twice)"""
    start: str = ""
    """a run folder or vectors (see graphkit export), with which entities and relations of the same names begin"""
    freeze: str = ""
    """with --start: a file of names, one a line, of entities and relations that stay as they are"""
    config: EmbedConfig = field(default_factory=EmbedConfig)
    relations: tyro.conf.Suppress[dict[str, RelationConfig]] = field(default_factory=dict)
    """what is different about some relations; only a .toml file can say it, in tables [relations.<name>]"""
    features: tyro.conf.Suppress[dict[str, FeatureConfig]] = field(default_factory=dict)
    """what is known of entities beside the edges; only a .toml file can say it, in tables [features.<type>]"""

    def __post_init__(self) -> None:
        if self.freeze and not self.start:
            raise ValueError("--freeze needs --start: what is frozen stays where that has it")


@dataclass(frozen=True)
class EvaluateArguments:
    """Rank the true entity of held-out edges among all entities."""

    run: tyro.conf.Positional[str]
    """run folder, or its vectors/"""
    split: str = "test"
    """which edges: train, valid or test"""
    by_relation: bool = False
    """a table of each relation's figures, its tails' and its heads'"""
    triples: bool = False
    """also tell true edges from false ones, with thresholds from the split valid"""


def parse_arguments(words: Sequence[str], prog: str) -> EmbedArguments | EvaluateArguments:
    """The arguments of either command; for `embed`, a TOML file's values stand between defaults and flags."""
    if prog.endswith("evaluate"):
        return parse(EvaluateArguments, words, prog=prog, description=EvaluateArguments.__doc__ or "")
    description, default = EmbedArguments.__doc__ or "", None
    at = next((i for i, word in enumerate(words) if word.endswith(".toml") and not word.startswith("-")), None)
    if at is not None:
        path = find_config(words[at])
        default = from_mapping(EmbedArguments, read_toml(path), path)
        # The graph comes from the file; tyro still wants its positional.
        words = [*words[:at], default.graph, *words[at + 1 :]]
    return parse(EmbedArguments, words, prog=prog, description=description, default=default)


def embed(arguments: EmbedArguments) -> int:
    """Train, rank the held-out edges, and leave the vectors and their card in the run folder."""
    import json

    from graphkit.embedding.embedding import GraphEmbedding
    from graphkit.embedding.partition import visits
    from graphkit.embedding.warm_start import read_names
    from graphkit.graphs.graph import Graph
    from graphkit.samples import resolve
    from neuralcore.checkpoint import write_text
    from neuralcore.device import gpu, set_threads
    from neuralcore.run_folder import RunFolder

    there = gpu(arguments.device)  # one that is missing is told before the edges are read
    source = resolve(arguments.graph)
    name = arguments.graph.removeprefix("sample:").rstrip("/").rsplit("/", 1)[-1].split(".")[0]
    run = Path(arguments.run or f"runs/embed-{name}")
    kept = to_mapping(dataclasses.replace(arguments, run=str(run)))
    # Where any relation is told its types, those of all must be.
    sides = {relation: (mine.head, mine.tail) for relation, mine in arguments.relations.items()}
    typed = any(side != ("entity", "entity") for side in sides.values())
    graph = Graph.read(source, sides if typed else None)
    print(f"{arguments.graph}: {graph}")
    threads = set_threads(arguments.threads)
    embedding = GraphEmbedding(
        graph, arguments.config, seed=arguments.seed, relations=arguments.relations, features=arguments.features
    )
    for kind, found in embedding.features.items():
        print(f"features of {kind}: {found}")
    may_differ = ("run", "threads", "device", "config.epochs")
    with RunFolder(run, kept, may_differ, defaults(EmbedArguments)) as folder:
        done = folder.checkpoints.steps()
        if done:
            epoch, visit = divmod(done[-1], len(visits(arguments.config.partitions, arguments.config.slots)))
            print(f"{run}: going on from epoch {epoch}" + (f", visit {visit}" if visit else ""))
        freeze = read_names(Path(arguments.freeze)) if arguments.freeze else []
        embedding.fit(folder=run, start=arguments.start or None, freeze=freeze, device=arguments.device)
        embedding.save(run / "vectors")
        by = f"{threads} threads" if there is None else str(there)
        card = f"# {name}\n\n{graph}. {arguments.config.epochs} epochs, seed {arguments.seed}, {by}.\n\n"
        for split in ("valid", "test"):
            if split in graph.edges:
                ranking = embedding.evaluate(split)
                raw = embedding.evaluate(split, filtered=False)
                line = _line(split, ranking, raw)
                print(line)
                card += line + "\n\n"
                write_text(run / f"{split}.json", json.dumps({"filtered": ranking.as_row(), "raw": raw.as_row()}))
        write_text(run / "card.md", card + f"Command: `graphkit embed {run}/config.toml`\n")
    print(f"run folder {run}: vectors/ metrics.jsonl card.md checkpoints/")
    return 0


def evaluate(arguments: EvaluateArguments) -> int:
    """Rank a split's edges with a run's vectors."""
    from graphkit.embedding.embedding import GraphEmbedding
    from graphkit.embedding.evaluation import Ranking, by_relation

    embedding = GraphEmbedding.load(arguments.run)
    ranks = embedding.ranks(arguments.split)
    raw = embedding.evaluate(arguments.split, filtered=False)
    print(_line(arguments.split, Ranking.of(ranks), raw))
    if arguments.by_relation:
        rows = by_relation(ranks, embedding.graph.edges[arguments.split], embedding.graph.relations)
        width = min(max(len(row.relation) for row in rows), 60)
        print(f"\n{'relation':{width}}  {'edges':>7}  {'MRR':>6}  {'tails':>6}  {'heads':>6}  {'@10':>6}  {'AUC':>6}")
        for row in rows:
            figures = row.both.mrr, row.tails.mrr, row.heads.mrr, row.both.hits_10, row.both.auc
            name = row.relation if len(row.relation) <= width else "…" + row.relation[1 - width :]
            print(f"{name:{width}}  {row.edges:7,}  " + "  ".join(f"{figure:6.4f}" for figure in figures))
    if arguments.triples:
        found = embedding.classify_triples()
        print(f"triples: {found.accuracy:.4f} of {found.edges:,} told right, AUC {found.auc:.4f}")
    return 0


def _line(split: str, ranking: Ranking, raw: Ranking) -> str:
    return (
        f"{split}: filtered MRR {ranking.mrr:.4f}, Hits@1 {ranking.hits_1:.4f}, @3 {ranking.hits_3:.4f}, "
        f"@10 {ranking.hits_10:.4f}, mean rank {ranking.mr:,.0f}, AUC {ranking.auc:.4f}; raw MRR {raw.mrr:.4f} "
        f"({ranking.questions:,} asked)"
    )
