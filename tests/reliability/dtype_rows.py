"""Types of numbers and of containers: right, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from inputs import X, changed
from outcomes import finite_or_refused, near, near_or_refused, refused, warned
from rows import NotOfferedError, row

Make = Callable[[], tuple[Any, np.ndarray]]
TYPE = r"dtype|type|complex|object|mask|sparse|number|grad|tensor|convert|ndarray format"
PIXELS = np.clip(np.round(128 + 30 * X), 0, 255)
INTEGERS = np.round(X * 1e6)
DISCRETE = r"tie|discrete|mu = 1|identical|duplicat|zero dist"


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise NotOfferedError from None
    return torch


def _pandas() -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise NotOfferedError from None
    return pd


def _bfloat16() -> tuple[Any, np.ndarray]:
    tensor = _torch().tensor(X).bfloat16()
    return tensor, tensor.double().numpy()


def _half() -> tuple[Any, np.ndarray]:
    tensor = _torch().tensor(X).half()
    return tensor, tensor.double().numpy()


def _sparse(kind: str) -> tuple[Any, np.ndarray]:
    import scipy.sparse as sp

    return getattr(sp, kind)(X), X


def _own_value(name: str, given: str, make: Make, *, tolerance: float = 0.03) -> None:
    """Require the tool's value for the same numbers in float64, or a word about the type."""

    @row(
        name, given, f"within {tolerance:.2g} of the own float64 value, or a TypeError", every=True
    )
    def _(tool):
        points, plain = make()
        return near_or_refused(tool.dimension(points), tool.dimension(plain).value, tolerance, TYPE)


def _must(name: str, given: str, make: Make, tolerance: float = 0.03) -> None:
    """Require the tool's value for the same numbers in float64."""

    @row(name, given, f"within {tolerance:.2g} of the own value for the same float64", every=True)
    def _(tool):
        points, plain = make()
        expected = tool.dimension(plain).value
        return near(tool.dimension(points), expected, min(tolerance, tool.exactness))


_must("E-dtype-float16", "float16", lambda: (X.astype("f2"), X.astype("f2").astype("f8")))
_must("E-dtype-bigendian", "big-endian float64", lambda: (X.astype(">f8"), X))
_own_value("E-dtype-bfloat16", "a torch tensor in bfloat16", _bfloat16)
_own_value(
    "E-dtype-torch-requires-grad",
    "a torch tensor that requires grad",
    lambda: (_torch().tensor(X, requires_grad=True), X),
)
_must(
    "E-dtype-int32-bigsq",
    "int32 whose squared differences overflow",
    lambda: (INTEGERS.astype(np.int32), INTEGERS),
)
_must(
    "E-dtype-uint8",
    "uint8 pixels, whose differences wrap",
    lambda: (PIXELS.astype(np.uint8), PIXELS),
)
_own_value("E-dtype-object", "Python floats in an object array", lambda: (X.astype(object), X))
_own_value("E-dtype-sparse", "a scipy CSR matrix", lambda: _sparse("csr_matrix"))
_own_value("E-dtype-list", "a list of lists", lambda: (X.tolist(), X))
_own_value("E-dtype-dataframe", "a pandas DataFrame", lambda: (_pandas().DataFrame(X), X))

EXACT = 1e-6
_must("E+torch-half", "a torch tensor in float16", _half, EXACT)
_must(
    "E+torch-view", "a transposed torch tensor", lambda: (_torch().tensor(X.T.copy()).T, X), EXACT
)
_must(
    "E+torch-grad-graph",
    "a torch tensor inside a graph",
    lambda: (_torch().tensor(X, requires_grad=True) * 1.0, X),
    EXACT,
)
_must(
    "E+torch-int64",
    "a torch tensor in int64",
    lambda: (_torch().tensor(INTEGERS.astype(np.int64)), INTEGERS),
    EXACT,
)
_must(
    "E+torch-sparse",
    "a sparse torch tensor",
    lambda: (_torch().tensor(X).to_sparse(), X),
    EXACT,
)
_must(
    "E+uint16-wrap",
    "uint16, whose differences wrap",
    lambda: ((PIXELS * 250).astype(np.uint16), PIXELS * 250),
    EXACT,
)
_must(
    "E+uint64-wrap",
    "uint64 around 2^40",
    lambda: ((INTEGERS + 2.0**40).astype(np.uint64), INTEGERS),
    EXACT,
)
_must("E+int8", "int8", lambda: ((PIXELS - 128).astype(np.int8), PIXELS - 128), EXACT)
_must("E+bigendian-f32", "big-endian float32", lambda: (X.astype(">f4"), X.astype("f4")), EXACT)
_must("E+longdouble", "long double", lambda: (X.astype(np.longdouble), X), EXACT)
_must("E+tuples", "a tuple of tuples", lambda: (tuple(map(tuple, X.tolist())), X), EXACT)
_must("E+list-of-arrays", "a list of arrays", lambda: (list(X), X), EXACT)
_must("E+sparse-coo", "a scipy COO array", lambda: _sparse("coo_array"), EXACT)
_must("E+sparse-lil", "a scipy LIL matrix", lambda: _sparse("lil_matrix"), EXACT)
_own_value(
    "E+pandas-nullable",
    "a DataFrame of nullable Float64",
    lambda: (_pandas().DataFrame(X).astype("Float64"), X),
)
_own_value(
    "E+pandas-mixed-widths",
    "a DataFrame of float32 and float64 columns",
    lambda: (_pandas().DataFrame(X).astype({0: "float32"}), X),
)


@row("E-dtype-bool", "1000 x 60 booleans", "a finite value with a word of ties, or a TypeError")
def _(tool):
    bits = np.random.default_rng(0).random((1000, 60)) < 0.5
    found = tool.dimension(bits)
    finite_or_refused(found, TYPE)
    return found.words if found.raised else warned(found, DISCRETE)


def _refuses(name: str, given: str, make: Callable[[], Any], cause: str = TYPE) -> None:
    @row(name, given, "an error that names the type or the cause", every=True)
    def _(tool):
        return refused(tool.dimension(make()), cause)


def _structured() -> np.ndarray:
    fields = [(f"f{i}", float) for i in range(50)]
    return np.array([tuple(values) for values in X.tolist()], dtype=fields)


_refuses("E-dtype-complex", "complex128", lambda: X + 0j)
_refuses(
    "E-dtype-object-None",
    "an object array with None",
    lambda: changed((7, 3), None, X.astype(object)),
    rf"{TYPE}|NaN|missing",
)
_refuses("E+complex-torch", "a complex torch tensor", lambda: _torch().tensor(X) * 1j)
_refuses("E+text", "numbers as texts", lambda: X.astype(str))
_refuses("E+bytes", "numbers as byte strings", lambda: X.astype("S24"))
_refuses("E+timedelta", "timedelta64", lambda: INTEGERS.astype("m8[s]"))
_refuses("E+datetime", "datetime64", lambda: INTEGERS.astype("M8[s]"))
_refuses("E+structured", "a structured array", _structured, rf"{TYPE}|dimension")
_refuses("E+none", "None", lambda: None, rf"{TYPE}|dimension")
_refuses("E+a-path", "the name of a file", lambda: "states.npy", rf"{TYPE}|dimension")
_refuses("E+a-dict", "a dictionary of layers", lambda: {"block_1": X}, rf"{TYPE}|dimension")
_refuses("E+a-set", "a set of tuples", lambda: set(map(tuple, X.tolist())), rf"{TYPE}|dimension")
_refuses("E+a-generator", "a generator of rows", lambda: iter(X), rf"{TYPE}|dimension")
_refuses(
    "E+pandas-missing",
    "a nullable DataFrame with one NA",
    lambda: _pandas().DataFrame(X).astype("Float64").mask(X.max() - 1e-9 < X),
    rf"{TYPE}|NaN|missing",
)
_refuses(
    "E+pandas-text-column",
    "a DataFrame with a column of texts",
    lambda: _pandas().DataFrame(X).assign(name="a"),
)


@row("E+points-for-a-graph", "points for neighbour lists", "an error that says so", every=True)
def _(tool):
    return refused(tool.mistaken(X), "neighbor_graph")


@row("E-dtype-masked", "a masked array with masked rows", "the mask honoured, or an error")
def _(tool):
    masked = np.ma.masked_array(
        X.copy(), np.zeros(X.shape, bool) | (np.arange(1000) < 300)[:, None]
    )
    masked.data[:300] = X[0]  # to be seen if they are used
    found = tool.dimension(masked)
    clean = tool.dimension(X[300:]).value
    return near_or_refused(found, clean, 1e-6, TYPE)
