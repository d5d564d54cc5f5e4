"""Quantities that a profile is asked for besides its own: functions, estimators, and by name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from layergeom.arrays import Points
from layergeom.errors import InputError, InputTypeError, LayergeomError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.levina_bickel import levina_bickel
from layergeom.geometry.matrix_entropy import matrix_entropy, rankme
from layergeom.geometry.uncertainty import Estimate, cluster_error
from layergeom.states.code_content import code_key
from layergeom.states.content import content_key

LINEARITY = "linearity"  # of two layers: layergeom.tasks.layer_pairs
Number: TypeAlias = tuple[float, float]  # a value and its standard error
Measured: TypeAlias = Callable[[Points, NeighborGraph], Any]
TAKEN = frozenset(
    {
        *("dimension", "dimension_linear_90", "dimension_linear_98", "dimension_censored_90"),
        *("dimension_protocol", "plateau_dimension", "homogeneity", "distinct_points", "norm"),
        *("label_overlap", "label_agreement", "label_jaccard"),
        *("overlap", "overlap_next", "overlap_first", "overlap_last"),
        *("anisotropy", "anisotropy_uncentered", "anisotropy_without_first", "mean_cosine"),
        "effective_rank",
        *("spectral_entropy_rank", "participation_ratio", "pca_dimension_90", "pca_dimension_99"),
        *("token_norm_mean", "token_norm_max", "r1", "r2", "linearity_next", "undefined"),
        *("linearity_update_next", "mutual_knn"),
        *("layer", "depth", "hidden_states", "module", "blocks", "final_norm"),
    }
)  # columns of profile.csv


def _levina_bickel(_: Points, graph: NeighborGraph) -> Estimate:
    return levina_bickel(graph)


def _of_rows(estimate: Callable[[Points], Estimate]) -> Measured:
    """Return value and error where rows of one point, or of one group, are no independent ones."""

    def measured(X: Points, graph: NeighborGraph) -> Number:
        found = estimate(X)
        return found.value, cluster_error(found.influence, graph.point, graph.groups)

    return measured


BUILT_IN: dict[str, Measured] = {
    "dimension_levina_bickel": _levina_bickel,
    "rankme": _of_rows(rankme),
    "dataset_entropy": _of_rows(matrix_entropy),
}


@dataclass(frozen=True, eq=False)
class AddedQuantity:
    """One quantity that a profile is asked for.

    Attributes
    ----------
    name : str
        Of its curve and column.
    module : str
        Where it is from.
    key : str
        Of its content (see :func:`layergeom.states.code_content.code_key`).
    measured : callable
        Of the points and the graph, read-only.
    on_rows : bool
        Whether its points are all rows, or the distinct points.
    """

    name: str
    module: str
    key: str
    measured: Measured
    on_rows: bool = False

    @property
    def facts(self) -> Mapping[str, str]:
        """What the provenance records of it."""
        return {"name": self.name, "module": self.module, "key": self.key}

    def of(self, X: Points, graph: NeighborGraph) -> tuple[Number, str]:
        """Return value and error at one layer, and why it has none or "".

        Parameters
        ----------
        X : ndarray, shape (n, D)
            All rows of the layer.
        graph : NeighborGraph
            Their neighbours.
        """
        points = X if self.on_rows else X[graph.representatives]
        try:
            return _number(self.measured(_read_only(points), _guarded(graph))), ""
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            kind = "" if isinstance(error, LayergeomError) else f"{type(error).__name__}: "
            return (np.nan, np.nan), f"{self.name} is unknown: {kind}{error}"


def added_quantities(quantities: object) -> tuple[AddedQuantity, ...]:
    """Return what is asked for, checked before anything is measured.

    Parameters
    ----------
    quantities : callable, estimator or str, or several of them; optional
        A callable of (points, graph) that returns a float, a pair (value, error) or an estimate
        with ``value`` and ``error``; an object with ``fit(X)`` and then ``dimension_``, as those
        of scikit-dimension; or a name of :data:`BUILT_IN`. ``points`` are the distinct points of a
        layer, (p, D); ``graph`` is the :class:`layergeom.geometry.NeighborGraph` of its rows,
        whose ``points`` are the distances and places of the neighbours among them.

    Returns
    -------
    tuple of AddedQuantity
        Named by ``__name__``, of an estimator by its class.

    Raises
    ------
    InputError
        If a name is unknown, no name, taken, or there twice.
    InputTypeError
        For anything else, or a function whose content cannot be told.

    Examples
    --------
    >>> def spread(points, graph):
    ...     return float(points.std())
    >>> [quantity.name for quantity in added_quantities([spread])]
    ['spread']
    """
    found: dict[str, AddedQuantity] = {}
    for given in listed(quantities):
        quantity = _built_in(given) if isinstance(given, str) else _users(given)
        if quantity.name in found:
            raise InputError(
                f"two quantities are named {quantity.name!r}; give each a name of its own (def "
                "name(points, graph): …)."
            )
        found[quantity.name] = quantity
    return tuple(found.values())


def listed(quantities: object) -> list[object]:
    """Return the quantities one by one; names may be one text, separated by commas."""
    if quantities is None:
        return []
    if isinstance(quantities, str):
        return [name.strip() for name in quantities.split(",")]
    if callable(quantities) or hasattr(quantities, "fit") or not isinstance(quantities, Iterable):
        return [quantities]
    return list(quantities)


def _built_in(name: str) -> AddedQuantity:
    if name not in BUILT_IN:
        raise InputError(
            f"there is no quantity {name!r} to add; there are {', '.join([*BUILT_IN, LINEARITY])}."
        )
    key = content_key("built in", name)
    return AddedQuantity(name, "layergeom", key, BUILT_IN[name], on_rows=True)


def _users(given: Any) -> AddedQuantity:
    fitted = hasattr(given, "fit")
    if isinstance(given, type) or not (fitted or callable(given)):
        raise InputTypeError(
            f"a quantity must be a function of (points, graph), an estimator with fit() and "
            f"dimension_, or a name, but is {given!r:.60}"
            + ("; give an instance of the class." if isinstance(given, type) else ".")
        )
    name = type(given).__name__ if fitted else _name(given)
    _check_name(name)
    module = str(getattr(type(given) if fitted else given, "__module__", None) or "")
    measured = partial(_dimension, given) if fitted else given
    return AddedQuantity(name, module, code_key(given, name), measured)


def _name(given: Any) -> str:
    own = getattr(given, "__name__", None) or getattr(
        getattr(given, "func", None), "__name__", None
    )
    return str(own or type(given).__name__)


def _check_name(name: str) -> None:
    if not name.isidentifier():
        raise InputError(
            f"the quantity {name} has no name for its column; write it as def name(points, graph)."
        )
    if name in TAKEN or name in BUILT_IN or name.endswith(("_error", "_chance")):
        raise InputError(
            f"the name of the quantity {name!r} is taken by a column of profile.csv; rename it."
        )


def _dimension(estimator: Any, points: Points, _: NeighborGraph) -> Any:
    """Fit a copy: the user's own object stays as it is, and layers know nothing of each other."""
    fitted = copy.deepcopy(estimator)
    fitted.fit(points)
    error = getattr(fitted, "error_", np.nan)
    return fitted.dimension_, np.nan if error is None else error


def _number(found: Any) -> Number:
    if hasattr(found, "value") and hasattr(found, "error"):
        found = (found.value, found.error)
    pair = isinstance(found, (tuple, list)) or np.ndim(found) == 1
    value, error = (float(x) for x in (found if pair else (found, np.nan)))
    if np.isinf(value) or error < 0 or np.isinf(error):
        raise ValueError(f"it returned {value:g} with the error {error:g}")
    return value, error


def _guarded(graph: NeighborGraph) -> NeighborGraph:
    """Return the graph over read-only views of its arrays."""
    arrays = {name: x for name, x in vars(graph).items() if isinstance(x, np.ndarray)}
    names = ("distances", "indices", "point", "distinct_distances", "distinct_indices", "groups")
    views = {name: _read_only(arrays[name]) for name in names if name in arrays}
    ties = {row: _read_only(members) for row, members in graph.ties.items()}
    return replace(graph, ties=ties, **views)


def _read_only(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view
