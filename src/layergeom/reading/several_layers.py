"""Tests at many layers: which of them count when all have been looked at."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from layergeom.arrays import BoolArray, FloatArray
from layergeom.written import percent

LEVEL = 0.05  # chance that any layer counts where none differs
CORRECTED = f"at the {percent(LEVEL)} level for all layers together (Holm)"


def holm(p: FloatArray, level: float = LEVEL) -> BoolArray:
    """Return which of several tests count, by Holm's step-down correction.

    Parameters
    ----------
    p : ndarray, shape (m,)
        p-value of each test; nan where there is none, which counts as no test.
    level : float
        Chance that any of them counts where none should.

    Returns
    -------
    ndarray of bool, shape (m,)

    Notes
    -----
    The smallest p-value is held against ``level`` / m, the next against ``level`` / (m - 1), and
    so on to the first that fails. This holds however the tests depend on each other, as layers
    do, which share their rows; where they depend strongly it is cautious. Cost: one sort.

    Source: Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal
    of Statistics 6 (1979), 65-70.

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.04, 0.001, np.nan, 0.03, 0.015])).tolist()
    [False, True, False, False, True]
    """
    order = np.argsort(p)  # nan last
    tests = int(np.isfinite(p).sum())
    bounds = level / np.arange(tests, 0, -1)
    passed = np.logical_and.accumulate(p[order[:tests]] <= bounds)
    counts = np.zeros(len(p), dtype=bool)
    counts[order[:tests]] = passed
    return counts


def above(z: FloatArray) -> BoolArray:
    """Return where values lie above what they are compared with, by standard errors: (m,)."""
    return holm(np.asarray(ndtr(-z)))


def apart(z: FloatArray) -> BoolArray:
    """Return where values differ from what they are compared with, by standard errors: (m,)."""
    return holm(np.asarray(2 * ndtr(-np.abs(z))))
