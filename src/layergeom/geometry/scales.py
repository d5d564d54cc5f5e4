"""Dimension against distance: Gride at doubling ranks, and where it is level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import _plain
from layergeom.geometry.dimension import gride, ratio_likelihood
from layergeom.geometry.group_ratios import reach
from layergeom.geometry.group_scales import queried_group_scales
from layergeom.geometry.lists import check_graph
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.plateaus import Plateau, plateau_of
from layergeom.geometry.uncertainty import standard_error

if TYPE_CHECKING:
    import pandas as pd

QUERIES = 512  # rows from which large ranks are measured
LARGEST_SHARE = 4  # n2 <= N / 4


@dataclass(frozen=True, eq=False)
class ScaleAnalysis:
    """Dimension against distance for one set of points.

    Attributes
    ----------
    ranks : ndarray, shape (s,)
        n1 of each scale (n2 = 2 n1), doubling, up to n2 <= N/4.
    distances : ndarray, shape (s,)
        Mean of (r_n1 + r_n2)/2.
    values, errors : ndarray, shape (s,)
        Gride dimension and its standard error (nan where it is not known).
    level : Plateau
        Where the curve is level, the dimension there, and how sure both are.
    """

    ranks: IntArray
    distances: FloatArray
    values: FloatArray
    errors: FloatArray
    level: Plateau

    @property
    def plateau(self) -> tuple[int, int] | None:
        """First and last scale of the plateau, inclusive; None if there is none."""
        return self.level.scales

    @property
    def plateau_dimension(self) -> float:
        """Dimension at the middle of the plateau, nan without one."""
        return self.level.value

    @property
    def plateau_error(self) -> float:
        """Standard error of that, the choice of the plateau included; nan without one."""
        return self.level.error

    @property
    def plateau_share(self) -> float:
        """Share of curves drawn from the errors that have a plateau."""
        return self.level.share

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas DataFrame with a row per scale: ``n1``, distance, dimension, error."""
        import pandas as pd

        columns = {"distance": self.distances, "dimension": self.values, "error": self.errors}
        return pd.DataFrame({"n1": self.ranks} | columns).set_index("n1")


def scale_analysis(X: object, graph: NeighborGraph, seed: int = 0) -> ScaleAnalysis:
    """Return the Gride dimension at doubling ranks, from single neighbours to a quarter of all.

    Parameters
    ----------
    X : array_like, shape (n, D)
        The points of ``graph``.
    graph : NeighborGraph
        Gives the ranks that it lists, from all points.
    seed : int
        Chooses the (at most 512) points from which larger ranks are measured.

    Returns
    -------
    ScaleAnalysis
        Ranks grow with N, so that the largest distance does not shrink as points are added.

    Raises
    ------
    DegenerateError
        If the points are too few or discrete (see :func:`layergeom.geometry.twonn`).

    Notes
    -----
    The plateau is the longest run of at least 3 doublings on which all dimensions agree within
    15 %; of equally long runs, the one at the smallest distance. "None" is an answer: at no
    distance does the data look like one dimension. How sure that is comes from curves drawn from
    the errors, correlated as the influences of the (at most 512) points are. Costs one q × N × D
    product in float64.

    With groups, ranks count other groups and go up to a quarter of them.
    """
    check_graph(graph)
    cloud = arrays.points(X)
    if len(cloud) != graph.n:
        raise InputError(f"X has {len(cloud)} rows but the graph has {graph.n}.")
    first, units = graph.representatives, graph.units
    size = graph.n_distinct if units is None else len(np.unique(units[first]))
    top = size // LARGEST_SHARE
    ranks = 2 ** np.arange(max(1, int(np.log2(max(top, 2)))))
    rng = np.random.default_rng(seed)
    asked = np.sort(rng.choice(len(first), min(QUERIES, len(first)), replace=False))
    listed = ranks[2 * ranks <= reach(graph)]
    scales = [_listed_scale(graph, int(n1), first[asked]) for n1 in listed]
    larger = ranks[len(listed) :]
    if len(larger) and units is not None:
        found = queried_group_scales(cloud[first], units[first], larger, asked)
        scales += [Scale(*scale) for scale in found]
    elif len(larger):
        scales += _queried_scales(cloud[first], larger, asked)
    distances, values, errors = np.array([scale[:3] for scale in scales]).T
    level = plateau_of(values, errors, _correlations([scale.influence for scale in scales]))
    return ScaleAnalysis(ranks, distances, values, errors, level)


class Scale(NamedTuple):
    """Gride at one rank: mean distance, dimension, error, influence of the asked points: (q,)."""

    distance: float
    value: float
    error: float
    influence: FloatArray


def _listed_scale(graph: NeighborGraph, n1: int, rows: IntArray) -> Scale:
    estimate = gride(graph, n1)
    return Scale(estimate.distance, estimate.value, estimate.error, estimate.influence[rows])


def _queried_scales(X: arrays.Points, ranks: IntArray, asked: IntArray) -> list[Scale]:
    """Scales at large ranks, measured from a sample of the points."""
    at, fellows = _plain.distances_at_ranks(X, asked, np.append(ranks, 2 * ranks[-1]))
    scales = []
    for s, n1 in enumerate(ranks.tolist()):
        try:
            value, influence = ratio_likelihood(np.log(at[:, s + 1] / at[:, s]), n1, 2 * n1)
            error = standard_error(influence, _either(fellows[s + 1]))
        except DegenerateError:
            value = error = float("nan")
            influence = np.zeros(len(asked))
        scales.append(Scale(float(at[:, s : s + 2].mean()), value, error, influence))
    return scales


def _correlations(influences: list[FloatArray]) -> FloatArray:
    """Correlations of estimates that are means of these over the same points: (s, s)."""
    stacked = np.stack(influences)
    norms = np.sqrt((stacked**2).sum(axis=1))
    unit = stacked / np.where(norms > 0, norms, 1)[:, None]
    found = unit @ unit.T
    np.fill_diagonal(found, 1)
    return np.asarray(found)


def _either(fellows: BoolArray) -> FloatArray:
    """Return 1 where one of two queries is among the other's nearest, and on the diagonal."""
    joined = (fellows | fellows.T).astype(np.float64)
    np.fill_diagonal(joined, 1)
    return joined
