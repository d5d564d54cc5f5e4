"""One layer's hidden states to its numbers; the states are dropped when they are done."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import scipy.sparse as sp

from layergeom import geometry
from layergeom.arrays import FloatArray, IntArray, Points, count
from layergeom.errors import DegenerateError, GeometryWarning, InputError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.dimension import Fit
from layergeom.geometry.uncertainty import adjacency, row_adjacency, standard_error
from layergeom.profiles import ScaleCurve
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates

SCHEMA = 1  # raised whenever the same states would give other numbers
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

    Raises
    ------
    InputError
        If one of them is not a whole number in its range.
    """

    k: int = 30
    ranks: int = 64
    decimation: tuple[int, ...] = (1, 2, 4, 8)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("k", 1), ("ranks", 2), ("seed", 0)):
            # 30.0 is accepted and kept as 30: the settings are also a key
            object.__setattr__(self, name, count(getattr(self, name), name, low))


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
    joined: dict[str, sp.csr_array] = field(default_factory=dict)
    graph: NeighborGraph | None = None
    scale: ScaleCurve | None = None
    decimation: dict[str, list[float]] | None = None
    undefined: str = ""
    notes: list[str] = field(default_factory=list)


def measured_layer(
    states: HiddenStates,
    key: str,
    given: Labels | None,
    settings: Settings,
    device: str | None = None,
) -> MeasuredLayer:
    """Measure one layer; what cannot be measured is left out with its reason.

    Neighbours are searched on ``device``, which changes no answer.
    """
    layer = MeasuredLayer()
    invalid = states.provenance.get("invalid", {})
    if key in invalid:
        layer.undefined = str(invalid[key])
        return layer
    with _collected(layer.notes):
        try:
            X = states[key]
            searched = partial(layer_graph, states, key, X, settings, device=device)
            graph = searched()
        except StoreError:
            raise  # a full disk says nothing about the layer
        except (InputError, DegenerateError) as error:
            layer.undefined = str(error)
            return layer
        layer.graph = graph
        # Made here and kept: every estimate of this graph asks for one of the two.
        layer.joined["dimension"] = adjacency(graph, 2)
        layer.joined["overlap"] = row_adjacency(graph, settings.k)
        _spectrum(layer, X, graph, states, key)
        _distances(layer, graph)
        _dimensions(layer, X, graph, settings)
        if given is not None:
            _label_overlap(layer, searched, given, settings)
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
    groups: IntArray | None = None,
    device: str | None = None,
) -> NeighborGraph:
    """Return the neighbour graph of a layer, from the store if it has been made before.

    With ``groups``, rows of one group are not neighbours.
    """
    k = min(
        max(settings.k, 2) if groups is not None else max(settings.k, settings.ranks), states.n - 1
    )
    name = f"neighbors/{key}" if groups is None else f"neighbors-outside/{key}"
    content = content_key("neighbors", SCHEMA, states.key, key, k, groups)
    stored = None if states.store is None else states.store.get(name, content, discard=True)
    if stored is not None:
        return NeighborGraph.unpacked(stored)
    graph = geometry.neighbor_graph(X, k, inputs=states.inputs, groups=groups, device=device)
    if states.store is not None:
        states.store.put(name, graph.packed(), content)
    return graph


def _spectrum(
    layer: MeasuredLayer, X: Points, graph: NeighborGraph, states: HiddenStates, key: str
) -> None:
    found = geometry.spectrum(X, graph.point)
    for name in SPECTRAL:
        estimate = getattr(found, name)
        layer.numbers[name] = (estimate.value, estimate.error)
    for name in ("pca_dimension_90", "pca_dimension_99"):
        layer.numbers[name] = (getattr(found, name), np.nan)
    if key in states.token_norms:
        norms = np.asarray(states.token_norms[key], dtype=np.float64)
        for column, name in enumerate(("token_norm_mean", "token_norm_max")):
            layer.numbers[name] = _row_mean(norms[:, column])


def _row_mean(values: FloatArray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _distances(layer: MeasuredLayer, graph: NeighborGraph) -> None:
    """Mean distance of the first two neighbours among the distinct points."""
    distances, _ = graph.points
    layer.numbers["distinct_points"] = (graph.n_distinct, np.nan)
    for rank, name in ((1, "r1"), (2, "r2")):
        if rank <= distances.shape[1]:
            mean = float(distances[:, rank - 1].mean())
            rows = np.zeros(graph.n)
            rows[graph.representatives] = (distances[:, rank - 1] - mean) * (
                graph.n / graph.n_distinct
            )
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
    thin = geometry.decimation(X, graph, settings.decimation, settings.seed)
    layer.decimation = {
        "n": thin.sizes.tolist(),
        "values": thin.values.tolist(),
        "errors": thin.errors.tolist(),
    }


def _label_overlap(
    layer: MeasuredLayer,
    searched: Callable[[IntArray], NeighborGraph],
    given: Labels,
    settings: Settings,
) -> None:
    graph = layer.graph
    if given.exclude is not None:
        graph = searched(given.exclude)
    if graph is None:
        return
    layer.joined["label_overlap"] = row_adjacency(graph, settings.k)
    found = geometry.label_overlap(
        graph, _with_gaps(given.codes), settings.k, exclude=_with_gaps(given.exclude)
    )
    layer.numbers["label_overlap"] = (found.value, found.error)
    layer.chance["label_overlap"] = found.chance
    layer.influence["label_overlap"] = found.influence


def _with_gaps(codes: IntArray | None) -> FloatArray | None:
    return None if codes is None else np.where(codes >= 0, codes, np.nan)
