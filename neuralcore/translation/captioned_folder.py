"""Pictures with captions from a folder: `captions.tsv`, a picture and what it shows a line, with a tab between.

    dogs/17.jpg<TAB>a brown dog jumps over a fence
    dogs/17.jpg<TAB>a dog in the air

Paths are below the folder; a picture may have several lines. All pictures are brought to one size, in colour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuralcore.data.images import read_picture
from neuralcore.data.text import OPENERS, read_lines
from neuralcore.errors import UserError
from neuralcore.seeding import derived_seed
from neuralcore.translation.captions import Captioned

NAME = "captions.tsv"


def captioned_folder(folder: str, size: int, examples: int, held: int, seed: int) -> dict[str, Captioned]:
    """{"train": …, "valid": …, "test": …}, in an order that the seed draws.

    Args:
        size: pixels of a side. examples: training pictures at most. held: pictures of each of the others.

    Raises:
        UserError: no such folder, a line that is no picture and caption, a picture that cannot be read, or so few
            that none are left to learn from.
    """
    captions = _captions(Path(folder))
    names = list(captions)
    if len(names) <= 2 * held:
        raise UserError(
            f"{folder} has {len(names)} pictures, of which {2 * held} would be held out: none are left; lower held"
        )
    order = np.random.default_rng(derived_seed(seed, "pictures")).permutation(len(names)).tolist()
    ends = {"test": (0, held), "valid": (held, 2 * held), "train": (2 * held, 2 * held + examples)}
    found = {}
    for split in ("train", "valid", "test"):
        chosen = [names[at] for at in order[slice(*ends[split])]]
        images = np.stack([read_picture(Path(folder) / name, 3, (size, size)) for name in chosen])
        found[split] = Captioned(images, [captions[name] for name in chosen])
    return found


def _captions(folder: Path) -> dict[str, list[str]]:
    """Path of a picture below the folder -> its captions, in the file's order."""
    paths = [path for end in ("", *OPENERS) if (path := folder / (NAME + end)).is_file()]
    if not paths:
        raise UserError(
            f'{folder} has no {NAME}: a picture and a caption a line; or take data = "shapes", drawn here'
        )
    found: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(paths[0]), 1):
        name, tab, caption = (part.strip() for part in line.partition("\t"))
        if not line.strip():
            continue
        if not (name and tab in line and caption):
            raise UserError(f"{paths[0]}:{number}: a picture, a tab and a caption are due, got {line[:60]!r}")
        if name not in found and not (folder / name).is_file():
            raise UserError(f"{paths[0]}:{number}: no picture {folder / name}")
        found.setdefault(name, []).append(caption)
    return found
