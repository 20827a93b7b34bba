"""Word vectors beside gensim, fastText and the C programs: speed, peak memory and quality on the same text.

    python benchmarks/words.py --prepare TEXT --data DATA                 (DATA has text-wikispeedia, text-novels50)
    python benchmarks/words.py --text TEXT --evaluation DATA/word-eval --peer PEER/bin/python --programs DIR
    python benchmarks/words.py --text TEXT --evaluation … --only rlgraphkit gensim --dimensions 100 --seeds 5

PEER is a Python that has gensim and fasttext (fasttext-wheel); DIR has the programs word2vec (Mikolov's C) and
pword2vec (Intel's, with a BLAS), those that could be built. Every contender trains in a process of its own, with 5
epochs, window 5, 5 negatives, sample 1e-3, min_count 5; all vectors are judged by `graphkit.words.evaluation`, whose
figures are gensim's. CPU-seconds are user and system time of all threads while training, reading the text apart (the
C programs read it in a run of its own, and load the vocabulary). Peak memory is the high-water mark of the process's
own pages (what getrusage calls its maximum begins with that of the process that started it). Rows go to
docs/results/words.csv, from which the script goes on (after a change, delete rows); docs/results/words.md sums up.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"
EPOCHS = 5
SETS = {"WordSim-353": "EN-WS-353-ALL.txt", "SimLex-999": "EN-SIMLEX-999.txt", "MEN": "EN-MEN-TR-3k.txt"}
QUALITY = ("analogies", *SETS)
COLUMNS = ("contender", "dimension", "seed", "cpu", "wall", "read_cpu", "peak_mb", *QUALITY, "date")
# contender -> (who runs it, settings)
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "rlgraphkit": ("ours", {}),
    "rlgraphkit, per pair": ("ours", {"per_pair": True}),
    "rlgraphkit, 2 threads": ("ours", {"threads": 2}),
    "rlgraphkit, CBOW": ("ours", {"model": "cbow"}),
    "rlgraphkit, hierarchical": ("ours", {"loss": "hierarchical_softmax"}),
    "rlgraphkit, margin": ("ours", {"loss": "margin", "learning_rate": 0.005}),
    "rlgraphkit, subwords": ("ours", {"longest_ngram": 6}),
    "gensim": ("gensim", {}),
    "gensim, CBOW": ("gensim", {"sg": 0}),
    "gensim, hierarchical": ("gensim", {"hs": 1, "negative": 0}),
    "fastText": ("fasttext", {}),
    "fastText, subwords": ("fasttext", {"minn": 3, "maxn": 6, "bucket": 200_000}),
    "word2vec.c": ("word2vec", {}),
    "pWord2Vec": ("pword2vec", {}),
}
# the peer whose speed a row's is divided by
LIKE = {
    "rlgraphkit": "gensim",
    "rlgraphkit, per pair": "gensim",
    "rlgraphkit, 2 threads": "gensim",
    "rlgraphkit, CBOW": "gensim, CBOW",
    "rlgraphkit, hierarchical": "gensim, hierarchical",
    "rlgraphkit, margin": "gensim",
    "rlgraphkit, subwords": "fastText, subwords",
    "pWord2Vec": "gensim",
}

GENSIM = """
import json, resource, sys, time
from gensim.models import Word2Vec
text, out, dimension, seed, epochs = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
kept = {"sg": 1, "negative": 5, "seed": seed, "vector_size": dimension, **json.loads(sys.argv[6])}
model = Word2Vec(window=5, sample=1e-3, min_count=5, epochs=epochs, workers=2, **kept)
cpu = time.process_time(); model.build_vocab(corpus_file=text); read = time.process_time() - cpu
cpu, wall = time.process_time(), time.perf_counter()
model.train(corpus_file=text, total_examples=model.corpus_count, total_words=model.corpus_total_words, epochs=epochs)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
model.wv.save_word2vec_format(out, binary=True)
print(json.dumps({"cpu": cpu, "wall": wall, "read_cpu": read, "peak_mb": peak}))
"""
FASTTEXT = """
import json, resource, sys, time
import fasttext
import numpy as np
text, out, dimension, seed, epochs = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
kept = {"minn": 0, "maxn": 0, "bucket": 1, **json.loads(sys.argv[6])}
cpu, wall = time.process_time(), time.perf_counter()
model = fasttext.train_unsupervised(
    text, model="skipgram", dim=dimension, ws=5, neg=5, t=1e-3, minCount=5, epoch=epochs, thread=2, lr=0.025,
    verbose=0, **kept)  # it takes no seed
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
peak = next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
words = [word for word in model.get_words() if word != "</s>"]
with open(out, "wb") as file:
    file.write(f"{len(words)} {dimension}\\n".encode())
    for word in words:
        file.write(word.encode() + b" " + model.get_word_vector(word).astype(np.float32).tobytes())
print(json.dumps({"cpu": cpu, "wall": wall, "read_cpu": 0.0, "peak_mb": peak}))
"""


def prepare(out: Path, data: Path) -> None:
    """Wikispeedia's articles and 50 novels as lower-cased words with spaces between, a line a line."""
    from graphkit.words.corpus import Corpus

    words = Corpus(__file__)
    with open(out, "w", encoding="utf-8") as file:
        for name in ("text-wikispeedia/plaintext_articles.tar.xz", "text-novels50/novels50.tar.xz"):
            with tarfile.open(data / name) as archive:
                for member in sorted((m for m in archive.getmembers() if m.isfile()), key=lambda m: m.name):
                    content = archive.extractfile(member)
                    assert content is not None
                    for line in words.tokenized(content.read().decode("utf-8", "replace")):
                        if line:
                            file.write(" ".join(line) + "\n")


def ours(
    text: str, out: str, dimension: int, seed: int, settings: dict[str, Any], epochs: int = EPOCHS
) -> dict[str, float]:
    """One training of ours, in this process."""
    from graphkit.words.config import SkipGramConfig
    from graphkit.words.corpus import Corpus
    from graphkit.words.formats import write_word2vec
    from graphkit.words.skipgram import SkipGramTrainer
    from neuralcore.telemetry import Telemetry

    config = SkipGramConfig(
        dimension=dimension, seed=seed, epochs=epochs, tokenizer="whitespace", lowercase=False, **settings
    )
    cpu = time.process_time()
    corpus = Corpus(text, tokenizer="whitespace", lowercase=False)
    vocabulary, ids = corpus.read(config.min_count, folder=Path(out).parent / "corpora", threads=config.threads)
    read = time.process_time() - cpu
    trainer = SkipGramTrainer(ids, vocabulary, config)
    trainer.compile()
    cpu, wall = time.process_time(), time.perf_counter()
    with open(os.devnull, "w") as nowhere, Telemetry(1, "words", title="words", stream=nowhere) as telemetry:
        trainer.fit(telemetry)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    write_word2vec(Path(out), vocabulary.words, trainer.vectors()[0], binary=True)
    return {"cpu": cpu, "wall": wall, "read_cpu": read, "peak_mb": peak}


def program(path: Path, text: str, out: str, dimension: int, epochs: int = EPOCHS) -> dict[str, float]:
    """One training by a C program; the vocabulary is read before. They take no seed."""
    vocabulary = out + ".vocabulary"
    common = [str(path), "-train", text, "-min-count", "5", "-threads", "2"]
    # Intel's program is made from Mikolov's, which does the reading for both.
    reading = [path.with_name("word2vec"), *common[1:], "-save-vocab", vocabulary]
    read = _cpu(lambda: subprocess.run(reading, check=True, capture_output=True))
    words = ["-read-vocab", vocabulary, "-output", out, "-size", str(dimension), "-window", "5", "-negative", "5"]
    words += ["-sample", "1e-3", "-iter", str(epochs), "-binary", "1"]
    if path.name == "word2vec":
        words += ["-cbow", "0", "-hs", "0"]
    wall = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    done = _cpu(lambda: subprocess.run([*common, *words], check=True, capture_output=True, env=environment))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"cpu": done, "wall": time.perf_counter() - wall, "read_cpu": read, "peak_mb": peak}


def _cpu(call: Any) -> float:
    before = os.times()
    call()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def train(
    arguments: argparse.Namespace, contender: str, dimension: int, seed: int, out: str, epochs: int = EPOCHS
) -> dict[str, float]:
    """One training in a process of its own; its vectors are left in `out`."""
    who, settings = CONTENDERS[contender]
    if who in ("word2vec", "pword2vec"):
        words: list[Any] = [sys.executable, __file__, "--run-program", arguments.programs / who]
    elif who == "ours":
        words = [sys.executable, __file__, "--run-ours", json.dumps(settings)]
    else:
        code = {"gensim": GENSIM, "fasttext": FASTTEXT}[who]
        call = [arguments.text, out, dimension, seed, epochs, json.dumps(settings)]
        return _figures([arguments.peer, "-c", code, *call])
    words += ["--text", arguments.text, "--out", out, "--dimensions", dimension, "--seeds", seed, "--epochs", epochs]
    return _figures(words)


def _figures(command: list[Any]) -> dict[str, float]:
    """What a process prints as its last line."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr} this ended with code {done.returncode}: {' '.join(map(str, command))[:300]}")
    return json.loads(done.stdout.splitlines()[-1])


def fill_peaks(arguments: argparse.Namespace, rows: list[dict[str, str]]) -> None:
    """The peak memory of those contenders of which no row has one, by a training of one epoch."""
    for contender in arguments.only:
        for dimension in arguments.dimensions:
            mine = [row for row in rows if (row["contender"], row["dimension"]) == (contender, str(dimension))]
            if mine and not any(row["peak_mb"] for row in mine):
                with tempfile.TemporaryDirectory() as folder:
                    found = train(arguments, contender, dimension, 1, f"{folder}/vectors.bin", epochs=1)
                mine[0]["peak_mb"] = f"{found['peak_mb']:.4f}"
                print(contender, dimension, mine[0]["peak_mb"], flush=True)


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """The rows so far."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def judge(vectors: str, folder: Path) -> dict[str, float]:
    """The quality of a file of vectors."""
    from graphkit import WordVectors
    from graphkit.words.evaluation import Analogies, evaluate

    found = evaluate(
        WordVectors.read(vectors), [folder / "questions-words.txt", *(folder / f for f in SETS.values())]
    )
    figures = {"analogies": next(f.total.accuracy for f in found if isinstance(f, Analogies))}
    pairs = [f for f in found if not isinstance(f, Analogies)]
    return figures | {name: float(f.spearman) for name, f in zip(SETS, pairs, strict=True)}


def report(rows: list[dict[str, str]], words: int, text: str) -> None:
    """docs/results/words.md: speed and quality of each contender at each dimension."""
    import neuralcore
    from neuralcore.checkpoint import write_text

    parts = [
        "# Word vectors beside their peers\n\n"
        f"{words:,} words of Wikispeedia's articles and 50 novels; {EPOCHS} epochs, window 5, 5 negatives, "
        "sample 1e-3, min_count 5.\nRaw words per CPU-second while training (all threads, without reading the text; "
        "fastText with it; a peer's\nrate is that of the same seeds); peers have two threads, ours one where nothing "
        "else is said. Quality: mean ± standard\ndeviation over the seeds, all judged by `graphkit words --evaluate`:"
        " share of analogies right, Spearman's\n"
        "rho of the others.\n"
    ]
    for dimension in sorted({int(row["dimension"]) for row in rows}):
        here = [row for row in rows if int(row["dimension"]) == dimension]
        heads = ("", "seeds", "words per CPU-s", "times its peer's", "words per s", "peak MB", *QUALITY)
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for name in (name for name in CONTENDERS if any(row["contender"] == name for row in here)):
            mine = [row for row in here if row["contender"] == name]
            rate = median(EPOCHS * words / float(row["cpu"]) for row in mine)
            # The same seeds of the peer: most were run in the same hours, with as much other work beside them.
            seeds = {row["seed"] for row in mine}
            theirs = [row for row in here if row["contender"] == LIKE.get(name) and row["seed"] in seeds]
            peer = median(EPOCHS * words / float(row["cpu"]) for row in theirs) if theirs else 0.0
            wall = median(EPOCHS * words / float(row["wall"]) for row in mine)
            cells = [
                name,
                str(len(mine)),
                f"{rate:,.0f}",
                f"{rate / peer:.1f} ({LIKE[name]})" if peer else "",
                f"{wall:,.0f}",
            ]
            peaks = [float(row["peak_mb"]) for row in mine if row["peak_mb"]]
            cells.append(f"{max(peaks):.0f}" if peaks else "")
            for figure in QUALITY:
                values = [float(row[figure]) for row in mine]
                cells.append(f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else ""))
            lines.append(f"| {' | '.join(cells)} |")
        parts.append(f"\n## Dimension {dimension}\n\n" + "\n".join(lines) + "\n")
    parts.append(
        f"\n{date.today()}, rlgraphkit {neuralcore.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores of a {platform.machine()} machine that had other work. "
        "Rows: [words.csv](words.csv).\n\n"
        f"`python benchmarks/words.py --text {Path(text).name} --evaluation word-eval --peer PEER --programs DIR`\n"
    )
    write_text(FOLDER / "words.md", "".join(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepare", type=Path, metavar="TEXT", help="write the text from --data and stop")
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--text", help="the text, words with spaces between")
    parser.add_argument("--evaluation", type=Path, help="folder with questions-words.txt and the similarity sets")
    parser.add_argument("--peer", help="a Python that has gensim and fasttext")
    parser.add_argument("--programs", type=Path, help="folder with word2vec and pword2vec")
    parser.add_argument("--only", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--dimensions", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seeds", type=int, default=5, help="seeds 1 to this")
    parser.add_argument("--peaks", action="store_true", help="only measure peaks that are missing, in one epoch")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=argparse.SUPPRESS)
    parser.add_argument("--run-ours", help=argparse.SUPPRESS)
    parser.add_argument("--run-program", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        return prepare(arguments.prepare, arguments.data)
    one = (arguments.text, arguments.out, arguments.dimensions[0])
    if arguments.run_ours:
        return print(json.dumps(ours(*one, arguments.seeds, json.loads(arguments.run_ours), arguments.epochs)))
    if arguments.run_program:
        return print(json.dumps(program(arguments.run_program, *one, arguments.epochs)))
    path = FOLDER / "words.csv"
    rows = list(csv.DictReader(open(path, newline="", encoding="utf-8"))) if path.exists() else []
    if arguments.peaks:
        fill_peaks(arguments, rows)
        write_rows(path, rows)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, 0 if arguments.peaks else arguments.seeds + 1):
            for dimension in arguments.dimensions:
                for contender in arguments.only:
                    key = (contender, str(dimension), str(seed))
                    if any((row["contender"], row["dimension"], row["seed"]) == key for row in rows):
                        continue
                    out = f"{folder}/vectors.bin"
                    figures = train(arguments, contender, dimension, seed, out)
                    figures |= judge(out, arguments.evaluation)
                    values = {name: f"{value:.4f}" for name, value in figures.items()}
                    rows.append({**dict(zip(COLUMNS, key)), **values, "date": str(date.today())})
                    print(rows[-1], flush=True)
                    write_rows(path, rows)
    with open(arguments.text, "rb") as file:
        words = sum(len(line.split()) for line in file)
    return report(rows, words, arguments.text)


if __name__ == "__main__":
    main()
