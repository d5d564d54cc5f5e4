"""The spectrum of a layer: anisotropy, mean cosine, effective dimensions, norms.

"Anisotropy" has several meanings in other tools; each quantity here has its own name and formula.
Rows are taken as independent except that repeats of one point count as one observation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry._found import power_of_two
from layergeom.geometry.uncertainty import Estimate, same_point_error

BLOCK = 4096  # rows centred at a time
DOMINANT_SHARE = 0.9  # of the variance carried by one coordinate, from which it is named
RELATIVE_RANK = 1e-12  # eigenvalues below this share of the largest are rounding


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Covariance spectrum of one layer with all that is read from it.

    Attributes
    ----------
    eigenvalues : ndarray, shape (r,)
        Eigenvalues of the centred covariance (divided by N), descending, r = min(N, D).
    anisotropy : Estimate
        lambda_1 / Σ lambda of the centred matrix, in [1/min(D, N-1), 1] (Razzhigaev et al. 2024).
        Isotropic data give (1 + sqrt(D/N))²/D, not 1/D.
    anisotropy_uncentered : Estimate
        The same ratio without centring: close to 1 whenever the mean is large.
    mean_cosine : Estimate
        Mean cosine over pairs i != j, uncentred: (|Σ u|² - n)/(n (n-1)).
    effective_rank : Estimate
        exp of the entropy of sigma/Σ sigma (Roy and Vetterli 2007).
    spectral_entropy_rank : Estimate
        The same with sigma².
    participation_ratio : Estimate
        (Σ lambda)²/Σ lambda².
    pca_dimension_90, pca_dimension_99 : int
        Components that carry 90 % and 99 % of the variance.
    norm : Estimate
        Mean Euclidean norm of the rows.
    dominant_coordinate : (int, float)
        The coordinate with the largest variance, and its share of the variance.
    """

    eigenvalues: FloatArray
    anisotropy: Estimate
    anisotropy_uncentered: Estimate
    mean_cosine: Estimate
    effective_rank: Estimate
    spectral_entropy_rank: Estimate
    participation_ratio: Estimate
    pca_dimension_90: int
    pca_dimension_99: int
    norm: Estimate
    dominant_coordinate: tuple[int, float]


def anisotropy(X: object) -> Estimate:
    """Return the share of the variance along the first principal direction.

    Parameters
    ----------
    X : array_like, shape (n, D)
        Samples in rows.

    Returns
    -------
    Estimate
        lambda_1/Σ lambda = sigma_1²/Σ sigma² of the column-centred matrix, without row
        normalisation, in [1/min(D, N-1), 1].

    Raises
    ------
    InputError
        If ``X`` is not a finite matrix.
    DegenerateError
        If all rows are equal (0/0).

    Warns
    -----
    GeometryWarning
        If one coordinate carries more than 90 % of the variance (a massive activation): the value
        then says little about the other coordinates.

    Notes
    -----
    Razzhigaev et al. 2024, section 3. Invariant under scale, rotation and shift.

    Examples
    --------
    >>> import numpy as np
    >>> round(anisotropy(np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])).value, 3)
    0.8
    """
    return spectrum(X).anisotropy


def spectrum(X: object, point: IntArray | None = None) -> Spectrum:
    """Return the whole spectrum of ``X`` and the quantities that are read from it.

    Parameters
    ----------
    X : array_like, shape (n, D)
        Samples in rows.
    point : ndarray, shape (n,), optional
        The point of every row; rows of one point count as one observation in the errors.

    Returns
    -------
    Spectrum
        Errors by the delta method from per-row influences; those of the PCA dimensions, which are
        whole numbers, are not known.

    Raises
    ------
    InputError, DegenerateError
        As :func:`anisotropy`.

    Notes
    -----
    Gram matrix of the smaller side, accumulated in float64 over blocks of centred rows;
    N D min(N, D) products and one eigendecomposition.
    """
    cloud = arrays.points(X, min_samples=2)
    point = np.arange(len(cloud)) if point is None else point
    layer = _Layer(cloud, point)
    _warn_dominant(layer)
    return Spectrum(
        eigenvalues=layer.eigenvalues,
        **_of_spectrum(layer),
        anisotropy_uncentered=_uncentered(layer),
        mean_cosine=_mean_cosine(layer),
        pca_dimension_90=_pca_dimension(layer.values, 0.90),
        pca_dimension_99=_pca_dimension(layer.values, 0.99),
        norm=layer.mean_of(layer.norms * layer.scale),
        dominant_coordinate=layer.dominant,
    )


class _Layer:
    """One layer, scaled by a power of two, with its eigenvalues and per-row projections."""

    def __init__(self, X: Points, point: IntArray) -> None:
        if (X[0] == X).all():  # their mean may differ from them by rounding
            raise _no_variance(len(X))
        self.X, self.point = X, point
        self.scale = power_of_two(X)
        self.mean: FloatArray = sum(
            ((b / self.scale).sum(axis=0) for _, b in self._blocks()), np.zeros(X.shape[1])
        ) / len(X)
        self.norms = np.concatenate(
            [np.linalg.norm(b / self.scale, axis=1) for _, b in self._blocks()]
        )
        self._decompose()

    def _blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        for start in range(0, len(self.X), BLOCK):
            rows = slice(start, start + BLOCK)
            yield rows, self.X[rows].astype(np.float64)

    def centred(self) -> Iterator[tuple[slice, FloatArray]]:
        """Blocks of centred rows, in units of ``scale``."""
        for rows, block in self._blocks():
            yield rows, block / self.scale - self.mean

    def _decompose(self) -> None:
        n, width = self.X.shape
        if width <= n:
            self.cov: FloatArray = (
                sum((b.T @ b for _, b in self.centred()), np.zeros((width, width))) / n
            )
            values, vectors = np.linalg.eigh(self.cov)
            variances = np.diag(self.cov)
        else:
            Y = np.concatenate([b for _, b in self.centred()])
            values, left = np.linalg.eigh(Y @ Y.T / n)
            vectors = Y.T @ (left / np.sqrt(np.maximum(values, values[-1] * RELATIVE_RANK) * n))
            variances = np.einsum("ij,ij->j", Y, Y) / n
        keep = values[::-1] > max(values[-1], 0) * RELATIVE_RANK
        if not keep.any() or not variances.sum() > 0:
            raise _no_variance(n)
        with np.errstate(over="ignore", under="ignore"):
            self.eigenvalues: FloatArray = np.maximum(values[::-1], 0) * self.scale * self.scale
        self.values, self.vectors = values[::-1][keep], vectors[:, ::-1][:, keep]
        worst = int(np.argmax(variances))
        self.dominant = (worst, float(variances[worst] / variances.sum()))

    def mean_of(self, per_row: FloatArray) -> Estimate:
        return self.estimate(float(per_row.mean()), per_row - per_row.mean())

    def estimate(self, value: float, influence: FloatArray) -> Estimate:
        return Estimate(value, same_point_error(influence, self.point), influence)


def _no_variance(n: int) -> DegenerateError:
    return DegenerateError(
        f"all {n} rows are equal, so the spectrum is undefined (0/0); check the pooling, or leave "
        "this layer out."
    )


def _of_spectrum(layer: _Layer) -> dict[str, Estimate]:
    """Estimate the functions of the eigenvalues: row i moves lambda_j by (v_j·y_i)² - lambda_j."""
    v = layer.values
    slopes = np.stack([slope(v) for _, slope in FUNCTIONS.values()], axis=1)
    influences = np.empty((len(layer.X), len(FUNCTIONS)))
    for rows, block in layer.centred():
        influences[rows] = (block @ layer.vectors) ** 2 @ slopes
    influences -= v @ slopes
    return {
        name: layer.estimate(value(v), influences[:, column].copy())
        for column, (name, (value, _)) in enumerate(FUNCTIONS.items())
    }


def _anisotropy(v: FloatArray) -> float:
    return float(v[0] / v.sum())


def _anisotropy_slope(v: FloatArray) -> FloatArray:
    slope = np.full(len(v), -v[0] / v.sum() ** 2)
    slope[0] += 1 / v.sum()
    return slope


def _effective_rank(v: FloatArray) -> float:
    return _entropy_rank(np.sqrt(v))


def _effective_rank_slope(v: FloatArray) -> FloatArray:
    sigma = np.sqrt(v)
    return np.asarray(_entropy_rank_slope(sigma) / (2 * sigma))


def _entropy_rank(v: FloatArray) -> float:
    p = v / v.sum()
    return float(np.exp(-(p @ np.log(p))))


def _entropy_rank_slope(v: FloatArray) -> FloatArray:
    p = v / v.sum()
    entropy = -float(p @ np.log(p))
    return np.asarray(-np.exp(entropy) * (np.log(p) + entropy) / v.sum())


def _participation(v: FloatArray) -> float:
    return float(v.sum() ** 2 / (v @ v))


def _participation_slope(v: FloatArray) -> FloatArray:
    total, squares = float(v.sum()), float(v @ v)
    return np.asarray(2 * total / squares - 2 * total**2 * v / squares**2)


FUNCTIONS: dict[str, tuple[Callable[[FloatArray], float], Callable[[FloatArray], FloatArray]]] = {
    "anisotropy": (_anisotropy, _anisotropy_slope),
    "effective_rank": (_effective_rank, _effective_rank_slope),
    "spectral_entropy_rank": (_entropy_rank, _entropy_rank_slope),
    "participation_ratio": (_participation, _participation_slope),
}


def _pca_dimension(v: FloatArray, share: float) -> int:
    return int(np.searchsorted(np.cumsum(v) / v.sum(), share - 1e-12) + 1)


def _uncentered(layer: _Layer) -> Estimate:
    """sigma_1²/Σ sigma² without centring; the first direction by power iteration from the mean."""
    squares = layer.norms**2
    total = float(squares.mean())
    direction = layer.mean if np.linalg.norm(layer.mean) > 0 else layer.vectors[:, 0]
    start = direction / np.linalg.norm(direction) + 1e-3 * layer.vectors[:, 0]
    value, projections = _leading(layer, start)
    ratio = value / total
    return layer.estimate(ratio, (projections**2 - ratio * squares) / total)


def _leading(layer: _Layer, start: FloatArray) -> tuple[float, FloatArray]:
    """Largest eigenvalue of the uncentred second-moment matrix, and the rows' projections."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    mean, V, v = layer.mean, layer.vectors, layer.values

    def product(x: FloatArray) -> FloatArray:
        x = x.reshape(-1)
        return np.asarray(V @ (v * (V.T @ x)) + mean * float(mean @ x))

    width = len(mean)
    if width <= 2:
        values, vectors = np.linalg.eigh((V * v) @ V.T + np.outer(mean, mean))
        direction = vectors[:, -1]
    else:
        operator = LinearOperator((width, width), matvec=product, dtype=np.float64)
        values, vectors = eigsh(operator, k=1, v0=start, tol=1e-12)
        direction = vectors[:, 0]
    projections = np.concatenate([b @ direction for _, b in layer.centred()]) + float(
        mean @ direction
    )
    return float(values[-1]), projections


def _mean_cosine(layer: _Layer) -> Estimate:
    n = len(layer.X)
    safe = np.where(layer.norms > 0, layer.norms, 1.0)
    if (layer.norms == 0).any():
        warnings.warn(
            f"{int((layer.norms == 0).sum())} rows are zero; their cosine is undefined and counts "
            "as 0.",
            GeometryWarning,
            stacklevel=3,
        )
    total = np.zeros(layer.X.shape[1])
    for rows, block in layer._blocks():
        total += (block / layer.scale / safe[rows, None]).sum(axis=0)
    along = np.empty(n)
    for rows, block in layer._blocks():
        along[rows] = block / layer.scale @ total / safe[rows]
    units = (layer.norms > 0).astype(np.float64)
    value = float(total @ total - units.sum()) / (n * (n - 1))
    return layer.estimate(value, 2 * ((along - units) / (n - 1) - value))


def _warn_dominant(layer: _Layer) -> None:
    coordinate, share = layer.dominant
    if share > DOMINANT_SHARE and layer.X.shape[1] > 2:
        warnings.warn(
            f"coordinate {coordinate} carries {share:.1%} of the variance (a massive activation): "
            "the anisotropy is that of this one coordinate.",
            GeometryWarning,
            stacklevel=4,
        )
