"""Eigenvalues and directions of a layer from the Gram matrix of its smaller side."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from layergeom.arrays import FloatArray
from layergeom.geometry.rows import BLOCK, Rows, no_variance

RELATIVE_RANK = 1e-12  # eigenvalues below this share of the largest are rounding


class Gram:
    """The covariance of the rows (divided by N), accumulated in float64 over blocks.

    Attributes
    ----------
    spectrum : ndarray, shape (min(N, D),)
        All eigenvalues, descending, never negative; only the first ``top`` if that is given.
    values : ndarray, shape (r,)
        Those that are not rounding.
    variances : ndarray, shape (D,)
        Variance of each coordinate.
    leading : ndarray, shape (D,)
        The first principal direction.

    Notes
    -----
    Products in float64 also for float32 input: float32 would be wrong by (D + BLOCK) 2^-24 of the
    largest eigenvalue, which is more than the small eigenvalues that the ranks depend on.
    """

    def __init__(self, rows: Rows, top: int | None = None) -> None:
        self.rows, self.wide = rows, rows.width > rows.n
        matrix = self._of_columns() if self.wide else self._of_rows()
        side = len(matrix)
        chosen = None if top is None else (max(side - top, 0), side - 1)
        if chosen is None:
            values, vectors = np.linalg.eigh(matrix)
        else:
            values, vectors = eigh(matrix, subset_by_index=chosen)
        keep = values[::-1] > max(values[-1], 0) * RELATIVE_RANK
        if not keep.any() or not self.variances.sum() > 0:
            raise no_variance(rows.n)
        self.spectrum: FloatArray = np.maximum(values[::-1], 0)
        self.values: FloatArray = values[::-1][keep]
        self._vectors: FloatArray = vectors[:, ::-1][:, keep]
        self.leading: FloatArray = self._leading()

    def _of_rows(self) -> FloatArray:
        self._matrix: FloatArray = np.zeros((self.rows.width, self.rows.width))
        for _, block in self.rows.centred(BLOCK):
            self._matrix += block.T @ block
        self._matrix /= self.rows.n
        self.variances: FloatArray = np.diag(self._matrix).copy()
        return self._matrix

    def _of_columns(self) -> FloatArray:
        n = self.rows.n
        matrix, squares = np.zeros((n, n)), []
        for block in self.rows.columns():
            matrix += block @ block.T
            squares.append(np.einsum("ij,ij->j", block, block))
        self.variances = np.concatenate(squares) / n
        return np.asarray(matrix / n)

    def _leading(self) -> FloatArray:
        if not self.wide:
            return self._vectors[:, 0]
        direction = np.zeros(self.rows.width)
        for at, block in self.rows.centred():
            direction += self._vectors[at, 0] @ block
        return np.asarray(direction / float(np.linalg.norm(direction)))

    def projections(self, at: slice, block: FloatArray) -> FloatArray:
        """Rows ``at``, centred in ``block``, along each direction of ``values``."""
        if self.wide:
            return np.asarray(self._vectors[at] * np.sqrt(self.values * self.rows.n))
        return np.asarray(block @ self._vectors)

    def covariance_times(self, x: FloatArray) -> FloatArray:
        """Return the product of the covariance with ``x``."""
        return self.rows.covariance_times(x) if self.wide else np.asarray(self._matrix @ x)
