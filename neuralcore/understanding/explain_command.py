"""`neuralcore explain`: what a fitted classifier looks at in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from neuralcore.errors import UserError, nearest

if TYPE_CHECKING:
    from neuralcore.understanding.methods import Method

ALL: tuple[Method, ...] = ("gradient", "smooth-gradient", "integrated-gradients", "guided", "occlusion", "grad-cam")


@dataclass(frozen=True)
class ExplainArguments:
    """Draw what a fitted classifier looks at in pictures."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted classifier"""
    pictures: tyro.conf.Positional[tuple[str, ...]]
    """picture files, brought to the size that the network takes"""
    method: Literal[
        "all",
        "gradient",
        "input-gradient",
        "smooth-gradient",
        "integrated-gradients",
        "guided",
        "deconvolution",
        "occlusion",
        "cam",
        "grad-cam",
    ] = "all"
    """how; all: the usual ones, those that need feature maps or ReLUs only where there are some"""
    of: str = ""
    """name of the class that is asked about; by default the one that a picture is taken for"""
    module: str = ""
    """whose maps cam and grad-cam take, by its name in the network; by default the last ones"""
    out: str = "explained.png"
    """picture to be written"""
    seed: int = 0
    """of the noise of smooth-gradient"""


def explain(arguments: ExplainArguments) -> int:
    """Draw what a fitted classifier looks at in pictures."""
    import torch

    from neuralcore.data.images import read_picture
    from neuralcore.fitting.saved import load_model
    from neuralcore.understanding.methods import pixel_map
    from neuralcore.understanding.pictures import maps_picture
    from neuralcore.understanding.score import output_score, unvarying

    if not arguments.pictures:
        raise UserError("name a picture after the run")
    if Path(arguments.out).suffix not in (".png", ".pdf", ".svg"):
        raise UserError(f"--out {arguments.out}: name a .png, .pdf or .svg file")
    if arguments.module and arguments.method not in ("all", "cam", "grad-cam"):
        raise UserError(f"--module is for cam and grad-cam, not for {arguments.method}: leave it out")
    fitted = load_model(arguments.run)
    names = fitted.description.get("names", [])
    if fitted.task not in ("classify", "adversarial"):
        raise UserError(f"{arguments.run} is a {fitted.task!r} model: only classifiers can be explained")
    if arguments.of and arguments.of not in names:
        raise UserError(f"--of: no class {arguments.of!r}: {nearest(arguments.of, names)}")
    channels, height, width = fitted.description["shape"]
    read = [torch.tensor(read_picture(path, channels, (height, width))) for path in arguments.pictures]
    images, model = torch.stack(read).float() / 255.0, fitted.model
    methods: tuple[Method, ...] = ALL if arguments.method == "all" else (arguments.method,)
    maps: dict[str, list[torch.Tensor]] = {}
    titles = []
    with unvarying(model):
        with torch.no_grad():
            odds = model(images).softmax(1)
        for image, share in zip(images, odds):
            target = names.index(arguments.of) if arguments.of else int(share.argmax())
            titles.append(f"{names[target]} {float(share[target]):.2f}")
            for method in methods:
                score, module = output_score(model, target), arguments.module or None
                try:
                    found = pixel_map(
                        method, model, score, image[None], target=target, module=module, seed=arguments.seed
                    )
                except UserError:
                    if arguments.method == "all" and method in ("guided", "grad-cam") and not arguments.module:
                        continue  # a network without ReLUs, or without feature maps
                    raise
                maps.setdefault(method, []).append(found[0].detach())
    drawn = {name: torch.stack(found).numpy() for name, found in maps.items()}
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    maps_picture(images.numpy(), titles, drawn, Path(arguments.out))
    for path, title in zip(arguments.pictures, titles):
        print(f"{path}: {title}")
    print(f"drawn to {arguments.out}: {', '.join(drawn)}")
    return 0
