"""What a network looks at, and how it is misled: one subject a file.

Maps of one image's pixels: `saliency`, `guided`, `occluded`, `class_activation`. Images made to please a network:
`ascent`, `inversion`, `style`. Images made to mislead it, and training against that: `attacks`, `adversarial`. All of
it asks a network through a `Score` (`score.py`), so that classifiers and agents are asked alike.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Score": "neuralcore.understanding.score",
    "output_score": "neuralcore.understanding.score",
    "gradient": "neuralcore.understanding.saliency",
    "input_gradient": "neuralcore.understanding.saliency",
    "smooth_gradient": "neuralcore.understanding.saliency",
    "integrated_gradients": "neuralcore.understanding.saliency",
    "guided_gradient": "neuralcore.understanding.guided",
    "occlusion": "neuralcore.understanding.occluded",
    "cam": "neuralcore.understanding.class_activation",
    "grad_cam": "neuralcore.understanding.class_activation",
    "ascend": "neuralcore.understanding.ascent",
    "deep_dream": "neuralcore.understanding.ascent",
    "invert": "neuralcore.understanding.inversion",
    "gram": "neuralcore.understanding.style",
    "texture": "neuralcore.understanding.style",
    "transfer": "neuralcore.understanding.style",
    "fgsm": "neuralcore.understanding.attacks",
    "pgd": "neuralcore.understanding.attacks",
    "robust_accuracy": "neuralcore.understanding.attacks",
    "principal_components": "neuralcore.understanding.projection",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'neuralcore.understanding' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)
