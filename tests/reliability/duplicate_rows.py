"""Rows that occur more than once, exactly or up to rounding."""

from __future__ import annotations

import numpy as np
from inputs import RNG, X, copies
from outcomes import near, near_or_refused, refused, warned
from rows import row

from clouds import embedded

SAID = r"duplicat|identical|repeat|zero dist|same point"
TOGETHER = r"duplicat|identical|equal|repeat|same|distance|distinct"


def _copied(name: str, share: float, tolerance: float) -> None:
    said = "counts" if share == 0.01 else "speaks of"

    @row(
        name,
        f"{share:.0%} of the rows are copies of others",
        f"within {tolerance:.0%} of the clean value, and a warning that {said} duplicates",
        every=True,
    )
    def _(tool):
        found = tool.dimension(copies(share))
        near(found, tool.dimension(X).value, tolerance)
        return warned(found, rf"\d.*({SAID})" if said == "counts" else SAID)


_copied("E-dup-1pct", 0.01, 0.15)
_copied("E-dup-10pct", 0.1, 0.15)
_copied("E-dup-50pct", 0.5, 0.20)


def _all_repeated(name: str, times: int, given: str) -> None:
    @row(name, given, "within 20% of the clean value with a warning, or an error", every=True)
    def _(tool):
        found = tool.dimension(np.tile(X, (times, 1)))
        said = near_or_refused(found, tool.dimension(X).value, 0.2, TOGETHER)
        return said if found.raised else warned(found, SAID)


_all_repeated("E-dup-pairs", 2, "every row twice")
_all_repeated("E-dup-triples", 3, "every row three times")


def _no_distance(name: str, given: str, points: np.ndarray) -> None:
    @row(name, given, "an error: no distances", every=True)
    def _(tool):
        return refused(tool.dimension(points), TOGETHER)


_no_distance("E-all-equal", "1000 equal rows", np.tile(X[0], (1000, 1)))
_no_distance("E+all-zero", "1000 rows of zeros", np.zeros((1000, 50)))
_no_distance("E+two-points", "two points, 500 times each", np.tile(X[:2], (500, 1)))
_no_distance(
    "E+all-equal-large-f32", "1000 equal rows of 3e38", np.full((1000, 5), 3e38, np.float32)
)


@row("E-all-equal-float-noise", "equal rows but for one ulp", "an error or a warning", every=True)
def _(tool):
    found = tool.dimension(np.nextafter(X[0], RNG.choice([-9, 9], size=X.shape)))
    return warned(found, TOGETHER) if found.raised is None else refused(found, TOGETHER)


def _late() -> tuple[np.ndarray, np.ndarray]:
    Y = np.random.default_rng(0).standard_normal((20_000, 5))
    repeated = Y.copy()
    repeated[18_000:] = Y[np.random.default_rng(1).integers(0, 18_000, 2000)]
    return Y, repeated


@row(
    "E-dup-late-chunk",
    "20,000 x 5, the last 2,000 rows repeat others",
    "within 15% of the clean value, and a warning",
)
def _(tool):
    clean, repeated = _late()
    found = tool.dimension(repeated)
    near(found, tool.dimension(clean).value, 0.15)
    return warned(found, SAID)


def _twins(dtype: type, offset: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    Y = (embedded(rng, 12, 1000, 40) + offset).astype(dtype)
    steps = rng.choice([-1, 0, 1], size=(30, 40)).astype(dtype)
    return Y, np.vstack([Y, Y[:30] + np.spacing(np.abs(Y[:30])) * steps])


def _near_twins(name: str, dtype: type, offset: float) -> None:
    @row(
        name,
        f"30 rows again but for one ulp, {np.dtype(dtype)} around {offset:g}",
        "within 15% of the value without them, and a warning",
        every=True,
    )
    def _(tool):
        clean, twinned = _twins(dtype, offset)
        found = tool.dimension(twinned)
        near(found, tool.dimension(clean).value, 0.15)
        return warned(found, SAID)


_near_twins("E+twins-ulp-f32", np.float32, 0)
_near_twins("E+twins-ulp-f64", np.float64, 0)
_near_twins("E+twins-ulp-f32-offset", np.float32, 30)


@row("E+dup-signed-zero", "10% copies, with -0.0 for 0.0", "as for 0.0: near the clean value, said")
def _(tool):
    Y = copies(0.1)
    Y[:, 7] = 0.0
    Y[900:, 7] = -0.0
    found = tool.dimension(Y)
    near(found, tool.dimension(X).value, 0.15)
    return warned(found, SAID)


@row("E+dup-f16", "10% copies in float16", "within 15% of the clean value, and a warning")
def _(tool):
    found = tool.dimension(copies(0.1).astype(np.float16))
    near(found, tool.dimension(X).value, 0.15)
    return warned(found, SAID)


@row("E+dup-one-row-many", "one row again 300 times among 1000", "near the clean value, and said")
def _(tool):
    Y = X.copy()
    Y[700:] = X[0]
    found = tool.dimension(Y)
    near(found, tool.dimension(X[:700]).value, 0.15)
    return warned(found, SAID)
