"""Eigenvalues of a layer, and its rows along the directions, from its smaller Gram matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal

import numpy as np
from scipy.linalg import eigh, eigvalsh

from layergeom.arrays import Float32Array, FloatArray
from layergeom.geometry.rows import BLOCK, Rows, no_variance

RELATIVE_RANK = 1e-12  # eigenvalues below this share of the largest are rounding


class Gram:
    """The covariance of the rows (divided by N), accumulated in float64 over blocks.

    Attributes
    ----------
    spectrum : ndarray, shape (min(N, D),)
        All eigenvalues, descending, never negative; only the first if that is all one asks for.
    values : ndarray, shape (r,)
        Those that are not rounding.
    variances : ndarray, shape (D,)
        Variance of each coordinate.

    Notes
    -----
    Products in float64 also for float32 input: float32 would be wrong by (D + BLOCK) 2^-24 of the
    largest eigenvalue, which is more than the small eigenvalues that the ranks depend on.
    Projections only weigh the rows: they are float32 where the input is.
    """

    def __init__(self, rows: Rows, want: Literal["values", "all", "first"]) -> None:
        self.rows, self.wide = rows, rows.width > rows.n
        self._matrix: FloatArray = self._of_columns() if self.wide else self._of_rows()
        values, vectors = _decomposed(self._matrix, want)
        keep = values[::-1] > max(values[-1], 0) * RELATIVE_RANK
        if not keep.any() or not self.variances.sum() > 0:
            raise no_variance(rows.n)
        self.spectrum: FloatArray = np.maximum(values[::-1], 0)
        self.values: FloatArray = values[::-1][keep]
        self._vectors: FloatArray = vectors[:, ::-1][:, : len(self.values)]

    def _of_rows(self) -> FloatArray:
        matrix = np.zeros((self.rows.width, self.rows.width))
        for _, block in self.rows.centred(BLOCK):
            matrix += block.T @ block
        matrix /= self.rows.n
        self.variances: FloatArray = np.diag(matrix).copy()
        return matrix

    def _of_columns(self) -> FloatArray:
        n = self.rows.n
        matrix, squares = np.zeros((n, n)), []
        for block in self.rows.columns():
            matrix += block @ block.T
            squares.append(np.einsum("ij,ij->j", block, block))
        self.variances = np.concatenate(squares) / n
        return np.asarray(matrix / n)

    def projections(self) -> Iterator[tuple[slice, FloatArray | Float32Array]]:
        """Blocks of rows along each direction of ``values``, in units of its deviation: (n, r)."""
        if self.wide:
            for at, _ in self.rows.raw():
                yield at, self._vectors[at] * np.sqrt(self.rows.n)
            return
        vectors = self._vectors / np.sqrt(self.values)
        if self.rows.single:
            narrow, offset = vectors.astype(np.float32), self.rows.shift @ vectors
            for at, single in self.rows.centred_single(BLOCK):
                projected = single @ narrow
                projected -= offset
                yield at, projected
        else:
            for at, block in self.rows.centred(BLOCK):
                yield at, block @ vectors

    def uncentred(self) -> tuple[float, FloatArray]:
        """Return the largest eigenvalue of the uncentred second moments, and its direction: (D,).

        By Lanczos steps on the smaller side: C + m mᵀ, or X Xᵀ/N from its centred counterpart.
        """
        mean, n = self.rows.mean, self.rows.n
        if not self.wide:
            return _largest(lambda x: self._matrix @ x + mean * (mean @ x), mean)
        along, square = self.rows.times(mean[:, None])[:, 0], float(mean @ mean)
        value, weights = _largest(
            lambda x: self._matrix @ x + (along * x.sum() + (along @ x) - square * x.sum()) / n,
            np.ones(n),
        )
        direction = np.zeros(self.rows.width)
        for at, block in self.rows.blocks():
            direction += weights[at] @ block
        return value, np.asarray(direction / np.linalg.norm(direction))


def _largest(
    product: Callable[[FloatArray], FloatArray], near: FloatArray
) -> tuple[float, FloatArray]:
    """Return the largest eigenvalue of ``product`` and its vector, sought from ``near``."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    side = len(near)
    if side <= 2:
        values, vectors = np.linalg.eigh(np.stack([product(unit) for unit in np.eye(side)]))
    else:
        length = float(np.linalg.norm(near)) or 1.0
        start = near / length + 1e-3 * np.random.default_rng(0).standard_normal(side)
        operator = LinearOperator(
            (side, side), matvec=lambda x: product(x.reshape(-1)), dtype=np.float64
        )
        values, vectors = eigsh(operator, k=1, v0=start, tol=1e-10)
    return float(values[-1]), vectors[:, -1]


def _decomposed(matrix: FloatArray, want: str) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues, ascending, and the eigenvectors of those that are wanted with them.

    On one thread: on several, LAPACK's last bits follow their number.
    """
    with _thread_pools().limit(limits=1):
        return _eigen(matrix, want)


@cache
def _thread_pools() -> Any:
    """Return the thread pools of the libraries, LAPACK's among them, which this module has loaded.

    Looking for them takes 3 ms, longer than the eigenvalues of a few hundred rows.
    """
    from threadpoolctl import (  # type: ignore[import-untyped,unused-ignore]  # scikit-learn's own
        ThreadpoolController,
    )

    return ThreadpoolController()


def _eigen(matrix: FloatArray, want: str) -> tuple[FloatArray, FloatArray]:
    if want == "values":
        values = eigvalsh(matrix, check_finite=False)
        return np.asarray(values, dtype=np.float64), np.empty((len(matrix), 0))
    if want == "first":
        last = len(matrix) - 1
        values, vectors = eigh(matrix, subset_by_index=(last, last), check_finite=False)
    else:
        values, vectors = eigh(matrix, driver="evd", check_finite=False)
    return np.asarray(values, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
