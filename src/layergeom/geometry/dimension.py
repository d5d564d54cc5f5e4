"""Intrinsic dimension from ratios of neighbour distances: TwoNN and Gride.

Both assume that the density is constant out to the neighbours that they use. Where it is not, or
where the dimension is large for the number of points, the estimate is too low; where points are
repeated, discrete or clustered, it is something else altogether.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from scipy.optimize import brentq

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry.group_ratios import Ratios, distance_ratios
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.uncertainty import Estimate, adjacency, standard_error
from layergeom.written import percent

Fit: TypeAlias = Literal["ml", "linear", "censored"]
Outliers: TypeAlias = Literal["keep", "dadapy"]

MIN_DISTINCT = 4
MIN_DISTINCT_SHARE = 0.2  # of all rows; with fewer, "points" are the values of a discrete variable
TIE_SHARE = 0.01  # of mu = 1 exactly, from which discreteness is reported
LOWER_BOUND_SLOPE = 0.8  # ID > 0.8 log2 N: every neighbour estimator is well below the truth
BRACKET = (1e-3, 1e3)  # of the dimension, as in Denti et al.


@dataclass(frozen=True, eq=False)
class DimensionEstimate(Estimate):
    """An intrinsic dimension with its error and the distance at which it was read.

    Attributes
    ----------
    method : str
        ``"twonn-ml"``, ``"twonn-linear"``, ``"twonn-censored"`` or ``"gride"``.
    ranks : tuple of int
        Neighbour ranks n1 < n2 of the ratio.
    distance : float
        Mean of (r_n1 + r_n2)/2, in the units of the data.
    n_points : int
        Distinct points used.
    lower_bound : bool
        True if ID > 0.8 log2 N: read it as "at least".
    """

    method: str
    ranks: tuple[int, int]
    distance: float
    n_points: int
    lower_bound: bool


def twonn(
    graph: NeighborGraph, method: Fit = "ml", fraction: float | None = None
) -> DimensionEstimate:
    """Return the TwoNN dimension, from the ratio of the second to the first neighbour distance.

    Parameters
    ----------
    graph : NeighborGraph
        Needs k >= 2. Distinct points carry the estimate; repeats are counted, not used.
    method : {"ml", "linear", "censored"}
        Maximum likelihood (N-1)/Σ log mu on all points (default; unbiased and efficient on the
        exact model); ``"linear"``, the papers' fit through the origin of -log(1 - F) on log mu
        over the smallest ``fraction`` of mu; ``"censored"``, maximum likelihood with the largest
        mu Type-II censored.
    fraction : float in (0, 1]
        Share of the points kept by ``"linear"`` and ``"censored"``; 0.9 unless given.

    Returns
    -------
    DimensionEstimate
        Flagged ``lower_bound`` where ID > 0.8 log2 N.

    Raises
    ------
    DegenerateError
        If fewer than 4 points, or fewer than a fifth of the rows, are distinct, or all ratios are
        equal to 1.
    InputError
        For an unknown method, a fraction outside (0, 1], or one given with ``"ml"``.

    Warns
    -----
    GeometryWarning
        If rows are repeated, or if more than 1 % of the ratios are exactly 1 (discrete data).

    Notes
    -----
    F(mu) = 1 - mu^-d (Facco et al. 2017, the law of the ratio mu). Biased low for large d: uniform
    d = 20 reads 16 at N = 4,000. Trimming and then using the plain ML would be wrong by +34 % at
    0.9. With groups, r_j is the distance to the j-th nearest other group, and every row of the
    nearest one inside r2 gives a ratio (:mod:`layergeom.geometry.group_ratios`).

    Examples
    --------
    >>> import numpy as np
    >>> from layergeom.geometry import neighbor_graph
    >>> square = np.random.default_rng(0).random((4000, 2))
    >>> d = twonn(neighbor_graph(square, k=2))
    >>> bool(abs(d.value - 2) < 3 * d.error + 0.02)
    True
    """
    check_fit(method, fraction)
    ratios = checked_ratios(graph, 1, 2)
    value, influence = ratio_fit(ratios.log_mu, method, fraction)
    return _estimate(graph, ratios, (1, 2), f"twonn-{method}", value, influence)


def check_fit(method: str, fraction: float | None) -> None:
    """Raise an InputError for an unknown fit, or a fraction that it cannot take."""
    if method not in get_args(Fit):
        raise InputError(f"method is {method!r}; it must be one of {', '.join(get_args(Fit))}.")
    if method == "ml" and fraction not in (None, 1, 1.0):
        raise InputError(
            f"fraction is {fraction} but method 'ml' uses all points; use method='censored'."
        )
    if fraction is not None and not 0 < fraction <= 1:
        raise InputError(f"fraction is {fraction}; it must lie in (0, 1].")


def ratio_fit(
    log_mu: FloatArray, method: Fit, fraction: float | None = None
) -> tuple[float, FloatArray]:
    """Return the TwoNN dimension of ratios r_2/r_1 by one of its fits, and the influences.

    Parameters
    ----------
    log_mu : ndarray, shape (n,)
        Logarithms of the ratios, in any order.
    method, fraction
        As of :func:`twonn`, and checked there.

    Raises
    ------
    DegenerateError
        If all ratios that are used are 1, or fewer than two are left.

    Examples
    --------
    >>> import numpy as np
    >>> pareto = -np.log1p(-(np.arange(1, 1000) / 1000)) / 7  # quantiles of the law at d = 7
    >>> round(ratio_fit(pareto, "linear", 0.2)[0], 1)
    7.0
    """
    return _FITS[method](log_mu, _kept(len(log_mu), method, fraction))


def gride(
    graph: NeighborGraph, n1: int = 1, n2: int | None = None, outliers: Outliers = "keep"
) -> DimensionEstimate:
    """Return the Gride dimension, from the ratio of two neighbour distances of any ranks.

    Parameters
    ----------
    graph : NeighborGraph
        Needs k >= n2.
    n1, n2 : int
        Ranks, n1 < n2; n2 = 2 n1 unless given. n1 = 1, n2 = 2 is TwoNN by maximum likelihood.
    outliers : {"keep", "dadapy"}
        ``"dadapy"`` first drops mu >= q50 + 20 (q95 - q50), as DADApy does; it biases low d.

    Returns
    -------
    DimensionEstimate
        Maximum-likelihood dimension in [1e-3, 1e3] and neighbour-graph-robust error.

    Raises
    ------
    DegenerateError
        As :func:`twonn`, or if the likelihood has no maximum in [1e-3, 1e3].
    InputError
        If the ranks are not 1 <= n1 < n2 <= k.

    Notes
    -----
    Solves (N-1)/d = Σ log mu [(n2-1) - (n2-n1-1)/(1 - mu^-d)] (Denti et al. 2022, the
    likelihood of generic ratios). A larger
    n1 reads the dimension at a larger distance, with a smaller variance and more bias from
    curvature and density. With groups, the ratios of r_n2 to all nearer rows are taken as TwoNN's
    (:mod:`layergeom.geometry.group_ratios`); n1 then only says where n2 comes from.
    """
    n1 = arrays.count(n1, "n1", 1)
    n2 = 2 * n1 if n2 is None else arrays.count(n2, "n2", n1 + 1)
    if outliers not in get_args(Outliers):
        raise InputError(f"outliers is {outliers!r}; it must be 'keep' or 'dadapy'.")
    ratios = checked_ratios(graph, n1, n2)
    log_mu = ratios.log_mu
    kept = _without_outliers(log_mu) if outliers == "dadapy" else np.ones(len(log_mu), dtype=bool)
    law = (n1, n2) if graph.groups is None else (1, 2)
    value, partial = ratio_likelihood(log_mu[kept], *law)
    influence = np.zeros(len(log_mu))
    influence[kept] = partial * len(log_mu) / kept.sum()
    return _estimate(graph, ratios, (n1, n2), "gride", value, influence)


def ratio_likelihood(log_mu: FloatArray, n1: int, n2: int) -> tuple[float, FloatArray]:
    """Return the dimension that maximises the likelihood of ratios r_n2/r_n1, and the influences.

    Raises
    ------
    DegenerateError
        If all ratios are 1, or the maximum lies outside [1e-3, 1e3].
    """
    n, between = len(log_mu), n2 - n1 - 1
    if not log_mu.sum() > 0:
        raise DegenerateError(
            f"all {n} ratios of neighbour distances are 1: the points lie on a lattice, so the "
            "dimension is undefined."
        )

    def slope(d: float) -> float:
        rest = between * _damped(log_mu, d).sum() if between else 0.0
        return float((n - 1) / d - (n2 - 1) * log_mu.sum() + rest)

    low, high = BRACKET
    if slope(low) <= 0 or slope(high) >= 0:
        raise DegenerateError(
            f"the likelihood of the dimension has no maximum between {low} and {high}; the points "
            "are discrete or nearly repeated."
        )
    d = float(brentq(slope, low, high, xtol=1e-12, rtol=1e-12))
    damped = _damped(log_mu, d)
    scores = 1 / d + between * damped - (n2 - 1) * log_mu
    information = n / d**2 + between * float((damped**2 * np.exp(-d * log_mu)).sum())
    return d, scores * n / information


def _damped(log_mu: FloatArray, d: float) -> FloatArray:
    """Log mu / (1 - mu^-d), with its limit 1/d at mu = 1."""
    safe = np.where(log_mu > 0, log_mu, 1.0)
    return np.where(log_mu > 0, safe / -np.expm1(-d * safe), 1 / d)


def fisher_error(value: float, log_mu: FloatArray, n1: int, n2: int) -> float:
    """Return the Fisher error of a Gride estimate; too small, kept for comparison with peers."""
    damped = _damped(log_mu, value)
    between = n2 - n1 - 1
    information = len(log_mu) / value**2 + between * float(
        (damped**2 * np.exp(-value * log_mu)).sum()
    )
    return float(information**-0.5)


def checked_ratios(graph: NeighborGraph, n1: int, n2: int) -> Ratios:
    """Return the ratios r_n2/r_n1 of a graph that has a dimension, and warn of its limits.

    Discrete values show in r_2/r_1 whatever the ranks: further out, no two distances need be equal.
    """
    check_distinct(graph)
    ratios = distance_ratios(graph, n1, n2)
    first = ratios if (n1, n2) == (1, 2) else distance_ratios(graph, 1, 2)
    warn_repeats(graph)
    _warn_ties(max(float((each.log_mu == 0).mean()) for each in (first, ratios)))
    return ratios


def check_distinct(graph: NeighborGraph) -> None:
    """Raise a DegenerateError if too few points are distinct for a dimension."""
    check_graph(graph)
    p = len(graph.points[0])
    if p < MIN_DISTINCT or p < MIN_DISTINCT_SHARE * graph.n:
        raise DegenerateError(
            f"undefined: {p} distinct points among {graph.n} rows are too few for a dimension; "
            "use another pooling, or leave this layer out."
        )


def warn_repeats(graph: NeighborGraph) -> None:
    """Warn of repeated points, which count once."""
    repeats = graph.n - graph.n_distinct
    if repeats:
        warnings.warn(
            f"{repeats} of {graph.n} rows repeat another row (duplicates); the dimension is that "
            f"of the {graph.n_distinct} distinct points.",
            GeometryWarning,
            stacklevel=4,
        )


def _warn_ties(share: float) -> None:
    if share > TIE_SHARE:
        warnings.warn(
            f"{percent(share, 1)} of the points have tied neighbours (mu = 1): the values are "
            "discrete, and the dimension is not to be trusted.",
            GeometryWarning,
            stacklevel=4,
        )


def _kept(n: int, method: Fit, fraction: float | None) -> int:
    if method == "ml":
        return n
    fraction = 0.9 if fraction is None else float(fraction)
    kept = int(n * fraction)
    if kept < 2:
        raise DegenerateError(f"only {kept} of {n} ratios are left by fraction {fraction}.")
    return kept


def _fit_ml(log_mu: FloatArray, _: int) -> tuple[float, FloatArray]:
    return ratio_likelihood(log_mu, 1, 2)


def _fit_censored(log_mu: FloatArray, kept: int) -> tuple[float, FloatArray]:
    """D = (n-1) / (Σ_{i<=n} log mu_(i) + (N-n) log mu_(n))."""
    n = len(log_mu)
    order = np.argsort(log_mu, kind="stable")
    capped = np.minimum(log_mu, log_mu[order[kept - 1]])
    if not capped.sum() > 0:
        return ratio_likelihood(capped, 1, 2)
    d = (kept - 1) / float(capped.sum())
    seen = np.zeros(n)
    seen[order[:kept]] = 1
    return d, (seen / d - capped) * n * d**2 / kept


def _fit_linear(log_mu: FloatArray, kept: int) -> tuple[float, FloatArray]:
    """D = Σ x y / Σ x² over the smallest ratios, y = -log(1 - i/N)."""
    n = len(log_mu)
    order = np.argsort(log_mu, kind="stable")
    if kept == n:
        kept = n - 1  # y of the largest ratio is infinite
    x = log_mu[order[:kept]]
    if not x[-1] > 0:
        return ratio_likelihood(np.zeros(n), 1, 2)
    rank = np.arange(1, kept + 1) / n
    y = -np.log1p(-rank)
    xy, xx = float(x @ y), float(x @ x)
    d = xy / xx
    influence = np.empty(n)
    influence[order] = _l_statistic_influence(x, (y - 2 * d * x) / xx * n, n)
    return d, influence


def _l_statistic_influence(x: FloatArray, slopes: FloatArray, n: int) -> FloatArray:
    """Influence of every order statistic, ∫ (F(t) - 1{x_m <= t}) slope(t) dt over t <= x[-1]: (n,).

    ``slopes`` is the derivative of the estimate with respect to the quantiles in ``x``, the
    ``len(x)`` smallest of ``n`` values.
    """
    weight = slopes * np.diff(x, prepend=0.0)
    beyond = np.zeros(n)
    beyond[: len(x) - 1] = np.cumsum(weight[::-1])[::-1][1:]
    return np.asarray(float(np.arange(len(x)) @ weight) / n - beyond)


_FITS = {"ml": _fit_ml, "linear": _fit_linear, "censored": _fit_censored}


def _without_outliers(log_mu: FloatArray) -> BoolArray:
    mu = np.exp(log_mu)
    median, high = np.quantile(mu, [0.5, 0.95])
    return np.asarray(mu < median + 20 * (high - median))


def _estimate(
    graph: NeighborGraph,
    ratios: Ratios,
    ranks: tuple[int, int],
    method: str,
    value: float,
    influence: FloatArray,
) -> DimensionEstimate:
    rows = np.zeros(graph.n)
    rows[graph.representatives] = np.bincount(ratios.owner, influence) * graph.n / len(influence)
    return DimensionEstimate(
        value=value,
        error=standard_error(rows, adjacency(graph, ranks[1])),
        influence=rows,
        method=method,
        ranks=ranks,
        distance=float((ratios.inner + ratios.outer).mean() / 2),
        n_points=graph.n_distinct,
        lower_bound=is_lower_bound(value, graph.n_distinct),
    )


def is_lower_bound(value: float, n: int) -> bool:
    """Return whether a dimension read from n points exceeds 0.8 log2 n: it is at least that."""
    return bool(value > LOWER_BOUND_SLOPE * np.log2(n))
