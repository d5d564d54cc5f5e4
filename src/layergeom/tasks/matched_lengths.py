"""Label overlap at matched length: what neighbours of these lengths would share anyway."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.groups import crossed, own_where_missing
from layergeom.geometry.uncertainty import row_adjacency, standard_error
from layergeom.layer import Labels

MOST = 50  # strata


def length_strata(lengths: IntArray, k: int) -> IntArray:
    """Return the stratum of each row, numbered by rising length: (n,).

    Up to fifty strata of as equal size as equal lengths allow, each of 20 and 2k rows at least
    (so that a neighbour is replaced by others than itself); rows of one length are never parted.

    Examples
    --------
    >>> length_strata(np.repeat([5, 9, 7], 40), k=10).tolist() == [0] * 40 + [2] * 40 + [1] * 40
    True
    """
    number = int(np.clip(len(lengths) // max(20, 2 * k), 1, MOST))
    inner = np.quantile(lengths, np.arange(1, number) / number, method="higher")
    return np.unique(np.searchsorted(inner, lengths, side="right"), return_inverse=True)[1]


def matched_overlap(
    graph: NeighborGraph, given: Labels, strata: IntArray, k: int
) -> tuple[float, float]:
    """Return the label overlap of random neighbours with the lengths of the real ones.

    Parameters
    ----------
    graph : NeighborGraph
        Lists of at least k neighbours, without those that ``given.exclude`` leaves out.
    given : Labels
        Of the rows.
    strata : ndarray, shape (n,)
        Of similar length each, numbered from 0.
    k : int
        Neighbours compared.

    Returns
    -------
    value, error : float
        Each neighbour j of row i is replaced by another admissible row of the stratum of j, drawn
        at random:

            χ = mean_i (1/k) Σ_s (w_is m_is - h_is) / (a_is - 1)

        with a_is the rows of stratum s that may be neighbours of i, m_is those of them with the
        label of i, w_is the neighbours of i in s, and h_is those with its label: no neighbour
        stands for itself. With one stratum it is chance but for (χ - chance)/N.

    Raises
    ------
    DegenerateError
        If no row has a label that another admissible row shares.

    Notes
    -----
    The real neighbours stay as they are; neighbours searched within strata would lie further away,
    and a fall of the overlap could be that of the distance. In closed form, so nothing is drawn.
    Were a neighbour allowed to stand for itself, (χ - chance) over the rows of a stratum would
    count as explained by length where nothing is. When it misleads: within a stratum lengths still
    differ, so it takes away less than all that length explains. Cost: one pass over the lists and
    n × S numbers.
    """
    excluded = None if given.exclude is None else own_where_missing(given.exclude)
    own = [partition for partition in (graph.groups, excluded) if partition is not None]
    admissible = _admissible(strata, [], own)
    matching = _admissible(strata, [given.codes + 1], own)
    counted = (given.codes >= 0) & (matching.sum(axis=1) > 0) & (graph.indices[:, k - 1] >= 0)
    if not counted.any():
        raise DegenerateError("no row has a label that another admissible row shares.")
    listed, hits = _listed(graph, given.codes, strata, k)
    others = (listed * matching - hits) / np.maximum(admissible - 1, 1)
    share = np.where(admissible > 1, others, hits).sum(axis=1)
    value = float(share[counted].mean())
    influence = np.where(counted, share - value, 0.0) * (len(share) / counted.sum())
    return value, standard_error(influence, row_adjacency(graph, k))


def _listed(
    graph: NeighborGraph, codes: IntArray, strata: IntArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """Return the share of each row's neighbours in each stratum, and with its label: (n, S)."""
    members, size = graph.weights(k).tocoo(), int(strata.max()) + 1
    places = members.row.astype(np.int64) * size + strata[members.col]
    same = codes[members.row] == codes[members.col]
    listed, hits = (
        np.bincount(places, weights, graph.n * size).reshape(graph.n, size) / k
        for weights in (members.data, members.data * same)
    )
    return listed, hits


def _admissible(strata: IntArray, alike: Sequence[IntArray], own: Sequence[IntArray]) -> FloatArray:
    """Return how many rows of each stratum share ``alike`` with a row and nothing of its own."""
    everyone = [np.zeros(len(strata), dtype=np.int64)]
    among = _joint([*alike, *everyone])
    if not own:
        return _numbers(among, strata) - np.eye(int(strata.max()) + 1)[strata]
    taken = sum(_numbers(_joint([among, codes]), strata) for codes in own)
    if len(own) == 2:
        taken = taken - _numbers(_joint([among, *own]), strata)
    return np.asarray(_numbers(among, strata) - taken)


def _joint(partitions: Sequence[IntArray]) -> IntArray:
    joint = partitions[0]
    for codes in partitions[1:]:
        joint = crossed(joint, codes)
    return joint


def _numbers(codes: IntArray, strata: IntArray) -> FloatArray:
    """Return how many rows of each stratum are of each row's class: (n, S)."""
    size = int(strata.max()) + 1
    table = np.bincount(codes * size + strata, minlength=(int(codes.max()) + 1) * size)
    return np.asarray(table.reshape(-1, size)[codes], dtype=np.float64)
