"""One layer point by point: its local dimension, its distances, and whether it is an outlier."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.group_ratios import ranked_distances, reach
from layergeom.geometry.local_dimensions import local_dimension, outliers
from layergeom.tasks.finished_runs import FinishedRun, finished_run

COLUMNS = (
    "id", "local_dimension", "local_dimension_error", "r1", "rk", "multiplicity", "outlier",
)  # fmt: skip


def point_table(
    run: Path | str | FinishedRun, layer: str, k: int | None = None
) -> list[dict[str, Any]]:
    """Return what a finished run says of every row at one layer.

    Parameters
    ----------
    run : path or FinishedRun
        Folder of a run, or its ``profile.json``: its neighbour lists are read.
    layer : str
        A layer of the profile.
    k : int, optional
        Neighbours (with groups: other groups) of the local dimension; those of the run's overlaps
        unless given, as far as its lists reach.

    Returns
    -------
    list of dict
        A row for each row of the run: ``id`` (its number, where states were not kept),
        ``local_dimension`` and its error, the distances ``r1`` and ``rk`` to the nearest and the
        k-th other point (with groups: other group), ``multiplicity`` (rows that are the same
        point) and ``outlier`` (the reason, or ""; see
        :func:`layergeom.geometry.local_dimensions.outliers`).

    Raises
    ------
    InputError
        If the run has no such layer, or neither enough neighbours nor the states were kept.
    DegenerateError
        If the local dimension is not defined.

    Warns
    -----
    GeometryWarning
        If no ``k`` is given and the lists do not reach that of the run.

    Notes
    -----
    Nothing is searched again unless ``k`` exceeds the lists. Milliseconds for 10,000 rows.
    """
    opened = run if isinstance(run, FinishedRun) else finished_run(run)
    graph = _graph(opened, layer, k)
    k = _reached(graph, opened.settings.k) if k is None else k
    ids = _ids(opened, graph.n)
    found = local_dimension(graph, k)
    reasons = {x.row: x.reason for x in outliers(graph, found, ids)}
    columns = (
        ids,
        found.values.tolist(),
        found.errors.tolist(),
        *(ranked_distances(graph, rank)[graph.point].tolist() for rank in (1, k)),
        np.bincount(graph.point)[graph.point].tolist(),
        [reasons.get(row, "") for row in range(graph.n)],
    )
    return [dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]


def _reached(graph: NeighborGraph, k: int) -> int:
    """Return ``k``, or with groups as many of them as every list meets, which is told."""
    met = min(k, reach(graph))
    if met < k:
        what = "neighbours" if graph.groups is None else "other groups"
        warnings.warn(
            f"the lists of the run reach {met} {what} of each point, so that the local dimension "
            f"is that of {met}, not of {k}; give k to search further.",
            GeometryWarning,
            stacklevel=3,
        )
    return met


def _graph(run: FinishedRun, layer: str, k: int | None) -> NeighborGraph:
    """Return the lists of a layer as they were kept, longer ones if ``k`` asks for them."""
    if layer not in run.profile.layers:
        raise InputError(
            f"{run.name} has no layer {layer!r}; it has {', '.join(run.profile.layers)}."
        )
    graph = run.graph(layer, _listed(run) if k is None else max(k, _listed(run)))
    if graph is None:
        raise InputError(f"{layer} has no neighbours: {run.profile.undefined[layer]}")
    return graph


def _listed(run: FinishedRun) -> int:
    """Return the neighbours that the run lists of every row."""
    n, groups = run.profile.counts["rows"], run.groups
    own = 1 if groups is None else int(np.bincount(groups).max())
    return min(max(run.settings.k, run.settings.ranks), n - own)


def _ids(run: FinishedRun, n: int) -> Sequence[str]:
    kept = () if run.states is None else run.states.ids
    return kept if len(kept) == n else [str(row) for row in range(n)]
