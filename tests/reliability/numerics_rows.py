"""Large offsets, massive coordinates, outliers and extreme scales."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from inputs import WIDE, X, exact_lists
from outcomes import near, near_or_refused, refused
from rows import row

RANGE = r"range|overflow|underflow|too large|too small|\binf|identical|infinite"
UNEVEN = np.random.default_rng(2).standard_normal(1000)
SMALL = X[:300]


def _massive(points: np.ndarray, numbers: object, column: int = 4) -> np.ndarray:
    Y = points.copy()
    Y[:, column] = numbers
    return Y.astype(np.float32)


def _clusters(distance: float, dtype: type) -> np.ndarray:
    centres = distance * np.random.default_rng(2).standard_normal((10, 50))
    return (X + centres[np.arange(1000) % 10]).astype(dtype)


def _outlier(distance: float, points: np.ndarray = X) -> np.ndarray:
    Y = points.copy()
    Y[5, 3] += distance
    return Y


def _states(offset: float) -> np.ndarray:
    """A common mean of so many typical spreads in every one of 768 features."""
    return (WIDE + offset * WIDE.std()).astype(np.float32)


SINK = 1000 * WIDE.std()
EXACT = {
    "E-offset-f64-1e6": ("float64, offset 1e6 x spread", X + 1e6 * X.std()),
    "E-offset-f64-1e8": ("float64, offset 1e8 x spread", X + 1e8 * X.std()),
    "E-offset-f32-1e3": ("float32, offset 1e3 x spread", (X + 1e3 * X.std()).astype("f4")),
    "E-offset-f32-1e4": ("float32, offset 1e4 x spread", (X + 1e4 * X.std()).astype("f4")),
    "E-massive-const-1e5-f32": ("float32, one constant coordinate of 1e5", _massive(X, 1e5)),
    "E-massive-two-valued-f32": (
        "float32, one massive coordinate of two values",
        _massive(X, np.where(UNEVEN > 1, 3e3, 0)),
    ),
    "E-massive-noisy-f32": (
        "float32, one coordinate 1000 +- 0.1%",
        _massive(X, 1000 * (1 + 1e-3 * UNEVEN)),
    ),
    "E-clusters-far-f32": ("float32, 10 clusters 1e3 apart", _clusters(1e3, np.float32)),
    "E-clusters-far-f64": ("float64, 10 clusters 1e7 apart", _clusters(1e7, np.float64)),
    "E-offset-f32-D768-1e1": ("float32, D = 768, mean 10 x spread", _states(1e1)),
    "E-offset-f32-D768-1e2": ("float32, D = 768, mean 100 x spread", _states(1e2)),
    "E-offset-f32-D768-1e3": ("float32, D = 768, mean 1000 x spread", _states(1e3)),
    "E-massive-f32-D768": (
        "float32, D = 768, one coordinate 1000 x, nearly constant",
        _massive(WIDE, SINK * (1 + 1e-4 * UNEVEN[:300]), 99),
    ),
    "E-massive-f32-D768-3e4": (
        "float32, D = 768, one coordinate 30,000 x, constant",
        _massive(WIDE, 30 * SINK, 99),
    ),
    "E-outlier-1e6": ("one point 1e6 away", _outlier(1e6)),
    "E-outlier-1e12": ("one point 1e12 away", _outlier(1e12)),
    "E+outlier-1e200": ("one entry of 1e200", _outlier(1e200, SMALL)),
    "E+outlier-f32-1e37": ("float32, one entry of 1e37", _outlier(1e37).astype("f4")),
    "E+one-subnormal": ("one entry of 5e-324", np.where(UNEVEN[:, None] == UNEVEN[5], 5e-324, X)),
    "E+mixed-scales": ("columns from 1e-150 to 1e150", SMALL * np.logspace(-150, 150, 50)),
    "E+offset-per-column": ("float64, offsets 1, 10, ... 1e8", X + np.logspace(0, 8, 50)),
    "E+sink-rows-f32": (
        "float32, 1% of the rows 3000 x in one coordinate",
        _massive(X, np.where(np.arange(1000) % 100 == 0, 3000 * (1 + 0.01 * UNEVEN), X[:, 4])),
    ),
    "E+two-far-halves": (
        "two halves 1e9 apart in float64",
        X + np.where(np.arange(1000) < 500, 0, 1e9)[:, None],
    ),
}


@cache
def _lists(name: str) -> tuple[np.ndarray, np.ndarray]:
    return exact_lists(EXACT[name][1], 20)


def _exact(name: str, given: str, points: np.ndarray) -> None:
    @row(name, given, "within 5% of the estimate from exact distances", every=True)
    def _(tool):
        expected = tool.dimension_of_lists(*_lists(name), self_included=False)
        return near(tool.dimension(points), expected.value, min(0.05, tool.exactness))


for name, (given, points) in EXACT.items():
    _exact(name, given, points)

SCALED = {
    "E-scale-1e-300": ("scaled by 1e-300", X * 1e-300),
    "E-scale-1e-8": ("scaled by 1e-8", X * 1e-8),
    "E-scale-1e8": ("scaled by 1e8", X * 1e8),
    "E-scale-1e300": ("scaled by 1e300", X * 1e300),
    "E-scale-f32-1e20": ("float32 scaled by 1e20", (X * 1e20).astype("f4")),
    "E-scale-f32-1e-25": ("float32 scaled by 1e-25", (X * 1e-25).astype("f4")),
    "E+scale-1e-305": ("scaled by 1e-305", X * 1e-305),
    "E+scale-1e306": ("scaled by 1e306", X * 1e306),
    "E+scale-f32-1e-36": ("float32 scaled by 1e-36", (X * 1e-36).astype("f4")),
    "E+scale-f32-1e37": ("float32 scaled by 1e37", (X * 1e37).astype("f4")),
    "E+scale-f16-1e3": ("float16 scaled by 1000", (X * 1e3).astype("f2")),
}


def _scaled(name: str, given: str, points: np.ndarray) -> None:
    tight = not name.startswith("E+scale-f16")  # whose rounding moves the value

    @row(
        name,
        given,
        "equal to the unscaled value (1%) without a word of duplicates, or an error",
        every=True,
    )
    def _(tool):
        found = tool.dimension(points)
        said = near_or_refused(found, tool.dimension(X).value, 0.01 if tight else 0.03, RANGE)
        assert not re.search("duplicat|identical|repeat", found.said), f"{found.words}: false alarm"
        return said


for name, (given, points) in SCALED.items():
    _scaled(name, given, points)


@row("E+beyond-f64", "distances beyond the range of float64", "an error that says so", every=True)
def _(tool):
    return refused(tool.dimension(X * 1e307), "range of float64")


@row("E+scales-invariant", "all scales of shifted, scaled and permuted points", "the same (1e-6)")
def _(tool):
    order = np.random.default_rng(3).permutation(300)
    expected = tool.scales(SMALL, 64).values
    for moved in (SMALL[order], SMALL[:, ::-1] + 100, SMALL * 1e-200, SMALL.astype("f4") * 1e20):
        found = tool.scales(moved, 64)
        tolerance = 1e-6 if moved.dtype == np.float64 else 1e-3
        assert found.raised is None, found.words
        assert np.allclose(found.values, expected, rtol=tolerance), found.words
    return ", ".join(f"{v:.3g}" for v in expected)
