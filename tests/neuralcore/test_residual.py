"""The IMPALA trunk, and where images have their channels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from neuralcore.errors import UserError
from neuralcore.layers import ImpalaTrunk, NatureTrunk, make_trunk
from neuralcore.layers.convolution import image_shape
from neuralcore.layers.initial import orthogonal
from neuralcore.layers.trunk import trunk_for


def trunk_of(shape: tuple[int, int, int], hidden: tuple[int, ...] = (256,), seed: int = 0) -> ImpalaTrunk:
    return ImpalaTrunk(shape, hidden, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("channels", "height", "width"), [(4, 84, 84), (1, 7, 9), (3, 5, 5), (2, 13, 8)])
def test_it_has_the_papers_parameters(channels: int, height: int, width: int) -> None:
    def convolution(before: int, after: int) -> int:
        return 3 * 3 * before * after + after

    expected = sum(
        convolution(before, after) + 4 * convolution(after, after)
        for before, after in ((channels, 16), (16, 32), (32, 32))
    )
    for _ in range(3):
        height, width = -(-height // 2), -(-width // 2)
    expected += (32 * height * width + 1) * 256
    shape = {4: (4, 84, 84), 1: (1, 7, 9), 3: (3, 5, 5), 2: (2, 13, 8)}[channels]
    assert sum(p.numel() for p in trunk_of(shape).parameters()) == expected
    assert expected == 1_089_232 or channels != 4


def by_hand(trunk: ImpalaTrunk, image: torch.Tensor) -> torch.Tensor:
    """Figure 3 of the paper, for images (B, C, H, W) in the usual layout."""
    weights = {name: value.contiguous() for name, value in trunk.state_dict().items()}

    def convolution(stage: int, number: int, x: torch.Tensor) -> torch.Tensor:
        name = f"stages.{stage}.{number}"
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    for stage in range(3):
        padded = F.pad(convolution(stage, 0, image), (1, 1, 1, 1), value=-torch.inf)
        image = padded.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(4, 5))
        for number in (1, 3):
            image = image + convolution(
                stage, number + 1, convolution(stage, number, image.clamp(min=0)).clamp(min=0)
            )
    x = image.clamp(min=0).flatten(1)
    return (x @ weights["layers.0.weight"].T + weights["layers.0.bias"]).clamp(min=0)


@pytest.mark.parametrize("shape", [(4, 84, 84), (1, 7, 7), (10, 11, 23), (3, 5, 6), (2, 3, 4)])
def test_it_is_the_papers_figure_at_odd_sizes(shape: tuple[int, int, int]) -> None:
    trunk = trunk_of(shape, (19,))
    images = torch.rand(3, *shape, generator=torch.Generator().manual_seed(1)) - 0.5
    assert image_shape(shape) == shape
    torch.testing.assert_close(trunk(images), by_hand(trunk, images), rtol=1e-4, atol=1e-5)


def test_pixels_are_scaled_and_other_numbers_are_not() -> None:
    trunk = trunk_of((7, 7, 3))
    pixels = torch.randint(0, 256, (5, 7, 7, 3), dtype=torch.uint8)
    torch.testing.assert_close(trunk(pixels), trunk(pixels.float() / 255))
    flags = pixels > 99
    torch.testing.assert_close(trunk(flags), trunk(flags.float()))
    assert not torch.equal(trunk(flags), trunk(flags.to(torch.uint8)))


@pytest.mark.parametrize(("kind", "size"), [(ImpalaTrunk, 7), (NatureTrunk, 36)])
def test_the_largest_number_of_an_image_becomes_1(kind: type, size: int) -> None:
    """It belongs to the state, but for a pixel's, which networks from before there were others had."""
    objects = torch.randint(0, 11, (5, 3, size, size), dtype=torch.uint8)
    small, pixels = (
        kind((3, size, size), high=high, generator=torch.Generator().manual_seed(0)) for high in (10, 255.0)
    )
    ones = objects / 10.0 if kind is ImpalaTrunk else objects * 25.5  # Nature's takes floats for pixels too
    torch.testing.assert_close(small(objects), pixels(ones))
    assert not torch.allclose(small(objects), pixels(objects))
    state = small.state_dict()
    assert state.keys() - pixels.state_dict().keys() == {"pixels.high"}
    expected, by_255 = small(objects), pixels(objects)
    pixels.load_state_dict(state)
    torch.testing.assert_close(pixels(objects), expected, rtol=0, atol=0)
    del state["pixels.high"]
    small.load_state_dict(state)
    torch.testing.assert_close(small(objects), by_255, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "size"), [(ImpalaTrunk, (7, 9)), (NatureTrunk, (37, 41))])
def test_channels_may_come_last(kind: type, size: tuple[int, int]) -> None:
    images = torch.randint(0, 256, (3, 4, *size), dtype=torch.uint8)
    first = kind((4, *size), generator=torch.Generator().manual_seed(0))
    last = kind((*size, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(last(images.permute(0, 2, 3, 1).contiguous()), first(images))
    with pytest.raises(ValueError, match="observations has shape"):
        last(images)


@pytest.mark.parametrize(
    ("shape", "image", "name"),
    [
        ((4, 84, 84), (4, 84, 84), "nature"),
        ((210, 160, 3), (3, 210, 160), "nature"),
        ((3, 210, 160), (3, 210, 160), "nature"),
        ((10, 10, 4), (4, 10, 10), "impala"),  # MinAtar's
        ((7, 7, 3), (3, 7, 7), "impala"),  # MiniGrid's
        ((8, 8, 111), (111, 8, 8), "impala"),  # a chess board's planes
        ((111, 8, 8), (111, 8, 8), "impala"),
        ((6, 6, 6), (6, 6, 6), "impala"),
        ((1, 7, 7), (1, 7, 7), "impala"),
        ((2, 4, 9), (2, 4, 9), "mlp"),
    ],
)
def test_where_the_channels_are(shape: tuple[int, int, int], image: tuple[int, int, int], name: str) -> None:
    assert image_shape(shape) == image
    assert trunk_for(shape) == name


def test_what_is_no_image_is_no_image() -> None:
    assert [trunk_for(shape) for shape in [(), (25,), (84, 84), (2, 3, 84, 84)]] == ["mlp"] * 4
    with pytest.raises(UserError, match="network 'impala' needs image observations"):
        make_trunk("impala", (25,), (256,))
    assert make_trunk("impala", (1, 5, 5), ()).features == 32
    assert make_trunk("impala", (1, 5, 5), (64, 24)).features == 24


def test_it_learns_a_batch_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    trunk = ImpalaTrunk((7, 7, 3), (32,), initial="orthogonal", generator=generator)
    head = torch.nn.Linear(32, 4)
    orthogonal(head, generator, gain=1.0)
    images = torch.rand(16, 7, 7, 3, generator=generator)
    labels = torch.randint(0, 4, (16,), generator=generator)
    parameters = [*trunk.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3)
    for _ in range(40):
        loss = F.cross_entropy(head(trunk(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in parameters)
    assert loss.item() < 0.05
