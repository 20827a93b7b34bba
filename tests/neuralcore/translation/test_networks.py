"""Networks that answer: their counts, what they must not see, and the same token by token."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from neuralcore.data.tokens import BEGIN, END, PAD
from neuralcore.errors import UserError
from neuralcore.seeding import seeded_torch
from neuralcore.sequence.recurrent import parameter_count
from neuralcore.translation import MODELS
from neuralcore.translation.making import made

SMALL: dict[str, dict[str, Any]] = {
    "recurrent": {"width": 8},
    "transformer": {"width": 8, "layers": 2, "heads": 2, "inner": 12},
}
V = 30


def small(name: str) -> Any:
    with seeded_torch(0, name):
        return made(MODELS, name, V, SMALL[name]).eval()


def some(count: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources with their ends and targets with their beginnings, of several lengths."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(5, V, (count, 9), generator=generator)
    target = torch.randint(5, V, (count, 7), generator=generator)
    target[:, 0] = BEGIN
    for row in range(count):
        source[row, 8 - row], source[row, 9 - row :] = END, PAD
    return source, target


def test_counts() -> None:
    w, i, layers = 8, 12, 2
    attention, feed, norm = 4 * (w * w + w), 2 * w * i + w + i, 2 * w
    encoder = layers * (attention + feed + 2 * norm) + norm
    decoder = layers * (2 * attention + feed + 3 * norm) + norm
    assert sum(p.numel() for p in small("transformer").parameters()) == V * w + encoder + decoder
    # Vaswani et al. 2017, table 3: 65 M of the base model, of "about 37,000" tokens.
    with torch.device("meta"):
        base = made(MODELS, "transformer", 37_000, {"width": 512, "layers": 6, "heads": 8, "inner": 2048})
    assert sum(p.numel() for p in base.parameters()) == pytest.approx(65e6, rel=0.03)

    m = 2 * w
    parts = [V * w, m * w + w, w * w + w + m * w + w, 3 * w * (w + m + w + 2), (2 * w + m) * w + w]
    found = sum(p.numel() for p in small("recurrent").parameters())
    assert found == sum(parts) + parameter_count("gru", w, w, bidirectional=True)


@pytest.mark.parametrize("name", MODELS)
def test_token_by_token_is_as_all_at_once(name: str) -> None:
    model, (source, target) = small(name), some()
    with torch.no_grad():
        hidden = model(source, target)
        whole = (hidden @ model.output.T).log_softmax(2)
        decoding = model.decoding(source, target.shape[1])
        order = torch.arange(5)
        for t in range(target.shape[1]):
            torch.testing.assert_close(decoding.step(target[order, t]), whole[order, t], atol=1e-5, rtol=1e-4)
            # Rows in another order, one twice and one left out, as beams go on.
            rows = torch.tensor([4, 0, 3, 3, 1])
            decoding.choose(rows)
            order = order[rows]


@pytest.mark.parametrize("name", MODELS)
def test_padding_and_what_comes_later_are_not_seen(name: str) -> None:
    model, (source, target) = small(name), some()
    other = target.clone()
    other[:, 4:] = 7
    with torch.no_grad():
        whole = model(source, target)
        torch.testing.assert_close(model(source, other)[:, :4], whole[:, :4])
        row = 3  # whose source has three steps of padding
        torch.testing.assert_close(model(source[row, None, :6], target[row, None])[0], whole[row])


@pytest.mark.parametrize("name", MODELS)
def test_attention_is_of_real_steps(name: str) -> None:
    model, (source, target) = small(name), some()
    with torch.no_grad():
        weights = model.attention(source, target)
    assert weights.shape == (5, 7, 9)
    torch.testing.assert_close(weights.sum(2), torch.ones(5, 7))
    assert not weights[(source == PAD)[:, None].expand(weights.shape)].any()


def test_every_setting_matters_and_others_are_refused() -> None:
    sizes = {sum(p.numel() for p in made(MODELS, "transformer", V, SMALL["transformer"] | more).parameters())
             for more in ({}, {"width": 16}, {"layers": 3}, {"inner": 20})}  # fmt: skip
    assert len(sizes) == 4
    assert made(MODELS, "transformer", V, {**SMALL["transformer"], "dropout": 0.5}).dropout == 0.5
    with pytest.raises(UserError, match="transformer has no 'layer': did you mean 'layers'"):
        made(MODELS, "transformer", V, {"layer": 2})
    with pytest.raises(UserError, match="3 heads do not divide a width of 256"):
        made(MODELS, "transformer", V, {"heads": 3})
    with pytest.raises(UserError, match=r"dropout must be from 0 to below 1, got 1\.0"):
        made(MODELS, "recurrent", V, {"dropout": 1})
    with pytest.raises(UserError, match="unknown model 'transfomer'"):
        made(MODELS, "transfomer", V, {})
