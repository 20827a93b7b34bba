"""Environments: grids, chains, probes with known answers, Atari. Gymnasium's API throughout.

Importing the package registers the ids below and ALE's, so that `gymnasium.make("GridWorld-v0")` finds them, as does
`gymnasium.make("envs:GridWorld-v0")` without an import. `envs.make` and `envs.make_vec` do the same for any id and
give Atari games the DQN paper's preprocessing, alike in both.
"""

from __future__ import annotations

import ale_py  # registers the ALE/... ids
import gymnasium as gym

from envs.atari import AtariPreprocessing, make_atari, make_atari_vec
from envs.layouts import LAYOUTS, random_layout
from envs.making import make, make_vec
from envs.model import TabularModel, toy_text

__all__ = [
    "IDS",
    "LAYOUTS",
    "AtariPreprocessing",
    "TabularModel",
    "make",
    "make_atari",
    "make_atari_vec",
    "make_vec",
    "random_layout",
    "register",
    "toy_text",
]

VECTOR_IDS = {  # id -> what steps many at once, with the results of the single one
    "GridWorld-v0": "envs.tabular_vector:grid_worlds",
    "Chain-v0": "envs.tabular_vector:chains",
}
IDS = {  # id -> (class, step limit or None where the environment has its own)
    "GridWorld-v0": ("envs.gridworld:GridWorld", 1_000),
    "Chain-v0": ("envs.chain:Chain", None),
    "ProbeValue-v0": ("envs.probe:ProbeValue", None),
    "ProbeObservation-v0": ("envs.probe:ProbeObservation", None),
    "ProbeDiscount-v0": ("envs.probe:ProbeDiscount", None),
    "ProbeTruncation-v0": ("envs.probe:ProbeTruncation", None),
    "ProbeAction-v0": ("envs.probe:ProbeAction", None),
    "ProbePolicy-v0": ("envs.probe:ProbePolicy", None),
    "ProbeImage-v0": ("envs.probe:ProbeImage", None),
}


def register() -> None:
    """Register the ids with Gymnasium. Those already registered are left alone, so that twice is harmless."""
    gym.register_envs(ale_py)
    for env_id, (entry_point, max_episode_steps) in IDS.items():
        if env_id not in gym.registry:
            gym.register(
                env_id,
                entry_point,
                max_episode_steps=max_episode_steps,
                vector_entry_point=VECTOR_IDS.get(env_id),
            )


register()
