"""Overlap with labels of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from outcomes import near, refused, warned
from rows import NotOfferedError, row

from geometry import reference

RNG = np.random.default_rng(5)
N, K = 300, 30
X = RNG.standard_normal((N, 4))
LABELS = RNG.integers(0, 4, N)
UNEVEN = np.where(LABELS == 3, 0, LABELS)
EXACT = 1e-9
LENGTH = r"length|number of labels|shape|\b299\b|\b301\b"
NEIGHBOURS = r"\bk\b|neighbou?rs"


@row("M-lab-random", "random labels as whole numbers, k = 30", "the exact reference (1e-9)")
def _(tool):
    for labels in (LABELS, UNEVEN):
        expected = reference.label_overlap(X, labels.tolist(), K)[0]
        said = near(tool.label_overlap(X, labels, K), expected, EXACT)
    return said


def _refuses(name: str, given: str, labels: Any, cause: str, required: str = "an error") -> None:
    @row(name, given, required)
    def _(tool):
        return refused(tool.label_overlap(X, labels, K), cause)


_refuses("M-lab-wrong-length-short", "labels fewer than rows", LABELS[1:], LENGTH)
_refuses("M-lab-wrong-length-long", "labels more than rows", np.append(LABELS, 1), LENGTH)
_refuses("M-lab-none", "None for labels", None, "label|None", "an error: labels are missing")
_refuses("M-lab-2d-onehot", "one-hot labels (N, 4)", np.eye(4)[LABELS], "shape|one label|dim|1-D")
_refuses("M+lab-all-missing", "all labels None", [None] * N, "label")
_refuses("M+lab-tuples", "tuples", [("class", int(v)) for v in LABELS], "one label per row")
_refuses("M+lab-complex", "complex labels", LABELS + 1j, "complex|label|type")
_refuses("M+lab-text", "one text for labels", "abc", "label")
_refuses("M+lab-inf", "labels with inf", np.where(LABELS == 1, np.inf, LABELS), r"\binf|real")
_refuses("M+lab-ragged", "lists of different lengths", [[1], [1, 2]] * (N // 2), "label|rectang")


def _as_codes(name: str, given: str, labels: Any) -> None:
    @row(name, given, "as the same classes as whole numbers")
    def _(tool):
        return near(tool.label_overlap(X, labels, K), tool.label_overlap(X, LABELS, K).value, EXACT)


NAMES = np.array(["0", "00", "a", "A"])[LABELS]
_as_codes("M-lab-numeric-strings", "labels '0', '1', ...", LABELS.astype(str))
_as_codes("M-lab-list", "a Python list", LABELS.tolist())
_as_codes("M+lab-names", "names that differ by case or zeros alone", NAMES)
_as_codes("M+lab-whole-floats", "1.0, 2.0, ...", LABELS.astype(float))
_as_codes("M+lab-negative", "negative whole numbers", -1 - LABELS)
_as_codes("M+lab-uint64-huge", "whole numbers beyond 2^63", LABELS.astype(np.uint64) + 2**63)
_as_codes("M+lab-huge-ints", "Python integers beyond 2^80", [int(v) + 2**80 for v in LABELS])
_as_codes("M+lab-neighbouring-floats", "2^53 and its neighbours", LABELS.astype(np.int64) + 2**53)
_as_codes("M+lab-bytes", "byte strings", LABELS.astype("S1"))
_as_codes("M+lab-spaces", "'a', 'a ', ' a', 'b'", np.array(["a", "a ", " a", "b"])[LABELS])


@row("M+lab-pandas", "categories and nullable integers of pandas", "as whole numbers")
def _(tool):
    try:
        import pandas as pd
    except ImportError:
        raise NotOfferedError from None
    expected = tool.label_overlap(X, LABELS, K).value
    near(tool.label_overlap(X, pd.Series(LABELS).astype("category"), K), expected, EXACT)
    return near(tool.label_overlap(X, pd.Series(LABELS).astype("Int64"), K), expected, EXACT)


@row("M+lab-torch", "a torch tensor", "as whole numbers")
def _(tool):
    try:
        import torch
    except ImportError:
        raise NotOfferedError from None
    found = tool.label_overlap(X, torch.tensor(LABELS), K)
    return near(found, tool.label_overlap(X, LABELS, K).value, EXACT)


@row("M+lab-bool", "booleans", "as the classes 0 and 1")
def _(tool):
    found = tool.label_overlap(X, LABELS > 1, K)
    return near(found, tool.label_overlap(X, (LABELS > 1).astype(int), K).value, EXACT)


@row(
    "M-lab-float",
    "labels 0.1, 0.2, 0.3, 0.4",
    "taken as numbers, or as classes when asked; never silently merged",
)
def _(tool):
    real = (LABELS + 1) / 10
    found = tool.label_overlap(X, real, K)
    if found.raised is not None:
        refused(found, "real|float|class|number")
    as_text = tool.label_overlap(X, real.astype(str), K)
    near(as_text, tool.label_overlap(X, LABELS, K).value, EXACT)
    if found.raised is None:
        near(found, as_text.value, EXACT)
    return found.words


@row("M+lab-some-missing", "one label in five None", "as the reference without them, and a word")
def _(tool):
    some = [None if i % 5 == 0 else int(c) for i, c in enumerate(LABELS)]
    found = tool.label_overlap(X, some, K)
    near(found, reference.label_overlap(X, some, K)[0], EXACT)
    return warned(found, r"\b60\b.*label")


@row(
    "M-lab-singletons",
    "200 classes of one row each, all classes weighted alike",
    "a warning that these cannot be matched",
)
def _(tool):
    labels = np.append(np.arange(200) + 10, LABELS[200:])
    return warned(tool.label_overlap(X, labels, K, by_class=True), "singl|match|no other|alone")


K_REFUSED = {
    "M-lab-k-ge-N": (N, "k = N"),
    "M-lab-k-neg": (-3, "k = -3"),
    "M+lab-k-0": (0, "k = 0"),
    "M+lab-k-fraction": (2.5, "k = 2.5"),
    "M+lab-k-none": (None, "k = None"),
}


def _k(name: str, k: object, given: str) -> None:
    @row(name, given, "an error that says what k may be")
    def _(tool):
        return refused(tool.label_overlap(X, LABELS, k, listed=K), NEIGHBOURS)


for name, (k, given) in K_REFUSED.items():
    _k(name, k, given)


@row("M-lab-k-float", "k = 30.0", "as for 30, or an error")
def _(tool):
    found = tool.label_overlap(X, LABELS, 30.0, listed=30)
    if found.raised is not None:
        return refused(found, NEIGHBOURS)
    return near(found, tool.label_overlap(X, LABELS, 30).value, EXACT)


@row("M-lab-dup-self", "every row twice, the twin of another class, k = 1", "exactly 0")
def _(tool):
    found = tool.label_overlap(np.vstack([X, X]), np.append(LABELS, LABELS + 4), 1)
    assert found.value == 0, found.words
    return found.words
