"""The compiled search against full sorting on every row, and against the plain search."""

import gc
import sys

import numpy as np
import pytest
import reference
from test_plain import CLOUDS, noise

from clouds import embedded
from layergeom.geometry import _compiled, _directions, _plain, _search, neighbor_graph

pytestmark = pytest.mark.skipif(
    _compiled.kernel() is None, reason="no compiler built the kernel, or no AVX2 here"
)
SETS = [] if _compiled.kernel() is None else _compiled.kernel().instruction_sets()


@pytest.fixture(autouse=True)
def small_enough(monkeypatch):
    """Send the smallest clouds through the kernel."""
    monkeypatch.setattr(_compiled, "FEWEST_ROWS", 4)


@pytest.fixture
def filtered(monkeypatch):
    """Let a filter on 64 principal directions go before the codes of all dimensions."""

    def basis(X, origin, k):
        return _directions.principal(X, origin, 64), 64

    monkeypatch.setattr(_directions, "filter_basis", basis)


def settled(X, k, groups=None, **how):
    """What the compiled search alone finds, and the plain search of what it left."""
    found, left = _compiled.search(X, k, groups, **how)
    _plain.settle(X, groups, left, found, None)
    return found


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


def test_more_candidates_than_there_is_room_for_are_measured():
    # Far from the centre eight bits cannot tell the points of a tight cloud apart.
    X = np.random.default_rng(0).standard_normal((2500, 20)) * 1e-6
    X[::2] += 1000
    found, left = _compiled.search(X, 8, None)
    assert len(left) == 0
    same(found, _plain.search(X, 8, None))


def test_more_ties_than_there_is_room_for_are_settled_the_plain_way():
    X = np.concatenate([np.eye(600), np.zeros((3, 600))])  # 599 others at one distance
    _, left = _compiled.search(X, 5, None)
    assert len(left) == len(X)
    same(_search.search(X, 5, None), _plain.search(X, 5, None))


@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("scale", [1e-17, 1e-20, 1e-22, 1e-25, 1e-37, 1e-45, 1e-80])
def test_distances_that_float32_cannot_square(scale, instructions):
    X = np.random.default_rng(0).standard_normal((800, 64)) * scale
    X[3] = 1
    same(settled(X, 10, instructions=instructions), _plain.search(X, 10, None))


def test_equal_distances_are_listed_by_lower_index_though_their_squares_differ():
    X = np.random.default_rng(0).integers(0, 3, (1500, 40)) * 0.1
    found, _ = _compiled.search(X, 10, None)
    equal = found.distances[:, 1:] == found.distances[:, :-1]
    assert equal.sum() > 1000
    assert (found.indices[:, 1:] > found.indices[:, :-1])[equal].all()


def test_rows_with_too_many_candidates_have_the_same_bits_for_any_threads(monkeypatch):
    rng = np.random.default_rng(0)
    corners = np.concatenate([np.eye(140, 156)[: rng.integers(100, 140)] for _ in range(16)])
    cluster = np.cumsum(corners[:, 0] > 0) - 1
    X = corners + rng.standard_normal(corners.shape) * 1e-8
    X[np.arange(len(X)), 140 + cluster] += 10
    runs = []
    for threads in (1, 2, 3, 5):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        runs.append(_compiled.search(X, 30, None))
    assert all(run[0].distances.tobytes() == runs[0][0].distances.tobytes() for run in runs)
    assert all(np.array_equal(run[1], runs[0][1]) for run in runs)
    same(_search.search(X, 30, None), _plain.search(X, 30, None))


@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("name", CLOUDS)
def test_every_instruction_set_on_every_row(name, instructions):
    X = CLOUDS[name]
    if _compiled.serves(X, 3):
        reference.assert_exact(settled(X, 3, instructions=instructions), X)


@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_filter_of_principal_directions_loses_nobody(filtered, instructions, dtype):
    for X in (hidden_states(900, 200, repeats=30), noise(700, 150), noise(650, 600) ** 3):
        found = settled(X.astype(dtype), 15, instructions=instructions)
        same(found, _plain.search(X.astype(dtype), 15, None))


def test_a_filter_and_groups(filtered):
    X, groups = hidden_states(900, 100), np.arange(900) // 7
    same(settled(X, 12, groups), _plain.search(X, 12, groups))


def test_the_filter_follows_the_spectrum():
    decaying = hidden_states(6000, 4000)
    flat = np.random.default_rng(0).standard_normal((6000, 4000), dtype=np.float32)
    for X, wanted in ((decaying, True), (flat, False)):
        _, width = _directions.filter_basis(X, X[0].astype(float), 10)
        assert (width > 0) == wanted


def test_principal_directions_stretch_no_vector():
    X = hidden_states(600, 300)
    basis = _directions.principal(X, X.mean(axis=0).astype(float), 64).astype(float)
    assert np.linalg.norm(basis, 2) <= 1
    assert np.linalg.norm(basis, 2) > 1 - 1e-5


@pytest.mark.parametrize("members", [1, 4, 300])
def test_groups_are_left_out(members):
    X = hidden_states(600, 24)
    groups = np.arange(600) // members
    same(_search.search(X, 25, groups), _plain.search(X, 25, groups))


def test_fewer_than_k_admissible_neighbours():
    X = noise(60, 4)
    groups = np.repeat([0, 1], [55, 5])
    same(_search.search(X, 10, groups), _plain.search(X, 10, groups))


def test_the_same_bits_for_any_number_of_threads_and_slice(monkeypatch):
    X = hidden_states(1500, 96, repeats=40)
    runs = []
    for threads, seconds in ((1, 1.0), (2, 0.2), (3, 0.001), (7, 0.0)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        monkeypatch.setattr(_compiled, "SLICE", seconds)
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


@pytest.mark.parametrize("width", [100, 700, 3000])
def test_what_float32_takes_from_a_projection_is_bounded(width):
    X = hidden_states(400, width) + np.float32(30)
    origin = X[0].astype(float)
    basis = _directions.principal(X, origin, 64)
    values, norms = _directions.projected(X, origin, basis)
    exact = (X.astype(float) - origin.astype(np.float32).astype(float)) @ basis.astype(float)
    lost = np.linalg.norm(values - exact, axis=1)
    assert lost.max() > 0
    assert (lost <= _directions.product_error(width, 64) * norms).all()
    assert (norms >= np.linalg.norm(X - origin, axis=1)).all()


def test_queries_that_equal_a_point_are_settled_by_the_kernel():
    X = hidden_states(600, 40)
    found, left = _compiled.search(X, 4, None, asked=X[:200])
    assert len(left) == 0
    assert np.array_equal(found.indices[:, 0], np.arange(200))
    assert (found.distances[:, 0] == 0).all()


def test_threads_are_those_asked_for_or_one_for_each_physical_core(monkeypatch, tmp_path):
    for cpu, siblings in ((0, "0,2"), (1, "1,3"), (2, "0,2"), (3, "1,3")):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    monkeypatch.setattr(_compiled, "TOPOLOGY", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3, 9}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert _compiled.threads() == 3  # of the ninth nothing is known
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert _compiled.threads() == 7


def test_rows_too_wide_for_integer_sums_go_the_plain_way():
    X = np.zeros((60, _compiled.WIDEST + 1), dtype=np.float32)
    X[:, 0] = np.arange(60)
    assert not _compiled.serves(X, 3)
    assert _compiled.serves(X[:, 1:] + X[:, :1], 3)


def test_progress_rises_to_all_rows(monkeypatch):
    monkeypatch.setattr(_compiled, "SLICE", 0.0)
    calls = []
    _compiled.search(hidden_states(900, 8), 3, None, lambda *at: calls.append(at))
    done = [rows for rows, _ in calls]
    assert len(calls) > 5
    assert done == sorted(done)
    assert calls[-1] == (900, 900)


def test_an_exception_in_progress_ends_the_search(monkeypatch):
    monkeypatch.setattr(_compiled, "SLICE", 0.0)
    X = hidden_states(900, 8)

    def stop(done, total):
        raise KeyboardInterrupt

    before = sys.getrefcount(X)
    with pytest.raises(KeyboardInterrupt):
        _compiled.search(X, 3, None, stop)
    gc.collect()
    assert sys.getrefcount(X) == before  # the search has let go of its buffers


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
@pytest.mark.parametrize("instructions", SETS)
@pytest.mark.parametrize("width", [0, 64])
def test_thousands_of_repetitions_over_thread_counts(monkeypatch, instructions, width):
    clouds = [hidden_states(n, w, seed=n, repeats=n // 50) for n, w in ((500, 70), (777, 130))]
    expected = [_plain.search(X, 12, None) for X in clouds]
    if width:

        def basis(X, origin, k):
            return _directions.principal(X, origin, width), width

        monkeypatch.setattr(_directions, "filter_basis", basis)
    for repetition in range(1000):
        monkeypatch.setenv("OMP_NUM_THREADS", str(1 + repetition % 5))
        monkeypatch.setattr(_compiled, "SLICE", 0.2 if repetition % 2 else 0.0)
        for X, truth in zip(clouds, expected, strict=True):
            same(settled(X, 12, instructions=instructions), truth)
