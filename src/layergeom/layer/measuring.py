"""One layer's hidden states to its numbers; the states are dropped when they are done."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

import numpy as np

from layergeom import geometry
from layergeom.added_quantities import AddedQuantity
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.errors import DegenerateError, GeometryWarning, InputError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.uncertainty import (
    cluster_error,
    same_point_error,
    standard_error,
)
from layergeom.layer.dimensions import measure_points
from layergeom.layer.graphs import layer_graph
from layergeom.layer.kept_layers import kept_layer
from layergeom.layer.label_kinds import GivenLabels
from layergeom.layer.measured import MeasuredLayer
from layergeom.layer.settings import Settings
from layergeom.states.hidden import HiddenStates, first_tokens
from layergeom.written import percent

SPECTRAL = (
    "anisotropy",
    "anisotropy_uncentered",
    "mean_cosine",
    "effective_rank",
    "spectral_entropy_rank",
    "participation_ratio",
    "norm",
)

SINK = 2.0  # times the anisotropy without first tokens, from which these are told to carry it


def measured_layer(
    states: HiddenStates,
    key: str,
    given: GivenLabels | None,
    settings: Settings,
    device: str | None = None,
    groups: IntArray | None = None,
    added: Sequence[AddedQuantity] = (),
    progress: Callable[[int, int, str], None] | None = None,
) -> MeasuredLayer:
    """Measure one layer; what cannot be measured is left out with its reason.

    Neighbours are searched on ``device``, which changes no answer. With ``groups`` (see
    :func:`layergeom.geometry.groups.check_groups`), these are the sampling units of all errors,
    and all neighbours come from other groups. An ``added`` quantity that fails is told. What a
    worker has measured of the layer is taken from the store. ``progress`` is told of the search.
    """
    read = cache(lambda: states[key])
    searching = None
    if progress is not None:

        def searching(done: int, total: int) -> None:
            progress(done, total, f"neighbors of {key}")

    searched = partial(
        layer_graph, states, key, read, settings, groups=groups, device=device, progress=searching
    )
    with _collected([]):  # what the search has to tell is among what is kept
        layer = kept_layer(states, key, settings, groups, searched)
    if layer is None:
        layer = layer_alone(states, key, settings, device, groups, read, searching)
    graph = layer.graph
    if graph is None:
        return layer
    with _collected(layer.notes):
        if given is not None:
            _labels(layer, searched, given, settings)
        for quantity in added:
            layer.numbers[quantity.name], trouble = quantity.of(read(), graph)
            layer.notes += [trouble] if trouble else []
    layer.graph = graph.nearest(settings.k)
    return layer


def layer_alone(
    states: HiddenStates,
    key: str,
    settings: Settings,
    device: str | None = None,
    groups: IntArray | None = None,
    read: Callable[[], Points] | None = None,
    searching: Callable[[int, int], None] | None = None,
) -> MeasuredLayer:
    """Measure what one layer says without labels and further quantities, with its whole graph.

    ``read`` returns the layer, for callers that read it themselves; ``searching`` is told the rows
    that have been searched, of all.
    """
    layer = MeasuredLayer()
    invalid = states.provenance.get("invalid", {})
    if key in invalid:
        layer.undefined = str(invalid[key])
        return layer
    read = read or partial(states.__getitem__, key)
    with _collected(layer.notes):
        try:
            X = read()
            graph = layer_graph(
                states, key, read, settings, groups=groups, device=device, progress=searching
            )
        except StoreError:
            raise  # a full disk says nothing about the layer
        except (InputError, DegenerateError) as error:
            layer.undefined = str(error)
            return layer
        layer.hold(graph, settings.k)
        _spectrum(layer, X, graph, states, key)
        _without_first(layer, X, graph, states)
        measure_points(layer, X, graph, settings)
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


def _without_first(
    layer: MeasuredLayer, X: Points, graph: NeighborGraph, states: HiddenStates
) -> None:
    """Measure the anisotropy of single tokens without the first ones, which may be sinks."""
    first = first_tokens(states)
    if first is None or not first.any():
        return
    kept = ~first
    try:
        found = geometry.anisotropy(X[kept])
    except (InputError, DegenerateError) as trouble:
        layer.notes.append(f"anisotropy_without_first is unknown: {trouble}")
        return
    groups = None if graph.groups is None else graph.groups[kept]
    error = cluster_error(found.influence, graph.point[kept], groups)
    layer.numbers["anisotropy_without_first"] = (found.value, error)
    whole = layer.numbers["anisotropy"][0]
    if whole > SINK * found.value:
        layer.notes.append(
            f"the first tokens of their samples, {percent(first.mean(), 1)} of the rows, carry the "
            f"anisotropy: {whole:.3f} with them and {found.value:.3f} without."
        )


def _row_mean(values: FloatArray, groups: IntArray | None) -> tuple[float, float]:
    """Mean over the rows and its error, with the factor G/(G - 1) of the variance of G units."""
    mean = float(values.mean())
    if groups is None:
        return mean, float(values.std(ddof=1) / np.sqrt(len(values)))
    size = len(np.unique(groups))
    return mean, same_point_error(values - mean, groups) * float(np.sqrt(size / (size - 1)))


def _labels(
    layer: MeasuredLayer,
    searched: Callable[..., NeighborGraph],
    given: GivenLabels,
    settings: Settings,
) -> None:
    graph = layer.graph
    if given.exclude is not None:
        graph = searched(exclude=given.exclude)
    if graph is None:
        return
    name = given.quantity
    try:
        found = given.overlap(graph, settings.k)
    except DegenerateError as error:
        layer.notes.append(f"{name} is unknown: {error}")
        return
    layer.joined[name] = given.joined(graph, settings.k)
    layer.numbers[name] = (found.value, found.error)
    layer.chance[name] = found.chance
    # so that the covariance of the layers has the squares of the errors on its diagonal
    told = standard_error(found.influence, layer.joined[name])
    same = np.isnan(told) or np.isnan(found.error) or told == found.error
    layer.influence[name] = found.influence if same else found.influence * (found.error / told)
