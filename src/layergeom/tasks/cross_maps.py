"""How alike the layers of two models are: neighbours in common, and linear CKA, for every two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from layergeom import arrays, geometry
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.alignment import (
    Hsic,
    LinearKernel,
    PermutationLevel,
    cka,
    hsic,
    permutation_level,
)
from layergeom.geometry.groups import chance_of_neighbors
from layergeom.geometry.mutual_neighbors import unit_rows
from layergeom.layer.graphs import GRAPH_SCHEMA
from layergeom.measure import Progress
from layergeom.states.content import content_key
from layergeom.tasks.finished_runs import FinishedRun

Quantity: TypeAlias = Literal["overlap", "cka", "mutual_knn"]


@dataclass(frozen=True, eq=False)
class CrossMap:
    """One similarity between every layer of one model and every layer of another.

    Attributes
    ----------
    quantity : {"overlap", "cka", "mutual_knn"}
        Neighbourhood overlap, debiased linear CKA, or the overlap of neighbours by cosine.
    runs : tuple of two str
        The models; the first has the rows of the map.
    values, errors : ndarray, shape (L, L')
        nan where a layer could not be compared.
    chance : float
        What independent layers have on average.
    best : tuple of two str
        The most alike layers; empty texts where none could be compared.
    level : PermutationLevel or None
        Of that pair with its rows dealt at random; None if it was not asked for.
    rows : int
        Rows compared.
    """

    quantity: Quantity
    runs: tuple[str, str]
    values: FloatArray
    errors: FloatArray
    chance: float
    best: tuple[str, str]
    level: PermutationLevel | None
    rows: int


class CrossSettings(NamedTuple):
    """Neighbours compared, rows of the CKA (None: all), draws of the level, seed; whether mNN."""

    k: int
    sample: IntArray | None
    permutations: int
    seed: int
    cosine: bool = False


def cross_maps(
    runs: Sequence[FinishedRun], chosen: CrossSettings, progress: Progress | None
) -> list[CrossMap]:
    """Return the overlap of every two runs, and what needs states where both kept them."""
    pairs = list(combinations(runs, 2))
    maps = []
    for done, (a, b) in enumerate(pairs, 1):
        maps.append(_overlaps(a, b, chosen, "overlap"))
        if a.states is not None and b.states is not None:
            maps.append(_ckas(a, b, chosen))
            maps += [_overlaps(a, b, chosen, "mutual_knn")] if chosen.cosine else []
        if progress is not None:
            progress(done, len(pairs), "pairs of models compared")
    return maps


def _overlaps(
    a: FinishedRun, b: FinishedRun, chosen: CrossSettings, quantity: Quantity
) -> CrossMap:
    searched = _graphs if quantity == "overlap" else _cosine_graphs
    graphs = [searched(run, chosen.k) for run in (a, b)]
    values, errors = _unknown(a, b)
    here, there = (list(side) for side in graphs)
    known = [graph for side in graphs for graph in side.values()]
    cross = np.ix_(range(len(here)), range(len(here), len(known)))
    found = geometry.overlap_matrix(known, chosen.k)
    values[np.ix_(here, there)], errors[np.ix_(here, there)] = (part[cross] for part in found)
    n, k = a.profile.counts["rows"], chosen.k
    chance = chance_of_neighbors(n, a.groups, k, np.ones(n, dtype=bool))
    at = _best(values)
    level = None
    if at is not None and chosen.permutations:
        level = permutation_level(
            graphs[0][at[0]],
            graphs[1][at[1]],
            k=k,
            permutations=chosen.permutations,
            seed=chosen.seed,
        )
    names, best = (a.name, b.name), _layers(a, b, at)
    return CrossMap(quantity, names, values, errors, chance, best, level, n)


def _graphs(run: FinishedRun, k: int) -> dict[int, NeighborGraph]:
    """Return the neighbours of the layers that have any, by the layer's place."""
    graphs = [run.graph(key, k) for key in run.profile.layers]
    return {at: graph for at, graph in enumerate(graphs) if graph is not None}


def _cosine_graphs(run: FinishedRun, k: int) -> dict[int, NeighborGraph]:
    """Return the neighbours by cosine of the layers whose rows have directions."""
    found = {}
    for at, key in enumerate(run.profile.layers):
        try:
            found[at] = _cosine_graph(run, key, k)
        except StoreError:
            raise
        except (InputError, DegenerateError):  # told as a layer without neighbours
            continue
    return found


def _cosine_graph(run: FinishedRun, layer: str, k: int) -> NeighborGraph:
    """Return the neighbours of the rows divided by their norms, kept beside the others."""
    X, states, groups = _states(run, layer, None), run.lists, run.groups
    name = f"neighbors-cosine/{layer}"
    content = content_key("neighbors-cosine", GRAPH_SCHEMA, states.key, layer, k, groups)
    stored = None if states.store is None else states.store.get(name, content, discard=True)
    if stored is not None:
        return NeighborGraph.unpacked(stored)
    graph = geometry.neighbor_graph(unit_rows(X), k, inputs=states.inputs, groups=groups)
    if states.store is not None:
        states.store.put(name, graph.packed(), content)
    return graph


def _unknown(a: FinishedRun, b: FinishedRun) -> tuple[FloatArray, FloatArray]:
    shape = (len(a.profile.layers), len(b.profile.layers))
    return np.full(shape, np.nan), np.full(shape, np.nan)


def _best(values: FloatArray) -> tuple[int, int] | None:
    if not np.isfinite(values).any():
        return None
    i, j = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return int(i), int(j)


def _layers(a: FinishedRun, b: FinishedRun, at: tuple[int, int] | None) -> tuple[str, str]:
    return ("", "") if at is None else (a.profile.layers[at[0]], b.profile.layers[at[1]])


def _ckas(a: FinishedRun, b: FinishedRun, chosen: CrossSettings) -> CrossMap:
    keys = a.profile.layers, b.profile.layers
    own = [_own(run, layers, chosen.sample) for run, layers in zip((a, b), keys, strict=True)]
    groups = _groups(a, b, chosen.sample)
    values, errors = _unknown(a, b)
    for i, xx in own[0].items():
        x = _kernel(a, keys[0][i], chosen.sample)
        for j, yy in own[1].items():
            y = _kernel(b, keys[1][j], chosen.sample)
            found = cka(hsic(x, y), xx, yy, groups)
            values[i, j], errors[i, j] = found.value, found.error
    at = _best(values)
    rows = a.profile.counts["rows"] if chosen.sample is None else len(chosen.sample)
    level = _cka_level(a, b, _layers(a, b, at), chosen) if at else None
    return CrossMap("cka", (a.name, b.name), values, errors, 0.0, _layers(a, b, at), level, rows)


def _own(run: FinishedRun, layers: Sequence[str], sample: IntArray | None) -> dict[int, Hsic]:
    """Return the dependence of each layer on itself, of those that have a positive one."""
    found = {}
    for at, key in enumerate(layers):
        try:
            kernel = _kernel(run, key, sample)
        except (InputError, DegenerateError):  # what is wrong stands in the profile
            continue
        own = hsic(kernel, kernel)
        if own.value > 0:
            found[at] = own
    return found


def _kernel(run: FinishedRun, layer: str, sample: IntArray | None) -> LinearKernel:
    return LinearKernel(_states(run, layer, sample), f"{run.name} at {layer}")


def _states(run: FinishedRun, layer: str, sample: IntArray | None) -> Any:
    if run.states is None:
        raise InputError(f"{run.name} kept no states.")
    X = run.states[layer]
    return X if sample is None else X[sample]


def _groups(a: FinishedRun, b: FinishedRun, sample: IntArray | None) -> IntArray | None:
    """Return which rows are no independent samples, as far as one of the runs knows."""
    given = [run.states.groups for run in (a, b) if run.states and run.states.groups]
    if not given:
        return None
    codes = arrays.labels(given[0], len(given[0]), "groups")
    return codes if sample is None else codes[sample]


def _cka_level(
    a: FinishedRun, b: FinishedRun, best: tuple[str, str], chosen: CrossSettings
) -> PermutationLevel | None:
    if not chosen.permutations:
        return None
    return permutation_level(
        _states(a, best[0], chosen.sample),
        _states(b, best[1], chosen.sample),
        permutations=chosen.permutations,
        seed=chosen.seed,
    )
