"""The dimension at every point, and the points that do not belong.

A point's own distances say something of the dimension around it: with a constant density the
log(r_k/r_j), j < k, are k - 1 independent draws of Exp(d), whatever the density is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry.group_ratios import check_reach, ranked_distances, summed_log_ratios
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 3  # neighbours, below which a local dimension has no finite mean
EXTREME = 5.0  # robust standard deviations from the median
MAD_TO_SIGMA = 1.482602218505602  # of a normal law


@dataclass(frozen=True, eq=False)
class LocalDimension:
    """The dimension around every row.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Of every row, that of its point; nan where all k distances are equal.
    errors : ndarray, shape (n,)
        values / sqrt(k - 1).
    k : int
        Neighbours used of each point.
    """

    values: FloatArray
    errors: FloatArray
    k: int

    def to_frame(self, ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per row, indexed by ``ids`` or by number."""
        import pandas as pd

        index = None if ids is None else list(ids)
        return pd.DataFrame({"dimension": self.values, "error": self.errors}, index=index)


@dataclass(frozen=True)
class Outlier:
    """A row that lies far from all others, or where the dimension is not that of the others.

    Attributes
    ----------
    row : int
        Its number.
    id : str
        The user's name for it; the number where there are none.
    reason : str
        ``"far"`` (from its nearest neighbour), ``"high dimension"`` or ``"low dimension"``; with
        a comma where both hold.
    """

    row: int
    id: str
    reason: str


def local_dimension(graph: NeighborGraph, k: int = 30) -> LocalDimension:
    """Return the maximum-likelihood dimension around every point.

    Parameters
    ----------
    graph : NeighborGraph
        Lists at least ``k`` neighbours of its distinct points.
    k : int, >= 3
        Neighbours used; more reduce the scatter, 1/sqrt(k - 1) relative, and look further away.

    Returns
    -------
    LocalDimension
        Values are above the truth by (k - 1)/(k - 2) on average, since their inverses have the
        right mean; so average the inverses (MacKay and Ghahramani 2005), as
        :func:`layergeom.geometry.levina_bickel.levina_bickel` does. Neighbouring values share
        distances: a map of them is smoother than their errors say.

    Raises
    ------
    DegenerateError
        If all distances of all points are equal.
    InputError
        If ``k`` is no whole number of 3 or more, or exceeds the lists.

    Notes
    -----
    1/d = Σ_{j<k} log(r_k/r_j) / (k - 1) (Levina and Bickel 2004, eq. 8; Hill 1975). Assumes
    that density and dimension are constant within the k neighbours. With groups, r_k is the
    distance to the k-th nearest other group, the ratios are those of all nearer rows
    (:mod:`layergeom.geometry.group_ratios`), and k - 1 counts the nearer groups.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> rng = np.random.default_rng(0)
    >>> line = np.stack([np.linspace(5, 9, 500), np.zeros(500)], axis=1)
    >>> found = local_dimension(neighbor_graph(np.vstack([rng.random((1000, 2)), line]), k=20), 20)
    >>> [round(float(np.median(part)), 1) for part in np.split(found.values, [1000])]
    [2.0, 1.2]
    """
    k = arrays.count(k, "k", FEWEST)
    check_graph(graph)
    check_reach(graph, k)
    counts, sums = summed_log_ratios(graph, k)
    if not 0 < sums.sum() < np.inf:
        raise DegenerateError(
            f"all {k} neighbours of every point lie at one distance: the points lie on a lattice, "
            "so the local dimension is undefined."
        )
    values = np.divide(counts, sums, out=np.full(len(sums), np.nan), where=sums > 0)[graph.point]
    return LocalDimension(values, values / np.sqrt(k - 1), k)


def outliers(
    graph: NeighborGraph, found: LocalDimension, ids: Sequence[str] | None = None
) -> tuple[Outlier, ...]:
    """Return the rows that lie far from all others, or in another dimension.

    Parameters
    ----------
    graph : NeighborGraph
    found : LocalDimension
        Of that graph.
    ids : sequence of n str, optional
        The user's names of the rows.

    Returns
    -------
    tuple of Outlier
        In the order of the rows; repeats of an outlier are outliers.

    Raises
    ------
    InputError
        If there are not as many ids as rows.

    Notes
    -----
    The rule: with z = (x - median) / (1.4826 MAD) over the distinct points, a row is "far" if
    x = log r1 has z > 5, and of high or low dimension if x = log d has z > 5 or z < -5. Near
    neighbours are no outliers by this rule: the law of r1 has a long lower tail of its own (see
    :func:`layergeom.geometry.near_twins.near_twins`). It sees single rows; a handful of rows close
    together are each other's neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> X = np.random.default_rng(0).random((500, 3))
    >>> X[7] += 20
    >>> graph = neighbor_graph(X, k=10)
    >>> [(x.row, x.reason) for x in outliers(graph, local_dimension(graph, 10))]
    [(7, 'far, high dimension')]
    """
    if ids is not None and len(ids) != graph.n:
        raise InputError(f"there are {len(ids)} ids but {graph.n} rows.")
    far = _robust_z(np.log(ranked_distances(graph, 1))) > EXTREME
    z = _robust_z(np.log(found.values[graph.representatives]))
    reasons = {"far": far, "high dimension": z > EXTREME, "low dimension": z < -EXTREME}
    rows = np.flatnonzero(np.any(list(reasons.values()), axis=0)[graph.point])
    return tuple(
        Outlier(
            row,
            str(row) if ids is None else ids[row],
            ", ".join(word for word, holds in reasons.items() if holds[graph.point[row]]),
        )
        for row in rows.tolist()
    )


def _robust_z(x: FloatArray) -> FloatArray:
    """Distance from the median in robust standard deviations; nan where these are 0."""
    away = x - np.nanmedian(x)
    sigma = MAD_TO_SIGMA * float(np.nanmedian(np.abs(away)))
    return away / sigma if sigma > 0 else np.full(len(x), np.nan)
