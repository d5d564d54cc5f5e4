"""The compiled search against full sorting on every row, and against the plain search."""

import numpy as np
import pytest
import reference
from manifolds import embedded
from test_plain import CLOUDS, noise

from layergeom.geometry import _compiled, _plain, _search, neighbor_graph

pytestmark = pytest.mark.skipif(
    _compiled.kernel() is None, reason="no compiler built the kernel, or no AVX-512 VNNI here"
)


@pytest.fixture(autouse=True)
def small_enough(monkeypatch):
    """Send the smallest clouds through the kernel."""
    monkeypatch.setattr(_compiled, "FEWEST_ROWS", 4)


def hidden_states(n, width, seed=0, repeats=0, dtype=np.float32):
    """Points of a low-dimensional nonlinear image with a massive, uncentred coordinate."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 12)) @ rng.standard_normal((12, 48))
    X = np.tanh(latent / 4) @ rng.standard_normal((48, width))
    X += 0.05 * rng.standard_normal((n, width)) + 3
    X[:, width // 2] += 40 * rng.standard_normal(n)
    if repeats:
        X[rng.permutation(n)[:repeats]] = X[rng.integers(0, n, repeats)]
    return X.astype(dtype)


def same(a, b):
    """Equal neighbours, distances to rounding, equal ties."""
    assert np.array_equal(a.indices, b.indices)
    assert np.allclose(a.distances, b.distances, rtol=1e-12, atol=0)
    assert a.ties.keys() == b.ties.keys()
    assert all(np.array_equal(a.ties[row], b.ties[row]) for row in a.ties)


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("k", [1, 7])
def test_every_row_equals_full_sorting(name, k):
    X = CLOUDS[name]
    reference.assert_exact(_search.search(X, k, None), X)


def test_ordinary_clouds_really_go_through_the_kernel():
    X = hidden_states(700, 100)
    _, left = _compiled.search(X, 30, None)
    assert len(left) == 0
    assert not _compiled.serves(CLOUDS["f64 1e300"], 7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 8, 63, 64, 65, 300, 768])
def test_widths_and_types(width, dtype):
    X = hidden_states(400, width, dtype=dtype)
    reference.assert_exact(_search.search(X, 20, None), X)


@pytest.mark.parametrize("n", [5, 6, 63, 64, 65, 95, 96, 97, 193, 1921])
def test_sizes_around_the_blocks(n):
    X = hidden_states(n, 32, seed=n)
    same(_search.search(X, max(1, n // 5), None), _plain.search(X, max(1, n // 5), None))


@pytest.mark.parametrize("k", [1, 2, 100, 400])
def test_few_and_many_neighbours(k):
    X = hidden_states(1700, 48)
    same(_search.search(X, k, None), _plain.search(X, k, None))


@pytest.mark.parametrize("repeats", [10, 300, 880])
def test_repeated_rows_are_neighbours_at_distance_zero_with_all_their_ties(repeats):
    X = hidden_states(900, 40, repeats=repeats)
    same(_search.search(X, 5, None), _plain.search(X, 5, None))


def test_lattices_have_all_their_ties():
    X = np.stack(np.meshgrid(*[np.arange(9.0)] * 3), -1).reshape(-1, 3)
    same(_search.search(X, 10, None), _plain.search(X, 10, None))


def test_candidates_beyond_their_room_are_settled_the_plain_way():
    # Far from the centre eight bits cannot tell the points of a tight cloud apart.
    X = np.random.default_rng(0).standard_normal((2500, 20)) * 1e-6
    X[::2] += 1000
    _, left = _compiled.search(X, 8, None)
    assert len(left) == 1250
    same(_search.search(X, 8, None), _plain.search(X, 8, None))


@pytest.mark.parametrize("members", [1, 4, 300])
def test_groups_are_left_out(members):
    X = hidden_states(600, 24)
    groups = np.arange(600) // members
    same(_search.search(X, 25, groups), _plain.search(X, 25, groups))


def test_fewer_than_k_admissible_neighbours():
    X = noise(60, 4)
    groups = np.repeat([0, 1], [55, 5])
    same(_search.search(X, 10, groups), _plain.search(X, 10, groups))


def test_the_same_bits_for_any_number_of_threads_and_block(monkeypatch):
    X = hidden_states(1500, 96, repeats=40)
    runs = []
    for threads, rows in ((1, 1920), (2, 1920), (3, 96), (7, 500)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        monkeypatch.setattr(_compiled, "ROWS_PER_CALL", rows)
        assert _compiled.threads() == threads
        runs.append(_compiled.search(X, 30, None))
    first, left = runs[0]
    for found, others in runs[1:]:
        assert found.distances.tobytes() == first.distances.tobytes()
        assert found.indices.tobytes() == first.indices.tobytes()
        assert np.array_equal(left, others)


def test_the_graph_is_the_same_without_the_kernel(monkeypatch):
    X = hidden_states(1200, 80, repeats=60)
    with_kernel = neighbor_graph(X, 40)
    monkeypatch.setattr(_compiled, "kernel", lambda: None)
    without = neighbor_graph(X, 40)
    same(with_kernel, without)
    assert np.array_equal(with_kernel.point, without.point)


def test_progress_counts_all_rows(monkeypatch):
    monkeypatch.setattr(_compiled, "ROWS_PER_CALL", 100)
    calls = []
    _compiled.search(hidden_states(250, 8), 3, None, lambda *at: calls.append(at))
    assert calls == [(100, 250), (200, 250), (250, 250)]


def test_read_only_and_strided_input():
    X = hidden_states(600, 32)
    X.setflags(write=False)
    expected = _plain.search(X, 9, None)
    same(_search.search(X, 9, None), expected)
    same(_search.search(np.asfortranarray(X), 9, None), expected)


def test_larger_real_size_on_every_row():
    X = embedded(np.random.default_rng(1), 8, 6000, 60).astype(np.float32)
    same(_search.search(X, 64, None), _plain.search(X, 64, None))


@pytest.mark.slow
def test_thousands_of_repetitions_over_thread_counts(monkeypatch):
    clouds = [hidden_states(n, w, seed=n, repeats=n // 50) for n, w in ((500, 20), (777, 130))]
    expected = [_plain.search(X, 12, None) for X in clouds]
    for repetition in range(1500):
        monkeypatch.setenv("OMP_NUM_THREADS", str(1 + repetition % 4))
        for X, truth in zip(clouds, expected, strict=True):
            same(_search.search(X, 12, None), truth)
