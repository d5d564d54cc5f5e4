"""Classes guessed from neighbours: the vote of the k nearest, and the nearest alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from layergeom import geometry
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.geometry.groups import crossed
from layergeom.layer import Settings, layer_graph
from layergeom.states.hidden import HiddenStates
from layergeom.tasks.evaluated_rows import EvaluatedRows

_TIE = 1e-9  # votes are sums of whole numbers and of shares of ties


def memberships(
    states: HiddenStates, layer: str, X: Points, given: EvaluatedRows, k: int
) -> list[sp.csr_array]:
    """Return who the nearest row and the k nearest rows of every scored row are: 1, then k.

    Parameters
    ----------
    states : HiddenStates
        Its store answers where the same search was made before.
    layer : str
        Key of the layer.
    X : ndarray, shape (n, D)
        Its states.
    given : EvaluatedRows
        Without a split every row looks among all others, with one the test rows among the train
        rows; never within its own group or excluded class.
    k : int
        Neighbours.

    Returns
    -------
    list of two sparse arrays, shape (s, m)
        Rows sum to 1 and k, or to the number of admissible rows where there are fewer; ties at the
        last place share it (with a split, the train row that comes first has it).
    """
    if given.train is None:
        graph = _graph(states, layer, X, given, k)
        return [graph.weights(1), graph.weights(min(k, graph.k))]
    places = _nearest_learnt(X, given, np.flatnonzero(given.train), k)
    return [_listed(places[:, :1], len(given.rows)), _listed(places, len(given.rows))]


def _graph(
    states: HiddenStates,
    layer: str,
    X: Points,
    given: EvaluatedRows,
    k: int,
) -> geometry.NeighborGraph:
    if len(given.rows) == given.total:  # as a run searches, whose lists are kept
        settings = Settings(k=min(max(k, Settings().k), given.total - 1))
        exclude, groups = given.apart, given.siblings
        if exclude is None and groups is not None and given.total - _largest(groups) < settings.k:
            exclude, groups = groups, None  # such lists may end early
        return layer_graph(states, layer, X, settings, exclude, groups)
    inputs = None if states.inputs is None else [states.inputs[row] for row in given.rows]
    groups, exclude = (*given.kin, None, None)[:2]
    most = min(k, len(given.rows) - 1)
    return geometry.neighbor_graph(
        X[given.rows], most, inputs=inputs, groups=groups, exclude=exclude
    )


def _nearest_learnt(X: Points, given: EvaluatedRows, learn: IntArray, k: int) -> IntArray:
    """Return the places of the nearest admissible train rows, -1 where there are no more: (s, k).

    With groups and excluded classes, more rows are searched: as many as one of them takes away.
    """
    scored, k = given.scored, min(k, len(learn))

    def taken(codes: IntArray) -> int:
        return int(_pairs(codes[learn], codes[scored]).max())

    kin = sorted(given.kin, key=taken, reverse=True)
    beyond = taken(kin[1]) if len(kin) > 1 else 0
    found = geometry.nearest_points(
        X[given.rows[scored]],
        X[given.rows[learn]],
        min(k + beyond, len(learn)),
        query_groups=kin[0][scored] if kin else None,
        groups=kin[0][learn] if kin else None,
    )
    places = np.where(found.indices >= 0, learn[found.indices], -1)
    if beyond:
        places[kin[1][places] == kin[1][scored][:, None]] = -1
        places = np.take_along_axis(places, np.argsort(places < 0, axis=1, kind="stable"), axis=1)
    return places[:, :k]


def _largest(groups: IntArray) -> int:
    return int(np.bincount(groups).max())


def _listed(places: IntArray, m: int) -> sp.csr_array:
    keep = places >= 0
    rows = np.repeat(np.arange(len(places)), keep.sum(axis=1))
    return sp.csr_array((np.ones(len(rows)), (rows, places[keep])), shape=(len(places), m))


def right_votes(members: sp.csr_array, given: EvaluatedRows) -> FloatArray:
    """Return for each scored row whether most neighbours have its class: (s,).

    Where c classes have equally many votes and the right one is among them, 1/c; so neither the
    order of rows nor of classes matters. 0 where a row has no neighbours.

    Examples
    --------
    >>> given = EvaluatedRows(np.arange(3), np.array([0, 0, 1]), None, None, None, 3, (), {})
    >>> right_votes(sp.csr_array([[0, 1, 1], [1, 0, 0], [1, 1, 0]]), given).tolist()
    [0.5, 1.0, 0.0]
    """
    votes, own = _votes(members, given)
    most = votes.max(axis=1).toarray().reshape(-1)
    rows = np.repeat(np.arange(votes.shape[0]), np.diff(votes.indptr))
    equal = np.bincount(rows[votes.data >= most[rows] - _TIE], minlength=votes.shape[0])
    return np.where((own > 0) & (own >= most - _TIE), 1 / np.maximum(equal, 1), 0.0)


def right_shares(members: sp.csr_array, given: EvaluatedRows) -> FloatArray:
    """Return for each scored row the share of its neighbours that have its class: (s,)."""
    votes, own = _votes(members, given)
    return np.asarray(own / np.maximum(votes.sum(axis=1), _TIE))


def _votes(members: sp.csr_array, given: EvaluatedRows) -> tuple[sp.csr_array, FloatArray]:
    """Return the votes by class (s, C), and those for the row's own class (s,)."""
    m, codes = len(given.rows), given.codes
    of_class = sp.csr_array((np.ones(m), (np.arange(m), codes)), shape=(m, int(codes.max()) + 1))
    votes = sp.csr_array(members @ of_class)
    own: Any = of_class[given.scored].multiply(votes).sum(axis=1)
    return votes, np.asarray(own).reshape(-1)


def chance_of_a_row(given: EvaluatedRows) -> float:
    """Return the share of right ones if every row's neighbour were drawn from the admissible.

    Rows of the own group or excluded class are neither right nor drawn.
    """
    learn = given.scored if given.train is None else np.flatnonzero(given.train)
    kin = given.kin or (np.arange(len(given.rows)),)

    def alike(codes: IntArray) -> FloatArray:
        return _pairs(codes[learn], codes[given.scored])

    near = _either(kin, alike)
    near_same = _either([crossed(given.codes, codes) for codes in kin], alike)
    same = alike(given.codes)
    return float(np.mean((same - near_same) / np.maximum(len(learn) - near, 1)))


def _either(partitions: Sequence[IntArray], alike: Callable[[IntArray], FloatArray]) -> FloatArray:
    """For each row, how many are alike in one partition or in both."""
    total: FloatArray = np.sum([alike(codes) for codes in partitions], axis=0)
    if len(partitions) == 2:
        total = total - alike(crossed(*partitions))
    return total


def _pairs(among: IntArray, wanted: IntArray) -> FloatArray:
    """For each wanted number, how often it is among others."""
    size = int(max(among.max(), wanted.max())) + 1
    return np.bincount(among, minlength=size)[wanted].astype(np.float64)
