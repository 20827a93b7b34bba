"""The tasks that a file can name: `task = "classify"`. Each config is loaded when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from neuralcore.errors import UserError, nearest

TASKS = {
    "adding": "neuralcore.sequence.adding_config:AddingConfig",
    "adversarial": "neuralcore.understanding.adversarial_config:AdversarialConfig",
    "autoencode": "neuralcore.generative.autoencoder_config:AutoencoderConfig",
    "caption": "neuralcore.translation.caption_config:CaptionConfig",
    "classify": "neuralcore.vision.classification_config:ClassifyConfig",
    "clips": "neuralcore.clips.clips_config:ClipsConfig",
    "contrast": "neuralcore.pretraining.trunk_config:ContrastConfig",
    "detect": "neuralcore.detection.detecting_config:DetectConfig",
    "embed": "neuralcore.pretraining.trunk_config:EmbedConfig",
    "encode_text": "neuralcore.language.encode_text_config:EncodeTextConfig",
    "fixmatch": "neuralcore.pretraining.trunk_config:FixMatchConfig",
    "gan": "neuralcore.generative.gan_config:GANConfig",
    "language": "neuralcore.language.language_config:LanguageConfig",
    "maml": "neuralcore.pretraining.episodes_config:MAMLConfig",
    "mask": "neuralcore.language.mask_config:MaskConfig",
    "memory": "neuralcore.memory.memory_config:MemoryConfig",
    "nodes": "neuralcore.message_passing.nodes_config:NodesConfig",
    "pixelcnn": "neuralcore.generative.pixelcnn_config:PixelCNNConfig",
    "points": "neuralcore.points.points_config:PointsConfig",
    "points_autoencode": "neuralcore.points.points_config:PointsAutoencodeConfig",
    "prototypical": "neuralcore.pretraining.episodes_config:PrototypicalConfig",
    "rotate": "neuralcore.pretraining.trunk_config:RotateConfig",
    "segment": "neuralcore.segmentation.segmenting_config:SegmentConfig",
    "sentences": "neuralcore.language.sentences_config:SentencesConfig",
    "tag": "neuralcore.language.tag_config:TagConfig",
    "transcribe": "neuralcore.speech.transcribe_config:TranscribeConfig",
    "translate": "neuralcore.translation.translate_config:TranslateConfig",
    "vae": "neuralcore.generative.vae_config:VAEConfig",
}


def config_class(task: str) -> Any:
    """The config of a task, a frozen dataclass (`neuralcore.fitting.task.TaskConfig`).

    Raises:
        UserError: there is no such task.
    """
    if task not in TASKS:
        raise UserError(f"unknown task {task!r}: {nearest(task, TASKS)}")
    module, name = TASKS[task].split(":")
    return getattr(importlib.import_module(module), name)
