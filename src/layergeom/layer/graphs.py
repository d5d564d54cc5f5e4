"""The neighbour lists of a layer, kept in the store of its states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layergeom import geometry
from layergeom.arrays import IntArray, Points
from layergeom.geometry import NeighborGraph
from layergeom.geometry._search import has_device
from layergeom.layer.approximate_lists import approximate_graph
from layergeom.layer.measured import with_gaps
from layergeom.layer.settings import Settings
from layergeom.layer.shared_search import shared_points
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates
from layergeom.workers import Workers

Progress = Callable[[int, int], None]
GRAPH_SCHEMA = 2  # raised whenever the same states would give other lists
_BETWEEN = "neighbors-between"  # pieces of a store: lists of rows of other groups


def layer_graph(
    states: HiddenStates,
    key: str,
    X: Points | Callable[[], Points],
    settings: Settings,
    exclude: IntArray | None = None,
    groups: IntArray | None = None,
    device: str | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> NeighborGraph:
    """Return the neighbour graph of a layer, from the store if it has been made before.

    ``X`` is the layer, or a call that reads it, which is made only if it has to be searched. With
    ``groups``, rows of one group are not neighbours; with ``exclude`` neither are rows of one of
    its classes, and the graph serves the label overlap alone. ``workers`` share the search of
    states that lie in a store. ``progress`` is called within an exact search with the rows done and
    all rows.
    """
    name, k, content = _graph_piece(states, key, settings, groups, exclude)
    asked: dict[str, Any] = {
        "inputs": states.inputs,
        "groups": groups,
        "exclude": with_gaps(exclude),
    }
    if settings.neighbors == "approximate":
        return approximate_graph(states, X, (name, k, content), asked, settings.seed)
    stored = None if states.store is None else states.store.get(name, content, discard=True)
    if stored is not None:
        return NeighborGraph.unpacked(stored)
    X = X() if callable(X) else X
    if states.store is None:
        return geometry.neighbor_graph(X, k, device=device, progress=progress, **asked)
    if workers is None:
        graph = geometry.neighbor_graph(X, k, device=device, progress=progress, **asked)
    else:
        with shared_points(states, key, X, workers) as points:
            graph = geometry.neighbor_graph(points, k, progress=progress, **asked)
    states.store.put(name, graph.packed(), content)
    return graph


def search_device(states: HiddenStates, asked: str | None) -> str | None:
    """Return the device asked for, or that of the model where neighbours can be searched on it."""
    if asked is not None:
        return asked
    own = states.provenance.get("device")
    return own if own is not None and has_device(own) else None


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
        if content == content_key("neighbors", GRAPH_SCHEMA, states.key, key, k, None, groups):
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
    parts = ["neighbors", GRAPH_SCHEMA, states.key, key, k, exclude]
    if groups is None:
        kind = "neighbors" if exclude is None else "neighbors-outside"
    else:
        kind = _BETWEEN if exclude is None else f"{_BETWEEN}-outside"
        parts.append(groups)
    return f"{kind}/{key}", k, content_key(*parts)
