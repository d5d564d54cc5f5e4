"""Spectra without centring: RankMe, and the matrix-based entropy of a dataset or a prompt."""

from __future__ import annotations

from typing import Literal

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray
from layergeom.geometry.gram import Gram
from layergeom.geometry.rows import Rows
from layergeom.geometry.spectrum_functions import FUNCTIONS, function_influences
from layergeom.geometry.uncertainty import Estimate, same_point_error

EPSILON = 1e-7  # added to each share by RankMe, for float32


def rankme(X: object) -> Estimate:
    """Return RankMe: the effective rank of the matrix as it is, without centring.

    Parameters
    ----------
    X : array_like, shape (n, D)
        Samples in rows.

    Returns
    -------
    Estimate
        exp(-Σ p log p), p = sigma/Σ sigma + 1e-7 over all min(n, D) singular values, in
        [1, min(n, D)]; its error by the delta method takes rows as independent.

    Raises
    ------
    InputError
        If ``X`` is not a finite matrix.
    DegenerateError
        If all rows are equal.

    Notes
    -----
    Garrido et al. 2023 (ICML), eq. 1. :func:`layergeom.spectrum` has the same of the centred
    matrix as ``effective_rank`` (Roy and Vetterli 2007): where the mean vector is long, RankMe
    sees it as one strong direction and is lower. It reads lower on fewer rows than some 5 D, is
    not invariant under a shift, and says nothing of curved surfaces. Cost: one Gram matrix of the
    smaller side and its eigenvectors.

    Examples
    --------
    >>> import numpy as np
    >>> axes = np.repeat(np.eye(4), 5, axis=0)  # four equally strong directions
    >>> round(rankme(axes).value, 3)
    4.0
    """
    gram = _uncentered(X)
    sigma = np.sqrt(gram.spectrum)
    p = sigma / sigma.sum() + EPSILON
    value = min(float(np.exp(-(p @ np.log(p)))), float(len(p)))  # the shares exceed 1 in sum
    return _estimate(value, function_influences(gram, ["effective_rank"])["effective_rank"])


def matrix_entropy(X: object, *, errors: bool = True) -> Estimate:
    """Return the matrix-based entropy of order 1 (von Neumann's) of a set of vectors, in nats.

    Of one vector per prompt it is the *dataset entropy*, of the tokens of one prompt the *prompt
    entropy*.

    Parameters
    ----------
    X : array_like, shape (n, D)
        Vectors in rows, neither centred nor normalised.
    errors : bool
        Whether the error is wanted, at the cost of the eigenvectors; nan without.

    Returns
    -------
    Estimate
        -Σ p log p, p = lambda/tr K the normalised eigenvalues of K = X Xᵀ, in [0, log min(n, D)];
        its error by the delta method takes rows as independent.

    Raises
    ------
    InputError, DegenerateError
        As :func:`rankme`.

    Notes
    -----
    Skean et al. 2025 (ICML, arXiv 2502.02013), section 3: Rényi's entropy of the Gram matrix
    (Giraldo et al. 2014) in the limit of order 1. Its exponential is the spectral entropy rank
    without centring. The authors divide it by log min(n, D) and set negative entries of K to 0
    before; this is the definition. It grows with n, so compare sets of one size. A long common
    mean, or one massive coordinate, takes it to 0 whatever the rest does.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.isclose(matrix_entropy(np.repeat(np.eye(4), 5, axis=0)).value, np.log(4)))
    True
    """
    gram = _uncentered(X, "all" if errors else "values")
    rank, _ = FUNCTIONS["spectral_entropy_rank"]
    size = rank(gram.values)
    value = max(0.0, float(np.log(size)))
    if not errors:
        return Estimate(value, float("nan"), np.full(gram.rows.n, np.nan))
    moves = function_influences(gram, ["spectral_entropy_rank"])["spectral_entropy_rank"]
    return _estimate(value, moves / size)


def _uncentered(X: object, want: Literal["values", "all"] = "all") -> Gram:
    return Gram(Rows(arrays.points(X, min_samples=2), centred=False), want)


def _estimate(value: float, influence: FloatArray) -> Estimate:
    return Estimate(value, same_point_error(influence, np.arange(len(influence))), influence)
