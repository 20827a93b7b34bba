"""Reading a text for word vectors, beside gensim: CPU seconds, seconds and peak memory.

    python benchmarks/word_scan.py text.txt --peer gensim-venv/bin/python --rounds 3

The text is lower-cased words with spaces between and a line a sentence, so that both make the same words of it; a
difference in their number is an error. gensim counts them; ours also writes the text as numbers and hashes it. Each
figure is of a process of its own, the variants in turn; imports, and a first small text for compiled code, are not in
the times but in the memory. Writes docs/results/word_scan.md and .csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numba
import numpy as np

import neuralcore

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "results"
MIN_COUNT = 5
COLUMNS = ("variant", "round", "cpu_seconds", "seconds", "peak_mb", "vocabulary", "words")

TIMED = """
import json, resource, sys, time
path, small, folder, min_count = *sys.argv[1:4], int(sys.argv[4])
def timed(read):
    read(small)
    cpu, wall = time.process_time(), time.perf_counter()
    vocabulary, words = read(path)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([cpu, wall, peak, vocabulary, words]))
"""
OURS = (
    TIMED
    + """
from graphkit.words.corpus import Corpus
def read(path):
    found = Corpus(path, tokenizer={tokenizer!r}).read(min_count, folder=folder, threads={threads})
    return len(found.vocabulary), found.vocabulary.total
timed(read)
"""
)
PLAIN = (
    TIMED
    + """
from graphkit.words.corpus import Corpus
from graphkit.words.vocabulary import Vocabulary
def read(path):
    found = Vocabulary.count(Corpus(path, tokenizer="whitespace").sentences(), min_count)
    return len(found), found.total
timed(read)
"""
)
GENSIM = (
    TIMED
    + """
from gensim.models import Word2Vec
def read(path):
    model = Word2Vec(min_count=min_count)
    model.scan_vocab(corpus_file=path)
    model.prepare_vocab()  # and not prepare_weights, which build_vocab goes on with
    return len(model.wv), int(sum(model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key))
timed(read)
"""
)
# name -> (code, whether it is the peer's, whether the folder still holds what the variant before it left there)
VARIANTS = {
    "gensim, corpus_file": (GENSIM, True, False),
    "counted in Python": (PLAIN, False, False),
    "whitespace": (OURS.format(tokenizer="whitespace", threads=1), False, False),
    "whitespace, the same text again": (OURS.format(tokenizer="whitespace", threads=1), False, True),
    "whitespace, 2 threads": (OURS.format(tokenizer="whitespace", threads=2), False, False),
    "words": (OURS.format(tokenizer="words", threads=1), False, False),
}


def measure(code: str, python: str, path: Path, folder: Path) -> list[Any]:
    """CPU seconds, seconds, peak MB, different words and words, as a process of its own says."""
    small = folder.parent / "small.txt"
    small.write_text("one two\n" * MIN_COUNT)
    command = [python, "-c", code, str(path), str(small), str(folder), str(MIN_COUNT)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{python} failed:\n{done.stderr}")
    figures: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--peer", required=True, help="a Python that has gensim")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows: list[list[Any]] = []
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as temporary:
            for place, (name, (code, peer, again)) in enumerate(VARIANTS.items()):
                folder = Path(temporary, str(place - 1 if again else place))
                python = arguments.peer if peer else sys.executable
                rows.append([name, number, *measure(code, python, arguments.text, folder)])
                print(dict(zip(COLUMNS, rows[-1])), flush=True)
    found = {(row[5], row[6]) for row in rows}
    if len(found) > 1:
        raise SystemExit(f"they do not agree on the different words and words: {sorted(found)}")
    with open(OUT / "word_scan.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    (OUT / "word_scan.md").write_text(report(rows, arguments), encoding="utf-8")


def report(rows: list[list[Any]], arguments: argparse.Namespace) -> str:
    """The page: medians over the rounds, and the ratio to gensim within a round."""
    gensim = next(iter(VARIANTS))
    size, (vocabulary, words) = arguments.text.stat().st_size, rows[0][5:7]
    lines = []
    for name in VARIANTS:
        own = [row for row in rows if row[0] == name]
        beside = [row for row in rows if row[0] == gensim]
        ratios = sorted(b[2] / o[2] for o, b in zip(own, beside))
        cpu, wall, peak = (statistics.median(row[column] for row in own) for column in (2, 3, 4))
        lines.append(
            f"| {name} | {cpu:.2f} | {words / cpu / 1e6:.1f} | {statistics.median(ratios):.1f} "
            f"({ratios[0]:.1f} to {ratios[-1]:.1f}) | {wall:.1f} | {peak:.0f} |"
        )
    versions = f"rlgraphkit {neuralcore.__version__}, numba {numba.__version__}, NumPy {np.__version__}"
    code = "from importlib.metadata import version; print(version('gensim'))"
    peer = subprocess.run([arguments.peer, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"# Reading a text of {size / 1e6:,.0f} MB\n\n"
        f"{words:,} occurrences of {vocabulary:,} words that occur {MIN_COUNT} times or more; medians of "
        f"{arguments.rounds} rounds,\nthe ratio to gensim's CPU seconds within a round, with its range. "
        f"gensim {peer} counts words; ours also\nwrites the text as numbers and hashes it, but for the row that is "
        "counted in Python, which is the plain\nway that the tests compare with. Peak memory is of the whole "
        "process, imports and compiled code included.\n\n"
        "| | CPU s | million words/CPU-s | times gensim | s | peak MB |\n|---|---|---|---|---|---|\n"
        + "\n".join(lines)
        + f"\n\n{date.today()}, {versions},\nPython {platform.python_version()}, a {platform.machine()} machine of "
        f"{os.cpu_count()} cores, on which other work was running.\n\n"
        f"`python benchmarks/word_scan.py TEXT --peer PYTHON --rounds {arguments.rounds}`; the text is Wikispeedia's "
        "articles\nand 50 novels, lower-cased words with spaces between.\n"
    )


if __name__ == "__main__":
    main()
