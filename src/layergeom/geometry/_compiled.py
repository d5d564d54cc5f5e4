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

from layergeom.arrays import Float32Array, FloatArray, Int32Array, IntArray, Points
from layergeom.geometry import _directions
from layergeom.geometry._found import Found, Progress, centre, power_of_two

LEAF = 192  # rows that the kernel works on together
MULTIPLE = 64  # dimensions of codes are padded to it
LARGEST_K = 1024  # room for candidates grows with it
WIDEST = 1 << 16  # dimensions: sums of products of codes stay inside 32 bits
FEWEST_ROWS = 50  # below, preparation costs more than it saves
FEWEST_QUERIES = 16  # below, products are quicker
NEAREST_LEAVES = 4  # compared first: they give the first bounds
LEAVES_PER_CALL = 64
PER_SLOT = 48  # bytes that the kernel keeps of a slot besides its codes
CANDIDATE = 12  # bytes of one candidate
FEWEST_CANDIDATES = 128  # that a row has room for
CANDIDATES_PER_NEIGHBOR = 6
SLICE = 0.2  # seconds between two looks at signals and progress
TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, eq=False)
class Share:
    """One of several searches, each of which lists the neighbours among a share of the pairs.

    Attributes
    ----------
    number, of : int
        Which, from 0, of how many. Each pair is in one: the ``k`` nearest of all are the ``k``
        nearest among those that all list.
    order : ndarray of int32
        Of :func:`tree_order`; the same for all, since it says whose a pair is.
    """

    number: int
    of: int
    order: Int32Array


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
    part: Share | None = None,
    instructions: str | None = None,
) -> tuple[Found, IntArray]:
    """Return the k nearest other rows of every row, and the rows that the plain way must settle.

    Those are rows with a tie at the k-th distance, with fewer than k admissible others, with
    distances next to nothing, or with very many points at one distance. With ``asked``, of the
    same type, the k nearest rows of ``X`` to each of these queries. With ``part``, the neighbours
    among a share of the pairs, at most k.
    """
    matrices = [np.ascontiguousarray(m) for m in ((X,) if asked is None else (X, asked))]
    q = len(matrices[-1])
    order = None if part is None else part.order
    prepared = _prepare(matrices, k, instructions or _loaded().instruction_sets()[0], order)
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
        0 if part is None else part.number,
        1 if part is None else part.of,
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


def tree_order(X: Points) -> Int32Array:
    """Return an order of all rows, leaf by leaf, for the parts of one search."""
    origin = centre(X)
    directions = _directions.principal(X, origin, min(_directions.ORDERING, X.shape[1]))
    return _in_tree_order(_directions.projected(X, origin, directions)[0])


def memory(n: int, width: int, k: int, queries: int = 0) -> int:
    """Return the bytes that a search takes beyond its rows and lists, at most.

    Codes and their tiles, or codes, a filter of its own and projections; candidates; the gaps
    between leaves; the rows projected at a time.
    """
    rows, searched = n + queries, queries or n
    leaves = -(-n // LEAF), -(-searched // LEAF)
    slots = LEAF * (leaves[0] + (leaves[1] if queries else 0))
    padded, widest = -(-width // MULTIPLE) * MULTIPLE, _directions.FILTER_WIDTHS[-1]
    prepared = slots * (2 * padded + PER_SLOT) + 4 * rows * (_directions.ORDERING + 1)
    if _directions.pair_count(n, queries) * width >= _directions.FILTER_PAYS and width > widest:
        filtered = slots * (padded + 2 * widest + 2 * PER_SLOT) + 4 * rows * (widest + 1)
        prepared = max(prepared, filtered)
    candidates = CANDIDATE * max(FEWEST_CANDIDATES, CANDIDATES_PER_NEIGHBOR * k) * searched
    gaps = 20 * leaves[0] * leaves[1]
    return prepared + candidates + gaps + 4 * min(rows, _directions.chunk(width)) * width


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


def _prepare(
    matrices: list[Points], k: int, instructions: str, order: Int32Array | None = None
) -> _Prepared:
    """Prepare the search among the first matrix for the rows of the last."""
    origin = centre(matrices[0])
    basis, width = _directions.filter_basis(matrices[0], origin, k, *matrices[1:])
    projected = [_directions.projected(rows, origin, basis) for rows in matrices]
    leading = [values[:, : _directions.ORDERING] for values, _ in projected]
    orders = [_in_tree_order(values) if order is None else order for values in leading]
    tiles = _nearest_leaves(leading, orders)
    whole = [(rows, None) for rows in matrices]
    codes = filter_codes = _codes(instructions, whole, origin, orders, tiled=width == 0)
    if width > 0:
        lost = _directions.product_error(matrices[0].shape[1], width)
        short = [(values, lost * norms) for values, norms in projected]
        filter_codes = _codes(instructions, short, np.zeros(width), orders, tiled=True)
    slots = np.concatenate(orders)
    return _Prepared(filter_codes, codes, slots, len(slots) - len(orders[-1]), tiles)


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
    gaps, joined = _directions.squares(centres[-1], centres[0]), len(centres) == 1
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
