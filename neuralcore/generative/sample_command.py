"""`neuralcore sample`: images that a fitted model makes, as one picture of tiles and as an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class SampleArguments:
    """Make images with a fitted model."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted vae, gan or pixelcnn"""
    out: str = "samples.png"
    """file to be written: .png, tiles of all images; or .npy, bytes (N, C, H, W)"""
    count: int = 100
    """images"""
    seed: int = 0
    """of what is drawn"""
    of: str = ""
    """class that is made, of a pixelcnn that knows classes; by default any"""
    device: str = "cpu"
    """cpu; cuda; or auto, a GPU where there is one"""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, got {self.count}")


def sample(arguments: SampleArguments) -> int:
    """Draw and write."""
    import numpy as np
    import torch

    from neuralcore.device import choose_device
    from neuralcore.errors import nearest
    from neuralcore.fitting.saved import load_model
    from neuralcore.generative.pictures import tiles
    from neuralcore.generative.pyramids import as_bytes

    a, out = arguments, Path(arguments.out)
    if out.suffix not in (".png", ".npy"):
        raise UserError(f"--out {out} must end in .png or .npy")
    fitted = load_model(a.run, choose_device(a.device))
    if not hasattr(fitted.model, "sample"):
        raise UserError(f"{a.run} is a {fitted.task!r} model, which makes no images: name a vae, gan or pixelcnn")
    given = {}
    if a.of:
        names = fitted.description["names"]
        if not getattr(fitted.model, "classes", 0):
            raise UserError(f"{a.run} does not know classes: leave out --of")
        if a.of not in names:
            raise UserError(f"--of {a.of!r} is no class of {a.run}: {nearest(a.of, names)}")
        given["labels"] = torch.full((a.count,), names.index(a.of))
    with torch.no_grad():
        images = as_bytes(fitted.model.sample(a.count, torch.Generator().manual_seed(a.seed), **given)).cpu()  # type: ignore[operator]
    try:
        if out.suffix == ".npy":
            np.save(out, images.numpy(), allow_pickle=False)
        else:
            tiles(images, out, max(round(a.count**0.5), 1))
    except OSError as error:
        raise UserError(f"{out} could not be written: {error.strerror or error}") from None
    print(f"{out}: {a.count:,} images of {' x '.join(map(str, images.shape[1:]))}")
    return 0
