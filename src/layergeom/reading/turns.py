"""Turning points of a curve over the layers, counted only where they exceed their errors.

The layers share their points, so differences are judged by the covariance of the estimates. A
difference counts if it exceeds what the largest of all differences between two layers would reach
by chance in one profile of twenty (a simultaneous 95 % level), and 5 % of the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from layergeom.arrays import FloatArray

LEVEL = 0.95  # simultaneous over all pairs of layers
MIN_CHANGE = 0.05  # of the larger value; smaller ripples are no phase, however small the error
DRAWS = 2000  # for the simultaneous level
REPEATS = 500  # draws of a whole profile, for repeatability

Kind: TypeAlias = Literal["max", "min"]


@dataclass(frozen=True)
class Turn:
    """A maximum or minimum of the curve: its position and kind."""

    at: int
    kind: Kind


@dataclass(frozen=True, eq=False)
class Differences:
    """Which differences between layers count.

    Attributes
    ----------
    errors : ndarray, shape (L, L)
        Standard errors of the differences.
    factor : float
        Standard errors by which a difference must exceed 0.
    """

    errors: FloatArray
    factor: float

    @classmethod
    def of(cls, covariance: FloatArray, seed: int = 0) -> Differences:
        """Read the errors of all differences, and the simultaneous level, from a covariance."""
        variance = np.diag(covariance)
        errors = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * covariance, 0))
        return cls(errors, _simultaneous(covariance, errors, seed))

    def needed(self, values: FloatArray, i: int, j: int) -> float:
        """Return the difference from which layers i and j differ."""
        ripple = MIN_CHANGE * max(abs(values[i]), abs(values[j]))
        return float(max(self.factor * self.errors[i, j], ripple))

    def counts(self, values: FloatArray, i: int, j: int) -> bool:
        """Return whether layers i and j differ beyond error."""
        return bool(abs(values[i] - values[j]) > self.needed(values, i, j))


def _simultaneous(covariance: FloatArray, errors: FloatArray, seed: int) -> float:
    noise = draws(np.zeros(len(covariance)), covariance, DRAWS, seed)
    i, j = np.nonzero(np.triu(errors > 0, 1))
    if not len(i):
        return 0.0
    largest = np.zeros(DRAWS)
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        np.maximum(largest, np.abs(noise[:, a] - noise[:, b]) / errors[a, b], out=largest)
    return float(np.quantile(largest, LEVEL))


def draws(values: FloatArray, covariance: FloatArray, size: int, seed: int) -> FloatArray:
    """Return ``size`` profiles drawn from the errors of ``values``: (size, L)."""
    scale, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(scale, 0))
    noise = np.random.default_rng(seed).standard_normal((size, len(values)))
    return np.asarray(values + noise @ root.T)


def turning_points(values: FloatArray, differ: Differences) -> tuple[Turn, ...]:
    """Return the alternating maxima and minima that differ from each other beyond error.

    The first and the last lie where the curve starts and ends to move: a curve that only rises
    gives a minimum and a maximum; a flat curve gives none.

    Examples
    --------
    >>> import numpy as np
    >>> exact = Differences.of(np.zeros((5, 5)))
    >>> [(t.at, t.kind) for t in turning_points(np.array([5.0, 9, 4, 4, 7]), exact)]
    [(0, 'min'), (1, 'max'), (2, 'min'), (4, 'max')]
    """
    turns: list[Turn] = []
    low = high = 0
    rising: bool | None = None
    for at in range(1, len(values)):
        if rising is not False and values[at] > values[high]:
            high = at
        if rising is not True and values[at] < values[low]:
            low = at
        if rising is not True and differ.counts(values, low, at) and values[at] > values[low]:
            turns.append(Turn(low, "min"))
            rising, high = True, at
        elif rising is not False and differ.counts(values, high, at) and values[at] < values[high]:
            turns.append(Turn(high, "max"))
            rising, low = False, at
    if rising is not None:
        turns.append(Turn(high, "max") if rising else Turn(low, "min"))
    return tuple(turns)


def minimum_after_peak(turns: tuple[Turn, ...]) -> int | None:
    """Return the place in ``turns`` of the first minimum that follows a rise and is left again.

    A maximum at which the curve starts is no peak, and a minimum at which it ends is no interior
    one.
    """
    for place in range(2, len(turns) - 1):
        if turns[place].kind == "min":
            return place
    return None


def ties(values: FloatArray, differ: Differences, turns: tuple[Turn, ...], place: int) -> list[int]:
    """Return the layers around an extremum that cannot be told apart from it, ascending."""
    at = turns[place].at
    first = turns[place - 1].at + 1 if place else 0
    last = turns[place + 1].at - 1 if place + 1 < len(turns) else len(values) - 1
    tied = [at]
    for step, end in ((-1, first), (1, last)):
        layer = at + step
        while (layer - end) * step <= 0 and not differ.counts(values, layer, at):
            tied.append(layer)
            layer += step
    return sorted(tied)
