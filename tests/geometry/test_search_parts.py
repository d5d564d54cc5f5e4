"""A search in parts has the bits of a search in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from layergeom.geometry import NeighborGraph, _compiled, neighbor_graph
from layergeom.geometry.search_parts import SharedPoints, merged, search_part


def in_parts(of):
    def parts(chosen, k, groups, _progress):
        rows = CLOUD["X"] if chosen is None else CLOUD["X"][chosen]
        return [search_part(rows, k, groups, number, of) for number in range(of)]

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
    assert_same(
        neighbor_graph(SharedPoints(X, in_parts(of)), k, groups=groups),
        neighbor_graph(X, k, groups=groups),
    )


def test_no_part_meets_all_pairs_and_each_pair_is_met() -> None:
    """A share of the tiles is left out, so a part alone misses neighbours."""
    X = np.random.default_rng(0).standard_normal((6000, 40)).astype(np.float32)
    whole = neighbor_graph(X, 10)
    parts = [search_part(X, 10, None, number, 3) for number in range(3)]
    if _compiled.kernel() is not None:
        right = [float((part.indices == whole.indices).all(axis=1).mean()) for part in parts]
        assert max(right) < 0.9
    np.testing.assert_array_equal(merged(X, 10, None, parts).indices, whole.indices)
