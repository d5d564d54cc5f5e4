"""A search in parts has the bits of a search in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.errors import StoreError
from layergeom.geometry import NeighborGraph, _compiled, neighbor_graph
from layergeom.geometry.search_parts import (
    SharedPoints,
    Wanted,
    merged,
    pair_order,
    search_part,
)

kernel = pytest.mark.skipif(_compiled.kernel() is None, reason="no kernel")


def in_parts(of):
    def parts(wanted, _progress):
        rows = CLOUD["X"] if wanted.chosen is None else CLOUD["X"][wanted.chosen]
        return [search_part(rows, wanted, number, of) for number in range(of)]

    return parts


CLOUD = {}


def assert_same(found: NeighborGraph, wanted: NeighborGraph) -> None:
    for name, array in wanted.packed().items():
        np.testing.assert_array_equal(found.packed()[name], array, err_msg=name)


@pytest.mark.parametrize("of", [1, 2, 3, 7])
@pytest.mark.parametrize("kind", ["plain", "doubles", "ties", "groups", "float64", "small"])
def test_the_same_bits_in_any_number_of_parts(kind: str, of: int) -> None:
    rng = np.random.default_rng(of)
    X = (rng.standard_normal((1500, 6)) @ rng.standard_normal((6, 70))).astype(np.float32)
    groups = None
    if kind == "doubles":
        X[rng.integers(0, 1500, 200)] = X[rng.integers(0, 1500, 200)]
    elif kind == "ties":
        X = rng.integers(0, 4, (1500, 5)).astype(np.float32)
    elif kind == "groups":
        groups = rng.integers(0, 300, 1500)
    elif kind == "float64":
        X = X.astype(np.float64) + 1e6
    elif kind == "small":
        X = X[:40]
    CLOUD["X"] = X
    k = min(20, len(X) - 1)
    found = neighbor_graph(SharedPoints(X, in_parts(of)), k, groups=groups)
    assert_same(found, neighbor_graph(X, k, groups=groups))


def test_no_part_meets_all_pairs_and_each_pair_is_met() -> None:
    """A share of the tiles is left out, so a part alone misses neighbours."""
    X = np.random.default_rng(0).standard_normal((6000, 40)).astype(np.float32)
    whole = neighbor_graph(X, 10)
    wanted = Wanted(10, None, pair_order(X, 10))
    parts = [search_part(X, wanted, number, 3) for number in range(3)]
    if _compiled.kernel() is not None:
        right = [float((part.indices == whole.indices).all(axis=1).mean()) for part in parts]
        assert max(right) < 0.9
    np.testing.assert_array_equal(merged(X, 10, None, parts).indices, whole.indices)


@kernel
def test_parts_go_by_the_order_that_they_are_given() -> None:
    """Workers whose processors round otherwise would order rows otherwise, and miss pairs."""
    X = np.random.default_rng(2).standard_normal((3000, 20)).astype(np.float32)
    whole = neighbor_graph(X, 10)
    wanted = Wanted(10, None, np.ascontiguousarray(pair_order(X, 10)[::-1]))
    parts = [search_part(X, wanted, number, 3) for number in range(3)]
    np.testing.assert_array_equal(merged(X, 10, None, parts).indices, whole.indices)


@kernel
def test_a_worker_without_the_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(1).standard_normal((400, 30)).astype(np.float32)
    wanted = Wanted(5, None, pair_order(X, 5))
    monkeypatch.setattr(_compiled, "kernel", lambda: None)
    with pytest.raises(StoreError, match="in the same way on all workers"):
        search_part(X, wanted, 0, 2)
