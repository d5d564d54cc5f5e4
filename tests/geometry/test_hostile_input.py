"""Hostile input, one row of the reliability table per test: the answer is right or says no."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import reference
import scipy.sparse as sp
import torch
from manifolds import embedded

from layergeom.errors import DegenerateError, GeometryWarning, InputError, InputTypeError
from layergeom.geometry import neighbor_graph, scale_analysis, twonn

RNG = np.random.default_rng(0)
X = embedded(RNG, 5, 400, 50)


def value(points, k=2):
    return twonn(neighbor_graph(points, k)).value


VALUE = value(X)


def with_entry(number, rows=(7,), columns=slice(3, 4)):
    bad = X.copy()
    for row in rows:
        bad[row, columns] = number
    return bad


def masked():
    return np.ma.masked_array(X, mask=np.zeros(X.shape, bool) | (np.arange(400) < 9)[:, None])


with np.errstate(over="ignore"):
    OVERFLOWED = (X * 1e5).astype(np.float16)

REFUSED = {
    "E-nan-one-entry": (with_entry(np.nan), InputError, "NaN.* in 1 of 400"),
    "E-nan-one-row": (with_entry(np.nan, columns=slice(None)), InputError, "NaN.*row 7"),
    "E-inf-one-entry": (with_entry(np.inf), InputError, "inf.* in 1 of 400"),
    "E-all-nan": (X * np.nan, InputError, "NaN.* in 400 of 400"),
    "E-fp16-overflowed": (OVERFLOWED, InputError, "inf.*wider dtype"),
    "E-n-0": (X[:0], InputError, "0 samples"),
    "E-n-1": (X[:1], InputError, "1 samples"),
    "E-n-2": (X[:2], InputError, "2 samples"),
    "E-n-3": (X[:3], DegenerateError, "3 distinct points .* too few"),
    "E-ndim-1": (X[0], InputError, "must have 2 dimensions"),
    "E-ndim-3": (X.reshape(40, 10, 50), InputError, "2 dimensions.*Pool over the sequence"),
    "E-ndim-0": (1.5, InputError, "2 dimensions"),
    "E-dtype-complex": (X + 0j, InputTypeError, "complex128"),
    "E-dtype-object": (X.astype(object), InputTypeError, "object"),
    "E-dtype-object-None": (np.where(X > 2, None, X), InputTypeError, "object"),
    "E-dtype-masked": (masked(), InputTypeError, "masked array"),
    "entries near the largest float64": (X * 1e307, InputError, "exceed the range of float64"),
    "E-lattice-3d": (
        np.stack(np.meshgrid(*[np.arange(10.0)] * 3), axis=-1).reshape(-1, 3),
        DegenerateError,
        "lattice",
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused_with_the_reason(row):
    points, error, message = REFUSED[row]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        with pytest.raises(error, match=message) as said:
            value(points)
    assert isinstance(said.value, ValueError)


SMALL = {
    "E-n-4": (4, 3),
    "E-n-10-k-64": (10, 9),
    "E-n-64-range-64": (64, 63),
    "E-n-65-range-64": (65, 64),
}


@pytest.mark.parametrize("row", SMALL)
def test_small_samples_have_finite_values_or_say_what_k_may_be(row):
    n, most = SMALL[row]
    if most < 64:
        with pytest.raises(InputError, match=f"k is 64 but X has {n} samples; .* most {most}"):
            neighbor_graph(X[:n], 64)
    graph = neighbor_graph(X[:n], most)
    assert math.isfinite(twonn(graph).value)
    found = scale_analysis(X[:n], graph)
    assert np.isfinite(found.values).all()


def test_a_line_has_dimension_one():
    """E-d-1."""
    assert value(np.random.default_rng(0).random((1000, 1))) == pytest.approx(1, rel=0.1)


PIXELS = np.clip(np.round(128 + 30 * X), 0, 255)
INTEGERS = np.round(X * 1e6)
SAME_DATA = {
    "E-dtype-float16": (X.astype(np.float16), X.astype(np.float16).astype(float)),
    "E-dtype-bigendian": (X.astype(">f8"), X),
    "E-dtype-bfloat16": (torch.tensor(X).bfloat16(), torch.tensor(X).bfloat16().double().numpy()),
    "E-dtype-torch-requires-grad": (torch.tensor(X, requires_grad=True), X),
    "E-dtype-int32-bigsq": (INTEGERS.astype(np.int32), INTEGERS),
    "E-dtype-uint8": (PIXELS.astype(np.uint8), PIXELS),
    "E-dtype-sparse": (sp.csr_array(X), X),
    "E-dtype-list": (X.tolist(), X),
    "E-dtype-dataframe": (pd.DataFrame(X), X),
    "E-layout-fortran": (np.asfortranarray(X), X),
    "E-layout-strided": (np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2], X),
    "E-layout-negstride": (X[::-1, ::-1].copy()[::-1, ::-1], X),
}


@pytest.mark.parametrize("row", SAME_DATA)
def test_type_and_layout_do_not_count(row):
    points, plain = SAME_DATA[row]
    graph, expected = neighbor_graph(points, 3), neighbor_graph(plain, 3)
    assert graph.distances.tobytes() == expected.distances.tobytes()
    assert np.array_equal(graph.indices, expected.indices)
    assert twonn(graph).value == pytest.approx(reference.twonn(plain), rel=1e-9)


@pytest.mark.parametrize("row", ["E-layout-readonly", "E-layout-memmap-f32"])
def test_memory_maps_are_read_where_they_lie(row, tmp_path):
    stored = X.astype(np.float32 if "f32" in row else np.float64)
    np.save(tmp_path / "x.npy", stored)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert value(mapped) == value(stored)


def test_the_input_and_the_global_generator_are_left_alone():
    """E-no-mutation, E-no-mutation-dups, E-global-rng."""
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    for points in (X.copy(), np.vstack([X, X[:50]])):
        before = points.tobytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            graph = neighbor_graph(points, 8)
            scale_analysis(points, graph)
        assert points.tobytes() == before
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


def wide(seed=0):
    """Hidden states as of a language model: 768 features, dimension 8."""
    return embedded(np.random.default_rng(seed), 8, 250, 768) + 0.01


def massive(points, column, numbers, dtype=np.float32):
    points = points.copy()
    points[:, column] = numbers
    return points.astype(dtype)


def clusters(distance, dtype):
    centres = distance * np.random.default_rng(2).standard_normal((10, 50))
    return (X + centres[np.arange(400) % 10]).astype(dtype)


def far(distance):
    points = X.copy()
    points[5] += distance
    return points


UNEVEN = RNG.standard_normal(400)
EXACT = {
    "E-offset-f64-1e6": X + 1e6,
    "E-offset-f64-1e8": X + 1e8,
    "E-offset-f32-1e3": (X + 1e3).astype(np.float32),
    "E-offset-f32-1e4": (X + 1e4).astype(np.float32),
    "E-massive-const-1e5-f32": massive(X, 4, 1e5),
    "E-massive-two-valued-f32": massive(X, 4, np.where(UNEVEN > 1, 3e3, 0)),
    "E-massive-noisy-f32": massive(X, 4, 1000 * (1 + 1e-3 * UNEVEN)),
    "E-clusters-far-f32": clusters(1e3, np.float32),
    "E-clusters-far-f64": clusters(1e7, np.float64),
    "E-offset-f32-D768-1e1": (wide() + 1e1 * 0.1).astype(np.float32),
    "E-offset-f32-D768-1e2": (wide() + 1e2 * 0.1).astype(np.float32),
    "E-offset-f32-D768-1e3": (wide() + 1e3 * 0.1).astype(np.float32),
    "E-massive-f32-D768": massive(wide(), 99, 100 * (1 + 1e-4 * UNEVEN[:250])),
    "E-massive-f32-D768-3e4": massive(wide(), 99, 3000),
    "E-outlier-1e6": far(1e6),
    "E-outlier-1e12": far(1e12),
}


@pytest.mark.parametrize("row", EXACT)
def test_as_exact_as_long_doubles_and_without_false_repeats(row):
    points = EXACT[row]
    assert value(points) == pytest.approx(reference.twonn(points), rel=1e-9)


SCALED = {
    "E-scale-1e-300": X * 1e-300,
    "E-scale-1e-8": X * 1e-8,
    "E-scale-1e8": X * 1e8,
    "E-scale-1e300": X * 1e300,
    "E-scale-f32-1e20": (X * 1e20).astype(np.float32),
    "E-scale-f32-1e-25": (X * 1e-25).astype(np.float32),
    "E-zero-features": np.hstack([X, np.zeros((400, 30))]),
    "E-permute-rows": X[np.random.default_rng(1).permutation(400)],
    "E-permute-cols": X[:, np.random.default_rng(1).permutation(50)],
    "E-translate": X + X.std(),
}


@pytest.mark.parametrize("row", SCALED)
def test_invariant(row):
    assert value(SCALED[row]) == pytest.approx(VALUE, rel=1e-5)
    graph = neighbor_graph(SCALED[row], 30)
    found = scale_analysis(SCALED[row], graph).values
    assert np.allclose(
        np.sort(found), np.sort(scale_analysis(X, neighbor_graph(X, 30)).values), 0.2
    )


def test_bits_are_reported_as_discrete():
    """E-dtype-bool."""
    bits = np.random.default_rng(0).random((400, 60)) < 0.5
    with pytest.warns(GeometryWarning, match="discrete"):
        assert math.isfinite(value(bits))


def test_coarse_steps_are_reported_as_discrete():
    """E-quantised-coarse."""
    steps = np.round(np.random.default_rng(0).standard_normal((400, 10)) * 2) / 2
    with pytest.warns(GeometryWarning, match="tied neighbours"):
        value(steps)


def test_one_gigantic_entry_does_not_hide_the_other_points():
    points = X.copy()
    points[5, 3] = 1e200
    assert value(points) == pytest.approx(reference.twonn(points), rel=1e-9)


# ── fuzz ──────────────────────────────────────────────────────────────────────────────────────

SPECIALS = np.array([0.0, -0.0, 1.0, 1e-200, 1e200, -1e200, 5e-324, 1e308, np.nan, np.inf, -np.inf])


def hostile(seed):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((rng.integers(0, 131), rng.integers(0, 31)))
    kind = seed % 5
    if kind == 1:
        points = np.round(points * rng.integers(1, 4))
    if kind == 2 and len(points):
        points = points[rng.integers(0, len(points), len(points))]
    if kind == 3:
        points = points * 10.0 ** rng.integers(-200, 200)
    if kind == 4 and points.size:
        numbers = SPECIALS if seed % 2 else SPECIALS[:8]
        hit = rng.random(points.shape) < rng.random() * 0.2
        points = np.where(hit, rng.choice(numbers, points.shape), points)
    return points


@pytest.mark.parametrize("start", range(0, 500, 100))
def test_fuzz(start):
    """F-fuzz: no crash, no silent nan, no garbage without a word, no accepted nan or infinity."""
    for seed in range(start, start + 100):
        points = hostile(seed)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                found = value(points)
            except (InputError, DegenerateError):
                continue
        assert np.isfinite(points).all(), seed
        assert all(issubclass(w.category, GeometryWarning) for w in said), seed
        assert math.isfinite(found), seed
        assert said or 0.01 < found < 100 * points.shape[1], seed
