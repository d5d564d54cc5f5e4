"""NaN and infinities in the points: refused by name."""

from __future__ import annotations

import numpy as np
from inputs import X, changed
from outcomes import refused, warned
from rows import row

with np.errstate(over="ignore"):
    OVERFLOWED = (X * 1e5).astype(np.float16)
INFINITE = r"\binf"

HOLED = {
    "E-nan-one-entry": ("one NaN in 1000 x 50", changed((7, 3), np.nan), "NaN"),
    "E-nan-one-row": ("one row all NaN", changed(7, np.nan), "NaN"),
    "E-inf-one-entry": ("one +inf", changed((7, 3), np.inf), INFINITE),
    "E-all-nan": ("NaN everywhere", X * np.nan, "NaN"),
    "E-fp16-overflowed": ("float16 states that overflowed", OVERFLOWED, INFINITE),
    "E+minus-inf": ("one -inf", changed((7, 3), -np.inf), INFINITE),
    "E+nan-column": ("one column all NaN", changed((slice(None), 3), np.nan), "NaN"),
    "E+nan-last-entry": ("NaN as the very last entry", changed((-1, -1), np.nan), "NaN"),
    "E+nan-payload": (
        "a NaN with sign and payload",
        changed((0, 0), np.array([0xFFF8_0000_0000_BEEF], np.uint64).view(np.float64)[0]),
        "NaN",
    ),
    "E+nan-f32": ("one NaN in float32", changed((7, 3), np.nan).astype(np.float32), "NaN"),
    "E+nan-list": ("nested lists with float('nan')", changed((7, 3), np.nan).tolist(), "NaN"),
    "E+longdouble-beyond-f64": (
        "long doubles of 1e400",
        changed((7, 3), np.longdouble(10) ** 400, X.astype(np.longdouble)),
        r"\binf|range",
    ),
}


def _refuses(name: str, points: object, cause: str, given: str) -> None:
    named = "infinity" if cause.endswith("inf") else cause.split("|")[0]

    @row(name, given, f"an error that names {named}", every=True)
    def _(tool):
        return refused(tool.dimension(points), cause)


for name, (given, points, cause) in HOLED.items():
    _refuses(name, points, cause, given)


@row(
    "E+profile-nan",
    "a layer with one NaN in a profile of two",
    "a word that names layer and NaN; nan there, a number for the other layer",
)
def _(tool):
    found = tool.profile({"good": X, "holed": changed((7, 3), np.nan)})
    assert np.isfinite(found.values).tolist() == [True, False], found.words
    return warned(found, "holed.*NaN")
