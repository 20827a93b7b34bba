"""Variations of images, held to plain loops."""

from __future__ import annotations

import numpy as np
import torch

from neuralcore.data.augmentation import cut_mixed, cut_out, flipped, mixed_up, shifted


def images(count: int = 6, channels: int = 2, height: int = 7, width: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, channels, height, width), generator=generator, dtype=torch.uint8)


def test_a_shift_is_a_crop_of_the_reflected_image() -> None:
    x, most = images(64), 2
    got = shifted(x, most, torch.Generator().manual_seed(1))
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (most, most), (most, most)), "reflect")
    seen = set()
    for i in range(64):
        fits = [
            (r, c)
            for r in range(2 * most + 1)
            for c in range(2 * most + 1)
            if np.array_equal(padded[i, :, r : r + 7, c : c + 5], got[i])
        ]
        assert fits
        seen.add(fits[0])
    assert len(seen) > 15  # of 25


def test_flips_are_half() -> None:
    x = images(200)
    got = flipped(x, torch.Generator().manual_seed(2))
    mirrored = [torch.equal(g, i.flip(2)) for g, i in zip(got, x)]
    assert all(m or torch.equal(g, i) for m, g, i in zip(mirrored, got, x))
    assert 70 < sum(mirrored) < 130


def test_cut_out_squares_have_the_fill() -> None:
    x = images(50)
    got = cut_out(x, 3, torch.Generator().manual_seed(3), torch.tensor([7.0, 9.0]))
    for image, before in zip(got, x):
        changed = (image != before).any(0)
        assert changed.sum() <= 9
        assert (image[0][changed] == 7).all()
        assert (image[1][changed] == 9).all()


def test_mixed_images_are_what_their_shares_say() -> None:
    x = images().float() / 255.0
    got = mixed_up(x, 0.4, torch.Generator().manual_seed(4))
    share = got.share[:, None, None, None]
    torch.testing.assert_close(got.images, share * x + (1 - share) * x[got.partner])
    assert 0.0 < float(got.share[0]) < 1.0


def test_cut_mixed_shares_are_counts_of_pixels() -> None:
    generator = torch.Generator().manual_seed(5)
    own, other = torch.zeros(8, 1, 9, 9, dtype=torch.uint8), None
    for _ in range(20):
        x = torch.arange(8, dtype=torch.uint8)[:, None, None, None] + own
        got = cut_mixed(x, 1.0, generator)
        for i in range(8):
            other = int(got.partner[i])
            if other == i:
                continue
            pixels = got.images[i, 0]
            assert set(pixels.unique().tolist()) <= {i, other}
            assert abs(float((pixels == i).float().mean()) - float(got.share[i])) < 1e-6
    shares = [float(cut_mixed(x, 1.0, generator).share[0]) for _ in range(300)]
    assert 0.4 < np.mean(shares) < 0.7  # a half, but for what falls over the border
