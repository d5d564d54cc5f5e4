"""What is measured while a model is trained: a profile of the quantities that cost little.

A quarter of the time of :func:`layergeom.measure.measure`, which has more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from layergeom import geometry
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import NeighborGraph, neighbor_way
from layergeom.geometry.groups import chance_of_neighbors
from layergeom.geometry.scale_names import scale_words
from layergeom.geometry.uncertainty import (
    Estimate,
    Joined,
    adjacency,
    cluster_error,
    covariance,
    row_adjacency,
)
from layergeom.layer import Settings, layer_graph
from layergeom.profiles import Curve, LayerMap, Profile
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates
from layergeom.version import VERSION

ALWAYS = ("dimension", "anisotropy", "overlap_start", "overlap_before")  # at the first moment too
Graphs: TypeAlias = Mapping[str, NeighborGraph]
Joiner: TypeAlias = Callable[[NeighborGraph], Joined]


@dataclass(frozen=True, eq=False)
class Former:
    """Neighbour graphs of earlier measurements, by layer."""

    start: Graphs
    before: Graphs


def quick_profile(
    hidden: HiddenStates,
    codes: IntArray | None,
    groups: IntArray | None,
    settings: Settings,
    former: Former | None = None,
) -> tuple[Profile, Graphs]:
    """Measure every layer, and return the profile and the neighbour graphs.

    Parameters
    ----------
    hidden : HiddenStates
        Of one moment.
    codes, groups : ndarray, shape (n,), optional
        Classes of the rows, -1 for none; sampling units.
    settings : Settings
        ``k`` and ``ranks`` are used.
    former : Former, optional
        Earlier measurements of the same rows.

    Returns
    -------
    profile : Profile
        Curves ``dimension`` (TwoNN), ``anisotropy``, ``overlap_next``, ``overlap_last`` (with the
        last layer), with labels ``label_overlap``, with ``former`` ``overlap_start`` and
        ``overlap_before`` (of the same layer, with the first and the former measurement, else nan);
        the map ``overlap``. A layer that cannot be measured is ``undefined`` with its reason.
    graphs : mapping of str to NeighborGraph
        For the next time.

    Raises
    ------
    DegenerateError
        If no layer can be measured.
    """
    layers = {key: _layer(hidden, key, codes, groups, settings) for key in hidden.layers}
    if all(layer.graph is None for layer in layers.values()):
        reasons = "; ".join(f"{key}: {layer.undefined}" for key, layer in layers.items())
        raise DegenerateError(f"no layer can be measured: {reasons}")
    overlap = _overlap_map(layers, hidden.n, groups, settings.k)
    if former is not None:
        for key, layer in layers.items():
            _compare(layer, former.start.get(key), settings.k, "overlap_start")
            _compare(layer, former.before.get(key), settings.k, "overlap_before")
    profile = Profile(
        layers=hidden.layers,
        names=hidden.names,
        curves=_curves(layers, overlap),
        maps={"overlap": overlap},
        scales={},
        decimation={},
        covariance=_covariances(list(layers.values()), hidden.n, settings.k),
        undefined={key: x.undefined for key, x in layers.items() if x.undefined},
        counts=dict(hidden.counts) | {"rows": hidden.n, "layers": len(layers)},
        warnings=(*hidden.warnings, *_told(layers)),
        provenance=_provenance(hidden, settings, groups),
    )
    return profile, {key: x.graph for key, x in layers.items() if x.graph is not None}


@dataclass(eq=False)
class _Layer:
    """What one layer leaves behind."""

    found: dict[str, Estimate] = field(default_factory=dict)
    graph: NeighborGraph | None = None
    undefined: str = ""
    notes: tuple[str, ...] = ()


def _layer(
    hidden: HiddenStates,
    key: str,
    codes: IntArray | None,
    groups: IntArray | None,
    settings: Settings,
) -> _Layer:
    layer = _Layer()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GeometryWarning)
        try:
            X = hidden[key]
            layer.graph = graph = layer_graph(hidden, key, X, settings, groups=groups)
            spread = geometry.anisotropy(X)
            error = cluster_error(spread.influence, graph.point, groups)
            layer.found["anisotropy"] = replace(spread, error=error)
            if codes is not None:
                named = np.where(codes >= 0, codes, np.nan)
                layer.found["label_overlap"] = geometry.label_overlap(graph, named, settings.k)
            layer.found["dimension"] = geometry.twonn(graph)
        except (InputError, DegenerateError) as trouble:
            layer.undefined = str(trouble)
    layer.notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
    return layer


def _compare(layer: _Layer, other: NeighborGraph | None, k: int, name: str) -> None:
    if layer.graph is not None and other is not None:
        layer.found[name] = geometry.neighborhood_overlap(layer.graph, other, k)


def _overlap_map(layers: Mapping[str, _Layer], n: int, groups: IntArray | None, k: int) -> LayerMap:
    graphs = [layer.graph for layer in layers.values()]
    known = [i for i, graph in enumerate(graphs) if graph is not None]
    values, errors = np.full((2, len(graphs), len(graphs)), np.nan)
    found = geometry.overlap_matrix([graph for graph in graphs if graph is not None], k)
    values[np.ix_(known, known)], errors[np.ix_(known, known)] = found
    chance = chance_of_neighbors(n, groups, k, np.ones(n, dtype=bool))
    return LayerMap("overlap", values, errors, chance)


def _curves(layers: Mapping[str, _Layer], overlap: LayerMap) -> dict[str, Curve]:
    names = dict.fromkeys([*ALWAYS, *(name for layer in layers.values() for name in layer.found)])
    curves = {name: _curve(name, list(layers.values())) for name in names}
    level, last = np.full(len(layers), overlap.chance), (slice(None, -1), -1)
    beside = (np.diag(overlap.values, 1), np.diag(overlap.errors, 1))
    for name, pair in (
        ("overlap_next", beside),
        ("overlap_last", (overlap.values[last], overlap.errors[last])),
    ):
        values, errors = (np.append(x, np.nan) for x in pair)
        curves[name] = Curve(name, values, errors, level)
    return curves


def _curve(name: str, layers: Sequence[_Layer]) -> Curve:
    found = [layer.found.get(name) for layer in layers]
    columns = (
        np.array([getattr(x, part, np.nan) for x in found], dtype=np.float64)
        for part in ("value", "error", "chance")
    )
    values, errors, chance = columns
    return Curve(name, values, errors, chance if np.isfinite(chance).any() else None)


def _covariances(layers: Sequence[_Layer], n: int, k: int) -> dict[str, FloatArray]:
    joiners: dict[str, Joiner] = {
        "dimension": lambda graph: adjacency(graph, 2),
        "label_overlap": lambda graph: row_adjacency(graph, k),
    }
    return {
        name: _covariance(name, joined, layers, n)
        for name, joined in joiners.items()
        if any(name in layer.found for layer in layers)
    }


def _covariance(name: str, joined: Joiner, layers: Sequence[_Layer], n: int) -> FloatArray:
    """Return the covariance of the layers' estimates; of a layer that has none, nan."""
    influences, pairs = [], []
    for layer in layers:
        found, graph = layer.found.get(name), layer.graph
        known = found is not None and graph is not None
        influences.append(found.influence if found is not None else np.full(n, np.nan))
        pairs.append(joined(graph) if known and graph else Joined(sp.csr_array((n, n))))
    return covariance(influences, pairs)


def _told(layers: Mapping[str, _Layer]) -> tuple[str, ...]:
    return tuple(f"{key}: {note}" for key, layer in layers.items() for note in layer.notes)


def _provenance(
    hidden: HiddenStates, settings: Settings, groups: IntArray | None
) -> dict[str, Any]:
    return {
        "key": content_key("quick", hidden.key, settings.content),
        "states": dict(hidden.provenance) | {"key": hidden.key},
        "settings": asdict(settings),
        "labels": None,
        "groups": None,
        "estimators": {
            "dimension": scale_words(settings.scale, groups is not None),
            "errors": "neighbour-graph-robust",
            "neighbours": neighbor_way(hidden.n),
        },
        "versions": {"layergeom": VERSION, "numpy": np.__version__},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
