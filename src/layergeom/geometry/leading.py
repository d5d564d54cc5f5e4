"""The first principal direction alone: Lanczos steps over the rows, or a float32 Gram matrix.

Both seek the direction in float32 where that is safe: a product is then off by at most gamma |Y|²
with gamma = (D + b) u, b the rows of a block, u = 2^-24, and far less in practice. What is found
is not trusted but measured. One pass in float64 gives theta = |Y v|²/N, the projections and the
residual r = C v - theta v, and (Kato and Temple)

    theta <= lambda_1 <= theta + |r|²/(theta - lambda_2),
    angle(v, v_1) <= |r|/(theta - lambda_2),

so that a residual of 3e-6 gaps leaves the value exact to 1e-11 of itself. lambda_2 is its Ritz
value: an eigenvalue that Lanczos has not seen at all is excluded by the random start alone.

A flat spectrum needs too many steps over the rows. There the steps go over G, the Gram matrix in
float32; its direction is off by about |G - C| in gaps and one step of inverse iteration with the
residual in float64,

    v + (sigma - G)^-1 r,    sigma = theta + gap/100,

takes all but a hundredth of that away. The Cholesky factor of sigma - G exists only if no
eigenvalue of G lies above sigma: v is the first direction of G, not another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh_tridiagonal

from layergeom.arrays import FloatArray
from layergeom.geometry.rows import BLOCK, Rows

SMALLEST = 128  # shorter side up to which the Gram matrix is cheaper
STEPS_PER_SIDE = 1 / 16  # a step costs about this part of a Gram matrix per unit of its side
MOST_STEPS = 96
PATIENCE, PATIENCE_PER_SIDE = 6, 1 / 128  # steps after which a flat spectrum has shown itself
DOUBTFUL = 0.3  # estimated residual, in gaps, that says so
MOST_GRAM_STEPS = 300
SETTLED_GRAM, SETTLED_SINGLE, SETTLED_DOUBLE = 1e-5, 1e-7, 1e-9  # estimated residual, in gaps
TRUSTED = 3e-6  # measured residual, in gaps


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
    """Return the first principal direction, or None where a float64 Gram matrix has to give it."""
    if min(rows.n, rows.width) <= SMALLEST:
        return None
    return _by_steps(rows) or _by_single_gram(rows)


def _by_steps(rows: Rows) -> Direction | None:
    side = min(rows.n, rows.width)
    product = _single_product(rows) if rows.single else rows.covariance_times
    ritz = _ritz_pair(
        product,
        _start(rows),
        steps=min(MOST_STEPS, int(side * STEPS_PER_SIDE)),
        settled=SETTLED_SINGLE if rows.single else SETTLED_DOUBLE,
        patience=max(PATIENCE, int(side * PATIENCE_PER_SIDE)),
    )
    return None if ritz is None else _trusted(rows, *ritz)


def _by_single_gram(rows: Rows) -> Direction | None:
    if rows.width > rows.n or rows.scale != 1:
        return None
    G = _single_gram(rows)
    ritz = _ritz_pair(lambda x: np.asarray(G @ x), _start(rows), MOST_GRAM_STEPS, SETTLED_GRAM)
    if ritz is None:
        return None
    vector, gap = ritz
    corrected = _corrected(rows, G, vector, gap)
    return None if corrected is None else _trusted(rows, corrected, gap)


def _start(rows: Rows) -> FloatArray:
    return np.random.default_rng(0).standard_normal(rows.width)


def _single_product(rows: Rows) -> Callable[[FloatArray], FloatArray]:
    """Products with the covariance in float32; the rounding of the mean is taken out again."""
    shift = rows.shift

    def product(x: FloatArray) -> FloatArray:
        total, narrow = np.zeros(rows.width), x.astype(np.float32)
        for _, centred in rows.centred_single():
            total += (centred @ narrow) @ centred
        return np.asarray(total / rows.n - shift * float(shift @ x))

    return product


def _single_gram(rows: Rows) -> FloatArray:
    total = np.zeros((rows.width, rows.width))
    for _, centred in rows.centred_single(BLOCK):
        total += centred.T @ centred
    return np.asarray(total / rows.n - np.outer(rows.shift, rows.shift))


def _corrected(rows: Rows, G: FloatArray, vector: FloatArray, gap: float) -> FloatArray | None:
    """Return ``vector`` after one inverse iteration; None if it is not the first one of ``G``."""
    image = rows.covariance_times(vector)
    theta = float(image @ vector)
    above = -G
    above[np.diag_indices_from(above)] += theta + gap / 100
    try:
        factor = cho_factor(above, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    moved = vector + cho_solve(factor, image - theta * vector, check_finite=False)
    return np.asarray(moved / np.linalg.norm(moved))


def _ritz_pair(
    product: Callable[[FloatArray], FloatArray],
    start: FloatArray,
    steps: int,
    settled: float,
    patience: int | None = None,
) -> tuple[FloatArray, float] | None:
    """Return the top Ritz vector and the gap below it; None if they do not settle in ``steps``.

    Nor if they are far from it after ``patience`` steps.
    """
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
            values, small = _two_largest(diagonal[: step + 1], beside[:step])
            gap = float(values[1] - values[0])
            residual = beside[step] * abs(small[-1, 1])
            if residual <= settled * gap:
                found = small[:, 1] @ V
                return found / np.linalg.norm(found), gap
            if step + 1 == patience and residual > DOUBTFUL * gap:
                return None
        if not beside[step] > 0:
            return None
        vector = image / beside[step]
    return None


def _two_largest(diagonal: FloatArray, beside: FloatArray) -> tuple[FloatArray, FloatArray]:
    last = len(diagonal) - 1
    values, vectors = eigh_tridiagonal(
        diagonal, beside, select="i", select_range=(last - 1, last), check_finite=False
    )
    return np.asarray(values, dtype=np.float64), np.asarray(vectors, dtype=np.float64)


def _trusted(rows: Rows, vector: FloatArray, gap: float) -> Direction | None:
    found, residual = _measured(rows, vector)
    return found if residual <= TRUSTED * gap else None


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
