"""Spectral quantities against singular values, known laws, and repetitions."""

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.geometry import anisotropy, gram, rows, spectrum

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 20)) * np.geomspace(3, 0.1, 20) + 0.7
WIDE = RNG.standard_normal((50, 768)) + 0.2
ESTIMATES = [
    "anisotropy",
    "anisotropy_uncentered",
    "mean_cosine",
    "effective_rank",
    "spectral_entropy_rank",
    "participation_ratio",
    "norm",
]


def values(found):
    return np.array([getattr(found, name).value for name in ESTIMATES])


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(X, id="M-an-plain"),
        pytest.param(WIDE, id="M-an-wide"),
        pytest.param(RNG.standard_normal((40, 40)), id="square"),
        pytest.param(RNG.standard_normal((30, 2)) + np.array([5, 0]), id="two features"),
        pytest.param(RNG.standard_normal((300, 3)) @ RNG.standard_normal((3, 20)), id="rank 3"),
    ],
)
def test_every_quantity_equals_its_formula(points):
    found = spectrum(points)
    n = len(points)
    sigma = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    sigma = sigma[sigma > 1e-7 * sigma[0]]
    p, q = sigma / sigma.sum(), sigma**2 / (sigma**2).sum()
    listed = found.eigenvalues[: len(sigma)]
    assert np.allclose(listed, sigma**2 / n, rtol=1e-9, atol=1e-12 * sigma[0] ** 2)
    assert len(found.eigenvalues) == min(points.shape)
    assert found.anisotropy.value == pytest.approx(reference.anisotropy(points), rel=1e-9)
    assert found.anisotropy_uncentered.value == pytest.approx(
        reference.anisotropy(points, centre=False), rel=1e-9
    )
    assert found.mean_cosine.value == pytest.approx(reference.mean_cosine(points), rel=1e-9)
    assert found.effective_rank.value == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)
    assert found.spectral_entropy_rank.value == pytest.approx(
        np.exp(-(q * np.log(q)).sum()), rel=1e-9
    )
    assert found.participation_ratio.value == pytest.approx(1 / (q**2).sum(), rel=1e-9)
    assert found.norm.value == pytest.approx(np.linalg.norm(points, axis=1).mean(), rel=1e-12)
    shares = np.cumsum(q)
    assert found.pca_dimension_90 == next(i + 1 for i, s in enumerate(shares) if s >= 0.9 - 1e-12)
    assert found.pca_dimension_99 == next(i + 1 for i, s in enumerate(shares) if s >= 0.99 - 1e-12)
    variances = points.var(axis=0)
    assert found.dominant_coordinate[0] == variances.argmax()
    assert found.dominant_coordinate[1] == pytest.approx(variances.max() / variances.sum())


def test_anisotropy_is_that_of_the_spectrum():
    assert anisotropy(X).value == pytest.approx(spectrum(X).anisotropy.value, rel=1e-12)


# ── laws ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("n", "width"), [(4000, 100), (500, 500), (300, 900)])
def test_isotropic_data_have_the_random_floor(n, width):
    found = spectrum(RNG.standard_normal((n, width)))
    assert found.anisotropy.value == pytest.approx((1 + np.sqrt(width / n)) ** 2 / width, rel=0.05)
    ratio = 1 / (1 / n + 1 / width)
    assert found.participation_ratio.value == pytest.approx(ratio, rel=0.03)
    assert abs(found.mean_cosine.value) < 5 / (n * np.sqrt(width))


@settings(max_examples=15, deadline=None)
@given(st.floats(-1e4, 1e4), st.integers(-60, 60), st.integers(0, 3))
def test_rotation_shift_and_scale(shift, power, seed):
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((20, 20)))[0]
    base = spectrum(X)
    for moved in (X + shift, X @ rotation, X * 2.0**power):
        found = spectrum(moved)
        for name in ("anisotropy", "effective_rank", "spectral_entropy_rank"):
            one, other = getattr(found, name), getattr(base, name)
            assert one.value == pytest.approx(other.value, rel=1e-6)
            assert one.error == pytest.approx(other.error, rel=1e-5)
    scaled = spectrum(X * 2.0**power)
    assert scaled.anisotropy.value == base.anisotropy.value
    assert scaled.norm.value == pytest.approx(base.norm.value * 2.0**power, rel=1e-12)


def test_anisotropy_lies_between_its_bounds():
    line = np.outer(RNG.standard_normal(30), [1.0, 2, 3])
    assert anisotropy(line).value == pytest.approx(1, rel=1e-12)
    cross = np.vstack([np.eye(4), -np.eye(4)])
    assert anisotropy(cross).value == pytest.approx(1 / 4, rel=1e-12)
    assert anisotropy(np.eye(6)).value == pytest.approx(1 / 5, rel=1e-9)  # N - 1 < D


def test_block_size_changes_nothing(monkeypatch):
    whole = values(spectrum(X))
    for module in (rows, gram):
        monkeypatch.setattr(module, "BLOCK", 7)
    assert np.allclose(values(spectrum(X)), whole, rtol=1e-10)


def test_row_order_changes_nothing():
    assert np.allclose(values(spectrum(X[::-1])), values(spectrum(X)), rtol=1e-10)


# ── hostile numbers ───────────────────────────────────────────────────────────────────────────


HOSTILE = pytest.mark.parametrize(
    ("points", "tolerance"),
    [
        pytest.param((X + 1e4).astype(np.float32), 1e-9, id="M-an-f32-offset-1e4"),
        pytest.param((X * 50 + 1e6).astype(np.float32), 1e-9, id="M-an-f32-offset-1e6"),
        pytest.param((X + 1e8), 1e-6, id="f64-offset-1e8"),
        pytest.param(torch.tensor(X).half(), 1e-9, id="M-an-fp16"),
        pytest.param((X + 300).astype(np.float16), 1e-9, id="M-an-fp16-mean-overflow"),
        pytest.param((X * 1e25).astype(np.float32), 1e-9, id="M-an-scale-1e25-f32"),
        pytest.param((X * 1e-30).astype(np.float32), 1e-9, id="scale-1e-30-f32"),
        pytest.param(X * 1e150, 1e-9, id="scale-1e150"),
        pytest.param(np.round(X * 100).astype(np.int64), 1e-9, id="M-an-int"),
        pytest.param(np.round(np.abs(X) * 60).clip(0, 255).astype(np.uint8), 1e-9, id="uint8"),
    ],
)


@HOSTILE
def test_exact_on_the_numbers_as_they_are(points, tolerance):
    exact = np.asarray(points, dtype=np.float64)
    size = np.abs(exact).max()
    expected = reference.anisotropy((exact / size).astype(np.longdouble))
    assert anisotropy(points).value == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_scales_keep_the_ratios(scale):
    found, base = spectrum(X * scale), spectrum(X)
    keep = [name for name in ESTIMATES if name != "norm"]
    for name in keep:
        assert getattr(found, name).value == pytest.approx(getattr(base, name).value, rel=1e-9)
    assert found.norm.value == pytest.approx(base.norm.value * scale, rel=1e-9)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        pytest.param(
            np.where(np.eye(300, 20) > 0, np.inf, X), "inf .* in 20 of 300", id="M-an-inf"
        ),
        pytest.param(X[:1], "has 1 samples", id="M-an-n1"),
        pytest.param(X[:0], "has 0 samples", id="M-an-n0"),
        pytest.param(np.ones((50, 4)), "all 50 rows are equal.*undefined", id="M-an-all-equal"),
        pytest.param(np.full((50, 4), 0.1), "all 50 rows are equal", id="all 0.1"),
        pytest.param(np.zeros((50, 4)), "all 50 rows are equal", id="all zero"),
        pytest.param(np.full((5, 40), 1 / 3), "all 5 rows are equal", id="wide and equal"),
        pytest.param(torch.tensor(X) * 1j, "real numbers", id="M-an-complex"),
    ],
)
def test_undefined_and_unusable_input(points, message):
    with pytest.raises((InputError, DegenerateError), match=message):
        spectrum(points)


def test_a_massive_activation_is_named():
    """M-an-massive: 1 % of the rows carry a 3,000-fold coordinate."""
    Y = RNG.standard_normal((500, 30))
    Y[::100, 11] = 3000
    with pytest.warns(GeometryWarning, match=r"coordinate 11 carries 100.0 % of the variance"):
        found = spectrum(Y)
    assert found.anisotropy.value > 0.999
    assert found.dominant_coordinate[0] == 11


def test_zero_rows_have_no_cosine():
    Y = X.copy()
    Y[:3] = 0
    with pytest.warns(GeometryWarning, match="3 rows are zero; their cosine is undefined"):
        found = spectrum(Y).mean_cosine
    units = X[3:] / np.linalg.norm(X[3:], axis=1, keepdims=True)
    expected = ((units @ units.T).sum() - 297) / (300 * 299)
    assert found.value == pytest.approx(expected, rel=1e-9)


# ── errors ────────────────────────────────────────────────────────────────────────────────────


def test_influences_have_mean_zero_and_give_the_error():
    found = spectrum(X)
    for name in ESTIMATES:
        one = getattr(found, name)
        assert one.influence.shape == (300,)
        assert abs(one.influence.mean()) < 1e-2 * one.influence.std(), name
        assert one.error == pytest.approx(np.sqrt((one.influence**2).sum()) / 300, rel=1e-9)


@pytest.mark.parametrize("points", [X, X.astype(np.float32), WIDE])
def test_without_errors_the_values_are_the_same(points):
    found, full = spectrum(points, errors=False), spectrum(points)
    assert np.allclose(values(found), values(full), rtol=1e-10, atol=0)
    assert np.allclose(found.eigenvalues, full.eigenvalues, rtol=1e-9, atol=1e-12)
    assert found.pca_dimension_90 == full.pca_dimension_90
    for name in ESTIMATES:
        one = getattr(found, name)
        assert np.isnan(one.error), name
        assert one.influence.shape == (len(points),)
        assert np.isnan(one.influence).all()


def test_influences_of_float32_are_those_of_float64():
    """A massive coordinate and a common offset: float32 products must not spoil the errors."""
    Y = RNG.standard_normal((400, 60)) * np.arange(1, 61) ** -0.5 + 100
    Y[:, 3] *= 300
    single = Y.astype(np.float32)
    with pytest.warns(GeometryWarning, match="coordinate 3"):
        found, exact = spectrum(single), spectrum(single.astype(np.float64))
    for name in ESTIMATES:
        one, other = getattr(found, name), getattr(exact, name)
        assert one.value == pytest.approx(other.value, rel=1e-12), name
        assert one.error == pytest.approx(other.error, rel=1e-5), name
        size = np.abs(other.influence).max()
        assert np.allclose(one.influence, other.influence, rtol=0, atol=1e-5 * size), name


def test_repeats_count_as_one_observation():
    doubled = np.repeat(X, 2, axis=0)
    point = np.repeat(np.arange(300), 2)
    found, base = spectrum(doubled, point), spectrum(X)
    for name in ("anisotropy", "effective_rank", "norm"):
        assert getattr(found, name).error == pytest.approx(getattr(base, name).error, rel=1e-6)
    assert spectrum(doubled).norm.error == pytest.approx(base.norm.error / np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("name", ESTIMATES)
def test_influences_are_those_of_the_jackknife(name):
    Y = X[:120, :6]
    one = getattr(spectrum(Y), name)
    rest = [getattr(spectrum(np.delete(Y, i, axis=0)), name).value for i in range(120)]
    jackknife = 119 * (one.value - np.array(rest))
    assert np.corrcoef(jackknife, one.influence)[0, 1] > 0.97
    assert one.influence.std() == pytest.approx(jackknife.std(), rel=0.1)


@pytest.fixture(scope="module")
def repetitions():
    rows = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        Y = rng.standard_normal((300, 10)) * np.geomspace(3, 0.5, 10) + 0.4
        found = spectrum(Y)
        rows.append([(getattr(found, n).value, getattr(found, n).error) for n in ESTIMATES])
    return dict(zip(ESTIMATES, np.array(rows).transpose(1, 0, 2), strict=True))


@pytest.mark.parametrize("name", ESTIMATES)
def test_errors_are_the_spread_over_repetitions(repetitions, name):
    found, errors = repetitions[name].T
    assert errors.mean() == pytest.approx(found.std(ddof=1), rel=0.2)
