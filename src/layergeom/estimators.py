"""The estimators in scikit-learn's shape, with scikit-dimension's attribute names.

They compute nothing themselves: a neighbour search, then :func:`layergeom.twonn`,
:func:`layergeom.gride`, :func:`layergeom.geometry.levina_bickel.levina_bickel` or
:func:`layergeom.local_dimension`, whose numbers they give exactly and whose pages say what these
assume and when they mislead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from layergeom.arrays import FloatArray, Points, count, points
from layergeom.errors import InputError
from layergeom.geometry.dimension import DimensionEstimate, Fit, Outliers, gride, twonn
from layergeom.geometry.group_ratios import ranked_distances
from layergeom.geometry.levina_bickel import levina_bickel
from layergeom.geometry.local_dimensions import local_dimension
from layergeom.geometry.neighbors import NeighborGraph, neighbor_graph

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # before scikit-learn 1.6

    def validate_data(estimator: Any, X: object, **checks: Any) -> Points:
        """Check ``X`` and remember or compare its features."""
        array: Points = estimator._validate_data(X, **checks)
        return array


class DimensionEstimator(BaseEstimator, ABC):  # type: ignore[misc]  # of a library without types
    """What the estimators have in common.

    Attributes
    ----------
    dimension_ : float
        The intrinsic dimension.
    error_ : float
        Its standard error (neighbour-graph-robust), nan if it is not known.
    estimate_ : DimensionEstimate
        All that the function returned.
    n_features_in_ : int
        Columns of ``X``.
    """

    dimension_: float
    error_: float
    estimate_: DimensionEstimate

    def fit(
        self,
        X: object,
        y: object = None,  # noqa: ARG002
        precomputed_knn_arrays: Any = None,
    ) -> Self:
        """Estimate the dimension.

        Parameters
        ----------
        X : array_like, shape (n, D)
            Samples in rows.
        y : object
            Not used.
        precomputed_knn_arrays : (ndarray, ndarray), shapes (n, k), optional
            Distances and indices of the neighbours of every row, without the row itself, as
            scikit-dimension takes them; no neighbour is searched then.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there are fewer rows than the neighbours that are needed, ``X`` is not a finite
            matrix, or a parameter lies outside of its range.
        DegenerateError
            If too few points are distinct.
        """
        if isinstance(X, np.ma.MaskedArray):
            points(X)  # refused, where scikit-learn would read what is masked
        cloud = validate_data(self, X, ensure_min_samples=2)
        self._fit_graph(self._graph(cloud, precomputed_knn_arrays))
        return self

    def fit_graph(self, graph: NeighborGraph) -> Self:
        """Estimate the dimension from a neighbour graph that is there already."""
        self._fit_graph(graph)
        return self

    def transform(self, X: object = None) -> float:
        """Return ``dimension_``, as scikit-dimension does; ``X`` is checked, and not used.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "dimension_")
        if X is not None:
            validate_data(self, X, reset=False)
        return self.dimension_

    def fit_transform(
        self, X: object, y: object = None, precomputed_knn_arrays: Any = None
    ) -> float:
        """Return the dimension of ``X``; see :meth:`fit`."""
        return self.fit(X, y, precomputed_knn_arrays).dimension_

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()  # scikit-learn asks that of what has transform()
        return tags

    def _graph(self, cloud: Points, arrays: Any) -> NeighborGraph:
        if arrays is None:
            return neighbor_graph(cloud, self._reach(len(cloud)))
        distances, indices = arrays
        if len(distances) != len(cloud):
            raise InputError(f"X has {len(cloud)} rows but the distances have {len(distances)}.")
        return NeighborGraph.from_arrays(distances, indices, self_included=False)

    @abstractmethod
    def _reach(self, n: int) -> int:
        """Return the neighbours that are needed of each of ``n`` rows."""

    @abstractmethod
    def _fit_graph(self, graph: NeighborGraph) -> None:
        """Set the attributes that end in an underscore."""

    def _keep(self, found: DimensionEstimate) -> None:
        self.estimate_ = found
        self.dimension_, self.error_ = found.value, found.error


class TwoNN(DimensionEstimator):
    """:func:`layergeom.twonn` as an estimator.

    Parameters
    ----------
    method : {"ml", "linear", "censored"}
        The fit. scikit-dimension's ``method="mle"`` is ``"censored"``, and its default
        ``"linear"`` with ``fraction=0.9``.
    fraction : float, optional
        Share of the ratios kept, 1 - ``discard_fraction``.

    Examples
    --------
    >>> import numpy as np
    >>> square = np.random.default_rng(0).random((4000, 2))
    >>> found = TwoNN().fit(square)
    >>> bool(abs(found.dimension_ - 2) < 3 * found.error_ + 0.02)
    True
    """

    def __init__(self, method: Fit = "ml", fraction: float | None = None) -> None:
        self.method = method
        self.fraction = fraction

    def _reach(self, n: int) -> int:  # noqa: ARG002
        return 2

    def _fit_graph(self, graph: NeighborGraph) -> None:
        self._keep(twonn(graph, self.method, self.fraction))


class Gride(DimensionEstimator):
    """:func:`layergeom.gride` as an estimator, at one scale or at doubling ones.

    Parameters
    ----------
    n1, n2 : int
        Neighbour ranks, n2 = 2 n1 unless given.
    multiscale : bool
        Whether to estimate at n1 = 1, 2, 4, … as well.
    range_max : int
        Largest n2 of these, at most the number of samples less one.
    outliers : {"keep", "dadapy"}
        ``"dadapy"`` drops the ratios that DADApy and scikit-dimension drop.

    Attributes
    ----------
    scales_ : ndarray, shape (s,)
        n1 of the scales; this and the following only with ``multiscale``.
    dimension_scales_, error_scales_ : ndarray, shape (s,)
        Dimensions and their standard errors.
    distance_scales_, radius_scales_ : ndarray, shape (s,)
        Mean of (r_n1 + r_n2)/2, and of r_n2 alone.

    Examples
    --------
    >>> import numpy as np
    >>> found = Gride(multiscale=True, range_max=16).fit(np.random.default_rng(0).random((2000, 2)))
    >>> found.scales_.tolist(), found.dimension_scales_.round(1).tolist()
    ([1, 2, 4, 8], [2.0, 1.9, 2.0, 1.9])
    """

    def __init__(
        self,
        n1: int = 1,
        n2: int | None = None,
        multiscale: bool = False,
        range_max: int = 64,
        outliers: Outliers = "keep",
    ) -> None:
        self.n1 = n1
        self.n2 = n2
        self.multiscale = multiscale
        self.range_max = range_max
        self.outliers = outliers

    def _reach(self, n: int) -> int:
        n1 = count(self.n1, "n1", 1)
        n2 = 2 * n1 if self.n2 is None else count(self.n2, "n2", n1 + 1)
        if not self.multiscale:
            return n2
        return max(n2, min(count(self.range_max, "range_max", 2), n - 1))

    def _fit_graph(self, graph: NeighborGraph) -> None:
        self._keep(gride(graph, self.n1, self.n2, self.outliers))
        if self.multiscale:
            self._fit_scales(graph)

    def _fit_scales(self, graph: NeighborGraph) -> None:
        top = min(count(self.range_max, "range_max", 2), graph.points[0].shape[1])
        self.scales_ = 2 ** np.arange(int(np.log2(top)))
        found = [gride(graph, int(n1), outliers=self.outliers) for n1 in self.scales_]
        self.dimension_scales_ = np.array([each.value for each in found])
        self.error_scales_ = np.array([each.error for each in found])
        self.distance_scales_ = np.array([each.distance for each in found])
        radii = [ranked_distances(graph, 2 * int(n1)).mean() for n1 in self.scales_]
        self.radius_scales_ = np.array(radii)


class LevinaBickel(DimensionEstimator):
    """:func:`layergeom.levina_bickel` as an estimator.

    Parameters
    ----------
    k1, k2 : int, 3 <= k1 <= k2
        The range of neighbours.
    """

    def __init__(self, k1: int = 10, k2: int = 20) -> None:
        self.k1 = k1
        self.k2 = k2

    def _reach(self, n: int) -> int:  # noqa: ARG002
        return count(self.k2, "k2", 1)

    def _fit_graph(self, graph: NeighborGraph) -> None:
        self._keep(levina_bickel(graph, self.k1, self.k2))


class LocalDimension(DimensionEstimator):
    """:func:`layergeom.local_dimension` as an estimator: the dimension around every row.

    Parameters
    ----------
    k : int, >= 3
        Neighbours used.

    Attributes
    ----------
    dimension_pw_ : ndarray, shape (n,)
        The dimension around every row.
    error_pw_ : ndarray, shape (n,)
        Their standard errors.
    dimension_, error_ : float
        :func:`layergeom.levina_bickel` at this k: the inverse of the mean inverse. The mean of
        ``dimension_pw_`` would be too high by (k - 1)/(k - 2).
    """

    dimension_pw_: FloatArray
    error_pw_: FloatArray

    def __init__(self, k: int = 30) -> None:
        self.k = k

    def transform_pw(self, X: object = None) -> FloatArray:
        """Return ``dimension_pw_``; ``X`` is checked, and not used."""
        self.transform(X)
        return self.dimension_pw_

    def fit_transform_pw(
        self, X: object, y: object = None, precomputed_knn_arrays: Any = None
    ) -> FloatArray:
        """Return the dimension around every row of ``X``."""
        return self.fit(X, y, precomputed_knn_arrays).dimension_pw_

    def _reach(self, n: int) -> int:  # noqa: ARG002
        return count(self.k, "k", 1)

    def _fit_graph(self, graph: NeighborGraph) -> None:
        around = local_dimension(graph, self.k)
        self._keep(levina_bickel(graph, around.k, around.k))
        self.dimension_pw_, self.error_pw_ = around.values, around.errors
