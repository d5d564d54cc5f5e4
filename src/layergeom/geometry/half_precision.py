"""Whether points were rounded to half precision on their way, and whether that blurs neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray, Points
from layergeom.geometry.group_ratios import ranked_distances
from layergeom.geometry.neighbors import NeighborGraph

BLURS = 0.01  # rounding over nearest distance: below, at most 0.5 % of ID and 1 % of neighbours go
_PROBED = 64  # rows that tell most clouds apart
_BITS = {"bfloat16": 7, "float16": 10}  # of the mantissa, the coarser first
_ODD = 0.1  # share of last bits that are set: about a half after rounding, few in whole numbers


@dataclass(frozen=True)
class Rounding:
    """What rounding did to a cloud.

    Attributes
    ----------
    format : str
        ``float16`` or ``bfloat16``.
    share : float
        Root mean square of what rounding changes in a distance, over the median distance of the
        nearest neighbours.
    """

    format: str
    share: float


def half_rounding(X: Points, graph: NeighborGraph) -> Rounding | None:
    """Return what rounding to half precision did to the distances; None if there was none.

    Parameters
    ----------
    X : ndarray, shape (n, D)
        Points, of whatever dtype they are in now.
    graph : NeighborGraph
        Their neighbour graph.

    Returns
    -------
    Rounding or None
        None unless every number is one of the format and the last bits look random.

    Notes
    -----
    A number rounded to a spacing u is off by u/√12 on average, a distance by √(2 Σ u²/12). On
    states of five random networks with offsets, the dimension moved by at most 0.5 % and at least
    99 % of 30 neighbours were kept where the share was below 0.01. Cost: 64 rows for most clouds,
    one pass over the others.

    Examples
    --------
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).normal(3, 1, (500, 8))
    >>> half_rounding(X, neighbor_graph(X, k=4)) is None
    True
    >>> Y = X.astype(np.float16).astype(float)
    >>> half_rounding(Y, neighbor_graph(Y, k=4)).format
    'float16'
    """
    name = next((name for name in _BITS if _is_of(X, name)), None)
    if name is None:
        return None
    nearest = float(np.median(ranked_distances(graph, 1)))
    squares = np.square(_spacing(X, _BITS[name])).sum(axis=1)
    return Rounding(name, float(np.sqrt(squares.mean() / 6)) / nearest)


def _is_of(X: Points, name: str) -> bool:
    """See whether all numbers are of a format, and use its last bit."""
    return all(_fits(rows, name) for rows in (X[:_PROBED], X))


def _fits(rows: Points, name: str) -> bool:
    with np.errstate(over="ignore"):
        if name == "float16":
            half = rows.astype(np.float16)
            same, odd = half == rows, (half.view(np.uint16) & 1) == 1
        else:
            single = np.ascontiguousarray(rows, dtype=np.float32)
            bits = single.view(np.uint32)
            same, odd = (single == rows) & (bits & 0xFFFF == 0), (bits >> 16 & 1) == 1
    return bool(same.all()) and float(odd.mean()) > _ODD


def _spacing(X: Points, bits: int) -> FloatArray:
    """Distance of two numbers of a format, at each entry; zeros are exact."""
    _, exponents = np.frexp(X)
    return np.where(X == 0, 0.0, np.ldexp(1.0, exponents - 1 - bits))
