"""Directions along which the compiled search puts rows in order, and on which it filters them."""

from __future__ import annotations

import numpy as np

from layergeom.arrays import Float32Array, FloatArray, Points

ORDERING = 16  # directions along which rows are put in order
FILTER_WIDTHS = (64, 128)  # directions that a filter of its own may have
FILTER_PAYS = 2.5e10  # pairs times D below which the codes of all dimensions are the filter
SAMPLE = 512  # rows whose principal directions are taken
TRIAL = 2048  # rows on which the filters are tried
PROBES = 32  # rows of the trial whose neighbours are counted
CHUNK = 1 << 21  # entries projected at a time
PRODUCT = 512  # dimensions summed in one float32 product
UNIT = float(np.finfo(np.float32).eps) / 2


def filter_basis(
    X: Points, origin: FloatArray, k: int, asked: Points | None = None
) -> tuple[Float32Array, int]:
    """Return directions to project on, and how many of them are a filter of their own."""
    n, dimensions = X.shape
    queries = 0 if asked is None else len(asked)
    number = pair_count(n, queries)
    if number * dimensions < FILTER_PAYS or dimensions <= FILTER_WIDTHS[-1]:
        return principal(X, origin, min(ORDERING, dimensions)), 0
    basis = principal(X, origin, FILTER_WIDTHS[-1])
    trial = _spaced(X, origin, TRIAL)
    probes = trial[:: max(1, len(trial) // PROBES)][:PROBES]
    if asked is not None:
        probes = _spaced(asked, origin, PROBES)
    rank = min(max(1, round(k * len(trial) / n)), len(trial) - 1)
    projecting = PROJECTION * dimensions * (n + queries) / number
    width = _filter_width(trial, probes, basis, rank, projecting)
    return np.ascontiguousarray(basis[:, : width or ORDERING]), width


def pair_count(n: int, queries: int) -> float:
    """Return how many pairs a search meets: of queries and points, or among the points once."""
    return float(n) * queries if queries else float(n) * n / 2


def principal(X: Points, origin: FloatArray, width: int) -> Float32Array:
    """Return directions near the leading principal ones, as columns that stretch no vector.

    One step of orthogonal iteration on a sample: more steps gained nothing. The columns are
    orthonormal but for float32, and scaled down by what float32 leaves of that.
    """
    sample = _spaced(X, origin, SAMPLE)
    start = np.random.default_rng(0).standard_normal((X.shape[1], width), dtype=np.float32)
    exact = np.linalg.qr(sample.T @ (sample @ start))[0].astype(np.float64)
    stretch = np.linalg.norm(exact.T @ exact - np.eye(width), 2)
    return np.asarray(exact / np.sqrt(1 + stretch + 4 * UNIT * np.sqrt(width)), dtype=np.float32)


def _spaced(X: Points, origin: FloatArray, rows: int) -> Float32Array:
    """Return about so many evenly spaced rows, shifted."""
    return _shifted(X[:: max(1, len(X) // rows)][:rows], origin)


def _shifted(rows: Points, origin: FloatArray) -> Float32Array:
    shifted = np.empty(rows.shape, dtype=np.float32)
    np.subtract(rows, origin.astype(rows.dtype), out=shifted, casting="same_kind")
    return shifted


def _filter_width(
    trial: Float32Array, probes: Float32Array, basis: Float32Array, rank: int, projecting: float
) -> int:
    """Return the width of the filter that costs least, 0 for the codes of all dimensions.

    The trial's rows stand for all points, the probes for all who ask: the pairs that a filter lets
    pass are those whose projections are nearer than the neighbour of that rank. ``projecting`` is
    the cost of one direction for each pair.
    """
    dimensions = trial.shape[1]
    reach = np.partition(squares(probes, trial), rank, axis=1)[:, [rank]] * LOOSE
    costs = {0: _pair_cost(dimensions, 0.0, dimensions)}
    values, own = trial @ basis, probes @ basis
    for width in FILTER_WIDTHS:
        passed = float((squares(own[:, :width], values[:, :width]) <= reach).mean())
        costs[width] = _pair_cost(width, passed, dimensions) + projecting * width
    return min(costs, key=lambda width: costs[width])


# Nanoseconds, measured: docs/decisions/0010-principal-directions-and-pairs-once.md.
LOOSE = 1.25  # bounds are looser than the k-th distance while they are being found
PROJECTION = 0.02  # of one row on one direction, per dimension


def _pair_cost(width: int, passed: float, dimensions: int) -> float:
    """Cost of a pair: the filter, and for those that pass the codes of all dimensions."""
    return 0.1 + 0.0024 * width + passed * (12 + 0.03 * dimensions)


def squares(a: Float32Array, b: Float32Array) -> Float32Array:
    squared = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b) - 2 * a @ b.T
    return np.asarray(squared)


def projected(
    X: Points, origin: FloatArray, basis: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Return the rows along each direction, and an upper bound of their norms."""
    values = np.empty((len(X), basis.shape[1]), dtype=np.float32)
    norms = np.empty(len(X), dtype=np.float32)
    step = chunk(X.shape[1])
    for first in range(0, len(X), step):
        rows = slice(first, first + step)
        Y = _shifted(X[rows], origin)
        values[rows] = Y[:, :PRODUCT] @ basis[:PRODUCT]
        for start in range(PRODUCT, X.shape[1], PRODUCT):
            part = slice(start, start + PRODUCT)
            values[rows] += Y[:, part] @ basis[part]
        norms[rows] = np.sqrt(np.einsum("ij,ij->i", Y, Y)) * np.float32(1.001)
    return values, norms


def chunk(dimensions: int) -> int:
    return max(1, CHUNK // dimensions)


def product_error(dimensions: int, width: int) -> np.float32:
    """Bound what float32 takes from a projection, relative to the norm of the row.

    Sums of at most PRODUCT terms and of their sums: gamma |y| per direction, and the shift's u.
    """
    terms = min(PRODUCT, dimensions) + dimensions // PRODUCT + 4
    return np.float32(1.01 * terms * UNIT * np.sqrt(width) + 2 * UNIT)
