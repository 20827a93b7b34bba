"""Views: of the identity nothing changes, a generator decides, and everything stays an image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from neuralcore.pretraining.rotate import turned
from neuralcore.pretraining.views import contrasted, cropped, jittered, resampled, strongly, warped, weakly

IMAGES = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_resampling_by_hand() -> None:
    same = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).expand(6, 2, 3)
    torch.testing.assert_close(resampled(IMAGES, same), IMAGES)
    mirrored = same * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(resampled(IMAGES, mirrored), IMAGES.flip(3))
    aside = same + torch.tensor([[0.0, 0.0, 2.0 / 12.0], [0.0, 0.0, 0.0]])  # a pixel to the right is seen
    torch.testing.assert_close(resampled(IMAGES, aside)[..., :-1], IMAGES[..., 1:])


def test_nothing_drawn_changes_nothing() -> None:
    torch.testing.assert_close(warped(IMAGES, 0.0, 0.0, 0.0, seeded()), IMAGES)
    torch.testing.assert_close(jittered(IMAGES, 0.0, seeded()), IMAGES)
    whole = cropped(IMAGES, 1.0, seeded())  # all of the area: one side whole, the other three quarters at least
    assert whole.shape == IMAGES.shape


def test_a_crop_shows_the_area_that_it_says() -> None:
    ramp = torch.linspace(-1.0, 1.0, 32).expand(400, 1, 32, 32)
    wide = cropped(ramp, 0.25, seeded())
    seen = (wide.amax((1, 2, 3)) - wide.amin((1, 2, 3))) / 2.0  # the share of the width
    assert float(seen.min()) > 0.25**0.5 * 0.75**0.5 - 0.05
    assert float(seen.max()) < 1.02
    assert float(seen.mean()) == pytest.approx(0.78, abs=0.05)


@pytest.mark.parametrize(
    "view",
    [
        lambda x, g: contrasted(x, g, least=0.3, jitter=0.4),
        lambda x, g: weakly(x, g, flip=True),
        lambda x, g: strongly(x, g, flip=False),
    ],
)
def test_views_are_images_drawn_by_the_generator(view: Callable) -> None:
    for images in (IMAGES, IMAGES[:, :1]):
        found = view(images, seeded())
        assert found.shape == images.shape
        assert float(found.min()) >= 0.0
        assert float(found.max()) <= 1.0
        assert torch.equal(found, view(images, seeded()))
        assert not torch.equal(found, view(images, seeded(1)))
        assert not torch.equal(found, images)


def test_four_turns() -> None:
    image = torch.tensor([[[[1, 2], [3, 4]]]])
    assert turned(image).flatten(1).tolist() == [[1, 2, 3, 4], [2, 4, 1, 3], [4, 3, 2, 1], [3, 1, 4, 2]]
