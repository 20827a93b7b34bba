"""Auxiliary heads in training: what they say counts 0.3."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from neuralcore.vision.classification import Classification
from neuralcore.vision.classification_config import ClassifyConfig


def test_the_loss_has_the_auxiliary_heads_in_it_and_the_answer_has_not() -> None:
    settings = {"auxiliary": True, "width": 0.125, "norm": True}
    task = Classification(ClassifyConfig("shapes", "googlenet", settings, examples=40, valid=0.0))
    for module in task.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # so that two passes give the same
    batch = task.batch(np.arange(6), torch.Generator(), torch.device("cpu"))
    loss, figures = task.loss(batch, torch.Generator())
    logits, auxiliary = task.model.with_auxiliary(batch.images)
    expected = F.cross_entropy(logits, batch.labels)
    expected = expected + 0.3 * sum(F.cross_entropy(said, batch.labels) for said in auxiliary)
    torch.testing.assert_close(loss, expected)
    assert float(figures["accuracy"]) == float((logits.argmax(1) == batch.labels).float().mean())
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in task.model.network.auxiliaries.parameters())
