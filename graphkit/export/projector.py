"""A folder for TensorBoard's embedding projector: `tensorboard --logdir FOLDER`, or its page on the web.

tensors.tsv            a row a line, its numbers between tabs
metadata.tsv           name, title and attributes, under a line of their names; the name alone has no such line
projector_config.pbtxt names both
"""

from __future__ import annotations

import shutil
from pathlib import Path

from graphkit.embedding.vectors import pieces
from graphkit.export.sources import Source
from neuralcore.errors import UserError
from neuralcore.mapped import forget_pages

SHOWN = 100_000  # rows that the projector asks for

CONFIG = """embeddings {
  tensor_name: "vectors"
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write_projector(source: Source, folder: Path) -> list[Path]:
    """Write a new folder; returns it.

    Raises:
        UserError: the folder is there already, a name or an attribute has a tab or an end of line, or it cannot be
            written, and then nothing is left.
    """
    vectors = source.vectors
    columns = {"name": vectors.names}
    if vectors.titles:
        columns["title"] = vectors.titles
    for key, values in source.attributes.items():
        if key in columns:
            raise UserError(f"{folder}: an attribute is called {key!r}, as the column of the names is: rename it")
        columns[key] = values
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder, or take it away")
    temporary = folder.with_name(folder.name + ".tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        with open(temporary / "metadata.tsv", "w", encoding="utf-8", newline="\n") as file:
            if len(columns) > 1:
                file.write("\t".join(columns) + "\n")
            for row, values in enumerate(zip(*columns.values())):
                cells = [str(value) for value in values]
                for key, cell in zip(columns, cells):
                    if any(character in cell for character in "\t\n\r"):
                        raise UserError(
                            f"the {key} of row {row}, {cell!r}, has a tab or an end of line, no place in TSV"
                        )
                file.write("\t".join(cells) + "\n")
        with open(temporary / "tensors.tsv", "w", encoding="ascii", newline="\n") as file:
            for piece in pieces(vectors.matrix):
                for numbers in vectors.matrix[piece]:
                    file.write("\t".join(numbers.astype(str)) + "\n")
                forget_pages(vectors.matrix)
        (temporary / "projector_config.pbtxt").write_text(CONFIG, encoding="ascii")
        temporary.rename(folder)
    except OSError as error:
        raise UserError(f"{folder} could not be written ({error.strerror}); nothing is left") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder]
