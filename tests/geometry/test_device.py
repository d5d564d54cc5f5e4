"""The search through torch, on CPU tensors: the code that runs on an accelerator."""

import subprocess
import sys

import numpy as np
import pytest
import reference
import torch
from test_plain import CLOUDS, noise

from layergeom import neighbor_graph
from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry import _device, _device_points, _plain, _search

CPU = torch.device("cpu")
PRECISIONS = {"half": _device.HALF, "single": _device.SINGLE, "double": _device.DOUBLE}
GRID = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), -1).reshape(-1, 3)


def on_device(X, k, groups=None, passes=None):
    return _device.search(_device_points.points(X, CPU), k, groups, None, CPU, passes)


def finished(X, k, groups=None, passes=None):
    """Lists of the search through torch, the rows it leaves settled the plain way."""
    found, left = on_device(X, k, groups, passes)
    assert (found.indices[left] == -1).all()
    _plain.settle(X, groups, left, found, None)
    return found


def same(a, b):
    """Equal neighbours and ties, distances to rounding."""
    assert np.array_equal(a.indices, b.indices)
    assert np.allclose(a.distances, b.distances, rtol=1e-14, atol=0)
    assert a.ties.keys() == b.ties.keys()
    assert all(np.array_equal(a.ties[row], b.ties[row]) for row in a.ties)


def clusters(n=400, width=16, apart=1e3):
    """Tight clusters far apart, which half precision cannot resolve."""
    return noise(n, width) + apart * np.repeat(noise(n // 20, width, 1), 20, axis=0)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", CLOUDS)
def test_every_row_equals_full_sorting(name, precision):
    X = CLOUDS[name]
    reference.assert_exact(finished(X, 7, passes=(PRECISIONS[precision],)), X)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_passes_of_a_device_prove_all_rows_but_those_of_lost_digits(name):
    _, left = on_device(CLOUDS[name], 7)
    assert len(left) == (name == "outlier 1e12")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "k"), [(3, 1), (3, 2), (40, 39), (300, 299), (2000, 1), (2000, 64)])
def test_sizes_and_few_and_many_neighbours(n, k, dtype):
    X = noise(n, 24).astype(dtype)
    same(finished(X, k), _plain.search(X, k, None))


def test_ordinary_clouds_need_one_pass_and_the_selection_by_groups(monkeypatch):
    X = noise(3000, 64).astype(np.float32)
    found, left = on_device(X, 30, passes=(_device.HALF,))
    assert len(left) == 0
    same(found, _plain.search(X, 30, None))
    monkeypatch.setattr(_device, "GROUP", 4096)  # one group: the plain selection
    same(on_device(X, 30, passes=(_device.HALF,))[0], found)


def test_rows_that_half_precision_cannot_prove_take_the_second_pass():
    X = clusters().astype(np.float32)
    assert len(on_device(X, 5, passes=(_device.HALF,))[1]) == 400
    found, left = on_device(X, 5)
    assert len(left) == 0
    reference.assert_exact(found, X)


def test_rows_that_no_pass_proves_are_settled_the_plain_way(monkeypatch):
    monkeypatch.setattr(_device, "MARGIN", np.inf)
    X = noise(200, 5)
    assert len(on_device(X, 4)[1]) == 200
    same(finished(X, 4), _plain.search(X, 4, None))


@pytest.mark.parametrize("passes", [None, (_device.HALF,)])
def test_lattice_ties_are_complete_and_listed_by_lower_index(passes):
    X = GRID[np.random.default_rng(0).permutation(len(GRID))]
    same(finished(X, 4, passes=passes), _plain.search(X, 4, None))


def test_equal_rows_among_the_nearest_go_by_index_without_the_plain_way():
    X = np.repeat(noise(100, 8).astype(np.float32), 2, axis=0)
    X = X[np.random.default_rng(2).permutation(200)]
    found, left = on_device(X, 5)  # its own copy, and two copies of two others
    assert len(left) == 0
    same(found, _plain.search(X, 5, None))


def test_distances_that_differ_by_their_rounding_are_left_to_the_plain_way():
    X = noise(50, 3)
    X[:3] = [[0, 0, 0], [1e-3, 0, 0], [0, 1e-3 * (1 + 2**-51), 0]]
    _, left = on_device(X, 2)
    assert 0 in left
    assert len(left) < 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_repeated_rows_are_neighbours_at_distance_zero_with_all_their_ties(dtype):
    X = noise(300, 8).astype(dtype)
    X[np.random.default_rng(1).permutation(300)[:150]] = X[:150]
    same(finished(X, 3), _plain.search(X, 3, None))


def test_differences_too_small_to_be_squared_are_left_to_the_plain_way():
    X = np.zeros((40, 3))
    X[:, 0] = np.arange(40) // 2
    X[:, 1] = np.arange(40) % 2 * 1e-170 * (1 + np.arange(40) // 2)
    reference.assert_exact(finished(X, 1), X)


@pytest.mark.parametrize("members", [1, 4, 150])
def test_groups_are_left_out(members):
    X = noise(300, 12)
    groups = np.arange(300) // members
    found = finished(X, 9, groups)
    same(found, _plain.search(X, 9, groups))
    reference.assert_exact(found, X, groups)


@pytest.mark.parametrize("n", [33, 40, 61])
def test_one_admissible_neighbour_among_padded_columns(n):
    X = noise(n, 4)
    groups = np.append(np.zeros(n - 1, dtype=np.int64), 1)
    found, left = on_device(X, 5, groups)
    assert len(left) == 0
    same(found, _plain.search(X, 5, groups))


def test_fewer_than_k_admissible_neighbours():
    X = noise(60, 4)
    groups = np.repeat([0, 1], [55, 5])
    _, left = on_device(X, 10, groups)
    assert len(left) == 0
    same(finished(X, 10, groups), _plain.search(X, 10, groups))


@pytest.mark.parametrize("precision", PRECISIONS.values(), ids=PRECISIONS)
def test_bounds_hold_for_every_pair_and_are_tight(precision):
    X = clusters(apart=10.0)
    cloud = _device._Cloud(torch.tensor(X), None, CPU)
    codes = _device._Codes(cloud, precision)
    rows = torch.arange(len(X))
    bounds = codes.distances(rows, codes.lower(rows)).numpy()[:, : len(X)]
    exact = np.array([reference.distances_from(X, i) for i in rows], dtype=float)
    np.fill_diagonal(bounds, 0)
    assert (bounds <= exact * (1 + 1e-12)).all()
    assert np.median(bounds[exact > 0] / exact[exact > 0]) > 0.99


def test_codes_are_never_subnormal():
    z = torch.tensor([1e-6, 7e-5, -6e-8, 3.0], dtype=torch.float64)
    code = _device._rounded(z, torch.float16)
    assert code.dtype == torch.float16
    assert code.tolist() == [0, np.float16(7e-5), 0, 3]


@pytest.mark.parametrize("fraction", [1e-2, 1e-3])
def test_products_less_exact_than_assumed_are_found_out(monkeypatch, fraction):
    exact = _device._Codes._products
    monkeypatch.setattr(
        _device._Codes, "_products", lambda self, code: exact(self, code) * (1 - fraction)
    )
    with pytest.raises(_device_points.DeviceError, match="less exact than the proof assumes"):
        on_device(noise(500, 64).astype(np.float32), 5)


def out_of_memory(monkeypatch, fits):
    """Blocks of more than ``fits`` rows do not fit; returns the sizes that were tried."""
    tried, block = [], _device._block

    def bounded(codes, rows, m, lists):
        tried.append(len(rows))
        if len(rows) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        block(codes, rows, m, lists)

    monkeypatch.setattr(_device, "_block", bounded)
    return tried


def test_blocks_are_halved_until_they_fit(monkeypatch):
    X = noise(700, 6)
    tried = out_of_memory(monkeypatch, 100)
    calls = []
    found, left = _device.search(
        torch.tensor(X), 5, None, lambda *at: calls.append(at), CPU, (_device.HALF,)
    )
    same(found, _plain.search(X, 5, None))
    assert len(left) == 0
    assert tried == [700, 350, 175] + [87] * 8 + [4]
    assert calls == [(min(87 * i, 700), 700) for i in range(1, 10)]


def test_small_rooms_change_nothing(monkeypatch):
    X = noise(300, 10)
    expected, _ = on_device(X, 6)
    monkeypatch.setitem(_device_points.ROOM, "cpu", 5000)
    same(on_device(X, 6)[0], expected)


def test_the_cpu_takes_over_with_a_warning_when_nothing_fits(monkeypatch, through_torch):
    X = noise(300, 6)
    tried = out_of_memory(monkeypatch, 0)
    with pytest.warns(GeometryWarning, match=r"searched on the CPU, not on cpu \(CUDA out of mem"):
        graph = neighbor_graph(X, 5, device="cuda")
    assert tried[-1] == _device.FEWEST_ROWS
    same(graph, neighbor_graph(X, 5))


@pytest.mark.parametrize("also", [None, "all_differ"])
def test_the_cpu_takes_over_when_the_driver_fails(monkeypatch, through_torch, also):
    def broken(*_):
        raise _device_points.DeviceError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(_device, "search", broken)
    if also is not None:
        monkeypatch.setattr(_device_points, also, broken)
    with pytest.warns(GeometryWarning, match="unspecified launch failure"):
        graph = neighbor_graph(noise(50, 3), 5, device="cuda")
    same(graph, neighbor_graph(noise(50, 3), 5))


def test_the_cpu_takes_over_when_the_points_do_not_fit(monkeypatch, through_torch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "empty", full)
        with pytest.warns(GeometryWarning, match="out of memory"):
            graph = neighbor_graph(noise(50, 3), 5, device="cuda")
    same(graph, neighbor_graph(noise(50, 3), 5))


def test_an_error_of_the_caller_is_not_taken_for_one_of_the_device(through_torch):
    def stop(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        neighbor_graph(noise(50, 3), 5, device="cuda", progress=stop)


def test_many_rows_finished_on_the_cpu_are_told(through_torch):
    with pytest.warns(GeometryWarning, match="283 of 343 rows could not be told apart on cpu"):
        graph = neighbor_graph(GRID, 4, device="cuda")
    same(graph, neighbor_graph(GRID, 4))


def test_graphs_are_the_same_through_either_door(through_torch):
    X = noise(400, 20).astype(np.float32)
    X[100:130] = X[:30]
    X[200] = X[5] * (1 + 1e-7)  # a twin, a rounding apart
    inputs = ["x"] * 2 + [str(i) for i in range(398)]
    for options in ({}, {"inputs": inputs}, {"groups": np.arange(400) // 7}):
        plain, other = (neighbor_graph(X, 12, device=d, **options) for d in (None, "cuda"))
        same(plain, other)
        assert np.array_equal(plain.point, other.point)


def test_equal_rows_are_told_from_different_ones():
    X = noise(500, 7).astype(np.float32)
    assert _device_points.all_differ(torch.tensor(X))
    assert _device_points.all_differ(torch.tensor(X.astype(np.float64)))
    X[:, 3] = 0
    X[400] = X[20]
    X[400, 3] = -0.0
    assert not _device_points.all_differ(torch.tensor(X))
    assert not _device_points.all_differ(torch.tensor(X.astype(np.float64)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_are_searched_where_they_lie(monkeypatch, dtype):
    X = torch.tensor(noise(200, 10)).to(dtype).requires_grad_()
    expected = neighbor_graph(X, 5)
    monkeypatch.setattr(_search, "place", lambda X, _: X.device)
    monkeypatch.setattr(_device_points.arrays, "points", None)  # no copy on the CPU is made
    same(neighbor_graph(X, 5), expected)
    same(neighbor_graph(X.T.contiguous().T, 5), expected)


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (torch.tensor([[1.0], [2.0], [np.nan]]), "NaN values in 1 of 3 rows"),
        (torch.tensor([[1.0], [2.0], [np.inf]]), "infinite"),
        (torch.zeros(2, 2), "at least 3 samples"),
        (torch.zeros(4), "2 dimensions"),
        (torch.zeros(4, 0), "no features"),
        (torch.full((4, 2), 1e308, dtype=torch.float64), "exceed the range of float64"),
    ],
)
def test_tensors_are_checked_at_the_door(through_torch, X, words):
    with pytest.raises(InputError, match=words):
        neighbor_graph(X, 1, device="cuda")


def test_arrays_of_whole_numbers_and_read_only_ones_are_taken(through_torch):
    X = np.random.default_rng(0).integers(-500, 500, (100, 9))
    same(neighbor_graph(X, 3, device="cuda"), neighbor_graph(X, 3))
    frozen = noise(100, 9)
    frozen.setflags(write=False)
    same(neighbor_graph(frozen[::-1], 3, device="cuda"), neighbor_graph(frozen[::-1], 3))


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("cuda", "cannot be used here"),
        ("cuda:7", "cannot be used here"),
        ("mps", "cannot be used here"),
        ("abacus", "must be cpu, cuda, cuda:N or mps"),
        ("meta", "must be cpu, cuda, cuda:N or mps"),
        ("cuda:x", "cannot be used here"),
    ],
)
def test_a_device_that_is_not_here_is_an_error(monkeypatch, device, words):
    def absent(*_, device, **__):
        raise AssertionError(f"Torch not compiled with {device} enabled")

    monkeypatch.setattr(torch, "empty", absent)
    with pytest.raises(InputError, match=words):
        neighbor_graph(noise(20, 2), 3, device=device)
    assert not _search.has_device(device)


def test_the_cpu_by_name_is_the_cpu():
    assert _search.place(noise(3, 3), "cpu") is None
    assert _search.has_device("cpu")
    assert _device_points.named("cpu") == CPU


def test_settings_of_torch_are_given_back_even_after_an_error():
    settings = torch.backends.cuda.matmul
    name = "allow_fp16_reduced_precision_reduction"
    for before in (True, False):
        setattr(settings, name, before)
        with pytest.raises(ZeroDivisionError), _device._full_sums():
            _ = 1 / 0
        assert getattr(settings, name) is before
    setattr(settings, name, True)
    with _device._full_sums():
        assert not getattr(settings, name)
    on_device(noise(20, 2), 3)
    assert getattr(settings, name)
    assert torch.is_grad_enabled()


def test_the_kind_of_reduction_is_given_back_too():
    settings = torch.backends.cuda.matmul
    if not hasattr(settings, "allow_fp16_reduced_precision_reduction_split_k"):
        pytest.skip("this torch has no such setting")
    settings.allow_fp16_reduced_precision_reduction = (False, False)
    try:
        on_device(noise(20, 2), 3)
        assert not settings.allow_fp16_reduced_precision_reduction_split_k
    finally:
        settings.allow_fp16_reduced_precision_reduction = True


def test_products_in_half_precision_are_used_where_torch_has_them(monkeypatch):
    X = noise(300, 16).astype(np.float32)
    expected, _ = on_device(X, 5)
    product = torch.mm
    seen = []

    def wide(a, b, out_dtype):
        seen.append(a.dtype)
        return product(a.to(out_dtype), b.to(out_dtype))

    monkeypatch.setattr(torch, "mm", wide)
    _device._sums_wider.cache_clear()
    found, _ = on_device(X, 5)
    _device._sums_wider.cache_clear()
    assert seen[-1] == torch.float16
    same(found, expected)


def test_torch_is_not_loaded_for_a_search_on_the_cpu():
    code = (
        "import sys, numpy, layergeom\n"
        "layergeom.neighbor_graph(numpy.random.rand(20, 2), 3, device='cpu')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
