"""Attention and Transformer blocks against plain writings of their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from neuralcore.errors import UserError
from neuralcore.layers.dropout import dropped
from neuralcore.sequence.attention import AdditiveAttention, Cache, MultiHeadAttention, attend
from neuralcore.sequence.positions import LearnedPositions, rotate, sinusoidal
from neuralcore.sequence.transformer import TransformerDecoder, TransformerEncoder

B, H, T, S, D = 3, 2, 5, 7, 4


def plainly(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, causal: bool
) -> torch.Tensor:
    """softmax(q k' / √D) v, one query at a time."""
    found = torch.zeros(*q.shape[:3], v.shape[3])
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            for t in range(q.shape[2]):
                last = k.shape[2] - q.shape[2] + t
                scores = torch.stack([q[b, h, t] @ k[b, h, s] / math.sqrt(q.shape[3]) for s in range(k.shape[2])])
                for s in range(k.shape[2]):
                    hidden = mask is not None and not mask.expand(q.shape[0], q.shape[1], q.shape[2], -1)[b, h, t, s]
                    if hidden or (causal and s > last):
                        scores[s] = -torch.inf
                found[b, h, t] = scores.softmax(0) @ v[b, h]
    return found


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_its_formula(causal: bool, masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(B, H, T, D, generator=generator)
    k, v = torch.randn(B, H, S, D, generator=generator), torch.randn(B, H, S, D, generator=generator)
    mask = None
    if masked:
        mask = torch.rand(B, 1, 1, S, generator=generator) < 0.6
        mask[..., 0] = True
    torch.testing.assert_close(attend(q, k, v, mask, causal=causal), plainly(q, k, v, mask, causal))
    k, v, mask = k[:, :, :T], v[:, :, :T], None if mask is None else mask[..., :T]
    torch.testing.assert_close(attend(q, k, v, mask, causal=causal), plainly(q, k, v, mask, causal))


def test_heads_are_torch_s_own() -> None:
    """Against torch.nn.MultiheadAttention with the same weights."""
    ours, theirs = MultiHeadAttention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.query_key_value.weight, ours.query_key_value.bias
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = ours.out.weight, ours.out.bias
    x, memory = torch.randn(B, T, 8), torch.randn(B, S, 8)
    real = torch.tensor([[True] * 7, [True] * 4 + [False] * 3, [True] + [False] * 6])
    wanted, weights = theirs(x, memory, memory, key_padding_mask=~real, average_attn_weights=False)
    torch.testing.assert_close(ours(x, memory, real[:, None, None]), wanted)
    torch.testing.assert_close(ours.weights(x, memory, real[:, None, None]), weights)
    assert sum(p.numel() for p in ours.parameters()) == 4 * (8 * 8 + 8)


def test_turned_vectors_know_how_far_they_are_apart_only() -> None:
    q, k = torch.randn(1, 1, 1, 8).expand(1, 1, 6, 8), torch.randn(1, 1, 1, 8).expand(1, 1, 6, 8)
    products = rotate(q)[0, 0] @ rotate(k)[0, 0].T
    for apart in range(-5, 6):
        diagonal = products.diagonal(apart)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    torch.testing.assert_close(rotate(q[:, :, 3:], start=3), rotate(q)[:, :, 3:])


def test_waves() -> None:
    found = sinusoidal(4, 6)
    for t in range(4):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert found[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_more_steps_than_positions() -> None:
    positions = LearnedPositions(4, 6)
    with pytest.raises(UserError, match="5 tokens are more than the 4 positions"):
        positions(torch.zeros(1, 2, 6), start=3)


def test_additive_attention_is_its_formula() -> None:
    layer = AdditiveAttention(3, 4, 5)
    query, memory = torch.randn(2, 2, 3), torch.randn(2, 6, 4)
    real = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    taken, weights = layer(query, memory, real)
    for b, count in enumerate((6, 2)):
        for t in range(2):
            scores = torch.stack(
                [
                    layer.score.weight[0]
                    @ torch.tanh(
                        layer.query.weight @ query[b, t] + layer.query.bias + layer.key.weight @ memory[b, s]
                    )
                    for s in range(count)
                ]
            )
            torch.testing.assert_close(weights[b, t, :count], scores.softmax(0))
            torch.testing.assert_close(taken[b, t], scores.softmax(0) @ memory[b, :count])


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_a_cache_changes_nothing(rotary: bool, cross: bool) -> None:
    decoder = TransformerDecoder(8, 2, 2, 12, rotary=rotary, cross=cross).eval()
    x, memory = torch.randn(B, T, 8), torch.randn(B, S, 8) if cross else None
    real = torch.tensor([[True] * 7, [True] * 4 + [False] * 3, [True] + [False] * 6]) if cross else None
    wanted = decoder(x, memory, real)
    caches = decoder.empty_cache(B, T, S if cross else 0)
    parts = [decoder(part, memory, real, caches=caches) for part in x.split([1, 2, 2], 1)]
    torch.testing.assert_close(torch.cat(parts, 1), wanted)
    # In another order, and one of them twice, as beams go on.
    rows = torch.tensor([2, 0, 0])
    caches = decoder.empty_cache(B, T, S if cross else 0)
    decoder(x[:, :3], memory, real, caches=caches)
    for own, theirs in caches:
        own.choose(rows)
        if theirs is not None:
            theirs.choose(rows)
    last = decoder(
        x[rows, 3:], None if memory is None else memory[rows], None if real is None else real[rows], caches=caches
    )
    torch.testing.assert_close(last, wanted[rows, 3:])


def test_a_full_cache_says_so() -> None:
    cache = Cache(1, 1, 2, 3, torch.zeros(1))
    with pytest.raises(ValueError, match="room for 3 steps, 4 came"):
        cache.take(torch.zeros(1, 1, 4, 2), torch.zeros(1, 1, 4, 2))


def test_padding_changes_nothing() -> None:
    encoder = TransformerEncoder(8, 2, 2, 12, rotary=True).eval()
    x = torch.randn(2, T, 8)
    real = torch.tensor([[True] * T, [True] * 3 + [False] * 2])
    torch.testing.assert_close(encoder(x, real)[1, :3], encoder(x[1:, :3])[0])


def test_counts_of_weights() -> None:
    W, inner, layers = 8, 12, 3

    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    attention, feed, norm = 4 * (W * W + W), 2 * W * inner + inner + W, 2 * W
    assert count(TransformerEncoder(W, layers, 2, inner)) == layers * (attention + feed + 2 * norm) + norm
    assert (
        count(TransformerDecoder(W, layers, 2, inner, cross=True))
        == layers * (2 * attention + feed + 3 * norm) + norm
    )
    with pytest.raises(ValueError, match="3 heads do not divide a width of 8"):
        MultiHeadAttention(8, 3)


def test_layers_are_skipped_in_training_only() -> None:
    encoder = TransformerEncoder(8, 4, 2, 12, layer_drop=0.9999999)
    x = torch.randn(1, T, 8)
    torch.testing.assert_close(encoder.train()(x), encoder.norm(x))
    assert not torch.allclose(encoder.eval()(x), encoder.norm(x))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_bfloat16_goes_another_way_to_the_same(causal: bool, masked: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(B, H, count, D, generator=generator, requires_grad=True) for count in (T, S, S))
    mask = torch.rand(B, 1, 1, S, generator=generator) < 0.6
    mask[..., 0] = True
    given = mask if masked else None
    wanted = plainly(q, k, v, given, causal)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(q, k, v, given, causal=causal)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.03, rtol=0.03)
    ours = torch.autograd.grad(found.float().square().sum(), (q, k, v))
    for mine, right in zip(ours, torch.autograd.grad(wanted.square().sum(), (q, k, v))):
        torch.testing.assert_close(mine, right, atol=0.06, rtol=0.06)


def test_dropout_keeps_the_mean_and_the_share() -> None:
    torch.manual_seed(0)
    x = torch.ones(1001, 333, requires_grad=True)
    found = dropped(x, 0.1)
    kept = 256 / (256 - 26)
    assert found.unique().tolist() == [0.0, pytest.approx(kept)]
    assert (found == 0).float().mean().item() == pytest.approx(26 / 256, abs=0.002)
    assert found.mean().item() == pytest.approx(1.0, abs=0.002)
    found.sum().backward()
    torch.testing.assert_close(x.grad, found.detach())
    torch.manual_seed(0)
    torch.testing.assert_close(dropped(x, 0.1), found)
    assert dropped(x, 0.1, False) is x
