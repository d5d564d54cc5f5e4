"""One layer's hidden states to its numbers; the states are dropped when they are done."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from layergeom import geometry
from layergeom.added_quantities import AddedQuantity
from layergeom.arrays import FloatArray, IntArray, Points, count
from layergeom.errors import DegenerateError, GeometryWarning, InputError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.audit import Audit, audit
from layergeom.geometry.dimension import Fit, check_fit
from layergeom.geometry.group_ratios import ranked_distances, reach
from layergeom.geometry.homogeneity import constant_share
from layergeom.geometry.near_twins import FEWEST_LISTED, near_twins
from layergeom.geometry.scales import thinned_twonn
from layergeom.geometry.uncertainty import (
    Joined,
    adjacency,
    cluster_error,
    row_adjacency,
    same_point_error,
    standard_error,
)
from layergeom.profiles import ScaleCurve
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates

SCHEMA = 2  # raised whenever the same states would give other numbers
_BETWEEN = "neighbors-between"  # pieces of a store: lists of rows of other groups
FITS: dict[str, tuple[Fit, float]] = {
    "dimension_linear_90": ("linear", 0.9),
    "dimension_linear_98": ("linear", 0.98),
    "dimension_censored_90": ("censored", 0.9),
}
SPECTRAL = (
    "anisotropy",
    "anisotropy_uncentered",
    "mean_cosine",
    "effective_rank",
    "spectral_entropy_rank",
    "participation_ratio",
    "norm",
)


@dataclass(frozen=True)
class Settings:
    """What a profile is made with; part of its key and its provenance.

    Attributes
    ----------
    k : int
        Neighbours compared by the overlaps.
    ranks : int
        Neighbours listed per row; Gride reaches n1 = ranks / 2 on all points.
    decimation : tuple of int
        Factors by which the points are thinned for dimension against sample size.
    seed : int
        Splits subsets and samples query points.
    fit, fraction : str and float, optional
        With a fit, the curve ``dimension_protocol`` is TwoNN by it (see
        :func:`layergeom.geometry.twonn`).
    thinning : int
        That curve is the mean over ``thinning`` disjoint subsets, and its error their standard
        error; of all points, with the neighbour-graph-robust error, if 1.
    lone_rows : bool
        Every row stands for itself, whatever groups the states know, as paper B's tokens do.

    Raises
    ------
    InputError
        If one of them is not a whole number in its range, or the fit and fraction do not go
        together.
    """

    k: int = 30
    ranks: int = 64
    decimation: tuple[int, ...] = (1, 2, 4, 8)
    seed: int = 0
    fit: Fit | None = None
    fraction: float | None = None
    thinning: int = 1
    lone_rows: bool = False

    def __post_init__(self) -> None:
        for name, low in (("k", 1), ("ranks", 2), ("seed", 0), ("thinning", 1)):
            # 30.0 is accepted and kept as 30: the settings are also a key
            object.__setattr__(self, name, count(getattr(self, name), name, low))
        if self.fit is not None:
            check_fit(self.fit, self.fraction)
        elif self.fraction is not None or self.thinning != 1:
            raise InputError("fraction and thinning belong to a fit; give fit='linear' with them.")


@dataclass(frozen=True)
class Labels:
    """Class codes of the rows, and the finer groups whose members are no neighbours."""

    codes: IntArray
    exclude: IntArray | None = None


@dataclass(eq=False)
class MeasuredLayer:
    """What one layer leaves behind when its states are dropped."""

    numbers: dict[str, tuple[float, float]] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    influence: dict[str, FloatArray] = field(default_factory=dict)
    joined: dict[str, Joined] = field(default_factory=dict)
    graph: NeighborGraph | None = None
    scale: ScaleCurve | None = None
    decimation: dict[str, list[float]] | None = None
    audit: Audit | None = None
    undefined: str = ""
    notes: list[str] = field(default_factory=list)


def measured_layer(
    states: HiddenStates,
    key: str,
    given: Labels | None,
    settings: Settings,
    device: str | None = None,
    groups: IntArray | None = None,
    added: Sequence[AddedQuantity] = (),
) -> MeasuredLayer:
    """Measure one layer; what cannot be measured is left out with its reason.

    Neighbours are searched on ``device``, which changes no answer. With ``groups`` (see
    :func:`layergeom.geometry.groups.check_groups`), these are the sampling units of all errors,
    and all neighbours come from other groups. An ``added`` quantity that fails is told.
    """
    layer = MeasuredLayer()
    invalid = states.provenance.get("invalid", {})
    if key in invalid:
        layer.undefined = str(invalid[key])
        return layer
    with _collected(layer.notes):
        try:
            X = states[key]
            searched = partial(layer_graph, states, key, X, settings, groups=groups, device=device)
            graph = searched()
        except StoreError:
            raise  # a full disk says nothing about the layer
        except (InputError, DegenerateError) as error:
            layer.undefined = str(error)
            return layer
        layer.graph = graph
        # Made here and kept: every estimate of this graph asks for it, or for that of the points.
        layer.joined["overlap"] = row_adjacency(graph, settings.k)
        _spectrum(layer, X, graph, states, key)
        _points(layer, X, graph, settings)
        if given is not None:
            _label_overlap(layer, searched, given, settings)
        for quantity in added:
            layer.numbers[quantity.name], trouble = quantity.of(X, graph)
            layer.notes += [trouble] if trouble else []
    layer.graph = graph.nearest(settings.k)
    return layer


@contextmanager
def _collected(notes: list[str]) -> Iterator[None]:
    """Gather the warnings of the mathematics as sentences, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GeometryWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, GeometryWarning):
            if str(warning.message) not in notes:
                notes.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def layer_graph(
    states: HiddenStates,
    key: str,
    X: Points,
    settings: Settings,
    exclude: IntArray | None = None,
    groups: IntArray | None = None,
    device: str | None = None,
) -> NeighborGraph:
    """Return the neighbour graph of a layer, from the store if it has been made before.

    With ``groups``, rows of one group are not neighbours; with ``exclude`` neither are rows of one
    of its classes, and the graph serves the label overlap alone.
    """
    name, k, content = _graph_piece(states, key, settings, groups, exclude)
    stored = None if states.store is None else states.store.get(name, content, discard=True)
    if stored is not None:
        return NeighborGraph.unpacked(stored)
    graph = geometry.neighbor_graph(
        X, k, inputs=states.inputs, groups=groups, exclude=_with_gaps(exclude), device=device
    )
    if states.store is not None:
        states.store.put(name, graph.packed(), content)
    return graph


def listed_groups(states: HiddenStates) -> IntArray | None:
    """Return the groups that the stored neighbour lists of these states keep apart: (n,), or None.

    So the groups of a profile are known where nothing else has kept them.
    """
    if states.store is None:
        return None
    for key in states.layers:
        name = f"{_BETWEEN}/{key}"
        content = states.store.key(name)
        stored = None if content is None else states.store.get(name, content, discard=True)
        if stored is None:
            continue
        k = stored["indices"].shape[1]
        # the search has numbered them anew, in the order of the old numbers as texts
        groups = np.array(sorted(range(int(stored["groups"].max()) + 1), key=str))[stored["groups"]]
        if content == content_key("neighbors", SCHEMA, states.key, key, k, None, groups):
            return groups
    return None


def _graph_piece(
    states: HiddenStates,
    key: str,
    settings: Settings,
    groups: IntArray | None,
    exclude: IntArray | None,
) -> tuple[str, int, str]:
    """Name of the piece of a store that keeps a graph, its neighbours per row, its content key."""
    whole = states.n - (1 if groups is None else int(np.bincount(groups).max()))
    k = max(settings.k, 2) if exclude is not None else max(settings.k, settings.ranks)
    k = min(k, states.n - 1 if exclude is not None else whole)
    parts = ["neighbors", SCHEMA, states.key, key, k, exclude]
    if groups is None:
        kind = "neighbors" if exclude is None else "neighbors-outside"
    else:
        kind = _BETWEEN if exclude is None else f"{_BETWEEN}-outside"
        parts.append(groups)
    return f"{kind}/{key}", k, content_key(*parts)


def _spectrum(
    layer: MeasuredLayer, X: Points, graph: NeighborGraph, states: HiddenStates, key: str
) -> None:
    found = geometry.spectrum(X, graph.point)
    for name in SPECTRAL:
        estimate = getattr(found, name)
        error = cluster_error(estimate.influence, graph.point, graph.groups)
        layer.numbers[name] = (estimate.value, error)
    for name in ("pca_dimension_90", "pca_dimension_99"):
        layer.numbers[name] = (getattr(found, name), np.nan)
    if key in states.token_norms:
        norms = np.asarray(states.token_norms[key], dtype=np.float64)
        for column, name in enumerate(("token_norm_mean", "token_norm_max")):
            layer.numbers[name] = _row_mean(norms[:, column], graph.groups)


def _row_mean(values: FloatArray, groups: IntArray | None) -> tuple[float, float]:
    """Mean over the rows and its error, with the factor G/(G - 1) of the variance of G units."""
    mean = float(values.mean())
    if groups is None:
        return mean, float(values.std(ddof=1) / np.sqrt(len(values)))
    size = len(np.unique(groups))
    return mean, same_point_error(values - mean, groups) * float(np.sqrt(size / (size - 1)))


def _points(layer: MeasuredLayer, X: Points, graph: NeighborGraph, settings: Settings) -> None:
    """Measure what the distinct points say, where they see enough of each other."""
    layer.numbers["distinct_points"] = (graph.n_distinct, np.nan)
    try:
        layer.joined["dimension"] = adjacency(graph, 2)
    except DegenerateError as error:
        layer.undefined = str(error)
        return
    layer.audit = audit(X, graph, settings.seed)
    if layer.audit.differing:
        listed = f"{layer.audit.differing} of {layer.audit.rows}"
        layer.notes.append(f"the neighbour lists of {listed} rows are wrong in float64; report it.")
    _distances(layer, graph)
    _dimensions(layer, X, graph, settings)


def _distances(layer: MeasuredLayer, graph: NeighborGraph) -> None:
    """Mean distance of the first two neighbours, or other groups, among the distinct points."""
    for rank, name in ((1, "r1"), (2, "r2")):
        if rank <= reach(graph):
            distances = ranked_distances(graph, rank)
            mean = float(distances.mean())
            rows = np.zeros(graph.n)
            rows[graph.representatives] = (distances - mean) * (graph.n / graph.n_distinct)
            layer.numbers[name] = (mean, standard_error(rows, layer.joined["dimension"]))


def _dimensions(layer: MeasuredLayer, X: Points, graph: NeighborGraph, settings: Settings) -> None:
    try:
        twonn = geometry.twonn(graph)
        scale = geometry.scale_analysis(X, graph, settings.seed)
    except DegenerateError as error:
        layer.undefined = str(error)
        return
    layer.numbers["dimension"] = (twonn.value, twonn.error)
    layer.influence["dimension"] = twonn.influence
    for name, (method, fraction) in FITS.items():
        fit = geometry.twonn(graph, method, fraction)
        layer.numbers[name] = (fit.value, fit.error)
    layer.numbers["plateau_dimension"] = (scale.plateau_dimension, scale.plateau_error)
    layer.scale = ScaleCurve(
        scale.ranks,
        scale.distances,
        scale.values,
        scale.errors,
        scale.plateau,
        scale.plateau_dimension,
        scale.plateau_error,
    )
    if twonn.lower_bound:
        layer.notes.append(
            f"the dimension exceeds 0.8 log2 N = {0.8 * np.log2(graph.n_distinct):.1f}; read it as "
            "a lower bound."
        )
    if graph.groups is None and graph.k >= FEWEST_LISTED:
        _tell_twins(layer, graph)
    thin = geometry.decimation(X, graph, settings.decimation, settings.seed)
    layer.decimation = {
        "n": thin.sizes.tolist(),
        "values": thin.values.tolist(),
        "errors": thin.errors.tolist(),
    }
    _if_known(layer, "homogeneity", lambda: constant_share(graph, twonn.value))
    if settings.fit is not None:
        recipe = (settings.thinning, settings.seed, settings.fit, settings.fraction)
        _if_known(layer, "dimension_protocol", partial(thinned_twonn, X, graph, *recipe))


def _tell_twins(layer: MeasuredLayer, graph: NeighborGraph) -> None:
    twins = near_twins(graph)
    if twins.misleading:
        layer.notes.append(
            f"{twins.share:.1%} of the distinct points have a near twin (r2/r1 > {twins.ratio:.1f}"
            f", more than chance gives); the dimension is {twins.dimension.value:.1f} with them "
            f"and {twins.dimension_without:.1f} without. If rows belong together, give groups=…"
        )


def _if_known(layer: MeasuredLayer, name: str, estimate: Callable[[], tuple[float, float]]) -> None:
    """Add a value and its error, or the reason why there is none."""
    try:
        layer.numbers[name] = estimate()
    except DegenerateError as error:
        layer.notes.append(f"{name} is unknown: {error}")


def _label_overlap(
    layer: MeasuredLayer,
    searched: Callable[..., NeighborGraph],
    given: Labels,
    settings: Settings,
) -> None:
    graph = layer.graph
    if given.exclude is not None:
        graph = searched(exclude=given.exclude)
    if graph is None:
        return
    try:
        found = geometry.label_overlap(
            graph, _with_gaps(given.codes), settings.k, exclude=_with_gaps(given.exclude)
        )
    except DegenerateError as error:
        layer.notes.append(f"label_overlap is unknown: {error}")
        return
    layer.joined["label_overlap"] = row_adjacency(graph, settings.k)
    layer.numbers["label_overlap"] = (found.value, found.error)
    layer.chance["label_overlap"] = found.chance
    layer.influence["label_overlap"] = found.influence


def _with_gaps(codes: IntArray | None) -> FloatArray | None:
    return None if codes is None else np.where(codes >= 0, codes, np.nan)
