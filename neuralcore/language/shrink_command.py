"""`neuralcore shrink`: a smaller model of a fitted one, and what it costs."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from neuralcore.errors import UserError


@dataclass(frozen=True)
class ShrinkArguments:
    """Make weights bytes, or leave layers out; the model before and after is judged by the test examples."""

    run: tyro.conf.Positional[str]
    """run folder of a fitted model"""
    out: str = ""
    """folder for the smaller model, which other commands take as they take a run"""
    int8: bool = False
    """weights of linear layers and tables become bytes, a quarter of their size; for the CPU"""
    layers: int | None = None
    """of a transformer that reads sentences, how many layers are left; none is missed less than those that were
    skipped in training (settings.layer_drop)"""
    data: str = ""
    """where the examples are now; by default where they were"""
    seed: int = 0
    """of the fit: which examples were held out"""

    def __post_init__(self) -> None:
        if not self.out:
            raise ValueError("out is required: a folder for the smaller model")
        if not self.int8 and self.layers is None:
            raise ValueError("nothing is to be made smaller: --int8, --layers 2, or both")


def shrink(arguments: ShrinkArguments) -> int:
    """Write the smaller model, and print sizes, times and figures of both."""
    import torch

    from neuralcore.fitting.loop import evaluate
    from neuralcore.fitting.saved import INT8, load_model, save_model
    from neuralcore.language.encoders import pruned
    from neuralcore.layers.int8 import to_int8, weight_bytes

    fitted = load_model(arguments.run)
    if fitted.description.get(INT8):
        raise UserError(f"{arguments.run}: its weights are bytes already: name the run that was fitted")
    config, model, description = fitted.config, fitted.model, fitted.description
    # What the task began with is in the model; the files of it may be gone.
    begun = {name: "" for name in ("vectors", "teacher") if getattr(config, name, "")}
    if arguments.data:
        begun["data"] = arguments.data
    task = dataclasses.replace(config, **begun).build(arguments.seed)
    if task.description != description and hasattr(config, "start"):
        task = dataclasses.replace(config, **begun, start=arguments.run).build(arguments.seed)
    if task.description != description:
        raise UserError(
            f"{config.data}: it was fitted to other examples, or with another --seed: name them by --data"
        )
    split = "test" if evaluate(task, "test", torch.device("cpu"), config.fit) else "valid"

    def judged(name: str) -> None:
        task.model = model
        begin = time.process_time()
        figures = evaluate(task, split, torch.device("cpu"), config.fit)
        took = time.process_time() - begin
        shown = ", ".join(f"{key} {value:.4f}" for key, value in figures.items())
        print(f"{name}: {weight_bytes(model) / 1e6:.2f} MB, {took:.2f} CPU-s for the {split} examples; {shown}")

    judged("as fitted")
    if arguments.layers is not None:
        pruned(getattr(model, "encoder", model), arguments.layers)
        config = dataclasses.replace(config, settings={**config.settings, "layers": arguments.layers})
        judged(f"{arguments.layers} layers")
    if arguments.int8:
        to_int8(model)
        description = {**description, INT8: True}
        judged("int8")
    save_model(Path(arguments.out) / "model", model, fitted.task, config, description)
    print(f"{arguments.out}: a model, for `neuralcore tell` and the like")
    return 0
