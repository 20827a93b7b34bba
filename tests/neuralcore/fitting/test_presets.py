"""Every preset of configs/vision and configs/sequence names a task and settings that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuralcore.config import from_mapping, preset_folder, read_toml
from neuralcore.fitting.command import COMMON
from neuralcore.fitting.tasks import TASKS, config_class

PRESETS = sorted(path for room in ("vision", "sequence") for path in (preset_folder() / room).glob("*.toml"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_read(path: Path) -> None:
    values = {key: value for key, value in read_toml(path).items() if key not in COMMON}
    config = from_mapping(config_class(values.pop("task")), values, path)
    assert config.fit.epochs > 0


def test_tasks_are_in_order() -> None:
    assert list(TASKS) == sorted(TASKS)
    for task in TASKS:
        assert config_class(task).__doc__
