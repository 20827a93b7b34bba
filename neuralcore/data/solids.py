"""Clouds of points on solids, drawn here: a sphere, a cube, a cylinder, a cone, a torus, a tetrahedron.

Points are uniform on the surface, with noise; a cloud is turned at random, its middle is 0 and its furthest point is
at distance 1, as PointNet's inputs are.
"""

from __future__ import annotations

import numpy as np

from neuralcore.data.examples import Examples

SOLIDS = ("sphere", "cube", "cylinder", "cone", "torus", "tetrahedron")
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)


def solids(count: int, points: int = 256, seed: int = 0, noise: float = 0.02) -> Examples:
    """Draw `count` clouds (P, 3) float32; `noise` is its standard deviation.

    >>> solids(2, points=64).values.shape
    (2, 64, 3)
    """
    if points < 1 or not noise >= 0.0:
        raise ValueError(f"points must be 1 or more and noise 0 or more, got {points} and {noise}")
    generator = np.random.default_rng([seed, points])
    labels = generator.integers(0, len(SOLIDS), count)
    clouds = np.empty((count, points, 3), np.float32)
    for cloud, label in zip(clouds, labels):
        places = _surface(SOLIDS[label], points, generator) @ turned(generator.normal(size=4)).T
        places += generator.normal(0.0, noise, places.shape)
        places -= places.mean(0)
        cloud[:] = places / np.linalg.norm(places, axis=1).max()
    return Examples(clouds, labels, SOLIDS)


def turned(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3): the rotation of a quaternion (4,) of any length; of normal numbers, a uniform one."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _surface(solid: str, points: int, generator: np.random.Generator) -> np.ndarray:
    """(P, 3), uniform on the surface."""
    angle, share, where = generator.uniform(size=(3, points))
    around = np.stack([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)], 1)
    if solid == "sphere":
        found = generator.normal(size=(points, 3))
        return found / np.linalg.norm(found, axis=1, keepdims=True)
    if solid == "cube":
        found = generator.uniform(-1.0, 1.0, (points, 3))
        found[np.arange(points), generator.integers(0, 3, points)] = np.where(where < 0.5, -1.0, 1.0)
        return found
    if solid == "tetrahedron":
        left_out = generator.integers(0, 4, points)
        weights = generator.dirichlet((1.0, 1.0, 1.0), points)
        corners = np.array([[c for c in range(4) if c != out] for out in range(4)])[left_out]
        return (weights[:, :, None] * TETRAHEDRON[corners]).sum(1)
    if solid == "torus":
        tube = generator.uniform(0.25, 0.5)
        found = np.empty((0, 3))
        while len(found) < points:  # the outer side has more of the surface
            turn, kept, side = 2 * np.pi * generator.uniform(size=(3, points))
            far = 1.0 + tube * np.cos(side)
            some = np.stack([far * np.cos(turn), far * np.sin(turn), tube * np.sin(side)], 1)
            found = np.concatenate([found, some[kept / (2 * np.pi) * (1.0 + tube) < far]])
        return found[:points]
    height = generator.uniform(1.2, 2.4)
    if solid == "cylinder":  # two lids of area pi, a side of 2 pi height
        is_lid = where * (2.0 + 2.0 * height) < 2.0
        radius = np.where(is_lid, np.sqrt(share), 1.0)
        level = np.where(is_lid, np.where(generator.uniform(size=points) < 0.5, 0.0, height), share * height)
    else:  # a cone: one lid, a side of pi sqrt(1 + height²)
        is_lid = where * (1.0 + np.hypot(1.0, height)) < 1.0
        radius = np.sqrt(share)
        level = np.where(is_lid, 0.0, height * (1.0 - radius))
    return np.concatenate([around * radius[:, None], level[:, None]], 1)
