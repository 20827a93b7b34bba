"""What the settings of A2C, PPO and REINFORCE have in common: their presets and the checks of fields they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from neuralcore.config import find_config, from_mapping, read_toml


@dataclass(frozen=True)
class PolicyConfig:
    """Base of the configs; it has no fields, as each algorithm's have their own defaults and their own words."""

    @classmethod
    def preset(cls, path: str) -> Self:
        """The algorithm's table of a TOML file, or of a shipped preset such as "configs/rl/cartpole_a2c.toml"."""
        file = find_config(path)
        values = read_toml(file)
        return from_mapping(cls, values.get(str(values.get("algorithm")), {}), file)

    @property
    def core_settings(self) -> dict[str, Any] | None:
        """What `neuralcore.sequence.cores.make_core` takes; None without a core."""
        fields: dict[str, Any] = vars(self)
        if fields.get("core", "none") == "none":
            return None
        settings = {"kind": fields["core"], "width": fields["core_width"]}
        return settings | {"memory": fields["core_memory"]} if fields["core"] == "transformer" else settings

    def __post_init__(self) -> None:
        fields: dict[str, Any] = vars(self)
        for name in ("num_envs", "n_step", "epochs", "minibatch", "episodes", "core_width", "core_memory"):
            if name in fields and fields[name] < 1:
                raise ValueError(f"{name} must be 1 or more, got {fields[name]}")
        for name in ("discount", "trace"):
            if name in fields and not 0.0 <= fields[name] <= 1.0:
                raise ValueError(f"{name} must lie in [0, 1], got {fields[name]}")
        for name in ("learning_rate", "max_gradient_norm", "rmsprop_epsilon", "clip"):
            if fields.get(name) is not None and fields[name] <= 0.0:
                raise ValueError(f"{name} must be above 0, got {fields[name]}")
        for name in ("final_learning_rate", "entropy_weight", "final_entropy_weight", "value_weight", "final_clip"):
            if fields.get(name) is not None and fields[name] < 0.0:
                raise ValueError(f"{name} must be 0 or more, got {fields[name]}")
        if fields.get("core") == "none" and fields["core_width"] != getattr(type(self), "core_width", None):
            raise ValueError(f"core_width {fields['core_width']} has no meaning for core 'none'")
        is_window = fields.get("core") == "transformer"
        if "core" in fields and not is_window and fields["core_memory"] != getattr(type(self), "core_memory", None):
            raise ValueError(f"core_memory {fields['core_memory']} is of core 'transformer', not {fields['core']!r}")
