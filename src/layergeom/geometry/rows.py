"""The rows of a layer in float64, centred block by block: the matrix itself is never copied."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layergeom.arrays import Float32Array, FloatArray, Points
from layergeom.errors import DegenerateError
from layergeom.geometry._found import power_of_two

BLOCK = 2048  # rows of one block of a matrix product
PASS_ENTRIES = 1 << 18  # entries of one block of a vector product: 2 MB, the size of a cache


class Rows:
    """Rows in units of ``scale``, a power of two that keeps their squares finite.

    ``single`` says that the rows are float32 of an ordinary size, so that what need not be exact
    may be multiplied in float32, at half the cost. Without ``centred`` their ``mean`` is 0.
    """

    def __init__(self, X: Points, centred: bool = True) -> None:
        self.X = X
        self.n, self.width = int(X.shape[0]), int(X.shape[1])
        if all((block == X[0]).all() for _, block in self.raw()):
            raise no_variance(self.n)  # their mean may differ from them by rounding
        self.scale = power_of_two(X)
        total = np.zeros(self.width)
        for _, given in self.raw():
            block = given
            if self.scale != 1:
                block = np.divide(block, self.scale, dtype=np.float64)
            total += block.sum(axis=0, dtype=np.float64)
        self.mean: FloatArray = total / self.n if centred else np.zeros(self.width)
        self.single = X.dtype == np.float32 and self.scale == 1

    def raw(self, size: int | None = None) -> Iterator[tuple[slice, Points]]:
        """Blocks as they are given."""
        step = size or max(1, min(BLOCK, PASS_ENTRIES // self.width))
        for start in range(0, self.n, step):
            rows = slice(start, min(start + step, self.n))
            yield rows, self.X[rows]

    def blocks(self, size: int | None = None) -> Iterator[tuple[slice, FloatArray]]:
        """Uncentred blocks; each is overwritten by the next."""
        yield from self._shifted(size, 0.0)

    def centred(self, size: int | None = None) -> Iterator[tuple[slice, FloatArray]]:
        """Centred blocks; each is overwritten by the next."""
        yield from self._shifted(size, self.mean)

    def centred_single(self, size: int | None = None) -> Iterator[tuple[slice, Float32Array]]:
        """Float32 blocks less the mean in the type of X; for rows whose ``scale`` is 1."""
        origin = self.mean.astype(self.X.dtype)
        space: Float32Array | None = None
        for rows, block in self.raw(size):
            if space is None:
                space = np.empty(block.shape, np.float32)
            yield rows, np.subtract(block, origin, out=space[: len(block)], casting="same_kind")

    @property
    def shift(self) -> FloatArray:
        """What the rounding of the mean has left in :meth:`centred_single`, negated."""
        return np.asarray(self.mean - self.mean.astype(self.X.dtype))

    def _shifted(
        self, size: int | None, origin: FloatArray | float
    ) -> Iterator[tuple[slice, FloatArray]]:
        space: FloatArray | None = None
        for rows, block in self.raw(size):
            if space is None:
                space = np.empty(block.shape)
            out = space[: len(block)]
            if self.scale == 1:
                np.subtract(block, origin, out=out, dtype=np.float64)
            else:
                np.divide(block, self.scale, out=out, dtype=np.float64)
                out -= origin
            yield rows, out

    def columns(self) -> Iterator[FloatArray]:
        """Centred blocks of columns: (n, some)."""
        step = max(1, PASS_ENTRIES // self.n)
        for start in range(0, self.width, step):
            chosen = slice(start, start + step)
            yield self.X[:, chosen].astype(np.float64) / self.scale - self.mean[chosen]

    def times(self, matrix: FloatArray) -> FloatArray:
        """Return the product of the uncentred rows with ``matrix``, in one pass."""
        product = np.empty((self.n, matrix.shape[1]))
        for rows, block in self.blocks():
            product[rows] = block @ matrix
        return product

    def covariance_times(self, x: FloatArray) -> FloatArray:
        """Return the product of the covariance with ``x``, in one pass."""
        total = np.zeros(self.width)
        for _, block in self.centred():
            total += (block @ x) @ block
        return np.asarray(total / self.n)


def no_variance(n: int) -> DegenerateError:
    """Return the error for rows that are all equal."""
    return DegenerateError(
        f"all {n} rows are equal, so the spectrum is undefined (0/0); check the pooling, or leave "
        "this layer out."
    )
