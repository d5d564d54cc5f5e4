"""Seeded sets of points at two layers, on which standard errors are put to the test.

Every repetition draws a set anew: rows (or groups of rows) are independent draws of one law, and
so is the noise of the second layer. Maps, class centres and offsets belong to the law: they are
fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.stats import ortho_group

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry import NeighborGraph, neighbor_graph

Generator: TypeAlias = np.random.Generator
Points: TypeAlias = npt.NDArray[Any]

LISTED = 64  # neighbours at the first layer: Gride reaches n1 = 32
COMPARED = 30  # at the second
DIMENSIONS = ("TwoNN", "Gride", "Levina–Bickel")  # first words of their names
RANKS = (2, 4, 8, 16, 32)
SMALL, LARGE = 1000, 5000


@dataclass(frozen=True, eq=False)
class Layers:
    """One draw: the same rows at two layers.

    Attributes
    ----------
    X, Y : ndarray, shape (n, D)
        Points at the first and the second layer.
    labels : ndarray, shape (n,)
        Class of every row.
    groups : ndarray, shape (n,), or None
        Sampling unit of every row; None if each is its own.
    """

    X: Points
    Y: Points
    labels: IntArray
    groups: IntArray | None = None


@dataclass(frozen=True)
class PointSet:
    """A law of points, and what is known of it.

    Attributes
    ----------
    name : str
        In words.
    draw : callable(Generator, n)
        Returns :class:`Layers` of n rows.
    dimension : float or None
        The true dimension at the first layer.
    sizes : tuple of int
        Numbers of rows at which it is drawn.
    periodic : bool
        Whether distances are those of the periodic unit cube: no boundary and no curvature. Both
        layers then have the same dimension.
    ranks : tuple of int
        The n1 > 1 at which Gride is read.
    """

    name: str
    draw: Callable[[Generator, int], Layers]
    dimension: float | None = None
    sizes: tuple[int, ...] = (SMALL,)
    periodic: bool = False
    ranks: tuple[int, ...] = RANKS

    def truth(self, quantity: str) -> float | None:
        """Return what a quantity estimates, where it is known."""
        if quantity.startswith(DIMENSIONS):
            return self.dimension
        return 0.0 if self.periodic and quantity == "difference of TwoNN" else None

    def graph(self, points: Points, groups: IntArray | None, k: int) -> NeighborGraph:
        """Return the neighbours of a layer of this set."""
        if not self.periodic:
            return neighbor_graph(points, k, groups=groups)
        distances, indices = cKDTree(points, boxsize=np.ones(points.shape[1])).query(points, k + 1)
        return NeighborGraph.from_arrays(distances, indices, self_included=True)


def quadrants(X: Points) -> IntArray:
    """Return four classes, by the sides of zero on which the first two coordinates lie: (n,)."""
    return np.asarray((X[:, 0] > 0).astype(np.int64) + 2 * (X[:, 1] > 0))


@cache
def rotation(width: int) -> FloatArray:
    """Return the same random rotation at every call: (width, width)."""
    return np.asarray(ortho_group.rvs(width, random_state=width))


def bent(rng: Generator, X: FloatArray, noise: float) -> FloatArray:
    """Return the second layer: a fixed rotation and a smooth bend of ``X``, and normal noise."""
    turned = X @ rotation(X.shape[1])
    return np.asarray(turned + np.sin(turned) / 2 + noise * rng.standard_normal(X.shape))


def layers_of(
    cloud: Callable[[Generator, int], FloatArray], noise: float, rng: Generator, n: int
) -> Layers:
    """Return a cloud and its bent image."""
    X = cloud(rng, n)
    return Layers(X, bent(rng, X, noise), quadrants(X))


def torus(d: int, noise: float, rng: Generator, n: int) -> Layers:
    """Return uniform points of the periodic unit cube, and each a little aside."""
    X = rng.random((n, d))
    Y = (X + noise * rng.standard_normal(X.shape)) % 1.0
    Y[Y >= 1] = 0  # a remainder may round up to 1
    return Layers(X, Y, quadrants(X - 0.5))


def sphere(d: int, rng: Generator, n: int) -> FloatArray:
    """Return uniform points of the d-sphere in d + 1 coordinates."""
    X = rng.standard_normal((n, d + 1))
    return np.asarray(X / np.linalg.norm(X, axis=1, keepdims=True))


def ball(d: int, rng: Generator, n: int) -> FloatArray:
    """Return uniform points of the unit ball: it has a boundary."""
    return sphere(d - 1, rng, n) * rng.random((n, 1)) ** (1 / d)


def gauss(d: int, rng: Generator, n: int) -> FloatArray:
    """Return normal points: their density varies."""
    return rng.standard_normal((n, d))


def student(d: int, freedom: int, rng: Generator, n: int) -> FloatArray:
    """Return points with independent Student coordinates: moments from ``freedom`` on are none."""
    return rng.standard_t(freedom, (n, d))


def swiss_roll(rng: Generator, n: int) -> FloatArray:
    """Return a rolled strip of 21 × 90 in three coordinates."""
    t = 1.5 * np.pi * (1 + 2 * rng.random(n))
    return np.stack([t * np.cos(t), 21 * rng.random(n), t * np.sin(t)], axis=1)


def noisy_surface(rng: Generator, n: int) -> FloatArray:
    """Return a curved surface in eight coordinates with noise off the surface."""
    u, v = rng.uniform(-1, 1, (2, n))
    waves = [np.sin(3 * u), np.cos(3 * v), u * v, np.sin(2 * u + v), u**2 - v**2, np.cos(u - 2 * v)]
    return np.stack([u, v, *waves], axis=1) + 0.03 * rng.standard_normal((n, 8))


def two_dimensions(rng: Generator, n: int) -> FloatArray:
    """Return rows that lie in a plane or, three aside, in ten dimensions, with equal chance."""
    X = rng.standard_normal((n, 10))
    flat = rng.random(n) < 0.5
    X[flat, 2:] = 0
    X[~flat, 0] += 3
    return X


def power_law(rng: Generator, n: int, width: int = 64, offset: float = 1.0) -> FloatArray:
    """Return normal rows whose j-th principal variance is 1/j, off the origin as hidden states."""
    X = rng.standard_normal((n, width)) / np.sqrt(np.arange(1, width + 1))
    X[:, -1] += offset
    return X


def rounded(rng: Generator, n: int) -> Layers:
    """Return rows of a power law around ±4 in each coordinate, rounded to half precision."""
    drawn = layers_of(power_law, 0.1, rng, n)
    shift = 4 * np.sign(np.sin(1 + np.arange(drawn.X.shape[1])))
    X, Y = ((points + shift).astype(np.float16) for points in (drawn.X, drawn.Y))
    return Layers(X, Y, drawn.labels)


def classes(rng: Generator, n: int) -> Layers:
    """Return rows of ten classes around fixed centres; the labels are the classes."""
    codes = rng.integers(0, 10, n)
    centres = 0.8 * np.random.default_rng(0).standard_normal((10, 10))
    X = centres[codes] + rng.standard_normal((n, 10))
    return Layers(X, bent(rng, X, 0.3), codes)


def with_repeats(rng: Generator, n: int) -> Layers:
    """Return normal rows of which a tenth repeat another row, at both layers."""
    own = n - n // 10
    drawn = layers_of(partial(gauss, 8), 0.3, rng, own)
    rows = np.append(np.arange(own), rng.choice(own, n - own, replace=False))
    return Layers(drawn.X[rows], drawn.Y[rows], drawn.labels[rows])


def tokens(members: int, correlation: float, rng: Generator, n: int) -> Layers:
    """Return normal rows of ten dimensions in groups, with a correlation within each group.

    The first coordinate is stretched, so that the first principal direction is well defined.
    """
    groups = np.repeat(np.arange(n // members), members)
    shared = rng.standard_normal((n // members, 10))[groups]
    X = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal((n, 10))
    X[:, 0] *= 2
    return Layers(X, bent(rng, X, 0.3), quadrants(X), groups)


def _cloud(cloud: Callable[[Generator, int], FloatArray], noise: float) -> Any:
    return partial(layers_of, cloud, noise)


BOTH = (SMALL, LARGE)
POINT_SETS = (
    PointSet("flat torus, d = 2", partial(torus, 2, 0.01), 2, periodic=True),
    PointSet("flat torus, d = 5", partial(torus, 5, 0.05), 5, BOTH, periodic=True),
    PointSet("flat torus, d = 10", partial(torus, 10, 0.1), 10, periodic=True),
    PointSet("sphere, d = 2", _cloud(partial(sphere, 2), 0.02), 2),
    PointSet("sphere, d = 10", _cloud(partial(sphere, 10), 0.1), 10, BOTH),
    PointSet("ball, d = 5", _cloud(partial(ball, 5), 0.1), 5),
    PointSet("ball, d = 10", _cloud(partial(ball, 10), 0.1), 10),
    PointSet("normal, d = 5", _cloud(partial(gauss, 5), 0.2), 5, BOTH),
    PointSet("normal, d = 20", _cloud(partial(gauss, 20), 0.3), 20),
    PointSet("swiss roll", _cloud(swiss_roll, 0.3), 2, BOTH),
    PointSet("curved surface with noise", _cloud(noisy_surface, 0.05)),
    PointSet("half in a plane, half in ten dimensions", _cloud(two_dimensions, 0.1)),
    PointSet("Student t, 3 degrees of freedom, d = 5", _cloud(partial(student, 5, 3), 0.2), 5),
    PointSet("Student t, 6 degrees of freedom, d = 5", _cloud(partial(student, 5, 6), 0.2), 5),
    PointSet("ten classes", classes, 10, BOTH),
    PointSet("a tenth of the rows repeated", with_repeats, 8, BOTH),
    PointSet("power law, D = 64", _cloud(power_law, 0.1), None, BOTH),
    PointSet("power law, D = 64, float16", rounded),
    PointSet("groups of 5, correlation .5", partial(tokens, 5, 0.5), None, ranks=(2,)),
    PointSet("groups of 5, correlation .9", partial(tokens, 5, 0.9), None, BOTH, ranks=(2,)),
    PointSet("groups of 10, correlation .9", partial(tokens, 10, 0.9), None, ranks=(2,)),
)
