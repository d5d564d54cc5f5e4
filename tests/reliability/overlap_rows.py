"""Overlap of two layers, and neighbour lists that somebody else made."""

from __future__ import annotations

from typing import Any

import numpy as np
from inputs import LATTICE, exact_lists
from outcomes import finite_or_refused, near, refused, warned
from rows import row

RNG = np.random.default_rng(6)
N, K = 300, 30
X = RNG.standard_normal((N, 5))
Y = X + 0.5 * RNG.standard_normal((N, 5))
TURN = np.linalg.qr(RNG.standard_normal((5, 5)))[0]
NEIGHBOURS = r"\bk\b|neighbou?rs"
EQUAL = r"same point|equal|identical|tie|distance|constant|duplicat"


@row("M-ov-self", "a layer with itself", "exactly 1")
def _(tool):
    found = tool.data_overlap(X, X.copy(), K)
    assert found.value == 1, found.words
    return found.words


@row("M-ov-rotated", "a layer with its rotation", "1 (1e-3)")
def _(tool):
    return near(tool.data_overlap(X, X @ TURN, K), 1.0, 1e-3)


@row("M+ov-loops", "two layers", "the number of shared neighbours, counted by loops")
def _(tool):
    lists = [exact_lists(layer, K)[1] for layer in (X, Y)]
    shared = [len(set(a) & set(b)) / K for a, b in zip(*map(np.ndarray.tolist, lists), strict=True)]
    return near(tool.data_overlap(X, Y, K), float(np.mean(shared)), 1e-12)


def _refuses(name: str, given: str, a: Any, b: Any, k: Any, cause: str, listed: Any = None) -> None:
    @row(name, given, "an error that names the cause")
    def _(tool):
        return refused(tool.data_overlap(a, b, k, listed=listed), cause)


HOLED = Y.copy()
HOLED[3, 2] = np.nan
_refuses(
    "M-ov-different-N", "layers of 300 and 299 rows", X, Y[:-1], K, r"\bN\b|rows|samples|shape"
)
_refuses("M-ov-k-ge-N", "k = N", X, Y, N, NEIGHBOURS)
_refuses("M-ov-nan", "NaN in the second layer", X, HOLED, K, "NaN")
_refuses("M+ov-k-0", "k = 0", X, Y, 0, NEIGHBOURS, K)
_refuses("M+ov-k-negative", "k = -1", X, Y, -1, NEIGHBOURS, K)
_refuses("M+ov-k-fraction", "k = 2.5", X, Y, 2.5, NEIGHBOURS, K)
_refuses("M+ov-inf-first", "inf in the first layer", np.where(X > 2.5, np.inf, X), Y, K, r"\binf")


@row("M-ov-k-gt-cached", "k = 30 where 20 neighbours are kept", "the exact value, or a word of k")
def _(tool):
    found = tool.data_overlap(X, Y, 30, listed=20)
    if found.raised is not None:
        return refused(found, NEIGHBOURS)
    if found.warned:
        return warned(found, NEIGHBOURS)
    return near(found, tool.data_overlap(X, Y, 30).value, 1e-9)


@row(
    "M-ov-dup-self",
    "every row twice, against the same with twins exchanged, k = 1",
    "1: the twin is the nearest, never the row itself",
)
def _(tool):
    twice = np.vstack([X, X])
    found = tool.data_overlap(twice, np.roll(twice, N, axis=0), 1)
    return near(found, 1.0, 1e-12)


@row("M-ov-ties-permutation", "a lattice and its stretching, rows shuffled", "the same (1e-9)")
def _(tool):
    stretched = LATTICE * [1, 1.5, 0.7]
    order = RNG.permutation(len(LATTICE))
    found = tool.data_overlap(LATTICE, stretched, 10)
    moved = tool.data_overlap(LATTICE[order], stretched[order], 10)
    assert abs(found.value - moved.value) < 1e-9, f"{found.words} and {moved.words}"
    return found.words


@row("M-ov-all-equal", "one layer is constant", "an error or a warning: ties decide")
def _(tool):
    found = tool.data_overlap(X, np.ones((N, 5)), K)
    return warned(found, EQUAL) if found.raised is None else refused(found, EQUAL)


@row("M+ov-symmetric", "two layers, one in float32, both ways", "the same number exactly")
def _(tool):
    single = Y.astype(np.float32)
    one, other = tool.data_overlap(X, single, K), tool.data_overlap(single, X, K)
    assert one.value == other.value, f"{one.words} and {other.words}"
    return one.words


# ── lists that somebody else made ─────────────────────────────────────────────────────────────

DISTANCES, INDICES = exact_lists(X, K)
WITH_SELF = (
    np.hstack([np.zeros((N, 1)), DISTANCES]),
    np.hstack([np.arange(N)[:, None], INDICES]),
)
SQUARE = np.linalg.norm(X[:, None] - X, axis=2)
LISTED = "lists given with the statement whether they hold the row itself"


def _changed(array: np.ndarray, place: Any, number: float) -> np.ndarray:
    other = array.copy()
    other[place] = number
    return other


@row(
    "M-ov-precomputed-noself",
    "lists without the row itself",
    "accepted when so stated; refused when the contrary is stated",
)
def _(tool):
    lists = (DISTANCES, INDICES), exact_lists(Y, K)
    refused(tool.overlap_of_lists(*lists, K - 1, self_included=True), "self|itself")
    found = tool.overlap_of_lists(*lists, K, self_included=False)
    return near(found, tool.data_overlap(X, Y, K).value, 1e-9)


@row(
    "M-pre-noself",
    "distances without the row itself",
    "accepted when so stated; refused when the contrary is stated",
)
def _(tool):
    refused(tool.dimension_of_lists(DISTANCES, INDICES, self_included=True), "self|itself")
    found = tool.dimension_of_lists(DISTANCES, INDICES, self_included=False)
    return near(found, tool.dimension(X).value, 1e-9)


@row("M+pre-self", "distances with the row itself", "the same, and refused when denied")
def _(tool):
    refused(tool.dimension_of_lists(*WITH_SELF, self_included=False), "self|itself")
    found = tool.dimension_of_lists(*WITH_SELF, self_included=True)
    return near(found, tool.dimension(X).value, 1e-9)


def _malformed(
    name: str, given: str, distances: Any, indices: Any, cause: str, *, itself: bool = False
) -> None:
    @row(name, f"{given}; {LISTED}", "an error that names the cause")
    def _(tool):
        return refused(tool.dimension_of_lists(distances, indices, self_included=itself), cause)


_malformed("M-pre-unsorted", "unsorted distances", DISTANCES[:, ::-1], INDICES, "sort|ascend|order")
_malformed(
    "M-pre-negative", "a negative distance", _changed(DISTANCES, (3, 0), -1), INDICES, "negative"
)
_malformed(
    "M-pre-square-matrix",
    "the N x N matrix of distances",
    SQUARE,
    np.tile(np.arange(N), (N, 1)),
    "matrix|ascend|sort|shape|square",
)
_malformed(
    "M+pre-square-self",
    "the N x N matrix, said to hold the row",
    SQUARE,
    np.tile(np.arange(N), (N, 1)),
    "matrix|ascend|sort|shape|square",
    itself=True,
)
_malformed("M+pre-nan", "NaN distance", _changed(DISTANCES, (4, 5), np.nan), INDICES, "NaN")
_malformed("M+pre-inf", "inf distance", _changed(DISTANCES, (4, -1), np.inf), INDICES, r"\binf")
_malformed(
    "M+pre-index-negative", "index -1", DISTANCES, _changed(INDICES, (9, 2), -1), "outside|range"
)
_malformed("M+pre-index-real", "real indices", DISTANCES, INDICES + 0.5, "whole|integer|dtype")
_malformed(
    "M+pre-index-twice",
    "a neighbour twice",
    DISTANCES,
    _changed(INDICES, (7, 1), INDICES[7, 0]),
    "twice|repeat|duplicat",
)
_malformed("M+pre-shapes", "lists of two shapes", DISTANCES, INDICES[:, :4], "shape")
_malformed(
    "M+pre-empty",
    "lists of no neighbours",
    DISTANCES[:, :0],
    INDICES[:, :0],
    "feature|neigh|shape|column",
)
_malformed("M+pre-one", "lists of one neighbour", DISTANCES[:, :1], INDICES[:, :1], NEIGHBOURS)
_malformed("M+pre-none", "no indices", DISTANCES, None, "indices|whole|type")
_malformed("M+pre-object", "distances as objects", DISTANCES.astype(object), INDICES, "object|type")


@row("M-ov-index-out-of-range", "an index of 1e9 in a list", "an error that names it")
def _(tool):
    lists = (DISTANCES, _changed(INDICES, (9, 2), 10**9))
    return refused(
        tool.overlap_of_lists(lists, (DISTANCES, INDICES), K, self_included=False),
        "outside|range|index|indices",
    )


@row("M+pre-uint64", "indices in uint64", "as in int64")
def _(tool):
    found = tool.dimension_of_lists(DISTANCES, INDICES.astype(np.uint64), self_included=False)
    return near(found, tool.dimension(X).value, 1e-9)


@row("M+pre-uint64-huge", "an index of 2^64 - 1", "an error")
def _(tool):
    huge = INDICES.astype(np.uint64)
    huge[9, 2] = 2**64 - 1
    return refused(tool.dimension_of_lists(DISTANCES, huge, self_included=False), "outside|range")


@row("M+pre-float32", "distances in float32", "finite, within 1%")
def _(tool):
    single = DISTANCES.astype(np.float32)
    found = tool.dimension_of_lists(single, INDICES, self_included=False)
    finite_or_refused(found, "-")
    return near(found, tool.dimension(X).value, 0.01)
