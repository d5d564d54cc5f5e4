"""Repeated rows: found by bytes, by input and by rounding; expanded exactly."""

import tracemalloc

import numpy as np
import pytest
import reference

from clouds import embedded
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import duplicates, neighbor_graph, twonn
from layergeom.geometry._search import search

RNG = np.random.default_rng(0)
X = embedded(RNG, 5, 600, 20)
CLEAN = twonn(neighbor_graph(X, 2)).value


def copies(share):
    """Rows of X with a share of them overwritten by copies of others."""
    rng = np.random.default_rng(1)
    Y = X.copy()
    hit = rng.choice(600, int(600 * share), replace=False)
    Y[hit] = X[rng.choice(np.setdiff1d(np.arange(600), hit), len(hit))]
    return Y


def test_points_are_numbered_by_their_first_row():
    rows = np.array([[1.0, 2], [3, 4], [1, 2], [5, 6], [3, 4]])
    point = duplicates.same_points(rows, None)
    assert point.tolist() == [0, 1, 0, 2, 1]
    assert duplicates.representatives(point).tolist() == [0, 1, 3]


def test_signed_zero_is_one_value():
    assert duplicates.same_points(np.array([[0.0, 1], [-0.0, 1], [0, 2]]), None).tolist() == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_equal_rows_are_one_point_and_no_others(dtype, width, order):
    rng = np.random.default_rng(4)
    rows = np.asarray(rng.choice([-1, -0.0, 0.0, 1], size=(300, width)), dtype=dtype, order=order)
    _, point = np.unique(rows + 0.0, axis=0, return_inverse=True)
    first = {}
    expected = [first.setdefault(p, len(first)) for p in point.reshape(-1).tolist()]
    assert duplicates.same_points(rows, None).tolist() == expected


@pytest.mark.parametrize("values", [1, 2, 7])
def test_equal_checksums_join_no_different_rows(monkeypatch, values):
    rows = np.random.default_rng(5).integers(0, 3, size=(200, 3)).astype(np.float32)
    expected = duplicates.same_points(rows, None)
    assert len(np.unique(rows, axis=0)) == expected.max() + 1
    colliding = (rows[:, 0] * 4 + rows[:, 1]).astype(np.uint64) % np.uint64(values)
    monkeypatch.setattr(duplicates, "_checksums", lambda _: colliding)
    assert np.array_equal(duplicates.same_points(rows, None), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_checksums_tell_rows_apart_whose_values_are_mostly_zero_bits(dtype):
    """Signs, powers of two and small integers fill only the highest bits of a word."""
    rng = np.random.default_rng(6)
    for values in ([-1.0, 1.0], [0.0, 1.0], [0.0, 2.0**-60, 2.0**60], np.arange(-4.0, 5)):
        rows = np.unique(rng.choice(values, size=(20_000, 33)).astype(dtype), axis=0)
        assert len(np.unique(duplicates._checksums(rows))) == len(rows)


def test_a_mapped_file_is_read_in_blocks(tmp_path):
    np.save(tmp_path / "rows.npy", np.tile(RNG.standard_normal((10_000, 50)), (2, 1)))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    tracemalloc.start()
    point = duplicates.same_points(rows, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(point, np.tile(np.arange(10_000), 2))
    assert peak < rows.nbytes / 2


def test_equal_inputs_join_rows_and_missing_ones_join_nothing():
    rows = np.arange(12.0).reshape(6, 2)
    rows[5] = rows[0]
    inputs = np.array([0, 1, 1, -1, -1, 2])
    assert duplicates.same_points(rows, inputs).tolist() == [0, 1, 1, 2, 3, 0]


def test_bytes_and_inputs_join_transitively():
    rows = np.array([[0.0], [0.0], [1.0], [2.0]])
    assert duplicates.same_points(rows, np.array([0, 1, 1, 3])).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("dtype", "eps"), [(np.float32, np.finfo(np.float32).eps), (np.float64, np.finfo(float).eps)]
)
def test_rounding_floor_is_two_ulps_of_the_norm(dtype, eps):
    rows = RNG.standard_normal((50, 7)).astype(dtype)
    norms = np.linalg.norm(rows.astype(float), axis=1)
    assert np.allclose(duplicates.rounding_floor(rows), 2 * float(eps) * norms, rtol=1e-6)


def test_float32_values_stored_as_float64_keep_their_floor():
    rows = RNG.standard_normal((50, 7)).astype(np.float32)
    wide = duplicates.rounding_floor(rows.astype(np.float64))
    assert np.allclose(wide, duplicates.rounding_floor(rows), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_rounding_floor_neither_overflows_nor_vanishes(scale):
    floor = duplicates.rounding_floor(X * scale)
    assert np.allclose(floor / scale, duplicates.rounding_floor(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("share", "tolerance"),
    [
        pytest.param(0.01, 0.15, id="E-dup-1pct"),
        pytest.param(0.1, 0.15, id="E-dup-10pct"),
        pytest.param(0.5, 0.2, id="E-dup-50pct"),
    ],
)
def test_copies_are_counted_and_do_not_move_the_dimension(share, tolerance):
    Y = copies(share)
    before = Y.tobytes()
    graph = neighbor_graph(Y, 2)
    assert Y.tobytes() == before
    assert graph.n - graph.n_distinct == int(600 * share)
    with pytest.warns(GeometryWarning, match=rf"{int(600 * share)} of 600 rows repeat .*duplicate"):
        found = twonn(graph)
    assert found.value == pytest.approx(CLEAN, rel=tolerance)
    assert found.n_points == graph.n_distinct
    assert found.value == pytest.approx(reference.twonn(np.unique(Y, axis=0)), rel=1e-9)


@pytest.mark.parametrize("times", [2, 3], ids=["E-dup-pairs", "E-dup-triples"])
def test_rows_that_all_repeat_give_the_clean_value(times):
    graph = neighbor_graph(np.tile(X, (times, 1)), 2)
    with pytest.warns(GeometryWarning, match=f"{600 * (times - 1)} of {600 * times} rows repeat"):
        assert twonn(graph).value == pytest.approx(CLEAN, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 30])
def test_twins_that_differ_by_rounding_are_repeats(dtype, offset):
    """A few near-twins once turned a dimension of 33.9 into 1.74."""
    Y = (embedded(RNG, 12, 300, 40) + offset).astype(dtype)
    ulp = np.spacing(np.abs(Y[:8]))
    twins = Y[:8] + ulp * RNG.choice([-1, 0, 1], size=(8, 40)).astype(dtype)
    graph = neighbor_graph(np.vstack([Y, twins]), 5)
    assert graph.n_distinct == 300
    assert np.array_equal(graph.point[300:], np.arange(8))
    assert graph.indices[2, 0] == 302
    assert graph.distances[2, 0] == 0
    with pytest.warns(GeometryWarning, match="8 of 308"):
        value = twonn(graph).value
    assert value == pytest.approx(twonn(neighbor_graph(Y, 5)).value, rel=1e-9)


def test_neighbours_just_beyond_rounding_stay_apart():
    Y = np.vstack([X, X[:5] * (1 + 1e-12)])
    graph = neighbor_graph(Y, 2)
    assert graph.n_distinct == 605


def test_inputs_join_rows_that_batching_left_far_apart():
    Y = np.vstack([X, X[:50] + 1e-3 * RNG.standard_normal((50, 20))])
    keys = [f"input {i}" for i in range(600)] + [f"input {i}" for i in range(50)]
    assert neighbor_graph(Y, 2).n_distinct == 650
    graph = neighbor_graph(Y, 2, inputs=keys)
    assert graph.n_distinct == 600
    assert (graph.distances[:50, 0] == 0).all()
    with pytest.warns(GeometryWarning, match="50 of 650"):
        assert twonn(graph).value == pytest.approx(CLEAN, rel=1e-12)
    with pytest.raises(InputError, match="inputs have length 3"):
        neighbor_graph(Y, 2, inputs=["a", "b", "c"])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.ones((1000, 5)), id="E-all-equal"),
        pytest.param(
            (1 + np.random.default_rng(0).integers(-1, 2, (1000, 5)) * 2.0**-52),
            id="E-all-equal-float-noise",
        ),
        pytest.param(np.zeros((30, 4)), id="zeros"),
        pytest.param(np.full((30, 4), 3e38, dtype=np.float32), id="large"),
    ],
)
def test_one_point_has_no_distances(rows):
    with pytest.raises(DegenerateError, match=r"all \d+ rows of X are the same point .*distances"):
        neighbor_graph(rows, 2)


@pytest.mark.parametrize("distinct", [2, 7, 100])
def test_too_few_distinct_points_have_no_dimension(distinct):
    graph = neighbor_graph(X[np.arange(600) % distinct], 2)
    with pytest.raises(DegenerateError, match=f"undefined: {distinct} distinct points among 600"):
        twonn(graph)


@pytest.mark.parametrize("k", [1, 3, 8, 20, 39])
@pytest.mark.parametrize("entries", [1, 100, duplicates.EXPANDED_ENTRIES])
@pytest.mark.parametrize("values", [2, 4])
def test_expanded_lists_equal_a_search_over_rows(monkeypatch, k, entries, values):
    monkeypatch.setattr(duplicates, "EXPANDED_ENTRIES", entries)
    rng = np.random.default_rng(3)
    points = rng.integers(0, values, size=(40, 2)).astype(float)  # repeats and ties at once
    graph = neighbor_graph(points, k)
    distances, indices, ties = reference.neighbors(points, k)
    assert np.array_equal(graph.distances, distances)
    assert np.array_equal(graph.indices, indices)
    assert {row: sorted(t.tolist()) for row, t in graph.ties.items()} == ties


def test_lists_without_repeats_are_only_renumbered():
    found = search(X, 4, None)
    lists = duplicates.expand(found, np.arange(600), 4)
    assert np.array_equal(lists.indices, found.indices)
    assert np.array_equal(lists.distances, found.distances)
    assert lists.ties == {}


@pytest.mark.slow
def test_repeats_in_the_last_block_are_found():
    """E-dup-late-chunk."""
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((20000, 5))
    Y[18000:] = Y[rng.integers(0, 18000, 2000)]
    with pytest.warns(GeometryWarning, match="2000 of 20000"):
        found = twonn(neighbor_graph(Y, 2))
    assert found.value == pytest.approx(twonn(neighbor_graph(Y[:18000], 2)).value, rel=1e-12)
