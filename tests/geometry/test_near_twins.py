"""Near twins: no alarm on clean clouds, found where they are, and the dimension without them."""

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.geometry import neighbor_graph, twonn
from layergeom.geometry.near_twins import near_twins


def with_twins(rng, n, d, pairs, apart):
    X = rng.standard_normal((n, d))
    X[:pairs] = X[pairs : 2 * pairs] + apart * rng.standard_normal((pairs, d))
    return X


def clustered(rng, n):
    which = rng.integers(0, 20, n)
    return 6 * rng.standard_normal((20, 10))[which] + rng.standard_normal((n, 10))


CLEAN = {
    "uniform 2": lambda rng, n: rng.random((n, 2)),
    "uniform 20": lambda rng, n: rng.random((n, 20)),
    "normal 10": lambda rng, n: rng.standard_normal((n, 10)),
    "heavy tails": lambda rng, n: rng.standard_t(2, (n, 5)),
    "clusters": clustered,
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_clouds_raise_no_alarm(name):
    """Of 60 clouds of each kind none was ever misleading; the share is that of the law."""
    shares = []
    for seed in range(12):
        found = near_twins(neighbor_graph(CLEAN[name](np.random.default_rng(seed), 600), 8))
        assert not found.misleading
        shares.append(found.share)
    assert np.mean(shares) < 0.006


@pytest.mark.parametrize(("n", "share"), [(400, 0.1), (2000, 0.1), (2000, 0.3), (2000, 0.45)])
def test_twins_are_found_and_undone(n, share):
    rng = np.random.default_rng(n)
    pairs = int(share * n / 2)
    X = with_twins(rng, n, 10, pairs, 0.02)
    found = near_twins(neighbor_graph(X, 8))
    clean = twonn(neighbor_graph(X[pairs:], 2))
    assert found.misleading
    assert found.share == pytest.approx(share, abs=0.01)
    assert found.excess == pytest.approx(share * n, abs=3 * found.excess_error)
    planted = {(i, i + pairs) for i in range(pairs)}
    assert planted <= set(map(tuple, found.pairs.tolist()))
    assert found.dimension.value < 0.6 * clean.value
    assert found.dimension_without == pytest.approx(clean.value, abs=clean.error)
    assert found.dimension_without_error == pytest.approx(clean.error, rel=0.2)


def test_without_is_the_dimension_of_the_rest():
    X = with_twins(np.random.default_rng(5), 500, 6, 40, 1e-3)
    found = near_twins(neighbor_graph(X, 12))
    rest = np.delete(np.arange(500), found.pairs[:, 1])
    alone = twonn(neighbor_graph(X[rest], 2))
    assert found.dimension_without == pytest.approx(alone.value, rel=1e-9)
    assert found.dimension_without_error == pytest.approx(alone.error, rel=1e-9)


def test_one_per_cent_is_the_least_that_counts():
    X = with_twins(np.random.default_rng(6), 4000, 10, 12, 1e-3)
    found = near_twins(neighbor_graph(X, 8))
    assert found.share < 0.01
    assert not found.significant
    assert len(found.pairs) >= 12


def test_groups_and_short_lists_are_refused():
    X = np.random.default_rng(7).standard_normal((100, 3))
    for graph in (neighbor_graph(X, 3), neighbor_graph(X, 8, groups=np.arange(100) // 4)):
        with pytest.raises(InputError, match="without groups that lists 4"):
            near_twins(graph)
