"""The compiled exact search: preparation here; codes, candidates and re-rank in ``kernel/``.

Rows are shifted by a common centre and stored as eight-bit codes with the norm of what rounding
took. Where the spectrum decays, a filter on the leading principal directions comes before the
codes of all dimensions; where it is flat or the cloud small, these are the filter themselves.
Basis, order and codes change the cost and never the answer; every listed distance is measured in
float64 on the rows as they came. docs/explanation/exact_neighbors.md has the proof.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from layergeom.arrays import Float32Array, FloatArray, IntArray, Points
from layergeom.geometry._found import Found, Progress, centre, power_of_two

LEAF = 192  # rows that the kernel works on together
MULTIPLE = 64  # dimensions of codes are padded to it
LARGEST_K = 1024  # room for candidates grows with it
FEWEST_ROWS = 50  # below, preparation costs more than it saves
ORDERING = 16  # directions along which rows are put in order
FILTER_WIDTHS = (64, 128)  # directions that a filter of its own may have
FILTER_PAYS = 5e10  # N² D below which the codes of all dimensions are the filter at once
SAMPLE = 512  # rows whose principal directions are taken
TRIAL = 2048  # rows on which the filters are tried
PROBES = 32  # rows of the trial whose neighbours are counted
NEAREST_LEAVES = 4  # compared first: they give the first bounds
CHUNK = 4096  # rows projected at a time
PRODUCT = 512  # dimensions summed in one float32 product
LEAVES_PER_CALL = 64
SLICE = 0.2  # seconds between two looks at signals and progress
UNIT = float(np.finfo(np.float32).eps) / 2

Int32Array = npt.NDArray[np.int32]


def kernel() -> ModuleType | None:
    """Return the kernel if it is built and this processor can run it."""
    try:
        from layergeom.geometry import _kernel  # type: ignore[attr-defined]
    except ImportError:
        return None
    found: ModuleType = _kernel
    return found if found.instruction_sets() else None


def serves(X: Points, k: int) -> bool:
    """Return whether the compiled search is the quicker one and may be used.

    Data whose squares might leave the range of float32 go the plain way.
    """
    return (
        kernel() is not None
        and len(X) >= FEWEST_ROWS
        and k <= LARGEST_K
        and power_of_two(X) == 1.0
    )


def threads() -> int:
    """Return the threads to use: OMP_NUM_THREADS if it is set, else the cores of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def search(
    X: Points,
    k: int,
    groups: IntArray | None,
    progress: Progress | None = None,
    *,
    instructions: str | None = None,
) -> tuple[Found, IntArray]:
    """Return the k nearest other rows of every row, and the rows that the plain way must settle.

    Those are rows with a tie at the k-th distance, with fewer than k admissible others, with
    distances next to nothing, or with very many points at one distance.
    """
    X = np.ascontiguousarray(X)
    n = len(X)
    prepared = _prepare(X, k, instructions or _loaded().instruction_sets()[0])
    found = Found(np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.int64), {})
    unsettled = np.zeros(n, dtype=np.uint8)
    outside = None if groups is None else groups.astype(np.int32)
    begun = _loaded().search(
        prepared.filter,
        prepared.codes,
        X,
        X,
        prepared.slots,
        0,
        k,
        outside,
        outside,
        prepared.first_tiles,
        found.distances,
        found.indices,
        unsettled,
    )
    share = 0.0
    while share < 1.0:
        share = _loaded().advance(begun, SLICE, threads())
        if progress is not None:
            progress(int(share * n), n)
    return found, np.flatnonzero(unsettled)


def _loaded() -> Any:
    return kernel()


@dataclass(frozen=True, eq=False)
class _Prepared:
    """What the kernel searches in."""

    filter: Any
    codes: Any
    slots: Int32Array  # the row in each slot, in an order that keeps near rows near; -1 for none
    first_tiles: Int32Array  # (m, 2) pairs of leaves


def _prepare(X: Points, k: int, instructions: str) -> _Prepared:
    origin = centre(X)
    basis, width = _filter_basis(X, origin, k)
    values, norms = _projected(X, origin, basis)
    slots = _in_tree_order(values[:, :ORDERING])
    tiles = _nearest_leaves(values[:, :ORDERING], slots)
    codes = _codes(instructions, X, origin, None, slots, tiled=width == 0)
    if width == 0:
        return _Prepared(codes, codes, slots, tiles)
    lost = _product_error(X.shape[1], width) * norms
    return _Prepared(
        _codes(instructions, values, np.zeros(width), lost, slots, tiled=True), codes, slots, tiles
    )


def _filter_basis(X: Points, origin: FloatArray, k: int) -> tuple[Float32Array, int]:
    """Return directions to project on, and how many of them are a filter of their own."""
    n, dimensions = X.shape
    if float(n) ** 2 * dimensions < FILTER_PAYS or dimensions <= FILTER_WIDTHS[-1]:
        return _principal(X, origin, min(ORDERING, dimensions)), 0
    basis = _principal(X, origin, FILTER_WIDTHS[-1])
    width = _filter_width(_spaced(X, origin, TRIAL), basis, n, k)
    return np.ascontiguousarray(basis[:, : width or ORDERING]), width


def _principal(X: Points, origin: FloatArray, width: int) -> Float32Array:
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
    if rows.dtype == np.float32:
        return np.asarray(rows - origin.astype(np.float32))
    return np.asarray(rows - origin, dtype=np.float32)


def _filter_width(trial: Float32Array, basis: Float32Array, n: int, k: int) -> int:
    """Return the width of the filter that costs least, 0 for the codes of all dimensions.

    The trial's rows stand for all: the pairs that a filter lets pass are those whose projections
    are nearer than the k-th neighbour.
    """
    m, dimensions = trial.shape
    rank = max(1, round(k * m / n))
    probes = trial[:: max(1, m // PROBES)][:PROBES]
    reach = np.partition(_squares(probes, trial), rank, axis=1)[:, [rank]] * LOOSE
    costs = {0: _pair_cost(dimensions, 0.0, dimensions)}
    values, own = trial @ basis, probes @ basis
    for width in FILTER_WIDTHS:
        passed = float((_squares(own[:, :width], values[:, :width]) <= reach).mean())
        costs[width] = _pair_cost(width, passed, dimensions) + PROJECTION * width * dimensions / n
    return min(costs, key=lambda width: costs[width])


# Nanoseconds, measured: docs/decisions/0010-principal-directions-and-pairs-once.md.
LOOSE = 1.25  # bounds are looser than the k-th distance while they are being found
PROJECTION = 0.04  # of one row on one direction, per dimension, for each of n/2 partners


def _pair_cost(width: int, passed: float, dimensions: int) -> float:
    """Cost of a pair: the filter, and for those that pass the codes of all dimensions."""
    return 0.1 + 0.0024 * width + passed * (12 + 0.03 * dimensions)


def _squares(a: Float32Array, b: Float32Array) -> Float32Array:
    squares = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b) - 2 * a @ b.T
    return np.asarray(squares)


def _projected(
    X: Points, origin: FloatArray, basis: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Return the rows along each direction, and an upper bound of their norms."""
    values = np.empty((len(X), basis.shape[1]), dtype=np.float32)
    norms = np.empty(len(X), dtype=np.float32)
    for first in range(0, len(X), CHUNK):
        rows = slice(first, first + CHUNK)
        Y = _shifted(X[rows], origin)
        values[rows] = Y[:, :PRODUCT] @ basis[:PRODUCT]
        for start in range(PRODUCT, X.shape[1], PRODUCT):
            part = slice(start, start + PRODUCT)
            values[rows] += Y[:, part] @ basis[part]
        norms[rows] = np.sqrt(np.einsum("ij,ij->i", Y, Y)) * np.float32(1.001)
    return values, norms


def _product_error(dimensions: int, width: int) -> np.float32:
    """Bound what float32 takes from a projection, relative to the norm of the row.

    Sums of at most PRODUCT terms and of their sums: gamma |y| per direction, and the shift's u.
    """
    terms = min(PRODUCT, dimensions) + dimensions // PRODUCT + 4
    return np.float32(1.01 * terms * UNIT * np.sqrt(width) + 2 * UNIT)


def _in_tree_order(values: Float32Array) -> Int32Array:
    """Return the row in each slot, whole leaves, near rows near each other; -1 for none."""
    n = len(values)
    slots = np.full(-(-n // LEAF) * LEAF, -1, dtype=np.int32)
    slots[:n] = np.arange(n, dtype=np.int32)
    _loaded().tree_order(np.ascontiguousarray(values), slots[:n])
    return slots


def _nearest_leaves(values: Float32Array, slots: Int32Array) -> Int32Array:
    """Return the pairs of leaves that are compared first: each with itself and its nearest."""
    leaves = len(slots) // LEAF
    filled = np.where(slots >= 0, slots, slots[-LEAF])
    centres = values[filled].reshape(leaves, LEAF, -1).mean(axis=1)
    gaps = _squares(centres, centres)
    np.fill_diagonal(gaps, -np.inf)
    count = min(NEAREST_LEAVES + 1, leaves)
    near = np.argpartition(gaps, count - 1, axis=1)[:, :count]
    pairs = np.stack([np.repeat(np.arange(leaves), count), near.reshape(-1)], axis=1)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    nearest_first = np.argsort(gaps[pairs[:, 0], pairs[:, 1]], kind="stable")
    return np.ascontiguousarray(pairs[nearest_first].astype(np.int32))


def _codes(
    instructions: str,
    rows: Points,
    origin: FloatArray,
    error: Float32Array | None,
    slots: Int32Array,
    *,
    tiled: bool,
) -> Any:
    """Return the codes of all rows; ``error`` bounds what each row lacks of its point."""
    width = -(-rows.shape[1] // MULTIPLE) * MULTIPLE
    codes = _loaded().codes(instructions, len(slots), width, tiled)
    for first in range(0, len(slots), LEAVES_PER_CALL * LEAF):
        last = min(first + LEAVES_PER_CALL * LEAF, len(slots))
        _loaded().encode(codes, rows, origin, error, slots, first, last, threads())
    return codes
