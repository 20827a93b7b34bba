"""Texts for word vectors and masked language models, from folders of shared data: cut sentences, one a line.

    python benchmarks/core/sentence_texts.py --data DATA --out runs/sentences

`novels.txt` and `wikispeedia.txt` are running text, cut by `neuralcore.data.penn`; `reviews.txt` has the sentences
of SST's training part, Subj, CR and MPQA, without labels. What SST holds back to judge by is in none: Subj comes from
the same pages, so a sentence of it goes if it shares six words in a row with one of SST's test or development
sentences, or is one of them but for its signs. MR (rt-polarity) holds all of SST and is not read.

`masked/train.txt` and `masked/valid.txt` are for masked models: reviews several times over, for they are few, and the
first words of the novels.
"""

from __future__ import annotations

import argparse
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from neuralcore.data.penn import penn_words, sentences
from neuralcore.data.text import read_lines

SHORTEST = 5  # words of a paragraph: what is shorter is a heading or a cell of a table
SHARED = 6  # words in a row
REPEATED, NOVELS = 6, 2_500_000  # how often reviews are in the text for masked models, and words of novels in it
JUDGED_REVIEW, JUDGED_NOVELS = 50, 20_000  # every 50th review and so many words behind those: to judge by
HELD = ("stsa.binary.test", "stsa.fine.test", "stsa.binary.dev", "stsa.fine.dev")
REVIEWS = ("stsa.fine.train", "subj.all", "custrev.all", "mpqa.all")


def paragraphs(archive: Path, suffix: str = ".txt") -> Iterator[str]:
    """Of all texts in a .tar.xz, in the order of their names; lines are joined."""
    with tarfile.open(archive) as tar:
        for member in sorted((m for m in tar.getmembers() if m.name.endswith(suffix)), key=lambda m: m.name):
            file = tar.extractfile(member)
            assert file is not None
            text = file.read().decode("utf-8", "replace").replace("\r", "")
            for paragraph in re.split(r"\n\s*\n", text):
                joined = " ".join(paragraph.split())
                if joined.count(" ") + 1 >= SHORTEST and not joined.startswith("#"):
                    yield joined


def running(archive: Path) -> Iterator[str]:
    """Cut sentences of an archive."""
    for paragraph in paragraphs(archive):
        for sentence in sentences(paragraph):
            words = penn_words(sentence)
            if words:
                yield " ".join(words)


def unlabelled(path: Path) -> list[str]:
    """Sentences of a file of "label sentence"."""
    return [" ".join(penn_words(line.partition(" ")[2])) for line in read_lines(path)]


def bare(sentence: str) -> list[str]:
    """Letters and figures only, so that two ways to cut make no difference."""
    return re.findall(r"[a-z0-9]+", sentence.replace("-lrb-", " ").replace("-rrb-", " "))


def runs(words: list[str]) -> set[tuple[str, ...]]:
    """What `SHARED` words in a row there are."""
    return {tuple(words[i : i + SHARED]) for i in range(len(words) - SHARED + 1)}


def reviews(folder: Path) -> Iterator[str]:
    """Sentences without labels, and none that SST is judged by."""
    held = [bare(s) for name in HELD for s in unlabelled(folder / f"{name}.txt.xz")]
    whole, parts = {" ".join(words) for words in held}, set().union(*map(runs, held))
    for name in REVIEWS:
        for sentence in unlabelled(folder / f"{name}.txt.xz"):
            words = bare(sentence)
            if words and " ".join(words) not in whole and not runs(words) & parts:
                yield sentence


def write(out: Path, lines: Iterator[str]) -> None:
    """One sentence a line; what is there is kept."""
    if out.exists():
        return
    words = count = 0
    temporary = out.with_suffix(".tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
            words, count = words + line.count(" ") + 1, count + 1
    temporary.rename(out)
    print(f"{out}: {count:,} sentences, {words:,} words")


def for_masking(out: Path, folder: Path) -> None:
    """The two files of `masked/`."""
    sentences = read_lines(out / "reviews.txt")
    learned = [s for i, s in enumerate(sentences) if i % JUDGED_REVIEW]
    judged = sentences[::JUDGED_REVIEW]
    train, valid, words = [], [], 0
    for line in read_lines(out / "novels.txt"):
        words += line.count(" ") + 1
        if words > NOVELS + JUDGED_NOVELS:
            break
        (train if words <= NOVELS else valid).append(line)
    folder.mkdir(exist_ok=True)
    write(folder / "valid.txt", iter(judged + valid))
    write(folder / "train.txt", iter(learned * REPEATED + train))


def make(data: Path, out: Path) -> list[Path]:
    """The three files."""
    out.mkdir(parents=True, exist_ok=True)
    write(out / "reviews.txt", reviews(data / "text-classify"))
    write(out / "novels.txt", running(data / "text-novels50" / "novels50.tar.xz"))
    write(out / "wikispeedia.txt", running(data / "text-wikispeedia" / "plaintext_articles.tar.xz"))
    for_masking(out, out / "masked")
    return [out / f"{name}.txt" for name in ("reviews", "novels", "wikispeedia")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/sentences"))
    arguments = parser.parse_args()
    make(arguments.data, arguments.out)
