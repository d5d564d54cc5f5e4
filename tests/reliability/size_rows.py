"""Few points, few features, few or many axes."""

from __future__ import annotations

import numpy as np
from inputs import RNG, X
from outcomes import finite_or_refused, near, refused
from rows import row

FEW = r"sample|point|row|neighbou?r"
SHAPE = r"\bdim|\d-?d\b|axes|shape"


def _few(n: int) -> None:
    @row(f"E-n-{n}", f"N = {n}", "an error about the number of samples", every=True)
    def _(tool):
        return refused(tool.dimension(X[:n]), FEW)


for n in range(4):
    _few(n)


def _scales(name: str, n: int, required: str) -> None:
    @row(name, f"N = {n}, up to 64 neighbours asked", required)
    def _(tool):
        return finite_or_refused(tool.scales(X[:n], 64), FEW)


_scales("E-n-4", 4, "a finite value, or an error")
_scales("E-n-10-k-64", 10, "finite values of fewer scales, or an error")
_scales("E-n-64-range-64", 64, "finite values, or an error (there are 63 neighbours)")
_scales("E-n-65-range-64", 65, "finite values, or an error")


def _all_neighbours(n: int) -> None:
    @row(f"E+n-{n}-all-neighbours", f"N = {n}, all {n - 1} neighbours asked", "finite values")
    def _(tool):
        found = tool.scales(X[:n], n - 1)
        assert found.raised is None, found.words
        return finite_or_refused(found, "-")


for n in (4, 10, 64):
    _all_neighbours(n)


@row("E-d-1", "one feature, uniform", "within 15% of 1", every=True)
def _(tool):
    return near(tool.dimension(RNG.random((1000, 1))), 1.0, 0.15)


def _axes(name: str, points: object, given: str) -> None:
    @row(name, given, "an error about the number of axes", every=True)
    def _(tool):
        return refused(tool.dimension(points), SHAPE)


_axes("E-ndim-1", X[0], "an array of one axis")
_axes("E-ndim-3", X.reshape(100, 10, 50), "an array (N, T, D): nobody pooled")
_axes("E-ndim-0", np.float64(1.5), "a number")
_axes("E+ndim-4", X.reshape(10, 10, 10, 50), "images that nobody flattened")
_axes("E+ndim-0-python", 1.5, "a Python float")
_axes("E+ragged-list", [[1.0, 2.0], [3.0]] * 20, "nested lists of different lengths")
_axes("E+empty-list", [], "an empty list")


@row("E+d-0", "1000 rows without features", "an error about the features", every=True)
def _(tool):
    return refused(tool.dimension(X[:, :0]), "feature|column|dimension")


@row("E+n-0-d-0", "an empty array (0, 0)", "an error")
def _(tool):
    return refused(tool.dimension(np.zeros((0, 0))), "feature|column|sample")


K_REFUSED = {
    "E+k-0": (0, "k must be at least 1"),
    "E+k-negative": (-3, "k must be at least 1"),
    "E+k-fraction": (2.5, "whole number"),
    "E+k-nan": (float("nan"), "whole number"),
    "E+k-bool": (True, "whole number"),
    "E+k-none": (None, "whole number"),
    "E+k-text": ("16", "whole number"),
    "E+k-n": (1000, "at most 999"),
    "E+k-huge": (10**30, "at most 999|1000 samples"),
}


def _k(name: str, k: object, cause: str) -> None:
    @row(name, f"{k!r} neighbours of 1000 rows", "an error that says what k may be")
    def _(tool):
        return refused(tool.scales(X, k), cause)


for name, (k, cause) in K_REFUSED.items():
    _k(name, k, cause)


@row("E+wide-d-20000", "N = 60 in 20,000 features", "the value of the same cloud in 50", every=True)
def _(tool):
    wide = np.zeros((60, 20_000))
    wide[:, ::400] = X[:60]
    return near(tool.dimension(wide), tool.dimension(X[:60]).value, 1e-6)
