"""Labelled sentences from files: a label and a sentence a line, and words with a tag each.

A set is named by the beginning of its files' names: `data/text-classify/stsa.binary` stands for
`stsa.binary.train.txt`, `.dev.txt` (or `.valid.txt`) and `.test.txt`, where a further word (`TREC.train.all.txt`) and
`.gz` or `.xz` may stand behind; a folder, for `train.txt` and so on in it; a file, for itself.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuralcore.data.examples import held_out_rows
from neuralcore.data.made_texts import opinions, tagged
from neuralcore.data.text import read_lines
from neuralcore.errors import UserError

NAMES = {"train": ("train",), "valid": ("dev", "valid"), "test": ("test",)}
EXTRA = ("-tl", "-hl", "-nc")  # of Brown's tags: in a title, a headline, a word that is cited


@dataclass(frozen=True)
class Sentences:
    """N sentences of K classes.

    Attributes:
        texts: N. labels: (N,) int64 in [0, K). names: of the K classes.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def of(self, rows: np.ndarray) -> Sentences:
        """Some of them."""
        return Sentences(tuple(self.texts[row] for row in rows), self.labels[rows], self.names)


def read_sentences(data: str, valid: float, seed: int) -> dict[str, Sentences]:
    """{"train": …, "valid": …, "test": …}, those that there are.

    Args:
        data: the set, see above; or "opinions", made here.
        valid: share of each class's training sentences that is held out, where no file is for it. seed: of which.

    Raises:
        UserError: no such files, a line without a label and a space, or a label that no training sentence has.
    """
    found = _opinions() if data == "opinions" else {split: _labelled(path) for split, path in _files(data).items()}
    names = tuple(sorted(set(found["train"][1])))
    numbers = {name: number for number, name in enumerate(names)}
    splits = {}
    for split, (texts, labels) in found.items():
        unknown = next((label for label in labels if label not in numbers), None)
        if unknown is not None:
            raise UserError(f"{data}: a {split} sentence has the label {unknown!r}, which no training sentence has")
        splits[split] = Sentences(tuple(texts), np.array([numbers[label] for label in labels], np.int64), names)
    if "valid" not in splits and valid:
        rest, out = held_out_rows(splits["train"].labels, len(names), valid, seed)
        splits["train"], splits["valid"] = splits["train"].of(rest), splits["train"].of(out)
    return splits


def _opinions() -> dict[str, tuple[list[str], list[str]]]:
    sizes = {"train": 600, "valid": 200, "test": 200}
    return {split: opinions(size, seed) for seed, (split, size) in enumerate(sizes.items())}


def _files(data: str) -> dict[str, Path]:
    path = Path(data)
    if path.is_file():
        return {"train": path}
    folder, beginning = (path, "") if path.is_dir() else (path.parent, path.name + ".")
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        pieces = file.name.removeprefix(beginning).split(".")
        if file.name.startswith(beginning) and "txt" in pieces:
            split = next((s for s, names in NAMES.items() if pieces[0] in names), None)
            if split is None and beginning and pieces[0] in ("txt", "all"):
                split = "train"
            if split is not None:
                found.setdefault(split, file)
    if "train" not in found:
        raise UserError(f"{data}: no training sentences, as {beginning}train.txt would have: name a set, or a file")
    return found


def _labelled(path: Path) -> tuple[list[str], list[str]]:
    texts, labels = [], []
    for number, line in enumerate(read_lines(path), 1):
        label, space, text = line.lstrip().partition(" ")
        if not space or not label:  # what is behind the space may be empty, as one review of CR's is
            raise UserError(f"{path}:{number}: a label and a sentence are due, got {line[:60]!r}")
        texts.append(text.strip())
        labels.append(label)
    return texts, labels


Tagged = list[tuple[list[str], list[str]]]  # sentences: words, and the tag of each


def read_tagged(data: str) -> dict[str, Tagged]:
    """{"train": …, "valid": …, "test": …} sentences of words and their tags.

    Of every ten texts, in the order of their names, the ninth is to judge by and the tenth to test.

    Args:
        data: the Brown corpus, a .tar or .tar.xz with texts of word/tag, or a folder with the one; tags are taken
            without what says that a word is foreign (fw-), in a title, a headline, or cited. Or "grammar", made here.

    Raises:
        UserError: no such archive, or a piece of it is no word and tag.
    """
    if data == "grammar":
        return {
            "train": tagged(1_000, seed=0),
            "valid": tagged(200, seed=1),
            "test": tagged(200, seed=2),
        }
    path = Path(data)
    archives = sorted(path.glob("*.tar*")) if path.is_dir() else [path]
    if len(archives) != 1 or not archives[0].is_file():
        raise UserError(f"{data}: name an archive of word/tag texts, such as brown.tar.xz, or a folder with one")
    splits: dict[str, Tagged] = {"train": [], "valid": [], "test": []}
    try:
        with tarfile.open(archives[0]) as tar:
            members = [m for m in tar.getmembers() if m.isfile() and len(m.name.split("/")[-1]) == 4]
            for at, member in enumerate(sorted(members, key=lambda m: m.name)):
                file = tar.extractfile(member)
                assert file is not None
                text = file.read().decode("utf-8")
                split = {8: "valid", 9: "test"}.get(at % 10, "train")
                splits[split] += _sentences_of(text, f"{archives[0]}, {member.name}")
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{archives[0]} could not be read: {error}") from None
    if not splits["train"]:
        raise UserError(f"{archives[0]} has no texts that are called as Brown's are, ca01 to cr09")
    return splits


def _sentences_of(text: str, where: str) -> Tagged:
    found: Tagged = []
    for number, line in enumerate(text.split("\n"), 1):
        words, tags = [], []
        for piece in line.split():
            word, sign, tag = piece.rpartition("/")
            if not sign or not word or not tag:
                raise UserError(f"{where}:{number}: a word/tag is due, got {piece[:60]!r}")
            words.append(word.lower())
            tags.append(_plain(tag))
        if words:
            found.append((words, tags))
    return found


def _plain(tag: str) -> str:
    tag = tag.removeprefix("fw-")
    while tag.endswith(EXTRA):
        tag = tag[:-3]
    return tag
