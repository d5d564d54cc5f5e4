"""Anisotropy and the linear map between two layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from outcomes import near, near_or_refused, refused, warned
from rows import NotOfferedError, row

from geometry import reference

RNG = np.random.default_rng(7)
X = RNG.standard_normal((1000, 50)) * np.linspace(0.2, 3, 50)
FEW = RNG.standard_normal((50, 768)) * np.linspace(0.2, 3, 768)
TYPE = r"dtype|type|complex|real"
RANGE = r"range|overflow|\binf|large"


def _exact(points: Any) -> float:
    """The formula on the very numbers, in float64 of size 1."""
    exact = np.asarray(points, dtype=np.float64)
    return float(reference.anisotropy(exact / np.abs(exact).max()))


def _as_formula(name: str, given: str, points: Any, tolerance: float, why: str = "") -> None:
    required = (
        f"the formula on the same numbers ({tolerance:g})" + f", or an error of {why}" * bool(why)
    )

    @row(name, given, required)
    def _(tool):
        found = tool.anisotropy(points)
        cause = {"": "-", "type": TYPE, "range": RANGE}[why]
        return near_or_refused(found, _exact(points), tolerance, cause)


_as_formula("M-an-plain", "float64, 1000 x 50", X, 1e-9)
_as_formula("M-an-wide", "N = 50 < D = 768", FEW, 1e-9)
_as_formula("M-an-f32-offset-1e4", "float32, offset 1e4", (X + 1e4).astype("f4"), 1e-3)
_as_formula("M-an-f32-offset-1e6", "float32, offset 1e6", (X + 1e6).astype("f4"), 1e-3)
_as_formula(
    "M-an-fp16-mean-overflow",
    "float16 around 300, whose sums overflow",
    (X + 300).astype("f2"),
    1e-2,
    "range",
)
_as_formula("M-an-scale-1e25-f32", "float32 scaled by 1e25", (X * 1e25).astype("f4"), 1e-3)
_as_formula("M-an-int", "int64", np.round(X * 100).astype(np.int64), 1e-9, "type")
_as_formula("M+an-scale-1e-40-f32", "float32 scaled by 1e-40", (X * 1e-40).astype("f4"), 1e-3)
_as_formula("M+an-scale-1e300", "scaled by 1e300", X * 1e300, 1e-9)
_as_formula("M+an-scale-1e-300", "scaled by 1e-300", X * 1e-300, 1e-9)
_as_formula("M+an-uint8", "uint8", np.clip(X * 20 + 128, 0, 255).astype(np.uint8), 1e-9)
_as_formula("M+an-f64-offset-1e9", "float64, offset 1e9", X + 1e9, 1e-6)
_as_formula("M+an-n-2", "two rows", X[:2], 1e-9)
_as_formula("M+an-rank-1", "rank 1", np.outer(X[:, 0], X[0]), 1e-9)
_as_formula("M+an-fortran", "Fortran order, every other row", np.asfortranarray(X)[::2], 1e-9)


@row("M-an-fp16", "a torch tensor in float16", "the formula (1e-3), or a TypeError")
def _(tool):
    try:
        import torch
    except ImportError:
        raise NotOfferedError from None
    half = torch.tensor(X).half()
    return near_or_refused(tool.anisotropy(half), _exact(half.double().numpy()), 1e-3, TYPE)


def _refuses(name: str, given: str, points: Any, cause: str, required: str = "an error") -> None:
    @row(name, given, required)
    def _(tool):
        return refused(tool.anisotropy(points), cause)


INFINITE = np.where(np.eye(1000, 50) > 0, np.inf, X)
_refuses("M-an-inf", "infinities", INFINITE, r"\binf", "an error that names inf")
_refuses("M-an-n1", "N = 1", X[:1], "sample|row")
_refuses("M-an-n0", "N = 0", X[:0], "sample|row")
_refuses("M-an-all-equal", "all rows equal: 0/0", np.tile(X[0], (1000, 1)), "equal|undefined|const")
_refuses("M-an-complex", "complex numbers", X + 1j * X, TYPE)
_refuses("M+an-d-0", "no features", X[:, :0], "feature")
_refuses("M+an-nan", "one NaN", np.where(X[3, 4] == X, np.nan, X), "NaN")
_refuses("M+an-3d", "(N, T, D): nobody pooled", X.reshape(100, 10, 50), "dim")
_refuses("M+an-masked", "a masked array", np.ma.masked_greater(X, 1.0), "mask")


@row(
    "M-an-massive",
    "1% of the rows 3000-fold in one coordinate",
    "a word that names the coordinate",
)
def _(tool):
    Y = X.copy()
    Y[::100, 11] = 3000
    return warned(tool.anisotropy(Y), r"\b11\b")


@row("M+an-scale-bitwise", "scaled by a power of two", "the same bits")
def _(tool):
    values = {tool.anisotropy(X * scale).value for scale in (1.0, 2.0**-300, 2.0**300)}
    assert len(values) == 1, str(values)
    return "the same"


# ── linearity ─────────────────────────────────────────────────────────────────────────────────

TALL = RNG.standard_normal((1000, 5))
TURN = np.linalg.qr(RNG.standard_normal((5, 5)))[0]
FLAT = TALL @ RNG.standard_normal((5, 50))  # rank 5 in 50 dimensions
ONE = 1e-6


def _one(name: str, given: str, a: np.ndarray, b: np.ndarray) -> None:
    @row(name, given, "1 (1e-6), on all rows and held out")
    def _(tool):
        near(tool.linearity(a, b, held_out=False), 1.0, ONE)
        return near(tool.linearity(a, b), 1.0, ONE)


_one("M-lin-rotation", "Y = X Q, full rank", TALL, TALL @ TURN)
_one(
    "M-lin-rank-deficient",
    "X of rank 5 in 50 dimensions, Y = X Q",
    FLAT,
    FLAT @ np.linalg.qr(RNG.standard_normal((50, 50)))[0],
)
_one(
    "M-lin-const-feature",
    "X with a constant feature, Y linear in X",
    np.hstack([TALL, np.ones((1000, 1))]),
    TALL @ RNG.standard_normal((5, 3)) + 2,
)
_one("M+lin-f32-offset", "float32 with offset 1000, Y = 2 X", TALL + 1e3, 2 * (TALL + 1e3))
_one("M+lin-scales", "X of 1e-200, Y of 1e200", TALL * 1e-200, TALL @ TURN * 1e200)


@row(
    "M-lin-wide-trivial",
    "40 rows of independent noise in 50 dimensions: a map fits any Y",
    "a warning that the score means nothing; held out, no score near 1",
)
def _(tool):
    noise = [np.random.default_rng(s).standard_normal((40, 50)) for s in (1, 2)]
    apart = tool.linearity(*noise)
    assert apart.value < 0.5, f"held out {apart.words}"
    return warned(tool.linearity(*noise, held_out=False), "few|trivial|meaningless|N <= D")


@row("M-lin-centered-returns", "the paper's centred score of two layers", "a number in [0, 1]")
def _(tool):
    found = tool.linearity(TALL, TALL**2, held_out=False)
    assert 0 <= found.value <= 1, found.words
    return found.words


def _no_score(name: str, given: str, a: Any, b: Any, cause: str) -> None:
    @row(name, given, "an error")
    def _(tool):
        return refused(tool.linearity(a, b), cause)


_no_score("M-lin-identical-layers", "Y constant: 0/0", TALL, np.ones((1000, 3)), "equal|const")
_no_score("M+lin-different-N", "X and Y of different N", TALL, TALL[1:], "rows")
_no_score("M+lin-nan", "NaN in Y", TALL, np.where(TALL > 2, np.nan, TALL), "Y has NaN")
_no_score("M+lin-n-2", "two rows", TALL[:2], TALL[:2], "sample")


@row("M+lin-constant-x", "X constant", "0: a constant predicts the mean alone")
def _(tool):
    found = tool.linearity(np.ones((1000, 3)), TALL)
    assert abs(found.value) < 0.05, found.words
    return found.words
