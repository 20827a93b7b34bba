"""Vectors of words from a file, to begin with: what `graphkit words` leaves in its run folder, or saves as text.

- a run folder of `graphkit words`, or its `vectors/`: safetensors and Arrow, each byte hashed;
- word2vec's text format (`--save vectors.txt`), plain or .gz or .xz: "V D", then V lines "word x_1 … x_D"; GloVe's is
  the same without its first line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuralcore.checkpoint import read_arrays, sha256, unsealed
from neuralcore.data.text import read_lines
from neuralcore.errors import UserError
from neuralcore.lazy import lazy_import

pyarrow = lazy_import("pyarrow")


def read_word_vectors(path: str | Path) -> tuple[list[str], np.ndarray]:
    """V words, the commonest first, and their vectors (V, D) float32.

    Raises:
        UserError: there are none, or they are damaged; file and line are named.
    """
    path = Path(path)
    return _of_folder(path) if path.is_dir() else _of_text(path)


def _of_folder(folder: Path) -> tuple[list[str], np.ndarray]:
    folder = folder / "vectors" if (folder / "vectors").is_dir() else folder
    if not (folder / "manifest.json").is_file():
        raise UserError(
            f"{folder} holds no word vectors: name a run folder of `graphkit words`, or a text of vectors"
        )
    try:
        manifest = unsealed((folder / "manifest.json").read_bytes())
        if manifest["kind"] != "word_vectors":
            raise UserError(f"{folder} holds {manifest['kind']}, not vectors of words")
        digests = manifest["sha256"]
        names = folder / f"names_{digests['names'][:16]}.arrow"
        if sha256(names) != digests["names"]:
            raise ValueError(f"{names.name} is not as it was written")
        matrix = read_arrays(folder / f"arrays_{digests['arrays'][:16]}.safetensors", digests["arrays"])["vectors"]
        with pyarrow.OSFile(str(names)) as file:
            words = pyarrow.ipc.open_file(file).read_all()["word"].to_pylist()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: the vectors are damaged ({error}): save them again") from None
    return words, matrix


def _of_text(path: Path) -> tuple[list[str], np.ndarray]:
    lines = read_lines(path)
    start = 2 if len(lines[0].split()) == 2 else 1
    rows = lines[start - 1 :]
    words, dimension = [], len(rows[0].split()) - 1 if rows else 0
    if dimension < 1:
        raise UserError(f"{path}:{start}: no vectors of words: a line is a word and its numbers")
    matrix = np.empty((len(rows), dimension), np.float32)
    for number, (row, line) in enumerate(zip(matrix, rows), start):
        word, *numbers = line.split()
        try:
            if len(numbers) != dimension:
                raise ValueError
            row[:] = [float(text) for text in numbers]
        except ValueError:
            raise UserError(f"{path}:{number}: a word and {dimension} numbers are due, got {line[:60]!r}") from None
        words.append(word)
    bad = np.flatnonzero(~np.isfinite(matrix).all(1))
    if len(bad):
        raise UserError(f"{path}:{bad[0] + start}: the vector of {words[bad[0]]!r} has what is no number")
    return words, matrix
