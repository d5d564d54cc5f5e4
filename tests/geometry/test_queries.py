"""Queries against other points: full sorting on every query, on each way that a search can go."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import layergeom
from layergeom.errors import InputError
from layergeom.geometry import _compiled, _directions, _plain, nearest_points, search_memory

ROOT = Path(__file__).resolve().parents[2]
SETS = [] if _compiled.kernel() is None else _compiled.kernel().instruction_sets()
WAYS = ["plain", *SETS]
needs_kernel = pytest.mark.skipif(not SETS, reason="no compiler built the kernel, or no AVX2 here")


def noise(n, width, seed=0):
    return np.random.default_rng(seed).standard_normal((n, width))


def states(n, width, seed=0):
    """Points of a low-dimensional nonlinear image with a massive, uncentred coordinate."""
    rng = np.random.default_rng(seed)
    X = np.tanh(rng.standard_normal((n, 8))) @ rng.standard_normal((8, width))
    X += 0.05 * rng.standard_normal((n, width)) + 3
    X[:, width // 2] += 40 * rng.standard_normal(n)
    return X.astype(np.float32)


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Send every search one way, however small it is."""
    if request.param == "plain":
        monkeypatch.setattr(_compiled, "kernel", lambda: None)
        return request.param
    monkeypatch.setattr(_compiled, "FEWEST_ROWS", 1)
    monkeypatch.setattr(_compiled, "FEWEST_QUERIES", 1)
    only = partial(_compiled.search, instructions=request.param)
    monkeypatch.setattr(_compiled, "search", only)
    return request.param


def squares(queries, points):
    """Squared distances by direct differences, in long double: (q, n)."""
    wide = points.astype(np.longdouble)
    return np.stack([((wide - row) ** 2).sum(axis=1) for row in queries.astype(np.longdouble)])


def assert_exact(found, queries, points, asked_groups=None, groups=None, rtol=1e-12):
    """Every query lists nearest admissible points, each once, at their true distances."""
    true = np.sqrt(squares(queries, points))
    if groups is not None:
        true[asked_groups[:, None] == groups[None, :]] = np.inf
    nearest = np.sort(true, axis=1)[:, : found.indices.shape[1]]
    here = np.isfinite(nearest)
    assert found.distances.dtype == np.float64
    assert found.indices.dtype == np.int64
    assert np.array_equal(np.isfinite(found.distances), here)
    assert np.array_equal(found.indices >= 0, here)
    assert (found.distances[~here] == np.inf).all()
    listed = np.take_along_axis(true, np.maximum(found.indices, 0), axis=1)
    for distances in (found.distances, listed):
        assert np.all(np.abs(distances[here] - nearest[here]) <= rtol * nearest[here])
    for row in found.indices:
        assert len(set(row[row >= 0])) == (row >= 0).sum()


def sorted_lists(queries, points, k):
    """Neighbours by full sorting with ties by lower index, and all further ones at the k-th."""
    true = squares(queries, points)
    order = np.argsort(true, axis=1, kind="stable")
    ties = {}
    for i, row in enumerate(order):
        further = [j for j in row[k:] if true[i, j] == true[i, row[k - 1]]]
        if further:
            ties[i] = further
    return order[:, :k], ties


# ── exact on every query ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("q", [1, 2, 5, 191, 192, 193])
@pytest.mark.parametrize("n", [1, 5, 191, 192, 193, 400])
def test_sizes_around_the_leaves(way, q, n):
    queries, points = states(q, 20, seed=1), states(n, 20)
    assert_exact(nearest_points(queries, points, min(n, 7)), queries, points)


@pytest.mark.parametrize("n", [1, 3, 40, 193])
def test_all_points_can_be_listed(way, n):
    queries, points = noise(30, 6, 1), noise(n, 6)
    found = nearest_points(queries, points, n)
    assert_exact(found, queries, points)
    assert (np.sort(found.indices, axis=1) == np.arange(n)).all()
    assert not found.ties


@pytest.mark.parametrize("width", [1, 64, 65, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_widths_and_types(way, width, dtype):
    queries, points = states(60, width, 1).astype(dtype), states(500, width).astype(dtype)
    assert_exact(nearest_points(queries, points, 20), queries, points)


CLOUDS = {
    "offset f32 1e5": (noise(220, 12) + 1e5).astype(np.float32),
    "offset f64 1e10": noise(220, 12) + 1e10,
    "far apart": np.vstack([noise(20, 8), noise(200, 8) + 1e6]),
    "one far query": np.vstack([noise(1, 8) + 1e9, noise(219, 8)]).astype(np.float32),
    "mixed scales": noise(220, 8) * 10.0 ** np.arange(-12, 12, 3),
    "queries at zero": np.vstack([np.zeros((20, 8)), noise(200, 8) * 1e-200]),
    "huge queries": np.vstack([noise(20, 8) * 1e200, noise(200, 8)]),
    **{f"f64 {scale}": noise(220, 8) * scale for scale in (1e-300, 1e-20, 1e20, 1e300)},
    **{f"f32 {s}": (noise(220, 8) * s).astype(np.float32) for s in (1e-42, 1e-20, 1e-3, 1e20)},
}


@pytest.mark.parametrize("name", CLOUDS)
def test_offsets_and_scales(way, name):
    queries, points = CLOUDS[name][:20], CLOUDS[name][20:]
    assert_exact(nearest_points(queries, points, 6), queries, points)


@pytest.mark.parametrize("q", [2, 120])
def test_lattice_ties_are_complete_and_listed_by_lower_index(way, q):
    axes = np.meshgrid(*[np.arange(6.0)] * 3)
    points = np.stack(axes, -1).reshape(-1, 3)[np.random.default_rng(0).permutation(216)]
    queries = np.random.default_rng(1).integers(0, 12, (q, 3)) / 2
    found = nearest_points(queries, points, 5)
    indices, ties = sorted_lists(queries, points, 5)
    assert np.array_equal(found.indices, indices)
    assert {row: tied.tolist() for row, tied in found.ties.items()} == ties
    assert len(ties) > q // 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_among_the_queries_and_repeated_points_lie_at_distance_zero(way, dtype):
    points = states(300, 30).astype(dtype)
    points[200:] = points[:100]
    found = nearest_points(points, points, 3)
    indices, ties = sorted_lists(points, points, 3)
    assert np.array_equal(found.indices, indices)
    assert (found.distances[:100, :2] == 0).all()
    assert (found.distances[100:200, 1] > 0).all()
    assert {row: tied.tolist() for row, tied in found.ties.items()} == ties


def test_more_ties_than_there_is_room_for(way):
    points, queries = np.eye(600), np.zeros((3, 600))
    found = nearest_points(queries, points, 4)
    assert found.indices.tolist() == [[0, 1, 2, 3]] * 3
    assert all(found.ties[row].tolist() == list(range(4, 600)) for row in range(3))


@needs_kernel
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_filter_of_principal_directions_loses_nobody(monkeypatch, name, dtype):
    def basis(X, origin, k, asked):
        return _directions.principal(X, origin, 64), 64

    monkeypatch.setattr(_directions, "filter_basis", basis)
    for cloud in (states(900, 200), noise(900, 150), noise(800, 600) ** 3):
        queries, points = cloud[:200].astype(dtype), cloud[200:].astype(dtype)
        found, left = _compiled.search(points, 12, None, None, queries, instructions=name)
        assert len(left) == 0  # the kernel alone
        assert_exact(found, queries, points)


@needs_kernel
def test_the_filter_follows_the_spectrum_and_the_number_of_queries():
    decaying, flat = states(6000, 4000), noise(6000, 4000).astype(np.float32)
    for X, queries, wanted in ((decaying, 5000, True), (flat, 5000, False), (decaying, 100, False)):
        _, width = _directions.filter_basis(X, X[0].astype(float), 10, X[:queries])
        assert (width > 0) == wanted


@needs_kernel
def test_each_leaf_of_queries_meets_the_nearest_leaves_of_points_first():
    line = np.arange(2000, dtype=np.float32)[:, None]
    prepared = _compiled._prepare([line, line[:1000] + 0.5], 3, SETS[0])
    leaf = prepared.slots.reshape(-1, _compiled.LEAF)
    assert prepared.points_end == 11 * _compiled.LEAF
    assert set(prepared.first_tiles[:, 0]) == set(range(11, len(leaf)))
    for own, other in prepared.first_tiles[: len(leaf) - 11]:
        gap = np.median(leaf[own][leaf[own] >= 0]) - np.median(leaf[other][leaf[other] >= 0])
        assert abs(gap) < _compiled.LEAF


@needs_kernel
def test_small_searches_are_left_to_the_products():
    X = states(100, 8)
    assert _compiled.serves(X, 3, X)
    assert not _compiled.serves(X, 3, X[:5])
    assert not _compiled.serves(X, 3, X * np.float32(1e20))


# ── groups ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("classes", [2, 40])
def test_a_query_never_gets_points_of_its_own_group(way, classes):
    rng = np.random.default_rng(0)
    queries, points = states(70, 20, 1), states(400, 20)
    own, groups = rng.integers(0, classes, 70), rng.integers(0, classes, 400)
    found = nearest_points(queries, points, 9, query_groups=own, groups=groups)
    assert_exact(found, queries, points, own, groups)
    alone = nearest_points(queries, points, 9)
    assert not np.array_equal(found.indices, alone.indices)


def test_fewer_than_k_admissible_points_leave_empty_places(way):
    queries, points = noise(30, 4, 1), noise(80, 4)
    own, groups = np.arange(30) % 3, np.repeat([0, 1], [75, 5])
    found = nearest_points(queries, points, 10, query_groups=own, groups=groups)
    assert_exact(found, queries, points, own, groups)
    assert (np.isfinite(found.distances[own == 0]).sum(axis=1) == 5).all()
    alone = nearest_points(queries, points[:75], 3, query_groups=own, groups=groups[:75])
    assert (alone.indices[own == 0] == -1).all()


def test_missing_groups_are_groups_of_their_own(way):
    queries, points = noise(20, 3, 1), noise(60, 3)
    own = [None if i % 2 else "1" for i in range(20)]
    groups = [float("nan") if i % 2 else 1.0 for i in range(60)]  # 1.0 and "1" are one name
    found = nearest_points(queries, points, 8, query_groups=own, groups=groups)
    codes = np.where(np.arange(20) % 2, -1, 1), np.where(np.arange(60) % 2, -2, 1)
    assert_exact(found, queries, points, *codes)


# ── what comes in ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("wide", ["queries", "points"])
def test_where_types_differ_the_wider_one_decides(way, wide):
    queries, points = noise(25, 10, 1) + 1000, noise(90, 10) + 1000
    if wide == "queries":
        points = points.astype(np.float32)
    else:
        queries = queries.astype(np.float32)
    assert_exact(nearest_points(queries, points, 4), queries, points)


def test_strided_read_only_and_foreign_arrays(way, tmp_path):
    import torch

    queries, points = states(80, 12, 1), states(300, 24)[:, ::2]
    expected = nearest_points(queries, np.ascontiguousarray(points), 5)
    stored = np.memmap(tmp_path / "points", np.float32, "w+", shape=points.shape)
    stored[:] = points
    stored.flush()
    mapped = np.memmap(tmp_path / "points", np.float32, "r", shape=points.shape)
    for same in (points, np.asfortranarray(points), mapped, torch.tensor(points.copy())):
        found = nearest_points(queries, same, 5)
        assert np.array_equal(found.indices, expected.indices)
        assert found.distances.tobytes() == expected.distances.tobytes()


@pytest.mark.parametrize(
    ("queries", "k", "groups", "message"),
    [
        (np.ones((2, 4)), 2, {}, "queries have 4 features but points have 3"),
        (np.ones((2, 3)), 6, {}, "k is 6 but there are 5 points; k must be at most 5"),
        (np.ones((2, 3)), 0, {}, "k must be at least 1"),
        (np.full((2, 3), np.nan), 2, {}, "queries has NaN"),
        (np.ones((0, 3)), 2, {}, "queries has 0 samples"),
        (np.ones(3), 2, {}, "queries must have 2 dimensions"),
        (np.full((2, 3), 1e308), 2, {}, "queries have entries as large as 1.0e\\+308"),
        (np.ones((2, 3)), 2, {"groups": range(5)}, "both query_groups and groups, or neither"),
        (
            np.ones((2, 3)),
            2,
            {"groups": range(5), "query_groups": range(3)},
            "query_groups have length 3 but there are 2 rows",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(queries, k, groups, message):
    with pytest.raises(InputError, match=message):
        nearest_points(queries, noise(5, 3), k, **groups)


# ── how it runs ───────────────────────────────────────────────────────────────────────────────


@needs_kernel
def test_the_same_bits_for_any_number_of_threads_and_slice(monkeypatch):
    queries, points = states(700, 96, 1), states(1500, 96)
    runs = []
    for threads, seconds in ((1, 1.0), (2, 0.2), (3, 0.001), (7, 0.0)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        monkeypatch.setattr(_compiled, "SLICE", seconds)
        found, left = _compiled.search(points, 30, None, None, queries)
        assert len(left) == 0
        runs.append(found.distances.tobytes() + found.indices.tobytes())
    assert len(set(runs)) == 1


@pytest.mark.parametrize("q", [2, 400])
def test_progress_rises_to_all_queries(way, monkeypatch, q):
    monkeypatch.setattr(_compiled, "SLICE", 0.0)
    monkeypatch.setattr(_plain, "BLOCK_BYTES", 40_000)
    calls = []
    nearest_points(states(q, 8, 1), states(900, 8), 3, progress=lambda *at: calls.append(at))
    done = [rows for rows, _ in calls]
    assert len(calls) >= min(q, 5)
    assert done == sorted(done)
    assert calls[-1] == (q, q)


WITHOUT_KERNEL = "from layergeom.geometry import _compiled; _compiled.kernel = lambda: None\n"
INTERRUPTED = """
import signal
import numpy as np, layergeom
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
rng = np.random.default_rng(0)
points, queries = rng.standard_normal((2, 60_000, 64), dtype=np.float32)
layergeom.nearest_points(queries, points, 30, progress=lambda *at: print("begun", flush=True))
print("finished", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
@pytest.mark.parametrize("before", ["", WITHOUT_KERNEL], ids=["compiled", "plain"])
def test_ctrl_c_ends_a_search_within_a_second(monkeypatch, before):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    command = [sys.executable, "-c", before + INTERRUPTED]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as at:
        assert at.stdout.readline() == "begun\n"
        time.sleep(0.1)
        at.send_signal(signal.SIGINT)
        try:
            said, why = at.communicate(timeout=1)
        finally:
            at.kill()
    assert "KeyboardInterrupt" in why
    assert "finished" not in said
    assert at.returncode != 0


def test_the_public_names_are_these():
    assert layergeom.nearest_points is nearest_points
    assert layergeom.search_memory is search_memory
