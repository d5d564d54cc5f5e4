"""The first principal direction alone, by Lanczos steps that stream over the rows.

Float32 input is multiplied in float32 while the direction is sought: each product is then off by
at most gamma |Y|² with gamma = (D + b) u, b the rows of a block, u = 2^-24, and far less in
practice. What is found is not trusted but measured. One pass in float64 gives theta = |Y v|²/N,
the projections and the residual r = C v - theta v, and (Kato and Temple)

    theta <= lambda_1 <= theta + |r|²/(theta - lambda_2),
    angle(v, v_1) <= |r|/(theta - lambda_2),

so that a residual of 3e-6 gaps leaves the value exact to 1e-11 of itself. lambda_2 is its Ritz
value: an eigenvalue that Lanczos has not seen at all is excluded by the random start alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal

from layergeom.arrays import FloatArray
from layergeom.geometry.rows import Rows

SMALLEST = 128  # shorter side up to which the Gram matrix is cheaper
STEPS_PER_SIDE = 1 / 16  # a step costs about this part of a Gram matrix per unit of its side
MOST_STEPS = 96
SETTLED_SINGLE, SETTLED_DOUBLE = 1e-7, 1e-9  # estimated residual, in gaps
TRUSTED = 3e-6  # measured residual, in gaps
SINGLE_RANGE = (1e-10, 1e10)  # sizes whose squares are far from the ends of float32


@dataclass(frozen=True, eq=False)
class Direction:
    """The first principal direction as the rows see it.

    Attributes
    ----------
    value : float
        Variance along it.
    projections : ndarray, shape (n,)
        Centred rows along it.
    squares : ndarray, shape (n,)
        Squared norms of the centred rows.
    variances : ndarray, shape (D,)
        Variance of each coordinate.
    """

    value: float
    projections: FloatArray
    squares: FloatArray
    variances: FloatArray


def leading_direction(rows: Rows) -> Direction | None:
    """Return the first principal direction, or None where the Gram matrix is the better way."""
    side = min(rows.n, rows.width)
    if side <= SMALLEST:
        return None
    single = _fits_single(rows)
    product = _single_product(rows) if single else rows.covariance_times
    start = np.random.default_rng(0).standard_normal(rows.width)
    steps = min(MOST_STEPS, int(side * STEPS_PER_SIDE))
    ritz = _ritz_pair(product, start, steps, SETTLED_SINGLE if single else SETTLED_DOUBLE)
    if ritz is None:
        return None
    vector, gap = ritz
    found, residual = _measured(rows, vector)
    return found if residual <= TRUSTED * gap else None


def _fits_single(rows: Rows) -> bool:
    size = max(abs(float(rows.X.min())), abs(float(rows.X.max())))
    return rows.X.dtype == np.float32 and SINGLE_RANGE[0] < size < SINGLE_RANGE[1]


def _single_product(rows: Rows) -> Callable[[FloatArray], FloatArray]:
    """Products with the covariance in float32; the rounding of the mean is taken out again."""
    mean = rows.mean.astype(np.float32)
    shift = rows.mean - mean

    def product(x: FloatArray) -> FloatArray:
        total, narrow = np.zeros(rows.width), x.astype(np.float32)
        for _, block in rows.raw():
            centred = block - mean
            total += (centred @ narrow) @ centred
        return np.asarray(total / rows.n - shift * float(shift @ x))

    return product


def _ritz_pair(
    product: Callable[[FloatArray], FloatArray], start: FloatArray, steps: int, settled: float
) -> tuple[FloatArray, float] | None:
    """Return the top Ritz vector and the gap below it; None if they do not settle in ``steps``."""
    basis = np.empty((steps, len(start)))
    diagonal, beside = np.empty(steps), np.empty(steps)
    vector = start / np.linalg.norm(start)
    for step in range(steps):
        basis[step] = vector
        V = basis[: step + 1]
        image = product(vector)
        diagonal[step] = image @ vector
        for _ in range(2):  # once loses orthogonality to rounding
            image -= (V @ image) @ V
        beside[step] = np.linalg.norm(image)
        if step:
            ends = (step - 1, step)
            values, small = eigh_tridiagonal(
                diagonal[: step + 1], beside[:step], select="i", select_range=ends
            )
            gap = float(values[1] - values[0])
            if beside[step] * abs(small[-1, 1]) <= settled * gap:
                found = small[:, 1] @ V
                return found / np.linalg.norm(found), gap
        if not beside[step] > 0:
            return None
        vector = image / beside[step]
    return None


def _measured(rows: Rows, vector: FloatArray) -> tuple[Direction, float]:
    """Return what the rows say of ``vector`` in float64, and the norm of its residual."""
    projections, squares = np.empty(rows.n), np.empty(rows.n)
    variances, image = np.zeros(rows.width), np.zeros(rows.width)
    for at, block in rows.centred():
        projections[at] = block @ vector
        image += projections[at] @ block
        np.square(block, out=block)
        squares[at] = block.sum(axis=1)
        variances += block.sum(axis=0)
    value = float(projections @ projections) / rows.n
    residual = float(np.linalg.norm(image / rows.n - value * vector))
    return Direction(value, projections, squares, variances / rows.n), residual
