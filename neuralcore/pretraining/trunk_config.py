"""What the tasks that fit the trunk of a classifier can be told: "rotate", "contrast", "embed", "fixmatch"; no
torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import tyro

from neuralcore.fitting.image_task import ImageTaskConfig

if TYPE_CHECKING:
    from torch import nn

    from neuralcore.pretraining.contrast import ContrastTask
    from neuralcore.pretraining.embed import EmbedTask
    from neuralcore.pretraining.fixmatch import FixMatchTask
    from neuralcore.pretraining.rotate import RotateTask


@dataclass(frozen=True)
class TrunkConfig(ImageTaskConfig):
    """Fit the trunk of a classifier, for `start` of the task "classify" to begin with."""

    model: str = "resnet"
    """the network, see docs/vision.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    probe: int = 2_000
    """labelled training images that the linear probe learns from; 0: no probe"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probe < 0:
            raise ValueError(f"probe must be 0 or more, got {self.probe}")


@dataclass(frozen=True)
class RotateConfig(TrunkConfig):
    """Tell by how many quarters an image was turned: features without labels."""

    def build(self, seed: int) -> RotateTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.pretraining.rotate import RotateTask

        return RotateTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.pretraining.rotate import network

        return network(self, description)


@dataclass(frozen=True)
class ContrastConfig(TrunkConfig):
    """Tell which two views are of one image: features without labels."""

    features: int = 128
    """width of what views are compared in, behind the trunk"""
    temperature: float = 0.5
    """by which cosines are divided; less looks at the nearest alone"""
    least: float = 0.3
    """share of an image's area that a view shows at least"""
    jitter: float = 0.4
    """by which light, contrast and saturation of a view change at most, as a share"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.least <= 1.0:
            raise ValueError(f"least must be above 0, up to 1, got {self.least}")
        if not 0.0 <= self.jitter < 1.0:
            raise ValueError(f"jitter must be from 0 to below 1, got {self.jitter}")
        if self.fit.batch_size < 2:
            raise ValueError("views are told from those of other images: a batch_size of 2 or more")

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("features", "temperature")

    def build(self, seed: int) -> ContrastTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.pretraining.contrast import ContrastTask

        return ContrastTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.pretraining.contrast import network

        return network(self, description)


@dataclass(frozen=True)
class EmbedConfig(TrunkConfig):
    """Features in which images of a class are near each other."""

    features: int = 64
    """width of the features, which have length 1"""
    loss: Literal["batch_hard", "semi_hard", "pairwise"] = "batch_hard"
    """triplets of the hardest, of semi-hard negatives, or pairs; see neuralcore/pretraining/losses.py"""
    margin: float = 0.2
    """how much further others are to be, or, of pairs, how far"""
    each: int = 8
    """images of a class in a batch, so that they have others of theirs"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.each < 2 or self.fit.batch_size < 2 * self.each:
            raise ValueError(
                f"a batch of {self.fit.batch_size} holds no two classes of {self.each} (2 or more) images"
            )

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("features", "margin")

    def build(self, seed: int) -> EmbedTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.pretraining.embed import EmbedTask

        return EmbedTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.pretraining.embed import network

        return network(self, description)


@dataclass(frozen=True)
class FixMatchConfig(ImageTaskConfig):
    """Classify with few labels and many images: what a weak view is surely taken for, a strong one is to be told."""

    model: str = "resnet"
    """the network, see docs/vision.md"""
    settings: tyro.conf.Suppress[dict[str, Any]] = field(default_factory=dict)
    """of the network; in a file, a table [settings]"""
    labels: int = 10
    """labelled images of each class, drawn by the seed"""
    ratio: int = 4
    """unlabelled images of a batch for each labelled one, μ; the batch size counts the unlabelled"""
    threshold: float = 0.95
    """probability from which on an image counts as told, τ"""
    weight: float = 1.0
    """of the unlabelled images' loss, λ; 0 learns from labels alone, with the same views"""
    flip: bool = False
    """views are mirrored, every second time"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.threshold < 1.0:
            raise ValueError(f"threshold must be from 0 to below 1, got {self.threshold}")
        if not self.weight >= 0.0:
            raise ValueError(f"weight must be 0 or more, got {self.weight}")

    def positive(self) -> tuple[str, ...]:
        """See `ImageTaskConfig`."""
        return ("labels", "ratio")

    def build(self, seed: int) -> FixMatchTask:
        """The task; see `neuralcore.fitting.task.TaskConfig`."""
        from neuralcore.pretraining.fixmatch import FixMatchTask

        return FixMatchTask(self, seed)

    def rebuild(self, description: dict[str, Any]) -> nn.Module:
        """The model of a description, with any weights."""
        from neuralcore.pretraining.fixmatch import network

        return network(self, description)
