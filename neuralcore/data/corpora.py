"""A text to learn a language from, and parts of it to judge by."""

from __future__ import annotations

from pathlib import Path

from neuralcore.data.text import read_text
from neuralcore.errors import UserError

ENDINGS = (".txt", ".txt.gz", ".txt.xz")
SPLITS = ("train", "valid", "test")


def read_corpus(path: str | Path, valid: float) -> dict[str, str]:
    """{"train": text, "valid": …, "test": …}, those that there are.

    Args:
        path: a text (.txt, .gz, .xz); or a folder with train.txt, valid.txt and test.txt, or with one text in it.
        valid: share of a single text that is held out to judge by: its end. Of a folder without valid.txt, the end of
            train.txt.

    Raises:
        UserError: no text, or it cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return _parted(read_text(path), valid)
    texts = {file.name.split(".")[0]: file for file in sorted(path.iterdir()) if file.name.endswith(ENDINGS)}
    found = {name: read_text(texts[name]) for name in SPLITS if name in texts}
    if "train" in found:
        return found if "valid" in found else {**found, **_parted(found["train"], valid)}
    if len(texts) != 1:
        raise UserError(
            f"{path} has {len(texts)} texts: name one of them, or call them train.txt, valid.txt, test.txt"
        )
    return _parted(read_text(next(iter(texts.values()))), valid)


def _parted(text: str, valid: float) -> dict[str, str]:
    cut = len(text) - int(valid * len(text))
    return {"train": text[:cut], "valid": text[cut:]} if cut < len(text) else {"train": text}
