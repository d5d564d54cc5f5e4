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
FLAT = RNG.standard_normal((600, 200)).astype(np.float32)
GAP = float(np.diff(np.linalg.eigvalsh(np.cov(FLAT.T.astype(np.float64), bias=True))[-2:])[0])
DECAY = RNG.standard_normal((1500, 300)) * np.arange(1, 301) ** -0.5 + 0.4


@pytest.fixture
def by_steps(monkeypatch):
    """Take the steps on small clouds too, and fail where a Gram matrix is asked."""
    monkeypatch.setattr(leading, "SMALLEST", 0)
    monkeypatch.setattr(leading, "STEPS_PER_SIDE", 1)
    monkeypatch.setattr(leading, "DOUBTFUL", np.inf)
    monkeypatch.setattr(leading, "_by_single_gram", None)
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


@pytest.fixture
def by_single_gram(monkeypatch):
    """Fail where neither the steps nor the float32 Gram matrix give the direction."""
    monkeypatch.setattr(spectra, "_gram_direction", None)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(FLAT, id="float32"),
        pytest.param(
            FLAT.astype(np.float64) + RNG.standard_normal(200) * 1e6, id="float64 offsets 1e6"
        ),
        pytest.param(FLAT + np.float32(1e6), id="float32 offset 1e6"),
        pytest.param(FLAT * np.float32(1e8), id="scale 1e8"),
        pytest.param(FLAT[:201], id="square"),
    ],
)
def test_a_flat_spectrum_by_a_gram_matrix_in_float32(points, by_single_gram):
    assert leading._by_steps(Rows(points)) is None
    assert_same(points)
    assert anisotropy(points).value == pytest.approx(reference.anisotropy(points), rel=1e-9)


def test_hopeless_steps_are_given_up_early(monkeypatch):
    calls = []
    product = leading._single_product
    monkeypatch.setattr(
        leading, "_single_product", lambda rows: lambda x: calls.append(1) or product(rows)(x)
    )
    assert leading._by_steps(Rows(FLAT)) is None
    assert len(calls) == leading.PATIENCE
    calls.clear()
    assert leading._by_steps(Rows(DECAY.astype(np.float32))) is not None
    assert len(calls) > leading.PATIENCE


def test_the_correction_takes_the_error_of_the_gram_matrix_away(monkeypatch):
    """Errors of 1e-4 gaps in the matrix, more than float32 makes here."""
    rows = Rows(FLAT)
    error = RNG.standard_normal((200, 200))
    error *= 1e-4 * GAP / np.linalg.norm(error + error.T, ord=2)
    exact = np.cov(FLAT.T.astype(np.float64), bias=True)
    monkeypatch.setattr(leading, "_single_gram", lambda _: exact + error + error.T)
    found = leading._by_single_gram(rows)
    assert found.value == pytest.approx(np.linalg.eigvalsh(exact)[-1], rel=1e-9)
    monkeypatch.setattr(leading, "_corrected", lambda *given: given[2])
    assert leading._by_single_gram(rows) is None


def test_a_second_direction_is_not_taken_for_the_first(monkeypatch):
    """Its residual is as small: only the Cholesky factor tells."""
    exact = np.cov(DECAY.T, bias=True)
    second = np.linalg.eigh(exact)[1][:, -2]
    monkeypatch.setattr(leading, "_ritz_pair", lambda *_, **__: (second, 0.1))
    assert leading._by_single_gram(Rows(DECAY)) is None


@pytest.mark.filterwarnings("error:overflow")
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(FLAT * np.float32(1e-20), id="beyond the range of float32 squares"),
        pytest.param(FLAT.astype(np.float64) * 1e150, id="beyond the range of float32"),
        pytest.param(FLAT[:150], id="wide"),
        pytest.param(np.concatenate([np.eye(200), -np.eye(200)]), id="all eigenvalues equal"),
    ],
)
def test_what_float32_cannot_decide_goes_to_float64(points):
    assert leading.leading_direction(Rows(points)) is None
    assert anisotropy(points).value == pytest.approx(reference.anisotropy(points), rel=1e-9)


def test_a_direction_with_a_large_residual_is_not_trusted(monkeypatch):
    wrong = np.eye(300)[1]
    monkeypatch.setattr(leading, "_ritz_pair", lambda *_, **__: (wrong, 0.1))
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
