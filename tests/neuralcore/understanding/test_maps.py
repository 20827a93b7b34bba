"""Maps of what a network looks at, against hand computation, brute force and what must add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuralcore.errors import UserError
from neuralcore.understanding import (
    cam,
    grad_cam,
    gradient,
    guided_gradient,
    input_gradient,
    integrated_gradients,
    occlusion,
    output_score,
    smooth_gradient,
)
from neuralcore.understanding.saliency import heat
from neuralcore.understanding.score import features_of, last_maps, unvarying
from neuralcore.vision.normalised import ImageModel


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


class Pooled(nn.Module):
    """Convolutions, the mean over pixels, a linear layer: what CAM is for."""

    def __init__(self, inplace: bool = False, hidden: bool = False):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(inplace), nn.Conv2d(6, 5, 3, stride=2), nn.ReLU(inplace)
        )
        linear = [nn.Linear(5, 5), nn.ReLU()] if hidden else []
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *linear, nn.Linear(5, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(x))


@pytest.fixture(autouse=True)
def own_torch_seed() -> object:
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def test_gradients_of_a_linear_score() -> None:
    w = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    score = output_score(lambda x: x @ w.T, torch.tensor([0, 1]))
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    torch.testing.assert_close(gradient(score, x), w)
    torch.testing.assert_close(input_gradient(score, x), w * x)
    generator = torch.Generator().manual_seed(0)
    torch.testing.assert_close(smooth_gradient(score, x, samples=3, generator=generator), w)
    torch.testing.assert_close(integrated_gradients(score, x, steps=2), w * x)
    with pytest.raises(UserError, match="2 inputs were to have outputs of their own, and 1 are asked about"):
        gradient(score, x[:1])
    with pytest.raises(UserError, match="output 2 is asked for, and the network has 2"):
        gradient(output_score(lambda x: x @ w.T, 2), x)


def test_smooth_gradient_is_the_mean_over_its_noise() -> None:
    x = drawn(2, 5)

    def score(x: torch.Tensor) -> torch.Tensor:
        return x.pow(3).sum(1)

    spread = 0.3 * (x.amax(1) - x.amin(1))[:, None]
    g = torch.Generator().manual_seed(4)
    wanted = torch.stack([3 * (x + spread * torch.randn(2, 5, generator=g)) ** 2 for _ in range(7)]).mean(0)
    found = smooth_gradient(score, x, samples=7, noise=0.3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(found, wanted)


def test_integrated_gradients_add_up() -> None:
    model, x = Pooled(), drawn(3, 2, 9, 9)
    score = output_score(model, 1)
    for baseline in (0.0, drawn(3, 2, 9, 9, seed=1)):
        start = torch.as_tensor(baseline).expand_as(x)
        with torch.no_grad():
            apart = score(x) - score(start)
        found = integrated_gradients(score, x, baseline=baseline, steps=400)
        torch.testing.assert_close(found.flatten(1).sum(1), apart, atol=2e-4, rtol=2e-3)


def test_heat_is_the_largest_channel() -> None:
    assert heat(torch.tensor([[[[1.0]], [[-3.0]]]])).tolist() == [[[3.0]]]


@pytest.mark.parametrize("kind", ["module", "inplace", "function", "in place function", "method"])
def test_guided_backpropagation_by_hand(kind: str) -> None:
    one = torch.tensor([[1.0, -1.0], [2.0, 1.0], [-1.0, 0.0]])  # hidden units 0 to 2
    two = torch.tensor([[1.0, -2.0, 3.0]])
    relu = {
        "module": nn.ReLU(),
        "inplace": nn.ReLU(inplace=True),
        "function": torch.relu,
        "in place function": torch.relu_,
        "method": lambda z: z.relu(),
    }[kind]

    def score(x: torch.Tensor) -> torch.Tensor:
        return (relu(x @ one.T) @ two.T)[:, 0]

    x = torch.tensor([[2.0, 1.0]])  # z = 1, 5, -2; what comes back: 1, -2, 3
    torch.testing.assert_close(gradient(score, x), torch.tensor([[1.0 - 4.0, -1.0 - 2.0]]))
    torch.testing.assert_close(guided_gradient(score, x), one[:1])  # unit 0 alone has both
    torch.testing.assert_close(guided_gradient(score, x, rule="deconvolution"), one[:1] + 3.0 * one[2:])


def test_a_relu6_is_a_relu_that_ends_at_6() -> None:
    z, w = torch.tensor([[-1.0, 2.0, 3.0, 7.0]]), torch.tensor([1.0, 2.0, -3.0, 4.0])
    for relu in (nn.ReLU6(), nn.ReLU6(inplace=True), nn.functional.relu6):

        def score(x: torch.Tensor, relu: Any = relu) -> torch.Tensor:
            return (relu(1.0 * x) * w).sum(1)

        assert gradient(score, z).tolist() == [[0.0, 2.0, -3.0, 0.0]]
        assert guided_gradient(score, z).tolist() == [[0.0, 2.0, 0.0, 0.0]]
        assert guided_gradient(score, z, rule="deconvolution").tolist() == [[1.0, 2.0, 0.0, 4.0]]
    for other in (torch.tanh, nn.functional.gelu, nn.Hardtanh()):
        with pytest.raises(UserError, match="no ReLUs, which guided is a rule for"):
            guided_gradient(lambda x, other=other: other(x).sum(1), z)


@pytest.mark.parametrize(("side", "stride"), [(3, 2), (4, 4), (1, 1), (6, 5)])
def test_occlusion_by_brute_force(side: int, stride: int) -> None:
    model, x = Pooled(), drawn(2, 2, 7, 8)
    score = output_score(model, 2)
    found = occlusion(score, x, side=side, stride=stride, fill=0.25)
    sums, counts = np.zeros((2, 7, 8)), np.zeros((7, 8))
    for top in range(8 - side):
        for left in range(9 - side):
            if (top % stride and top != 7 - side) or (left % stride and left != 8 - side):
                continue
            covered = x.clone()
            covered[:, :, top : top + side, left : left + side] = 0.25
            with torch.no_grad():
                fall = (score(x) - score(covered)).numpy()
            sums[:, top : top + side, left : left + side] += fall[:, None, None]
            counts[top : top + side, left : left + side] += 1
    np.testing.assert_allclose(found, sums / np.maximum(counts, 1), atol=1e-5)
    with pytest.raises(UserError, match="a square of 9 pixels"):
        occlusion(score, x, side=9)


@pytest.mark.parametrize("inplace", [False, True])
def test_grad_cam_is_cam_where_there_is_cam(inplace: bool) -> None:
    model, x = Pooled(inplace).eval(), drawn(2, 2, 11, 11)
    assert last_maps(model, x) == "trunk"
    by_hand = torch.einsum("bfhw,f->bhw", model.trunk(x), model.head[-1].weight[1]).detach()
    found = cam(model, x, 1)
    assert found.shape == (2, 11, 11)
    wanted = nn.functional.interpolate(by_hand[:, None], (11, 11), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(found, wanted)
    pixels = by_hand[0].numel()
    torch.testing.assert_close(grad_cam(model, output_score(model, 1), x, against=True) * pixels, found)
    cut = grad_cam(model, output_score(model, 1), x)
    assert cut.min() >= 0.0
    # The last convolution's output, which its ReLU rewrites in place, is the same maps.
    if inplace:
        torch.testing.assert_close(grad_cam(model, output_score(model, 1), x, module="trunk.2"), cut)


@pytest.mark.parametrize("target", [3, -1])
def test_cam_of_an_output_that_is_not_there(target: int) -> None:
    with pytest.raises(UserError, match=f"output {target} is asked for, and the network has 3"):
        cam(Pooled().eval(), drawn(1, 2, 11, 11), target)


def test_cam_refuses_other_networks() -> None:
    model, x = Pooled(hidden=True).eval(), drawn(1, 2, 11, 11)
    with pytest.raises(UserError, match="use Grad-CAM"):
        cam(model, x, 0)
    grad_cam(model, output_score(model, 0), x)
    with pytest.raises(UserError, match=r"did you mean 'trunk\.2'"):
        grad_cam(model, output_score(model, 0), x, module="trunk.22")
    flat = ImageModel(nn.Sequential(nn.Flatten(), nn.Linear(2 * 121, 3)), [0.5, 0.5], [1.0, 1.0])
    with pytest.raises(UserError, match="no feature maps"):
        grad_cam(flat, output_score(flat, 0), x)


def test_features_by_name() -> None:
    model, x = Pooled().eval(), drawn(1, 2, 11, 11)
    given, outputs = features_of(model, ["trunk.1", "head"], x)
    torch.testing.assert_close(given["trunk.1"], model.trunk[:2](x))
    torch.testing.assert_close(given["head"], outputs)


def test_an_unvarying_model_is_as_it_was_afterwards() -> None:
    model = Pooled()
    model.trunk[0].bias.requires_grad_(False)
    model.trunk.eval()
    with unvarying(model):
        assert not any(p.requires_grad for p in model.parameters())
        assert not model.training
    assert [m.training for m in (model, model.trunk, model.head)] == [True, False, True]
    assert sum(p.requires_grad for p in model.parameters()) == 5
