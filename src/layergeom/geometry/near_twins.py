"""Near twins: rows whose nearest neighbour is far nearer than the law of the rest allows.

Re-phrased texts, augmented images and homologous sequences are no repeats, and no independent rows
either. Without groups they show in the ratios of neighbour distances: log mu of TwoNN follows
Exp(d), and a near twin gives a ratio far out in its tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import bdtrc

from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry.decimations import subset_lists
from layergeom.geometry.dimension import DimensionEstimate, ratio_likelihood, twonn
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import joined_pairs, standard_error

TAIL = 0.001  # share of the points that the law puts beyond the threshold
TEST_LEVEL = 0.001  # at which more than that is significant
LAW_ERRORS = 3.0  # standard errors by which the law may be wrong in its tail
FEWEST = 0.01  # of the points, below which twins are not worth a word
DIMENSION_ERRORS = 2.0  # standard errors that the twins must move the dimension
ROUNDS = 20  # of fitting the law to what lies below the threshold
FEWEST_LISTED = 4  # neighbours, so that two are left without twins


@dataclass(frozen=True, eq=False)
class NearTwins:
    """How many points have a near twin, and what they do to the dimension.

    Attributes
    ----------
    share : float
        Share of the distinct points whose ratio r2/r1 exceeds ``ratio``, in [0, 1].
    excess, excess_error : float
        So much more than the law of the others gives, and its binomial error (twins come in pairs).
    ratio : float
        The threshold of r2/r1, beyond which that law has a share of 0.001.
    significant : bool
        Whether the share is at least 1 % and more than the law explains, at the level 0.001.
    pairs : ndarray, shape (m, 2)
        Rows that are each other's nearest, at least one beyond the threshold.
    dimension : DimensionEstimate
        TwoNN of all distinct points.
    dimension_without, dimension_without_error : float
        TwoNN and its standard error without the second row of each pair; nan where the twins are
        not significant.
    """

    share: float
    excess: float
    excess_error: float
    ratio: float
    significant: bool
    pairs: IntArray
    dimension: DimensionEstimate
    dimension_without: float
    dimension_without_error: float

    @cached_property
    def misleading(self) -> bool:
        """Whether twins are significant and move the dimension by two of its standard errors."""
        moved = self.dimension_without - self.dimension.value
        return self.significant and moved > DIMENSION_ERRORS * self.dimension.error


def near_twins(graph: NeighborGraph) -> NearTwins:
    """Return how many distinct points have a near twin, and the dimension without these.

    Parameters
    ----------
    graph : NeighborGraph
        Without groups; lists at least four neighbours.

    Returns
    -------
    NearTwins
        Twins that are no nearer than chance allows are not seen, siblings in families of three
        and more hardly: they make each other's r1 and r2. Give ``groups`` where they are known.

    Raises
    ------
    InputError
        If the graph has groups or lists fewer than four neighbours.
    DegenerateError
        As :func:`layergeom.geometry.twonn`.

    Notes
    -----
    The law log mu ~ Exp(d) (Facco et al. 2017) is taken from the third quarter of the ratios that
    lie below the threshold, a censored maximum likelihood, and followed to where it leaves 0.001 of
    them; this is repeated, from the lower half of them on, until the threshold stands. The third
    quarter, since a cloud of several dimensions has a longer tail than its middle says. The number
    beyond is compared with the binomial law of pairs, with the tail taken as heavy as three
    standard errors of the law make it. Costs a sort, and a second look at the lists where there are
    twins.

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 10))
    >>> near_twins(neighbor_graph(X, k=10)).significant
    False
    >>> X[:50] = X[50:100] + 0.01 * rng.standard_normal((50, 10))
    >>> found = near_twins(neighbor_graph(X, k=10))
    >>> round(found.share, 2), len(found.pairs), found.misleading
    (0.1, 50, True)
    """
    if graph.groups is not None or graph.k < FEWEST_LISTED:
        raise InputError(
            f"near twins are looked for in a graph without groups that lists {FEWEST_LISTED} "
            f"neighbours or more; this one lists {graph.k}."
        )
    dimension = twonn(graph)
    distances, indices = graph.points
    log_mu = np.log(distances[:, 1] / distances[:, 0])
    threshold, law_error = _threshold(log_mu)
    beyond = log_mu > threshold
    number, n = int(beyond.sum()), len(log_mu)
    expected = TAIL * (n - number) / (1 - TAIL)
    pairs = _mutual_pairs(indices[:, 0], beyond)
    significant = number >= FEWEST * n and _exceeds(number, n, law_error)
    without, error = _without(graph, pairs[:, 1]) if significant else (float("nan"), float("nan"))
    return NearTwins(
        share=number / n,
        excess=number - expected,
        excess_error=float(np.sqrt(2 * number * (1 - number / n))),
        ratio=float(np.exp(threshold)),
        significant=significant,
        pairs=graph.representatives[pairs],
        dimension=dimension,
        dimension_without=without,
        dimension_without_error=error,
    )


def _threshold(log_mu: FloatArray) -> tuple[float, float]:
    """Return where the law of the rest leaves TAIL, and the relative error of its rate."""
    ordered = np.sort(log_mu)
    kept = len(ordered) // 2  # from below: many twins would hide in a law fitted with them
    for _ in range(ROUNDS):
        rest = ordered[:kept]
        low, high = rest[kept // 2], rest[(3 * kept) // 4]
        between = (3 * kept) // 4 - kept // 2
        exposure = float((np.minimum(rest[kept // 2 :], high) - low).sum())
        rate = between / exposure if exposure > 0 else np.inf
        threshold = float(high + np.log(0.25 / TAIL) / rate)
        below = int(np.searchsorted(ordered, threshold, side="right"))
        if below == kept:
            break
        kept = max(below, len(ordered) // 2)
    return threshold, between**-0.5


def _exceeds(number: int, n: int, law_error: float) -> bool:
    """Whether so many pairs are more than a tail as heavy as the law's error allows."""
    heaviest = TAIL * np.exp(LAW_ERRORS * law_error * np.log(0.25 / TAIL))
    return bool(bdtrc(number // 2 - 1, n // 2, min(heaviest, 1.0)) < TEST_LEVEL)


def _mutual_pairs(nearest: IntArray, beyond: BoolArray) -> IntArray:
    """Return the points that are each other's nearest, one of them beyond: (m, 2), ascending."""
    points = np.arange(len(nearest))
    mutual = (nearest[nearest] == points) & (points < nearest)
    first = np.flatnonzero(mutual & (beyond | beyond[nearest]))
    return np.stack([first, nearest[first]], axis=1)


def _without(graph: NeighborGraph, dropped: IntArray) -> tuple[float, float]:
    """TwoNN of the distinct points but for some, from the lists of all."""
    rest = np.delete(np.arange(graph.n_distinct), dropped)
    distances, indices = subset_lists(graph, rest)
    seen = np.flatnonzero(np.isfinite(distances[:, 1]))
    value, partial = ratio_likelihood(np.log(distances[seen, 1] / distances[seen, 0]), 1, 2)
    influence = np.zeros(len(rest))
    influence[seen] = partial * len(rest) / len(seen)
    pairs = joined_pairs(np.repeat(seen, 2), indices[seen].reshape(-1), len(rest))
    return value, standard_error(influence, pairs)
