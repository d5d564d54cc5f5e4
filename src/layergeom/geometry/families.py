"""Rows that come in families: (nearly) every row has siblings far nearer than all other rows.

A few near twins stand out from the law of the rest (:mod:`layergeom.geometry.near_twins`). Where
most rows have siblings there is no rest: paraphrases, augmentations or mutants of every item. They
show as a gap in the ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.geometry.neighbors import NeighborGraph

GAP = 2.0  # times the next rank must read more dimensions: samples of one law stay within 1.2
LARGEST = 16  # siblings that are looked for
FEWEST_POINTS = 100  # distinct points: below, chance alone comes near the gap


@dataclass(frozen=True)
class Families:
    """That rows come in families, and what it does to the dimension.

    Attributes
    ----------
    size : int
        Rows of a family.
    within : float
        Dimension across the gap, from the ratio of the first stranger's distance to the last
        sibling's.
    beyond : float
        Dimension behind it, from the distances of the first two strangers.
    """

    size: int
    within: float
    beyond: float


def families(graph: NeighborGraph) -> Families | None:
    """Return the families that the points come in, or None.

    Parameters
    ----------
    graph : NeighborGraph
        Without groups.

    Notes
    -----
    Where the density is constant, j log(r_(j+1) / r_j) follows Exp(d) for every rank j (Facco et
    al. 2017 for j = 1; Denti et al. 2022, section 2), so each rank reads the dimension anew, at
    nearly the distance of the next. Siblings put the m-th neighbour far beyond the (m - 1)-th: rank
    m - 1 then reads less than half of what rank m reads. Families of unequal size blur the gap.

    Examples
    --------
    >>> from layergeom.geometry.neighbors import neighbor_graph
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 10))
    >>> families(neighbor_graph(X, k=10)) is None
    True
    >>> siblings = np.repeat(X, 3, axis=0) + 0.05 * rng.standard_normal((1500, 10))
    >>> families(neighbor_graph(siblings, k=10)).size
    3
    """
    distances, _ = graph.points
    if len(distances) < FEWEST_POINTS or distances.shape[1] < 3:
        return None
    logs = np.log(distances[:, : LARGEST + 1])
    ranks = np.arange(1, logs.shape[1])
    means = (ranks * np.diff(logs, axis=1)).mean(axis=0)
    if not (means > 0).all():
        return None  # a lattice; its ties are told
    gaps = means[:-1] / means[1:]
    at = int(gaps.argmax())
    if gaps[at] < GAP:
        return None
    return Families(size=at + 2, within=float(1 / means[at]), beyond=float(1 / means[at + 1]))
