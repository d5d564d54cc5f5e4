"""Approximate neighbour lists of a layer, kept in the store with what they were measured to miss.

They lie under names and content keys of their own: lists of the exact search never stand in for
them, nor the other way round.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from layergeom import geometry
from layergeom.arrays import Points
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry import NeighborGraph
from layergeom.geometry.approximate import BUILT, LINKS, LOOKED, SPARE, WAY, ApproximatePoints
from layergeom.geometry.recall import measured_recall
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates

SCHEMA = 1  # raised whenever the same states would give other lists


def approximate_graph(
    states: HiddenStates,
    X: Points | Callable[[], Points],
    piece: tuple[str, int, str],
    asked: dict[str, Any],
    seed: int,
) -> NeighborGraph:
    """Return the approximate neighbour graph of a layer, from the store if it has been made before.

    Parameters
    ----------
    states : HiddenStates
        With or without a store.
    X : ndarray, shape (n, D), or callable
        The layer, or a call that reads it, which is made only if it has to be searched.
    piece : tuple of str, int, str
        Name and content key of the exact lists, and the neighbours per row between them.
    asked : dict
        Further arguments of :func:`layergeom.neighbor_graph`.
    seed : int
        Draws the rows that are searched exactly.

    Warns
    -----
    GeometryWarning
        Always: the recall, its interval, and the biases of the dimension (see
        :class:`layergeom.geometry.recall.Recall`). For lists with ``exclude``, which have no
        points, that they are approximate.
    """
    name, k, exact = piece
    name = f"approximate-{name}"
    key = content_key("approximate", SCHEMA, WAY, [LINKS, BUILT, LOOKED, SPARE], exact, seed)
    stored = None if states.store is None else states.store.get(name, key, discard=True)
    if states.store is not None and stored is not None:
        graph, told = NeighborGraph.unpacked(stored), (states.store.facts(name, key) or {})["told"]
    else:
        X = X() if callable(X) else X
        graph = geometry.neighbor_graph(ApproximatePoints(X), k, **asked)
        told = _told(X, graph, seed)
        if states.store is not None:
            states.store.put(name, graph.packed(), key, {"told": told})
    warnings.warn(told, GeometryWarning, stacklevel=2)
    return graph


def _told(X: Points, graph: NeighborGraph, seed: int) -> str:
    try:
        return measured_recall(X, graph, seed).sentence
    except DegenerateError:  # the graph has no points
        return "approximate neighbours, for the label overlap too; their recall was not measured."
