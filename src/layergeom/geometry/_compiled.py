"""The compiled exact search: preparation here; codes, candidates and re-rank in ``kernel/``.

Rows are shifted by a common centre and stored as eight-bit codes with the norm of what rounding
took. Where the spectrum decays, a filter on the leading principal directions comes before the
codes of all dimensions; where it is flat or the cloud small, these are the filter themselves.
Basis, order and codes change the cost and never the answer; every listed distance is measured in
float64 on the rows as they came. docs/explanation/exact_neighbors.md has the proof.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from layergeom.arrays import Float32Array, FloatArray, IntArray, Points
from layergeom.geometry._found import Found, Progress, centre, power_of_two

LEAF = 192  # rows that the kernel works on together
MULTIPLE = 64  # dimensions of codes are padded to it
LARGEST_K = 1024  # room for candidates grows with it
WIDEST = 1 << 16  # dimensions: sums of products of codes stay inside 32 bits
FEWEST_ROWS = 50  # below, preparation costs more than it saves
FEWEST_QUERIES = 16  # below, products are quicker
ORDERING = 16  # directions along which rows are put in order
FILTER_WIDTHS = (64, 128)  # directions that a filter of its own may have
FILTER_PAYS = 2.5e10  # pairs times D below which the codes of all dimensions are the filter
SAMPLE = 512  # rows whose principal directions are taken
TRIAL = 2048  # rows on which the filters are tried
PROBES = 32  # rows of the trial whose neighbours are counted
NEAREST_LEAVES = 4  # compared first: they give the first bounds
CHUNK = 1 << 21  # entries projected at a time
PRODUCT = 512  # dimensions summed in one float32 product
LEAVES_PER_CALL = 64
PER_SLOT = 48  # bytes that the kernel keeps of a slot besides its codes
CANDIDATE = 12  # bytes of one candidate
FEWEST_CANDIDATES = 128  # that a row has room for
CANDIDATES_PER_NEIGHBOR = 6
SLICE = 0.2  # seconds between two looks at signals and progress
UNIT = float(np.finfo(np.float32).eps) / 2
TOPOLOGY = Path("/sys/devices/system/cpu")

Int32Array = npt.NDArray[np.int32]


def kernel() -> ModuleType | None:
    """Return the kernel if it is built and this processor can run it."""
    try:
        from layergeom.geometry import _kernel  # type: ignore[attr-defined]
    except ImportError:
        return None
    found: ModuleType = _kernel
    return found if found.instruction_sets() else None


def serves(X: Points, k: int, asked: Points | None = None) -> bool:
    """Return whether the compiled search is the quicker one and may be used.

    Data whose squares might leave the range of float32 go the plain way, and rows too wide for
    integer sums.
    """
    matrices = (X,) if asked is None else (X, asked)
    ordinary = X.shape[1] <= WIDEST and all(power_of_two(m) == 1.0 for m in matrices)
    return ordinary and suits(*map(len, matrices), k=k)


def suits(n: int, queries: int = FEWEST_QUERIES, *, k: int) -> bool:
    """Return whether so many ordinary rows, or queries, are searched by the kernel."""
    enough = n >= FEWEST_ROWS and queries >= FEWEST_QUERIES and k <= LARGEST_K
    return enough and kernel() is not None


def threads() -> int:
    """Return the threads to use: OMP_NUM_THREADS if it is set, else the physical cores at hand."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len({_core(cpu) for cpu in os.sched_getaffinity(0)})
    return os.cpu_count() or 1


def _core(cpu: int) -> str:
    """Name the physical core of a processor by all processors on it; by itself if unknown."""
    try:
        return (TOPOLOGY / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def search(
    X: Points,
    k: int,
    groups: IntArray | None,
    progress: Progress | None = None,
    asked: Points | None = None,
    asked_groups: IntArray | None = None,
    *,
    part: tuple[int, int] = (0, 1),
    instructions: str | None = None,
) -> tuple[Found, IntArray]:
    """Return the k nearest other rows of every row, and the rows that the plain way must settle.

    Those are rows with a tie at the k-th distance, with fewer than k admissible others, with
    distances next to nothing, or with very many points at one distance. With ``asked``, of the
    same type, the k nearest rows of ``X`` to each of these queries. ``part`` (number, of how many)
    lists the neighbours among a share of the pairs of rows, each of which is in one part: the k
    nearest of all are the k nearest among those that the parts list.
    """
    matrices = [np.ascontiguousarray(m) for m in ((X,) if asked is None else (X, asked))]
    q = len(matrices[-1])
    prepared = _prepare(matrices, k, instructions or _loaded().instruction_sets()[0])
    found = Found(np.full((q, k), np.inf), np.full((q, k), -1, dtype=np.int64), {})
    unsettled = np.zeros(q, dtype=np.uint8)
    outside = [_narrow(groups), _narrow(groups if asked is None else asked_groups)]
    begun = _loaded().search(
        prepared.filter,
        prepared.codes,
        matrices[0],
        matrices[-1],
        prepared.slots,
        prepared.points_end,
        k,
        *outside,
        prepared.first_tiles,
        *part,
        found.distances,
        found.indices,
        unsettled,
    )
    share = 0.0
    while share < 1.0:
        share = _loaded().advance(begun, SLICE, threads())
        if progress is not None:
            progress(int(share * q), q)
    return found, np.flatnonzero(unsettled)


def memory(n: int, width: int, k: int, queries: int = 0) -> int:
    """Return the bytes that a search takes beyond its rows and lists, at most.

    Codes and their tiles, or codes, a filter of its own and projections; candidates; the gaps
    between leaves; the rows projected at a time.
    """
    rows, searched = n + queries, queries or n
    leaves = -(-n // LEAF), -(-searched // LEAF)
    slots = LEAF * (leaves[0] + (leaves[1] if queries else 0))
    padded, widest = -(-width // MULTIPLE) * MULTIPLE, FILTER_WIDTHS[-1]
    prepared = slots * (2 * padded + PER_SLOT) + 4 * rows * (ORDERING + 1)
    if _pairs(n, queries) * width >= FILTER_PAYS and width > widest:
        filtered = slots * (padded + 2 * widest + 2 * PER_SLOT) + 4 * rows * (widest + 1)
        prepared = max(prepared, filtered)
    candidates = CANDIDATE * max(FEWEST_CANDIDATES, CANDIDATES_PER_NEIGHBOR * k) * searched
    gaps = 20 * leaves[0] * leaves[1]
    return prepared + candidates + gaps + 4 * min(rows, _chunk(width)) * width


def _narrow(groups: IntArray | None) -> Int32Array | None:
    return None if groups is None else groups.astype(np.int32)


def _loaded() -> Any:
    return kernel()


@dataclass(frozen=True, eq=False)
class _Prepared:
    """What the kernel searches in."""

    filter: Any
    codes: Any
    slots: Int32Array  # the row in each slot, in an order that keeps near rows near; -1 for none
    points_end: int  # queries stand in the slots from here on; 0 where the points are the queries
    first_tiles: Int32Array  # (m, 2) pairs of leaves


def _prepare(matrices: list[Points], k: int, instructions: str) -> _Prepared:
    """Prepare the search among the first matrix for the rows of the last."""
    origin = centre(matrices[0])
    basis, width = _filter_basis(matrices[0], origin, k, *matrices[1:])
    projected = [_projected(rows, origin, basis) for rows in matrices]
    leading = [values[:, :ORDERING] for values, _ in projected]
    orders = [_in_tree_order(values) for values in leading]
    tiles = _nearest_leaves(leading, orders)
    whole = [(rows, None) for rows in matrices]
    codes = filter_codes = _codes(instructions, whole, origin, orders, tiled=width == 0)
    if width > 0:
        lost = _product_error(matrices[0].shape[1], width)
        short = [(values, lost * norms) for values, norms in projected]
        filter_codes = _codes(instructions, short, np.zeros(width), orders, tiled=True)
    slots = np.concatenate(orders)
    return _Prepared(filter_codes, codes, slots, len(slots) - len(orders[-1]), tiles)


def _filter_basis(
    X: Points, origin: FloatArray, k: int, asked: Points | None = None
) -> tuple[Float32Array, int]:
    """Return directions to project on, and how many of them are a filter of their own."""
    n, dimensions = X.shape
    queries = 0 if asked is None else len(asked)
    pairs = _pairs(n, queries)
    if pairs * dimensions < FILTER_PAYS or dimensions <= FILTER_WIDTHS[-1]:
        return _principal(X, origin, min(ORDERING, dimensions)), 0
    basis = _principal(X, origin, FILTER_WIDTHS[-1])
    trial = _spaced(X, origin, TRIAL)
    probes = trial[:: max(1, len(trial) // PROBES)][:PROBES]
    if asked is not None:
        probes = _spaced(asked, origin, PROBES)
    rank = min(max(1, round(k * len(trial) / n)), len(trial) - 1)
    projecting = PROJECTION * dimensions * (n + queries) / pairs
    width = _filter_width(trial, probes, basis, rank, projecting)
    return np.ascontiguousarray(basis[:, : width or ORDERING]), width


def _pairs(n: int, queries: int) -> float:
    return float(n) * queries if queries else float(n) * n / 2


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
    reach = np.partition(_squares(probes, trial), rank, axis=1)[:, [rank]] * LOOSE
    costs = {0: _pair_cost(dimensions, 0.0, dimensions)}
    values, own = trial @ basis, probes @ basis
    for width in FILTER_WIDTHS:
        passed = float((_squares(own[:, :width], values[:, :width]) <= reach).mean())
        costs[width] = _pair_cost(width, passed, dimensions) + projecting * width
    return min(costs, key=lambda width: costs[width])


# Nanoseconds, measured: docs/decisions/0010-principal-directions-and-pairs-once.md.
LOOSE = 1.25  # bounds are looser than the k-th distance while they are being found
PROJECTION = 0.02  # of one row on one direction, per dimension


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
    step = _chunk(X.shape[1])
    for first in range(0, len(X), step):
        rows = slice(first, first + step)
        Y = _shifted(X[rows], origin)
        values[rows] = Y[:, :PRODUCT] @ basis[:PRODUCT]
        for start in range(PRODUCT, X.shape[1], PRODUCT):
            part = slice(start, start + PRODUCT)
            values[rows] += Y[:, part] @ basis[part]
        norms[rows] = np.sqrt(np.einsum("ij,ij->i", Y, Y)) * np.float32(1.001)
    return values, norms


def _chunk(dimensions: int) -> int:
    return max(1, CHUNK // dimensions)


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


def _nearest_leaves(values: list[Float32Array], orders: list[Int32Array]) -> Int32Array:
    """Return the pairs of leaves that are compared first: each with itself and its nearest."""
    centres = [_leaf_centres(*each) for each in zip(values, orders, strict=True)]
    gaps, joined = _squares(centres[-1], centres[0]), len(centres) == 1
    if joined:
        np.fill_diagonal(gaps, -np.inf)
    count = min(NEAREST_LEAVES + 1, len(centres[0]))
    near = np.argpartition(gaps, count - 1, axis=1)[:, :count]
    pairs = np.stack([np.repeat(np.arange(len(gaps)), count), near.reshape(-1)], axis=1)
    if joined:
        pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    pairs = pairs[np.argsort(gaps[pairs[:, 0], pairs[:, 1]], kind="stable")]
    pairs[:, 0] += 0 if joined else len(centres[0])
    return np.ascontiguousarray(pairs.astype(np.int32))


def _leaf_centres(values: Float32Array, order: Int32Array) -> Float32Array:
    filled = np.where(order >= 0, order, order[-LEAF])
    return np.asarray(values[filled].reshape(len(order) // LEAF, LEAF, -1).mean(axis=1))


def _codes(
    instructions: str,
    matrices: Sequence[tuple[Points, Float32Array | None]],
    origin: FloatArray,
    orders: list[Int32Array],
    *,
    tiled: bool,
) -> Any:
    """Return the codes of all rows, each matrix with a bound of what its rows lack, or None."""
    width = -(-len(origin) // MULTIPLE) * MULTIPLE
    slots = np.concatenate(orders)
    codes = _loaded().codes(instructions, len(slots), width, tiled)
    end = 0
    for (rows, error), order in zip(matrices, orders, strict=True):
        start, end = end, end + len(order)
        for first in range(start, end, LEAVES_PER_CALL * LEAF):
            last = min(first + LEAVES_PER_CALL * LEAF, end)
            _loaded().encode(codes, rows, origin, error, slots, first, last, threads())
    return codes
