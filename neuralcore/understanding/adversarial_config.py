"""What the task "adversarial" can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from neuralcore.vision.classification_config import ClassifyConfig

if TYPE_CHECKING:
    from neuralcore.understanding.adversarial import Adversarial


@dataclass(frozen=True)
class AdversarialConfig(ClassifyConfig):
    """Tell what an image shows although it was made to mislead; all that "classify" has, and the attack."""

    norm: Literal["linf", "l2"] = "linf"
    """what the attack is bounded in: linf, each number; l2, the length of what is added"""
    epsilon: float = 0.1
    """by how much, images being in [0, 1]; 0.1 for Fashion-MNIST, 8/255 = 0.0314 for colour images in linf"""
    attack: Literal["pgd", "fgsm"] = "pgd"
    """what makes the training images: pgd (Madry et al. 2018), or one step from a random point (Wong et al. 2020)"""
    steps: int = 7
    """of pgd on training images (Madry et al. 2018, section 5: 7)"""
    clean: float = 0.0
    """weight of the loss of images as they are, beside that of the attacked ones (Goodfellow et al. 2015: 1)"""
    judge_steps: int = 20
    """of the pgd that judges"""
    judge_restarts: int = 1
    """times that the judging attack is begun anew; of all, each image's worst counts"""
    judged: int = 1000
    """images of a split, at most, that are attacked to judge; the first ones"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss != "cross_entropy" or self.mixup or self.cutmix:
            raise ValueError("attacks are on cross_entropy of unmixed images: no hinge, mixup or cutmix")
        for name in ("steps", "judge_steps", "judge_restarts", "judged"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.epsilon > 0.0:
            raise ValueError(f"epsilon must be above 0, got {self.epsilon}; without an attack the task is 'classify'")
        if not self.clean >= 0.0:
            raise ValueError(f"clean must be 0 or more, got {self.clean}")
        if self.attack == "fgsm" and self.steps != type(self).steps:
            raise ValueError("steps is of attack = 'pgd'; fgsm takes one")

    def build(self, seed: int) -> Adversarial:  # type: ignore[override]
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.understanding.adversarial import Adversarial

        return Adversarial(self, seed)
