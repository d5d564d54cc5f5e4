"""The check at the door: everything that enters the mathematics is a clean array.

Inputs are checked once, here; the functions behind the door rely on it.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from layergeom.errors import InputError, InputTypeError

FloatArray: TypeAlias = npt.NDArray[np.float64]
Float32Array: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]
Int32Array: TypeAlias = npt.NDArray[np.int32]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Points: TypeAlias = npt.NDArray[Any]  # (n, D), float32 or float64

MIN_SAMPLES = 3
FINITE_ENTRIES = 1 << 16  # values looked at together: they stay in the cache


def points(X: object, name: str = "X", min_samples: int = MIN_SAMPLES) -> Points:
    """Return ``X`` as a finite (n, D) array of float32 or float64, never changed in place.

    Parameters
    ----------
    X : array_like
        Samples in rows: numpy, torch, scipy sparse, pandas or nested lists. Integers, booleans
        and half precision are widened exactly; float32 stays float32.
    name : str
        What the messages call the array.
    min_samples : int
        Least number of rows.

    Returns
    -------
    ndarray, shape (n, D)
        A view where the input allows it.

    Raises
    ------
    InputTypeError
        For complex, object, string or masked data.
    InputError
        For a wrong number of axes, too few rows, no columns, NaN or infinite entries.
    """
    array = _real(_plain(X, name), name)
    if array.ndim != 2:
        hint = " Pool over the sequence positions first." if array.ndim == 3 else ""
        raise InputError(
            f"{name} must have 2 dimensions (samples, features) but has {array.ndim} "
            f"(shape {array.shape}).{hint}"
        )
    n, width = array.shape
    if n < min_samples:
        raise InputError(f"{name} has {n} samples; at least {min_samples} samples are needed.")
    if width == 0:
        raise InputError(f"{name} has no features (shape {array.shape}).")
    finite(array, name)
    return array


def finite(array: Points, name: str) -> None:
    """Raise an InputError that counts and names the rows with NaN or infinite entries."""
    bad = _nonfinite_rows(array)
    if not len(bad):
        return
    kind = "NaN" if np.isnan(array[bad]).any() else "inf (infinite)"
    raise InputError(
        f"{name} has {kind} values in {len(bad)} of {len(array)} rows (first: row {bad[0]}); "
        "remove those rows, or store the states in a wider dtype."
    )


def _nonfinite_rows(array: Points) -> IntArray:
    step = max(1, FINITE_ENTRIES // array.shape[1])
    bad = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(array), step):
        fine = np.isfinite(array[start : start + step])
        if not fine.all():
            bad.append(start + np.flatnonzero(~fine.all(axis=1)))
    return np.concatenate(bad)


def count(value: object, name: str, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int in [low, high]; an integral float is accepted.

    Raises
    ------
    InputError
        If it is not a whole number or lies outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputTypeError(f"{name} must be a whole number but is {value!r}.")
    if (not isinstance(value, int) and not np.isfinite(value)) or value != int(value):
        raise InputError(f"{name} must be a whole number but is {value!r}.")
    whole = int(value)
    if whole < low or (high is not None and whole > high):
        allowed = f"at least {low}" if high is None else f"between {low} and {high}"
        raise InputError(f"{name} must be {allowed} but is {whole}.")
    return whole


def labels(values: object, n: int, name: str = "labels") -> IntArray:
    """Return class codes 0..C-1 for ``n`` rows; a missing label (None, NaN, "") becomes -1.

    Raises
    ------
    InputError
        If there are not ``n`` of them, they are not one-dimensional, or they are real or complex
        numbers (which are not classes: convert them to strings to say that they are).
    """
    if values is None:
        raise InputError(f"{name} are missing (None); give one label per row.")
    column = np.asarray(_plain(values, name))
    if column.dtype.kind == "U" and isinstance(values, (list, tuple)):
        column = np.asarray(values, dtype=object)  # a NaN among texts has become the text "nan"
    if column.ndim != 1:
        raise InputError(f"{name} must be one label per row but have shape {column.shape}.")
    if column.dtype.kind == "c":
        raise InputTypeError(
            f"{name} have dtype {column.dtype}; classes are texts or whole numbers."
        )
    if len(column) != n:
        raise InputError(f"{name} have length {len(column)} but there are {n} rows.")
    distinct, place = _distinct(column)
    return _class_codes(distinct, name)[place]


def _distinct(column: npt.NDArray[Any]) -> tuple[list[Any], IntArray]:
    """Return values that hold every label, and which of them each row has."""
    if column.dtype.kind not in "biufU":  # equal objects may have different names: True and 1
        return column.tolist(), np.arange(len(column))
    distinct, place = np.unique(column, return_inverse=True)
    return distinct.tolist(), place.reshape(-1)


def _class_codes(values: list[Any], name: str) -> IntArray:
    """Return the place of each value's name among all names as text, -1 for missing values."""
    missing = np.array([_is_missing(v) for v in values], dtype=bool)
    known = [v for v, absent in zip(values, missing, strict=True) if not absent]
    if any(isinstance(v, float) and not v.is_integer() for v in known):
        raise InputError(
            f"{name} are real numbers, not classes; convert them to strings if each value is a "
            "class of its own."
        )
    codes = np.full(len(values), -1, dtype=np.int64)
    if known:
        text = np.array([_class_name(v) for v in known])
        codes[~missing] = np.unique(text, return_inverse=True)[1].reshape(-1)
    return codes


def _is_missing(value: Any) -> bool:
    if type(value).__name__ == "NAType":  # of pandas: its comparisons are neither true nor false
        return True
    return bool(value is None or value == "" or value != value)


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _plain(X: object, name: str) -> npt.NDArray[Any]:
    """Bring torch, sparse, pandas and lists to numpy, without ever reading masked values."""
    if isinstance(X, np.ma.MaskedArray):
        raise InputTypeError(
            f"{name} is a masked array; drop or fill the masked entries first (X.compressed(), "
            "X.filled(value))."
        )
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        X = X.toarray()
    if hasattr(X, "detach") and hasattr(X, "cpu"):
        X = _from_torch(X)
    try:
        return np.asarray(X)
    except ValueError as error:
        raise InputTypeError(f"{name} is not a rectangular array of numbers ({error}).") from None


def _from_torch(tensor: Any) -> npt.NDArray[Any]:
    tensor = tensor.detach().cpu()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.numpy()
    return array


def _real(array: npt.NDArray[Any], name: str) -> Points:
    kind: Literal["b", "i", "u", "f"] | str = array.dtype.kind
    if kind in "biu":
        return array.astype(np.float64)
    if kind == "f":
        if array.dtype.itemsize == 2:
            return array.astype(np.float32)
        wide = np.float32 if array.dtype.itemsize == 4 else np.float64
        return array.astype(wide, copy=False)
    raise InputTypeError(
        f"{name} has dtype {array.dtype}; real numbers are needed (float32 is best)."
    )
