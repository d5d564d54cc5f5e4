"""This package as the rows ask it: one object per estimator of the dimension."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import package
from outcomes import Outcome, observe

import layergeom as lg
from layergeom.errors import GeometryWarning

Estimator = Callable[[lg.NeighborGraph], Any]


def _both(estimate: Any) -> tuple[float, float]:
    return estimate.value, estimate.error


def everything(points: Any) -> dict[str, Outcome]:
    """What every function of the mathematics says of points, with few neighbours."""
    return {name: observe(lambda ask=ask: ask(points)) for name, ask in ASKED.items()}


def _graph(points: Any) -> lg.NeighborGraph:
    return lg.neighbor_graph(points, min(8, max(1, len(points) - 1)))


def _labels(points: Any) -> np.ndarray:
    return np.arange(len(points)) % 3


ASKED: dict[str, Callable[[Any], Any]] = {
    "twonn censored": lambda X: lg.twonn(_graph(X), "censored").value,
    "local dimension": lambda X: np.nanmean(lg.local_dimension(_graph(X), 8).values),
    "homogeneity": lambda X: lg.local_homogeneity(_graph(X), 3).value,
    "imbalance": lambda X: lg.information_imbalance(_graph(X), X[:, :2]).value,
    "overlap": lambda X: lg.neighborhood_overlap(_graph(X), _graph(X[:, ::-1]), 3).value,
    "overlaps": lambda X: lg.overlap_matrices([_graph(X), _graph(X[:, :1])], [1, 3]).ravel(),
    "label overlap": lambda X: lg.label_overlap(_graph(X), _labels(X), 3).value,
    "linear CKA": lambda X: lg.linear_cka(X, X[:, :2]).value,
    "permutations": lambda X: lg.permutation_level(X, X[:, ::-1]).mean,
    "mutual neighbours": lambda X: lg.mutual_knn(X, X[:, ::-1], 3).value,
    "nearest points": lambda X: lg.nearest_points(X, X[:3], 2).distances.ravel(),
    "anisotropy": lambda X: lg.anisotropy(X).value,
    "mean cosine": lambda X: lg.spectrum(X).mean_cosine.value,
    "RankMe": lambda X: lg.rankme(X).value,
    "matrix entropy": lambda X: lg.matrix_entropy(X).value,
    "linearity": lambda X: lg.linearity(X, X[:, :3]).value,
}


@dataclass(frozen=True)
class Ours:
    """The public functions, with one of the estimators of the dimension."""

    name: str
    estimator: Estimator
    k: int  # neighbours that it needs
    package = package
    everything = staticmethod(everything)
    exactness = 1e-9  # where the answer is exact, whatever a row allows

    def dimension(self, points: Any, **options: Any) -> Outcome:
        """The dimension of points."""
        return observe(lambda: _both(self.estimator(lg.neighbor_graph(points, self.k, **options))))

    def mistaken(self, points: Any) -> Outcome:
        """Points given where neighbour lists are wanted."""
        return observe(lambda: _both(self.estimator(points)))

    def dimension_of_lists(self, distances: Any, indices: Any, *, self_included: bool) -> Outcome:
        """The dimension of neighbour lists that were made elsewhere."""
        return observe(
            lambda: _both(
                self.estimator(
                    lg.NeighborGraph.from_arrays(distances, indices, self_included=self_included)
                )
            )
        )

    def bound(self, points: Any) -> tuple[float, bool]:
        """The dimension, and whether it is flagged as a lower bound."""
        found = self.estimator(lg.neighbor_graph(points, self.k))
        return found.value, found.lower_bound

    def gride(self, distances: Any, indices: Any, n1: int) -> Outcome:
        """Gride of neighbour lists without the row itself, with its standard error."""
        return observe(
            lambda: _both(
                lg.gride(lg.NeighborGraph.from_arrays(distances, indices, self_included=False), n1)
            )
        )

    def scales(self, points: Any, most: int) -> Outcome:
        """Dimensions at doubling ranks, up to so many neighbours."""
        return observe(lambda: lg.scale_analysis(points, lg.neighbor_graph(points, most)).values)

    def plateau(self, points: Any) -> float:
        """The dimension where it does not change with the scale; nan where it always does."""
        return lg.scale_analysis(points, lg.neighbor_graph(points, 64)).plateau_dimension

    def levina_bickel(self, points: Any) -> Outcome:
        """The maximum likelihood of Levina and Bickel, with its standard error."""
        return observe(lambda: _both(lg.levina_bickel(lg.neighbor_graph(points, 20))))

    def data_overlap(self, a: Any, b: Any, k: Any, listed: int | None = None) -> Outcome:
        """The overlap of two layers; ``listed`` neighbours are kept where it is given."""
        most = k if listed is None else listed
        return observe(
            lambda: _both(
                lg.neighborhood_overlap(lg.neighbor_graph(a, most), lg.neighbor_graph(b, most), k)
            )
        )

    def overlap_of_lists(self, a: Any, b: Any, k: int, *, self_included: bool) -> Outcome:
        """The overlap of two pairs (distances, indices)."""

        def graph(lists: Any) -> lg.NeighborGraph:
            return lg.NeighborGraph.from_arrays(*lists, self_included=self_included)

        return observe(lambda: _both(lg.neighborhood_overlap(graph(a), graph(b), k)))

    def label_overlap(
        self, points: Any, labels: Any, k: Any, *, by_class: bool = False, listed: int | None = None
    ) -> Outcome:
        """The overlap with labels."""
        most = k if listed is None else listed
        return observe(
            lambda: _both(
                lg.label_overlap(
                    lg.neighbor_graph(points, most),
                    labels,
                    k,
                    weighting="class" if by_class else "row",
                )
            )
        )

    def anisotropy(self, points: Any) -> Outcome:
        """The share of the variance along the first principal direction, by both ways."""

        def both_ways() -> tuple[float, float]:
            alone, among = lg.anisotropy(points), lg.spectrum(points).anisotropy
            assert math.isclose(alone.value, among.value, rel_tol=1e-9)
            return _both(alone)

        return observe(both_ways)

    def linearity(self, X: Any, Y: Any, *, held_out: bool = True) -> Outcome:
        """How well a linear map takes one layer to the other."""
        return observe(lambda: _both(lg.linearity(X, Y, held_out=held_out)))

    def profile(self, layers: dict[str, Any], **options: Any) -> Outcome:
        """The dimension of every layer of a profile, with the warnings that it keeps."""

        def of_layers() -> np.ndarray:
            found = lg.profile(layers, **options)
            for said in found.warnings:
                warnings.warn(said, GeometryWarning, stacklevel=2)
            return np.asarray(found.dimension.values)

        return observe(of_layers)


OURS = (
    Ours("twonn", lg.twonn, 2),
    Ours("twonn-linear", lambda graph: lg.twonn(graph, "linear"), 2),
    Ours("gride-2", lambda graph: lg.gride(graph, 2), 4),
    Ours("levina-bickel", lg.levina_bickel, 20),
)
