"""The peak of a curve that was measured several times, and where its rise begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.reading.repeated import RepeatedCurve
from layergeom.reading.turns import Differences, ties, turning_points
from layergeom.reading.verdicts import Answer, resolved


@dataclass(frozen=True)
class Peak:
    """The highest interior maximum that differs beyond error from a minimum on either side.

    Attributes
    ----------
    at, start : int
        Layers of the peak, and of the minimum before it: the last one that ties with it.
    value, error : float
        Mean over the repeats at the peak, and its standard error.
    onset, onset_error : float
        Relative depth at which half of the rise from ``start`` to ``at`` is done, and its standard
        error over the repeats; nan where fewer than two of them rise.
    rising : int
        Repeats whose own curve rises from ``start`` to ``at``.
    """

    at: int
    start: int
    value: float
    error: float
    onset: float
    onset_error: float
    rising: int


def peak_of(curve: RepeatedCurve, depths: Sequence[float]) -> Peak | None:
    """Return the peak of a curve and its onset, None if there is no peak beyond error.

    Parameters
    ----------
    curve : RepeatedCurve
        At least two repeats; layers at which more than one of ten has no value are left out.
    depths : sequence of L float
        Relative depth of each layer.

    Returns
    -------
    Peak or None
        A maximum at the first or the last layer is none.

    Notes
    -----
    Turning points are those of the mean curve, beyond the simultaneous level of
    :mod:`layergeom.reading.turns` and by more than 5 %. The highest of several maxima is taken,
    whose value is therefore too high by a share of its error. Within a repeat the onset is the
    first crossing of half the rise, linear between layers. The half is this package's definition.

    Examples
    --------
    >>> shift = 0.01 * np.arange(5)[:, None]
    >>> curve = RepeatedCurve(np.array([4.0, 4, 8, 12, 6, 5]) + shift)
    >>> peak = peak_of(curve, np.linspace(0, 1, 6))
    >>> peak.at, peak.start, round(peak.onset, 3)
    (3, 1, 0.4)
    """
    paired = curve.paired
    if len(paired) < 2 or paired.shape[1] < 3:
        return None
    places = _around(paired.mean(axis=0), curve.differences())
    if places is None:
        return None
    start, at = (curve.complete[place] for place in places)
    crossings = [_crossing(values, start, at) for values in curve.values]
    onsets = np.interp(crossings, np.arange(len(depths)), depths)
    known = onsets[np.isfinite(crossings)]
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")
    onset = float(known.mean()) if len(known) else float("nan")
    value, spread = float(curve.mean[at]), float(curve.error[at])
    return Peak(at, start, value, spread, onset, error, len(known))


def peaked(curve: RepeatedCurve) -> Answer:
    """Return whether a curve has a peak: False only where errors would have shown one.

    False if the values alone, taken as exact, have no interior maximum, and the errors are small
    enough to show a change of a quarter of the mean; None where it cannot be told.
    """
    paired = curve.paired
    if len(paired) < 2 or paired.shape[1] < 3:
        return None
    values, differ = paired.mean(axis=0), curve.differences()
    if _around(values, differ) is not None:
        return True
    exact = Differences(np.zeros_like(differ.errors), 0.0)
    if _around(values, exact) is not None:
        return None
    return False if resolved(values, differ) else None


def _around(values: FloatArray, differ: Differences) -> tuple[int, int] | None:
    """Return the last layer of the minimum before the highest interior maximum, and that one."""
    turns = turning_points(values, differ)
    tops = [p for p in range(1, len(turns) - 1) if turns[p].kind == "max"]
    if not tops:
        return None
    place = max(tops, key=lambda p: float(values[turns[p].at]))
    return ties(values, differ, turns, place - 1)[-1], turns[place].at


def _crossing(values: FloatArray, start: int, at: int) -> float:
    """Return the layer number at which half of a rise is done, nan without a rise."""
    rise = values[start : at + 1]
    half = (rise[0] + rise[-1]) / 2
    if not rise[-1] > rise[0]:
        return float("nan")
    over = int(np.flatnonzero(rise >= half)[0])
    below = rise[over - 1]
    return start + over - 1 + float((half - below) / (rise[over] - below))
