"""The compiled exact search: preparation here, the rest in ``_kernel.cpp``.

Rows are shifted by a common centre and mixed by a block Hadamard matrix, which spreads massive
coordinates over their block so that eight bits suffice for a filter. Shift and mixing change no
distance but for float32 rounding, which enters the error norms; every listed distance is measured
on the rows as they came.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np

from layergeom.arrays import Float32Array, FloatArray, IntArray, Points
from layergeom.geometry._found import Found, Progress, centre, power_of_two

MULTIPLE = 64  # dimensions are padded to it: four lanes of sixteen bytes
MIXED = (256, 64)  # sizes of the Hadamard blocks: 1/sqrt(size) is exact
ROWS_PER_CALL = 1920  # rows settled between two looks at signals and progress
LARGEST_K = 512
FEWEST_ROWS = 1000  # below, preparation costs more than it saves
UNIT = float(np.finfo(np.float32).eps) / 2


def kernel() -> ModuleType | None:
    """Return the kernel if it is built and this processor can run it."""
    try:
        from layergeom.geometry import _kernel  # type: ignore[attr-defined]
    except ImportError:
        return None
    found: ModuleType = _kernel
    return found if found.supported() else None


def serves(X: Points, k: int) -> bool:
    """Return whether the compiled search is the quicker one and may be used.

    Data whose squares might leave the range of float32 go the plain way.
    """
    return (
        kernel() is not None
        and len(X) >= FEWEST_ROWS
        and k <= min(LARGEST_K, len(X) // 4)
        and power_of_two(X) == 1.0
    )


def threads() -> int:
    """Return the threads to use: OMP_NUM_THREADS if it is set, else the cores of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def search(
    X: Points, k: int, groups: IntArray | None, progress: Progress | None = None
) -> tuple[Found, IntArray]:
    """Return the k nearest other rows of every row, and the rows that the plain way must settle.

    Those are rows with a tie at the k-th distance, with fewer than k admissible others, with
    distances next to nothing, or with more candidates than there is room for.
    """
    X = np.ascontiguousarray(X)
    n, width = X.shape
    codes = _codes(X)
    found = Found(np.full((n, k), np.inf), np.full((n, k), -1, dtype=np.int64), {})
    unsettled = np.zeros(n, dtype=np.uint8)
    outside = None if groups is None else np.append(groups, np.full(MULTIPLE, -1)).astype(np.int32)
    for first in range(0, n, ROWS_PER_CALL):
        last = min(first + ROWS_PER_CALL, n)
        _loaded().search(
            codes,
            X,
            X.dtype == np.float32,
            width,
            k,
            outside,
            found.distances,
            found.indices,
            unsettled,
            first,
            last,
            threads(),
        )
        if progress is not None:
            progress(last, n)
    return found, np.flatnonzero(unsettled)


def _loaded() -> Any:
    return kernel()


def _codes(X: Points) -> Any:
    """Quantise the shifted and mixed rows, a block at a time."""
    n, width = X.shape
    padded = -(-width // MULTIPLE) * MULTIPLE
    size = next(size for size in MIXED if padded % size == 0)
    mix = _hadamard(size)
    origin = centre(X)
    codes = _loaded().make_codes(n, padded)
    # float32 shift, then sums of `size` products: gamma = (size + 4) u of the row's norm.
    mixing = (size + 4) * UNIT
    for first in range(0, n, 4096):
        rows = X[first : first + 4096]
        z = np.zeros((len(rows), padded), dtype=np.float32)
        z[:, :width] = rows - origin
        mixed = np.matmul(z.reshape(-1, size), mix).reshape(len(rows), padded)
        _loaded().add_rows(codes, mixed, first, mixing)
    return codes


def _hadamard(size: int) -> Float32Array:
    """Orthogonal matrix of entries ±1/sqrt(size), Sylvester's construction."""
    matrix: FloatArray = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return np.asarray(matrix / np.sqrt(size), dtype=np.float32)
