"""How a quantity of a sequence goes with its loss, over sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from layergeom.arrays import FloatArray

RESAMPLES = 1_000
FEWEST = 4  # sequences of a correlation
INTERVAL = 10  # sequences of an interval

Kind = Literal["spearman", "pearson"]


@dataclass(frozen=True)
class Association:
    """Correlation of a cloud's quantity with its loss, over sequences.

    Attributes
    ----------
    layer : str
        Where.
    value, low, high : float
        The correlation, nan below four sequences, and a 95 % interval from resampled sequences,
        nan below ten.
    sequences : int
        Those that have both.
    """

    layer: str
    value: float
    low: float
    high: float
    sequences: int


def associations(
    layers: Sequence[str],
    values: FloatArray,
    loss: FloatArray,
    kind: Kind = "spearman",
    seed: int = 0,
) -> tuple[Association, ...]:
    """Return, by layer, the correlation of a quantity with the loss, over sequences.

    Parameters
    ----------
    layers : sequence of L str
    values : ndarray, shape (S, L)
        A quantity of every sequence at every layer; nan is left out.
    loss : ndarray, shape (S,)
    kind : {"spearman", "pearson"}
        Rank correlation; or the product-moment correlation as it is given, of which the authors of
        Viswanathan et al. 2025 (arXiv 2501.10573) take the logarithm of the dimension.
    seed : int
        Of the resampled sequences.

    Returns
    -------
    tuple of Association

    Examples
    --------
    >>> loss = np.arange(12.0)
    >>> [one.value for one in associations(["a", "b"], np.stack([loss**3, -loss], 1), loss)]
    [1.0, -1.0]
    """
    rng = np.random.default_rng(seed)
    return tuple(
        _association(layer, column, loss, kind, rng)
        for layer, column in zip(layers, values.T, strict=True)
    )


def _association(
    layer: str, values: FloatArray, loss: FloatArray, kind: Kind, rng: np.random.Generator
) -> Association:
    both = np.isfinite(values) & np.isfinite(loss)
    values, loss = values[both], loss[both]
    n = len(values)
    if n < FEWEST or np.ptp(values) == 0 or np.ptp(loss) == 0:
        return Association(layer, np.nan, np.nan, np.nan, n)
    picks = np.vstack([np.arange(n), rng.integers(0, n, (RESAMPLES, n))])
    drawn = _correlations(values[picks], loss[picks], kind)
    low, high = (np.nan, np.nan) if n < INTERVAL else np.nanquantile(drawn[1:], (0.025, 0.975))
    return Association(layer, float(drawn[0]), float(low), float(high), n)


def _correlations(a: FloatArray, b: FloatArray, kind: Kind) -> FloatArray:
    """Correlation of every row of two (m, n) arrays; nan where a row is constant."""
    if kind == "spearman":
        a, b = rankdata(a, axis=1), rankdata(b, axis=1)
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    with np.errstate(invalid="ignore"):
        found: FloatArray = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return found
