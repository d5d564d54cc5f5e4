"""The spectrum of a layer: anisotropy, mean cosine, effective dimensions, norms.

"Anisotropy" has several meanings in other tools; each quantity here has its own name and formula.
Rows are taken as independent except that repeats of one point count as one observation.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import GeometryWarning
from layergeom.geometry.gram import Gram
from layergeom.geometry.leading import Direction, leading_direction
from layergeom.geometry.rows import BLOCK, Rows
from layergeom.geometry.spectrum_functions import FUNCTIONS
from layergeom.geometry.uncertainty import Estimate, same_point_error

DOMINANT_SHARE = 0.9  # of the variance carried by one coordinate, from which it is named


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

    The first direction comes from a few Lanczos steps over blocks of rows, checked by its residual
    in float64; where it does not settle, or the smaller side is at most 128, from the Gram matrix.
    Value and error are those of :func:`spectrum`: the value to 1e-9, unless the two largest
    eigenvalues agree to 1e-7, where it lies between them. Memory
    is that of a few blocks, and of the Gram matrix where that is taken.

    Examples
    --------
    >>> import numpy as np
    >>> round(anisotropy(np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])).value, 3)
    0.8
    """
    cloud = arrays.points(X, min_samples=2)
    rows = Rows(cloud)
    found = leading_direction(rows) or _gram_direction(rows)
    _warn_dominant(found.variances)
    total = float(found.variances.sum())
    value = min(1.0, found.value / total)  # rounding may exceed the bound
    influence = (found.projections**2 - value * found.squares) / total
    return _estimate(value, influence, np.arange(rows.n))


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
    Gram matrix of the smaller side, accumulated in float64 over blocks of centred rows: N D
    min(N, D) products and one eigendecomposition; the influences take 2 N D² more if N >= D.
    """
    cloud = arrays.points(X, min_samples=2)
    rows = Rows(cloud)
    gram, norms, unit_sum = Gram(rows), *_lengths(rows)
    _warn_dominant(gram.variances)
    _warn_zero(norms)
    uncentred, direction = _uncentred_direction(gram)
    moves, along, cosines = _per_row(gram, direction, unit_sum)

    def of_rows(value: float, influence: FloatArray) -> Estimate:
        return _estimate(value, influence, np.arange(rows.n) if point is None else point)

    v, size = gram.values, norms * rows.scale
    with np.errstate(over="ignore", under="ignore"):
        eigenvalues = gram.spectrum * rows.scale * rows.scale
    worst = int(np.argmax(gram.variances))
    return Spectrum(
        eigenvalues=eigenvalues,
        **{
            name: of_rows(value(v), moves[:, column].copy())
            for column, (name, (value, _)) in enumerate(FUNCTIONS.items())
        },
        anisotropy_uncentered=of_rows(*_uncentered(norms, uncentred, along)),
        mean_cosine=of_rows(*_mean_cosine(norms, unit_sum, cosines)),
        pca_dimension_90=_pca_dimension(v, 0.90),
        pca_dimension_99=_pca_dimension(v, 0.99),
        norm=of_rows(float(size.mean()), size - size.mean()),
        dominant_coordinate=(worst, float(gram.variances[worst] / gram.variances.sum())),
    )


def _estimate(value: float, influence: FloatArray, point: IntArray) -> Estimate:
    return Estimate(value, same_point_error(influence, point), influence)


def _gram_direction(rows: Rows) -> Direction:
    """Return the first direction from the Gram matrix, where few steps do not find it."""
    gram = Gram(rows, top=1)
    projections, squares = np.empty(rows.n), np.empty(rows.n)
    for at, block in rows.centred():
        projections[at] = gram.projections(at, block)[:, 0]
        squares[at] = np.einsum("ij,ij->i", block, block)
    return Direction(float(gram.values[0]), projections, squares, gram.variances)


def _lengths(rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the norms of the rows, and the sum of their unit vectors."""
    norms, unit_sum = np.empty(rows.n), np.zeros(rows.width)
    for at, block in rows.blocks():
        norms[at] = np.sqrt(np.einsum("ij,ij->i", block, block))
        unit_sum += (1 / _safe(norms[at])) @ block
    return norms, unit_sum


def _safe(norms: FloatArray) -> FloatArray:
    return np.where(norms > 0, norms, 1.0)


def _per_row(
    gram: Gram, direction: FloatArray, unit_sum: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return influences, uncentred projections and products with ``unit_sum``, in one pass.

    Row i moves lambda_j by (v_j·y_i)² - lambda_j.
    """
    rows, v = gram.rows, gram.values
    slopes = np.stack([slope(v) for _, slope in FUNCTIONS.values()], axis=1)
    moves = np.empty((rows.n, len(FUNCTIONS)))
    both = np.stack([direction, unit_sum], axis=1)
    products = np.empty((rows.n, 2))
    for at, block in rows.centred(BLOCK):
        products[at] = block @ both
        projections = gram.projections(at, block)
        moves[at] = np.square(projections, out=projections) @ slopes
    moves -= v @ slopes
    products += rows.mean @ both
    return moves, products[:, 0], products[:, 1]


def _pca_dimension(v: FloatArray, share: float) -> int:
    return int(np.searchsorted(np.cumsum(v) / v.sum(), share - 1e-12) + 1)


def _uncentered(
    norms: FloatArray, value: float, projections: FloatArray
) -> tuple[float, FloatArray]:
    """sigma_1²/Σ sigma² without centring, and its influences."""
    squares = norms**2
    total = float(squares.mean())
    ratio = value / total
    return ratio, (projections**2 - ratio * squares) / total


def _uncentred_direction(gram: Gram) -> tuple[float, FloatArray]:
    """Largest eigenvalue of the uncentred second-moment matrix, and its eigenvector."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    mean, first = gram.rows.mean, gram.leading
    width = len(mean)

    def product(x: FloatArray) -> FloatArray:
        x = x.reshape(-1)
        return np.asarray(gram.covariance_times(x) + mean * float(mean @ x))

    if width <= 2:
        dense = np.stack([product(unit) for unit in np.eye(width)])
        values, vectors = np.linalg.eigh(dense)
    else:
        length = float(np.linalg.norm(mean))
        start = (mean / length if length > 0 else first) + 1e-3 * first
        operator = LinearOperator((width, width), matvec=product, dtype=np.float64)
        values, vectors = eigsh(operator, k=1, v0=start, tol=1e-12)
    return float(values[-1]), vectors[:, -1]


def _mean_cosine(
    norms: FloatArray, unit_sum: FloatArray, products: FloatArray
) -> tuple[float, FloatArray]:
    n = len(norms)
    units = (norms > 0).astype(np.float64)
    value = float(unit_sum @ unit_sum - units.sum()) / (n * (n - 1))
    return value, 2 * ((products / _safe(norms) - units) / (n - 1) - value)


def _warn_zero(norms: FloatArray) -> None:
    if (norms == 0).any():
        warnings.warn(
            f"{int((norms == 0).sum())} rows are zero; their cosine is undefined and counts as 0.",
            GeometryWarning,
            stacklevel=3,
        )


def _warn_dominant(variances: FloatArray) -> None:
    worst = int(np.argmax(variances))
    share = float(variances[worst] / variances.sum())
    if share > DOMINANT_SHARE and len(variances) > 2:
        warnings.warn(
            f"coordinate {worst} carries {share:.1%} of the variance (a massive activation): "
            "the anisotropy is that of this one coordinate.",
            GeometryWarning,
            stacklevel=3,
        )
