"""The exact search against sorting of long-double distances, over data that break shortcuts."""

import numpy as np
import pytest
import reference
from threadpoolctl import threadpool_limits

from clouds import embedded
from layergeom.geometry import _plain


def noise(n, width, seed=0):
    return np.random.default_rng(seed).standard_normal((n, width))


def shifted(offset, dtype, width=12):
    return (noise(150, width) + offset).astype(dtype)


def massive(size, spread, dtype, width=40):
    X = noise(150, width)
    X[:, 7] = size * (1 + spread * noise(150, 1)[:, 0])
    return X.astype(dtype)


def two_valued(dtype):
    X = noise(150, 20)
    X[:, 3] = np.where(np.arange(150) % 3 == 0, 3e4, 0)
    return X.astype(dtype)


def far_clusters(distance, dtype):
    X = noise(150, 6)
    return (X + distance * np.repeat(noise(10, 6, 1), 15, axis=0)).astype(dtype)


def outlier(distance):
    X = noise(120, 5)
    X[17] += distance
    return X


CLOUDS = {
    "plain f64": noise(200, 10),
    "plain f32": noise(200, 10).astype(np.float32),
    "one feature": noise(100, 1),
    "wide f32": noise(60, 768).astype(np.float32),
    "offset f32 1e3": shifted(1e3, np.float32),
    "offset f32 1e5": shifted(1e5, np.float32),
    "offset f64 1e6": shifted(1e6, np.float64),
    "offset f64 1e10": shifted(1e10, np.float64),
    "massive constant": massive(1e5, 0, np.float32),
    "massive noisy": massive(1e3, 1e-3, np.float32),
    "massive noisy f64": massive(1e8, 1e-3, np.float64),
    "massive two-valued": two_valued(np.float32),
    "clusters f32": far_clusters(1e3, np.float32),
    "clusters f64": far_clusters(1e7, np.float64),
    "outlier 1e6": outlier(1e6),
    "outlier 1e12": outlier(1e12),
    "f64 1e-300": noise(100, 8) * 1e-300,
    "f64 1e-8": noise(100, 8) * 1e-8,
    "f64 1e8": noise(100, 8) * 1e8,
    "f64 1e300": noise(100, 8) * 1e300,
    "f64 near the largest": noise(100, 8) / np.abs(noise(100, 8)).max() * 1e304,
    "f32 1e20": (noise(100, 8) * 1e20).astype(np.float32),
    "f32 1e-25": (noise(100, 8) * 1e-25).astype(np.float32),
    "f32 denormal": (noise(100, 8) * 1e-42).astype(np.float32),
    "mixed scales": noise(100, 8) * 10.0 ** np.arange(-12, 12, 3),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_every_row_equals_full_sorting(name):
    X = CLOUDS[name]
    reference.assert_exact(_plain.search(X, 7, None), X)


@pytest.mark.parametrize("name", ["plain f32", "offset f32 1e5", "massive noisy", "f64 1e300"])
def test_groups_are_left_out(name):
    X = CLOUDS[name]
    groups = np.arange(len(X)) // 9
    reference.assert_exact(_plain.search(X, 5, groups), X, groups)


@pytest.mark.parametrize("n", [2, 3, 5, 17])
def test_all_other_rows_can_be_listed(n):
    X = noise(n, 3)
    found = _plain.search(X, n - 1, None)
    reference.assert_exact(found, X)
    assert not found.ties


def test_fewer_admissible_rows_than_k_leave_empty_places():
    X = noise(12, 3)
    groups = np.array([0] * 9 + [1] * 3)
    found = _plain.search(X, 5, groups)
    assert np.isfinite(found.distances[9:]).all()
    assert (np.isfinite(found.distances[:9]).sum(axis=1) == 3).all()
    reference.assert_exact(found, X, groups)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("offset", [0, 1000])
def test_lattice_ties_are_complete_and_listed_by_lower_index(dtype, offset):
    axis = np.arange(6)
    X = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3) + offset
    X = X[np.random.default_rng(0).permutation(len(X))].astype(dtype)
    distances, indices, ties = reference.neighbors(X, 4)
    found = _plain.search(X.astype(np.float64) if dtype == np.int16 else X, 4, None)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.distances, distances, rtol=1e-15)
    assert {row: sorted(tied.tolist()) for row, tied in found.ties.items()} == ties


def test_a_tie_of_all_rows_is_complete():
    X = np.vstack([np.eye(90), np.zeros((1, 90))]).astype(np.float32)
    found = _plain.search(X, 3, None)
    assert found.indices[90].tolist() == [0, 1, 2]
    assert found.ties[90].tolist() == list(range(3, 90))
    assert sorted(found.ties[4].tolist()) == sorted(set(range(2, 90)) - {4})


@pytest.mark.parametrize("name", ["plain f32", "offset f32 1e5", "massive noisy", "f64 1e-300"])
def test_blocks_and_threads_change_no_bit(name, monkeypatch):
    X = CLOUDS[name]
    whole = _plain.search(X, 6, None)
    runs = []
    for rows in (0, 7, len(X) - 1):  # single rows; a last block of a few
        monkeypatch.setattr(_plain, "BLOCK_BYTES", 4 * rows * max(X.shape))
        runs.append(_plain.search(X, 6, None))
    for threads in (1, 2):
        with threadpool_limits(threads):
            runs.append(_plain.search(X, 6, None))
    for run in runs:
        assert np.array_equal(run.indices, whole.indices)
        assert run.distances.tobytes() == whole.distances.tobytes()


def test_the_first_threshold_is_exact_beyond_the_probe():
    X = embedded(np.random.default_rng(0), 3, 2 * _plain.PROBE + 300, 8).astype(np.float32)
    X[: _plain.PROBE] += 40  # thresholds are read from a far cluster
    queries = np.arange(0, len(X), 150)
    found = _plain.search(X, 20, None, queries=queries)
    for i in queries:
        d = reference.distances_from(X, i)
        d[i] = np.inf
        assert np.allclose(found.distances[i], np.sort(d)[:20].astype(float), rtol=1e-12)
    assert (found.indices[1] == -1).all()  # not asked for


def passes_taken(X, monkeypatch, k=5):
    """Number of rows that entered the float32 and float64 passes, and that neither settled."""
    taken = []
    real = _plain._pass

    def counted(cloud, dtype, todo, *rest):
        left = real(cloud, dtype, todo, *rest)
        taken.append((len(todo), len(left)))
        return left

    monkeypatch.setattr(_plain, "_pass", counted)
    reference.assert_exact(_plain.search(X, k, None), X)
    (first, unproved), (second, unsettled) = [*taken, (0, 0)][:2]  # no second pass for no rows
    assert second == unproved
    return first, second, unsettled


def test_ordinary_data_are_settled_by_the_first_pass(monkeypatch):
    assert passes_taken(noise(300, 20), monkeypatch) == (300, 0, 0)


def test_rows_that_float32_cannot_prove_go_through_float64(monkeypatch):
    X = far_clusters(1e3, np.float64)
    first, second, unsettled = passes_taken(X, monkeypatch)
    assert first == 150
    assert second > 50
    assert unsettled == 0


def test_rows_that_float64_cannot_prove_are_measured_directly(monkeypatch):
    X = far_clusters(1e9, np.float64)
    X = np.vstack([X] + [X + 1e-3 * noise(150, 6, s) for s in (1, 2, 3)])
    _, second, unsettled = passes_taken(X, monkeypatch)
    assert second > 500
    assert unsettled > 500


def test_progress_ends_at_all_rows(monkeypatch):
    monkeypatch.setattr(_plain, "BLOCK_BYTES", 4000)
    calls = []
    _plain.search(noise(100, 3), 2, None, lambda done, total: calls.append((done, total)))
    assert calls[-1] == (100, 100)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@pytest.mark.parametrize("size", [0.0, 1.0, 3e4, -(2.0**38)])
def test_ordinary_sizes_are_not_scaled(size):
    assert _plain.power_of_two(np.array([[size, 0.5]])) == 1.0


@pytest.mark.parametrize("size", [1e-320, 1e-300, 1e-20, 1e20, 1e300, 1.7e308])
def test_extraordinary_sizes_are_scaled_by_a_power_of_two(size):
    scale = _plain.power_of_two(np.array([[size, -size / 3]]))
    assert np.frexp(scale)[0] == 0.5
    assert 1e-25 < size / scale < 1e8


@pytest.mark.parametrize("name", ["plain f64", "offset f32 1e3", "outlier 1e6", "f64 1e300"])
def test_distances_at_ranks_equal_sorted_distances(name):
    X = CLOUDS[name]
    queries, ranks = np.array([3, 17, 40, 90]), np.array([1, 2, 16, 60])
    found, fellows = _plain.distances_at_ranks(X, queries, ranks)
    for row, i in enumerate(queries):
        d = reference.distances_from(X, i)
        others = np.sort(np.delete(d, i)).astype(float)
        assert np.allclose(found[row], others[ranks - 1], rtol=1e-5 if "1e6" in name else 1e-9)
        near = {c for c, j in enumerate(queries) if j != i and d[j] <= others[59] * (1 + 1e-12)}
        assert set(np.flatnonzero(fellows[3, row])) == near
