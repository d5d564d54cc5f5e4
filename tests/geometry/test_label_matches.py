"""Label overlaps of many k in one pass: the same estimates as one by one."""

import warnings

import numpy as np
import pytest

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import label_overlap, label_overlaps, neighbor_graph

RNG = np.random.default_rng(0)
N = 150
X = RNG.standard_normal((N, 4))
LATTICE = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3)
CLOUDS = {"random": X, "lattice": LATTICE, "duplicates": np.repeat(X[:50], 3, axis=0)}
KS = [20, 1, 5, 5, 12]


def same(a, b):
    plain = [(x.value, x.error, x.k, x.chance, x.rows, x.left_out) for x in (a, b)]
    return np.array_equal(*plain, equal_nan=True) and np.array_equal(a.influence, b.influence)


@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("weighting", ["row", "class"])
@pytest.mark.parametrize("excluded", [False, True])
def test_many_k_equal_one_by_one_and_the_memberships(kind, weighting, excluded):
    points = CLOUDS[kind]
    labels = np.random.default_rng(1).integers(0, 3, len(points))
    groups = np.arange(len(points)) // 2 if excluded else None
    graph = neighbor_graph(points, 22, exclude=groups)
    options = {"weighting": weighting, "exclude": groups}
    found = label_overlaps(graph, labels, KS, **options)
    assert [x.k for x in found] == KS
    for each, k in zip(found, KS, strict=True):
        assert same(each, label_overlap(graph, labels, k, **options))
        hits = graph.weights(k).toarray() * (labels[:, None] == labels)
        share = hits.sum(axis=1) / k
        if weighting == "row":
            assert each.value == pytest.approx(share.mean(), rel=1e-12)
        else:
            classes = [share[labels == c].mean() for c in range(3)]
            assert each.value == pytest.approx(np.mean(classes), rel=1e-12)


def test_left_out_rows_are_told_once():
    labels = [None if i < 7 else i % 3 for i in range(N)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = label_overlaps(neighbor_graph(X, 22), labels, KS)
    assert [w.category for w in told] == [GeometryWarning]
    assert told[0].filename == __file__
    assert {x.left_out for x in found} == {7}


def test_what_does_not_fit_is_refused():
    graph = neighbor_graph(X, 22)
    with pytest.raises(InputError, match="lists 22"):
        label_overlaps(graph, np.arange(N) % 2, [5, 23])
    with pytest.raises(InputError, match="between 1 and 149"):
        label_overlaps(graph, np.arange(N) % 2, [0])
    with pytest.raises(DegenerateError, match="no row has a label"):
        label_overlaps(graph, np.arange(N), [5])
    assert label_overlaps(graph, np.arange(N) % 2, []) == []
