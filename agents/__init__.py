"""What acts and can be carried away: a policy with `act`, `save` and `load`, and no training code.

agent = agents.load("runs/pong/agent")
action = agent.act(observation)
"""

from __future__ import annotations

import importlib
from typing import Any

# class -> its module; loaded when first asked for, so `import agents` does not import torch
_CLASSES = {
    "TabularAgent": "agents.tabular",
    "QAgent": "agents.q_agent",
    "PolicyAgent": "agents.policy_agent",
    "RandomAgent": "agents.random_agent",
    "Agent": "agents.agent",
    "load": "agents.agent",
}

__all__ = ["Agent", "PolicyAgent", "QAgent", "RandomAgent", "TabularAgent", "load"]


def __getattr__(name: str) -> Any:
    if name not in _CLASSES:
        raise AttributeError(f"module 'agents' has no attribute {name!r}")
    return getattr(importlib.import_module(_CLASSES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
