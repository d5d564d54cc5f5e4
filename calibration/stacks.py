"""Synthetic stacks of layers that share their points, with a known course of the dimension.

A latent cloud of angles is drawn once and shared by all layers. A layer shows the first angles of
each row on circles, so many as its dimension is; between two whole numbers some rows show one angle
more and lie apart from the others, and which rows these are is shared, too. From layer to layer the
angles move a little (own noise, a random walk as of a residual stream), and every layer is rotated
and bent in a way of its own. Estimates of neighbouring layers are then correlated as in real
networks, and the angles keep their law: the dimension is that of the course and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import gamma, pi
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import ortho_group

from layergeom.arrays import FloatArray, IntArray

Sampling: TypeAlias = Literal["even", "clusters", "groups"]

WEAK, REAL, STRONG = 0.5, 0.2, 0.05  # own noise; REAL gives the correlations of real networks
BEND = 0.2  # of the smooth map x + BEND sin x
APART = 8.0  # between the rows with and without a further angle
CLUSTERS, WITHIN_CLUSTER = 20, 0.5
GROUP, WITHIN_GROUP = 5, 0.3
SEEN = (2, 3, 4, 5, 6, 7)  # dimensions
SIZES = (60, 125, 250, 500, 1000, 2000, 5000)  # rows
EXCESS = (  # what TwoNN reads of an even stack, over its dimension, by rows; 160,000 points each
    (1.004, 1.031, 1.086, 1.149, 1.208, 1.232),
    (0.994, 1.023, 1.059, 1.109, 1.168, 1.216),
    (1.001, 1.012, 1.041, 1.078, 1.125, 1.179),
    (0.999, 1.013, 1.029, 1.054, 1.096, 1.145),
    (0.998, 1.011, 1.022, 1.042, 1.070, 1.112),
    (1.003, 1.003, 1.019, 1.040, 1.055, 1.084),
    (0.999, 0.999, 1.007, 1.020, 1.033, 1.061),
)


@dataclass(frozen=True)
class Stack:
    """The law of a stack of layers.

    Attributes
    ----------
    dimensions : tuple of L float
        Intrinsic dimension of every layer, at least 1.
    n : int
        Rows.
    own_noise : float
        By how much two rows move against each other from one layer to the next, in mean distances
        to the nearest neighbour.
    sampling : {"even", "clusters", "groups"}
        Rows spread evenly; in clusters of very different sizes; in groups of five close rows, which
        are then no independent samples.
    """

    dimensions: tuple[float, ...]
    n: int
    own_noise: float = REAL
    sampling: Sampling = "even"

    @property
    def groups(self) -> IntArray | None:
        """The group of every row: (n,); None where rows are independent."""
        return np.arange(self.n) // GROUP if self.sampling == "groups" else None

    def layers(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Draw a latent cloud, and yield its layers: (n, D) each, row i of all from one sample."""
        angles, switch = self._latent(rng), rng.random(self.n)
        if (groups := self.groups) is not None:
            switch = switch[groups]  # close rows stay close
        step = self.own_noise * spacing(float(np.mean(self.dimensions)), self.n)
        step /= np.sqrt(2 * angles.shape[1])
        for dimension in self.dimensions:
            yield _bent(_embedded(angles, switch, dimension), rng)
            angles = angles + step * rng.standard_normal(angles.shape)

    def _latent(self, rng: np.random.Generator) -> FloatArray:
        width = int(np.ceil(max(self.dimensions)))
        if self.sampling == "even":
            return rng.uniform(0, 2 * pi, (self.n, width))
        if self.sampling == "groups":
            codes, within = np.arange(self.n) // GROUP, WITHIN_GROUP
        else:
            sizes = 1 / np.arange(1, CLUSTERS + 1)  # heavy ones and light ones
            codes, within = rng.choice(CLUSTERS, self.n, p=sizes / sizes.sum()), WITHIN_CLUSTER
        centres = rng.uniform(0, 2 * pi, (codes.max() + 1, width))
        return np.asarray(centres[codes] + within * rng.standard_normal((self.n, width)))


def spacing(dimension: float, n: int) -> float:
    """Return the mean distance to the nearest of n even rows on a torus, curvature left out.

    Examples
    --------
    >>> round(spacing(1, 1000) * 1000 / (2 * pi), 3)  # half of the mean gap on a circle
    0.5
    """
    ball = pi ** (dimension / 2) / gamma(dimension / 2 + 1)
    return float(2 * pi * (1 / (n * ball)) ** (1 / dimension) * gamma(1 + 1 / dimension))


def _embedded(angles: FloatArray, switch: FloatArray, dimension: float) -> FloatArray:
    """Return the rows of a layer: (n, 2 width + 1).

    TwoNN reads the harmonic mean of the rows' dimensions, so the share p that shows one angle more
    solves p / (m + 1) + (1 - p) / m = 1 / dimension.
    """
    whole = int(dimension)
    more = switch < (whole + 1) * (1 - whole / dimension)
    shown = np.arange(angles.shape[1]) < whole + more[:, None]
    circles = [np.where(shown, f(angles), 0.0) for f in (np.cos, np.sin)]
    return np.hstack([*circles, APART * more[:, None]])


def _bent(X: FloatArray, rng: np.random.Generator) -> FloatArray:
    turned = X @ ortho_group.rvs(X.shape[1], random_state=rng)
    return np.asarray(turned + BEND * np.sin(turned))


@cache
def readings(n: int) -> tuple[FloatArray, FloatArray]:
    """Return dimensions from 2 to 7, and what TwoNN reads in the mean over even stacks of n rows.

    At finite n the arcs between neighbours are no lines, so that it reads too much; the two parts
    of a layer have fewer rows each than the whole.
    """
    grid = np.linspace(SEEN[0], SEEN[-1], 1001)[:-1]
    read = [_reading(float(dimension), n) for dimension in grid]
    return grid, np.maximum.accumulate(read)


def _reading(dimension: float, n: int) -> float:
    whole = int(dimension)
    share = (whole + 1) * (1 - whole / dimension)
    few = share / _whole_reading(whole + 1, n * share) if share else 0.0
    return 1 / (few + (1 - share) / _whole_reading(whole, n * (1 - share)))


def _whole_reading(dimension: int, n: float) -> float:
    ratios = np.array(EXCESS)[:, SEEN.index(dimension)]
    return dimension * float(np.interp(np.log(max(n, 1)), np.log(SIZES), ratios))


def to_be_read(course: tuple[float, ...], n: int) -> tuple[float, ...]:
    """Return the dimensions at which TwoNN reads ``course``, in the mean of even stacks of n rows.

    For readings between 2 and 7.
    """
    grid, read = readings(n)
    return tuple(float(np.interp(value, read, grid)) for value in course)


def shape(points: Mapping[float, float], layers: int) -> tuple[float, ...]:
    """Return a course through values at relative depths, straight in between: ``layers`` numbers.

    Examples
    --------
    >>> shape({0: 5, 0.5: 10, 1: 5}, 5)
    (5.0, 7.5, 10.0, 7.5, 5.0)
    """
    places = [round(depth * (layers - 1)) for depth in points]
    values = np.interp(np.arange(layers), places, list(points.values()))
    return tuple(float(value) for value in values)
