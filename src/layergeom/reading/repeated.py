"""A curve over the layers that was measured several times: on disjoint parts, or on prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from layergeom.arrays import FloatArray
from layergeom.errors import InputError
from layergeom.reading.turns import Differences
from layergeom.reading.verdicts import SIGMAS, Answer, above

MOST = 0.9  # share of the repeats that a layer needs, lest a few prompts without one decide
ROUNDING = 1e-12  # of the mean: repeats that differ by no more are equal


@dataclass(frozen=True, eq=False)
class RepeatedCurve:
    """One quantity over the layers, measured R times on samples that share no row.

    Attributes
    ----------
    values : ndarray, shape (R, L)
        nan where a repeat has no value; a mean is of the repeats that have one.

    Raises
    ------
    InputError
        If the values are no table of at least one repeat and one layer.
    """

    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not self.values.size:
            raise InputError(
                f"repeats must be a table of repeats and layers, not of shape {self.values.shape}."
            )

    @property
    def repeats(self) -> int:
        """R."""
        return len(self.values)

    @property
    def known(self) -> FloatArray:
        """Repeats that have a value, by layer: (L,)."""
        return np.asarray(np.isfinite(self.values).sum(axis=0), dtype=np.float64)

    @property
    def mean(self) -> FloatArray:
        """Mean over the repeats, nan where none has a value: (L,)."""
        sums = np.nansum(self.values, axis=0)
        return np.asarray(np.where(self.known > 0, sums / np.maximum(self.known, 1), np.nan))

    @property
    def spread(self) -> FloatArray:
        """Standard deviation from repeat to repeat, nan below two: (L,)."""
        squares = np.nansum((self.values - self.mean) ** 2, axis=0)
        known = self.known
        return np.asarray(np.where(known > 1, np.sqrt(squares / np.maximum(known - 1, 1)), np.nan))

    @property
    def error(self) -> FloatArray:
        """Standard error of the mean, spread / √R; nan where all repeats are equal: (L,)."""
        error = self.spread / np.sqrt(np.maximum(self.known, 1))
        return np.asarray(np.where(error > ROUNDING * np.abs(self.mean), error, np.nan))

    @property
    def complete(self) -> tuple[int, ...]:
        """Layers at which nine of ten repeats, or more, have a value."""
        return tuple(np.flatnonzero(self.known >= MOST * self.repeats).tolist())

    @property
    def paired(self) -> FloatArray:
        """The repeats that have a value at all complete layers, there: (R', L')."""
        columns = self.values[:, self.complete]
        return np.asarray(columns[np.isfinite(columns).all(axis=1)])

    def differences(self) -> Differences:
        """Return which differences between the complete layers count.

        The covariance of the mean is read off the paired repeats, and widened by :func:`widening`.

        Raises
        ------
        InputError
            If there are fewer than two such repeats or layers.
        """
        columns = self.paired
        repeats = len(columns)
        if min(columns.shape) < 2:
            raise InputError(
                f"{repeats} repeats with {columns.shape[1]} complete layers have no "
                "differences with an error; both must be at least 2."
            )
        centred = columns - columns.mean(axis=0)
        covariance = centred.T @ centred / (repeats - 1) / repeats
        return Differences.of(covariance * widening(repeats) ** 2)


@dataclass(frozen=True, eq=False)
class Repeats:
    """Quantities over the layers of one network, each measured on the same R samples.

    Attributes
    ----------
    layers : tuple of str
        Keys from the input to the output.
    depths : tuple of float
        Relative depth of each, in [0, 1].
    curves : mapping of str to RepeatedCurve
        By name: ``dimension``, ``overlap_next``, ``imbalance_first``, …
    """

    layers: tuple[str, ...]
    depths: tuple[float, ...]
    curves: Mapping[str, RepeatedCurve]

    def without(self, *layers: str) -> Repeats:
        """Return the same without some layers, such as ``final``, which shares the last depth."""
        kept = [at for at, layer in enumerate(self.layers) if layer not in layers]
        curves = {name: RepeatedCurve(curve.values[:, kept]) for name, curve in self.curves.items()}
        names, depths = [self.layers[at] for at in kept], [self.depths[at] for at in kept]
        return Repeats(tuple(names), tuple(depths), curves)


def widening(repeats: int) -> float:
    """Return by how much errors from few repeats are widened, so that three of them mean three.

    The ratio of Student's and the normal quantile at three standard errors: 2.21 for five repeats,
    1.02 for a hundred; infinite for one.

    Examples
    --------
    >>> round(widening(5), 2), round(widening(100), 2), widening(1)
    (2.21, 1.03, inf)
    """
    if repeats < 2:
        return float("inf")
    return float(t.ppf(norm.cdf(SIGMAS), repeats - 1)) / SIGMAS


def mean_with_error(values: FloatArray) -> tuple[float, float]:
    """Return the mean of one number per repeat and its standard error.

    Repeats without a value are left out; the error is nan below two.

    Examples
    --------
    >>> mean_with_error(np.array([1.0, 2, 3, np.nan]))[0]
    2.0
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return (float(known.mean()) if len(known) else float("nan")), float("nan")
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))


def surely_above(values: FloatArray, bound: float) -> Answer:
    """Return whether the mean of one number per repeat lies above a bound, or below it.

    By three standard errors, widened as :func:`widening` says for the repeats that there are.

    Examples
    --------
    >>> few = np.array([1.0, 1.1, 1.2])
    >>> surely_above(few, 0), surely_above(np.tile(few, 9), 0)
    (None, True)
    """
    mean, error = mean_with_error(values)
    wide = widening(int(np.isfinite(values).sum()))
    return above(mean, error * wide, bound)
