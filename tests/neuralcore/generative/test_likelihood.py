"""Likelihoods and divergences against torch's distributions, sums over all pixels, and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from neuralcore.generative.frechet import frechet_distance
from neuralcore.generative.likelihood import bernoulli, bits_per_dimension, gaussian, kl_to_standard
from neuralcore.generative.vae import VAE


def test_negative_log_likelihoods_are_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, targets = torch.randn(2, 3, 1, 4, 4, generator=generator)
    log_scale = torch.tensor(-0.7)
    expected = -Normal(mean, log_scale.exp()).log_prob(targets).flatten(1).sum(1)
    torch.testing.assert_close(gaussian(mean, log_scale, targets), expected)
    bits = (targets > 0.0).float()
    torch.testing.assert_close(
        bernoulli(mean, bits), -Bernoulli(logits=mean).log_prob(bits).flatten(1).sum(1), rtol=1e-5, atol=1e-5
    )


def test_the_divergence_is_what_monte_carlo_finds() -> None:
    generator = torch.Generator().manual_seed(1)
    mean, log_variance = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    scale = torch.exp(0.5 * log_variance)
    codes = mean + scale * torch.randn(200_000, 3, 5, generator=generator, dtype=torch.float64)
    drawn = (Normal(mean, scale).log_prob(codes) - Normal(0.0, 1.0).log_prob(codes)).sum(2)
    error = drawn.std(0) / math.sqrt(len(codes))
    assert ((kl_to_standard(mean, log_variance) - drawn.mean(0)).abs() < 4.0 * error).all()
    assert kl_to_standard(torch.zeros(2, 4), torch.zeros(2, 4)).tolist() == [0.0, 0.0]


def test_the_bound_is_below_the_likelihood_of_a_model_with_one_code() -> None:
    """With one number a code, log p(x) is an integral that a grid gives; importance weights of q close the gap."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = VAE(size=8, latent=1, width=2)
        image = torch.randint(0, 256, (1, 1, 8, 8), dtype=torch.uint8)
        grid = torch.linspace(-8.0, 8.0, 4001)[:, None]
        nats = bernoulli(model.decoder(grid), (image / 255.0).expand(len(grid), -1, -1, -1))
        evidence = torch.logsumexp(Normal(0.0, 1.0).log_prob(grid[:, 0]) - nats, 0) + math.log(16.0 / 4000)
        generator = torch.Generator().manual_seed(0)
        reconstruction, divergence = model.terms(image.expand(4000, -1, -1, -1), generator)
        bound = -(reconstruction + divergence).mean()
        assert bound < evidence
        mean, log_variance = model.posterior(image)
        posterior = Normal(mean, torch.exp(0.5 * log_variance))
        codes = posterior.sample((4000,))[:, 0]
        weights = Normal(0.0, 1.0).log_prob(codes)[:, 0] - posterior.log_prob(codes)[:, 0]
        weights = weights - bernoulli(model.decoder(codes), (image / 255.0).expand(len(codes), -1, -1, -1))
    assert float(torch.logsumexp(weights, 0) - math.log(4000)) == pytest.approx(float(evidence), abs=0.02)


def test_bits_of_a_uniform_density_are_eight() -> None:
    assert bits_per_dimension(0.0, 100) == pytest.approx(8.0)
    assert bits_per_dimension(-math.log(256.0) * 100, 100) == pytest.approx(0.0)


def test_the_frechet_distance_of_gaussians_in_closed_form() -> None:
    generator = np.random.default_rng(0)
    raw = generator.normal(size=(500, 3))
    raw = (raw - raw.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T  # whitened exactly
    a, b = raw * [1.0, 2.0, 3.0], raw * [2.0, 2.0, 1.0] + [1.0, 0.0, -2.0]
    assert frechet_distance(a, b) == pytest.approx(5.0 + 1.0 + 0.0 + 4.0)  # |μ|² + Σ (σ_a - σ_b)²
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(10.0)
