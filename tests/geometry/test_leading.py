"""The first direction by Lanczos steps: the full spectrum's value and error, in less memory."""

import tracemalloc

import numpy as np
import pytest
import reference
from test_spectra import HOSTILE, WIDE, X

from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry import anisotropy, leading, spectra, spectrum
from layergeom.geometry.rows import Rows

RNG = np.random.default_rng(7)
DECAY = RNG.standard_normal((1500, 300)) * np.arange(1, 301) ** -0.5 + 0.4


@pytest.fixture
def by_steps(monkeypatch):
    """Take the steps on small clouds too, and fail where the Gram matrix is asked."""
    monkeypatch.setattr(leading, "SMALLEST", 0)
    monkeypatch.setattr(leading, "STEPS_PER_SIDE", 1)
    monkeypatch.setattr(spectra, "_gram_direction", None)


def assert_same(points, rel=1e-9, error=1e-6):
    found, full = anisotropy(points), spectrum(points).anisotropy
    assert found.value == pytest.approx(full.value, rel=rel)
    assert found.error == pytest.approx(full.error, rel=error)
    size = np.abs(full.influence).max()
    assert np.allclose(found.influence, full.influence, rtol=0, atol=10 * error * size)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(X, id="plain"),
        pytest.param(X.astype(np.float32), id="float32"),
        pytest.param(WIDE, id="wide"),
        pytest.param(RNG.standard_normal((40, 40)), id="square"),
        pytest.param(RNG.standard_normal((30, 2)) + np.array([5, 0]), id="two features"),
        pytest.param(RNG.standard_normal((300, 3)) @ RNG.standard_normal((3, 20)), id="rank 3"),
        pytest.param(DECAY, id="decay"),
        pytest.param(DECAY.astype(np.float32), id="decay float32"),
        pytest.param(DECAY[:200].astype(np.float32), id="wide float32"),
    ],
)
def test_value_and_error_are_those_of_the_spectrum(points, by_steps):
    assert_same(points)
    assert anisotropy(points).value == pytest.approx(reference.anisotropy(points), rel=1e-9)


@HOSTILE
def test_hostile_numbers(points, tolerance, by_steps):
    exact = np.asarray(points, dtype=np.float64)
    expected = reference.anisotropy((exact / np.abs(exact).max()).astype(np.longdouble))
    assert anisotropy(points).value == pytest.approx(expected, rel=tolerance)
    assert_same(points, rel=tolerance, error=max(1e-6, tolerance))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_scales(scale, by_steps):
    assert anisotropy(X * scale).value == pytest.approx(anisotropy(X).value, rel=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_massive_coordinate_is_named(kind, by_steps):
    Y = RNG.standard_normal((500, 200)).astype(kind)
    Y[::100, 11] = 3000
    with pytest.warns(GeometryWarning, match="coordinate 11 carries"):
        found = anisotropy(Y)
    assert found.value == pytest.approx(reference.anisotropy(Y), rel=1e-9)


def test_equal_rows_are_refused(by_steps):
    with pytest.raises(DegenerateError, match="all 300 rows are equal"):
        anisotropy(np.full((300, 200), 0.1))


def test_a_flat_spectrum_goes_to_the_gram_matrix():
    flat = RNG.standard_normal((600, 200)).astype(np.float32)
    assert leading.leading_direction(Rows(flat)) is None
    assert_same(flat)


def test_a_direction_with_a_large_residual_is_not_trusted(monkeypatch):
    wrong = np.eye(300)[1]
    monkeypatch.setattr(leading, "_ritz_pair", lambda *_: (wrong, 0.1))
    assert leading.leading_direction(Rows(DECAY)) is None
    assert_same(DECAY)


def test_a_spectrum_that_decays_needs_no_gram_matrix(monkeypatch):
    monkeypatch.setattr(spectra, "_gram_direction", None)
    assert_same(DECAY.astype(np.float32))


@pytest.mark.parametrize(("measure", "share"), [(anisotropy, 0.3), (spectrum, 0.5)])
def test_memory_is_that_of_blocks(tmp_path, measure, share):
    """A read-only file on disk; a float64 copy of it would be the unit."""
    n, width = 40_000, 200
    Y = (RNG.standard_normal((n, width)) * np.arange(1, width + 1) ** -0.5).astype(np.float32)
    np.save(tmp_path / "states.npy", Y)
    mapped = np.load(tmp_path / "states.npy", mmap_mode="r")
    measure(mapped[:1000])  # imports are not counted
    tracemalloc.start()
    try:
        found = measure(mapped)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < share * 8 * n * width
    value = getattr(found, "anisotropy", found).value
    assert value == pytest.approx(reference.anisotropy(Y), rel=1e-9)
