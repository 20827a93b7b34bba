"""A fitted model as a folder: `weights.safetensors`, and `manifest.json` with its hash and how to build it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from neuralcore.checkpoint import read_arrays, sealed, unsealed, write_arrays, write_text
from neuralcore.config import from_mapping, to_mapping
from neuralcore.device import place
from neuralcore.errors import UserError
from neuralcore.fitting.averaging import as_arrays, as_state
from neuralcore.fitting.tasks import config_class
from neuralcore.layers.int8 import to_int8

FORMAT = 1
KIND = "fitted"
INT8 = "int8"  # the key of a description that says that the weights were made bytes


class Fitted(NamedTuple):
    """What was loaded.

    Attributes:
        model: in evaluation mode. task: its name. config: of the task. description: as the task gave it, as the names
            of classes.
    """

    model: nn.Module
    task: str
    config: Any
    description: dict[str, Any]


def save_model(folder: Path, model: nn.Module, task: str, config: Any, description: dict[str, Any]) -> None:
    """Write it; the manifest last, so that a folder without one is no model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    digest = write_arrays(folder / "weights.safetensors", as_arrays(model.state_dict()))
    manifest = {"format": FORMAT, "kind": KIND, "task": task, "sha256": digest, "description": description}
    write_text(folder / "manifest.json", sealed(json.loads(json.dumps({**manifest, "config": to_mapping(config)}))))


def load_model(path: str | Path, device: torch.device | None = None) -> Fitted:
    """The model of a run folder of `neuralcore fit`, or of its `model/`; every byte is hashed first.

    Raises:
        UserError: there is none, or it is damaged.
    """
    folder = Path(path)
    folder = folder / "model" if (folder / "model").is_dir() else folder
    manifest_path = folder / "manifest.json"
    if not manifest_path.is_file():
        raise UserError(f"{path} holds no fitted model: name a run of `neuralcore fit` that has ended")
    try:
        manifest = unsealed(manifest_path.read_bytes())
        if manifest.get("kind") != KIND or manifest.get("format") != FORMAT:
            raise ValueError(f"it is a {manifest.get('kind')!r} of format {manifest.get('format')}")
        arrays = read_arrays(folder / "weights.safetensors", manifest["sha256"])
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is damaged, or no fitted model of this version: {error}") from None
    config = from_mapping(config_class(manifest["task"]), manifest["config"], manifest_path)
    model = config.rebuild(manifest["description"])
    device = device or torch.device("cpu")
    if manifest["description"].get(INT8):
        to_int8(model)
    model.load_state_dict(as_state(arrays, device))
    place(model, device)
    return Fitted(model.eval(), manifest["task"], config, manifest["description"])
