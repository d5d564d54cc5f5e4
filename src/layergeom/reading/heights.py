"""How high the peak and how high the plateau of the dimension, and whether size moves them.

Valeriani et al. 2023, section 3.1: the peak grows with the size of the model, the plateau does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.profiles import Profile
from layergeom.reading.phases import Curve
from layergeom.reading.recommend import dimension_curve
from layergeom.reading.turns import ties
from layergeom.written import minus, percent


@dataclass(frozen=True)
class Height:
    """The dimension of a profile at its peak or on its plateau.

    Attributes
    ----------
    layer : str
        Where; the first of the plateau's layers. Empty where there is none.
    depth : float
        Relative depth of that layer; nan where there is none.
    value, error : float
        Dimension and its standard error; nan where there is none.
    reason : str
        Why there is none, else empty.
    """

    layer: str
    depth: float
    value: float
    error: float
    reason: str = ""


@dataclass(frozen=True)
class Trend:
    """How a height moves with the logarithm of the size.

    Attributes
    ----------
    slope, error : float
        Change for a tenfold size, and its standard error; nan if it cannot be told.
    change : float
        Along the fitted line from the smallest to the largest model, as a share of its start.
    words : str
        The same in a sentence.
    """

    slope: float
    error: float
    change: float
    words: str


def peak_height(profile: Profile) -> Height:
    """Return the dimension at the first peak that exceeds its errors.

    A maximum at the first or the last layer is no peak. The largest of several estimates is
    chosen, so the height is too large by a share of its error.
    """
    curve = dimension_curve(profile)
    place = None if curve is None else _peak(curve)
    if curve is None or place is None:
        return _none("no peak of the dimension was found beyond error")
    return _over(profile, curve, [curve.turns[place].at])


def plateau_height(profile: Profile) -> Height:
    """Return the mean dimension of the layers that cannot be told from the minimum after the peak.

    The minimum may be the last layer (a hunchback): the level the profile falls to.
    """
    curve = dimension_curve(profile)
    place = None if curve is None else _peak(curve)
    if curve is None or place is None:
        return _none("without a peak there is no plateau after it")
    return _over(profile, curve, ties(curve.values, curve.differ, curve.turns, place + 1))


def _peak(curve: Curve) -> int | None:
    places = range(1, len(curve.turns) - 1)
    return next((p for p in places if curve.turns[p].kind == "max"), None)


def _over(profile: Profile, curve: Curve, at: list[int]) -> Height:
    places = [profile.layers.index(curve.keys[i]) for i in at]
    variance = float(profile.covariance["dimension"][np.ix_(places, places)].mean())
    return Height(
        profile.layers[places[0]],
        profile.names[places[0]].depth,
        float(curve.values[at].mean()),
        float(np.sqrt(variance)) if variance > 0 else float("nan"),
    )


def _none(reason: str) -> Height:
    return Height("", float("nan"), float("nan"), float("nan"), reason)


def size_trend(what: str, sizes: FloatArray, heights: Sequence[Height]) -> Trend:
    """Fit a line through heights over the logarithm of the size, weighted by their errors.

    Parameters
    ----------
    what : str
        What the sentence calls the height.
    sizes : ndarray, shape (R,)
        Parameters or widths, positive; nan where unknown.
    heights : sequence of R Height

    Returns
    -------
    Trend
        The error is that of the estimates; that two models of one size may differ by more is not
        in it.

    Examples
    --------
    >>> import numpy as np
    >>> heights = [Height("block_3", 0.2, 20.0, 0.3), Height("block_5", 0.2, 25.0, 0.4)]
    >>> trend = size_trend("peak", np.array([1e7, 1e8]), heights)
    >>> round(trend.slope, 6), round(trend.error, 6), round(trend.change, 6)
    (5.0, 0.5, 0.25)
    """
    values = np.array([height.value for height in heights])
    errors = np.array([height.error for height in heights])
    use = np.isfinite(sizes) & np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    if len(set(sizes[use].tolist())) < 2:
        unknown = float("nan")
        words = f"{what}: whether size moves it needs two sizes with a height."
        return Trend(unknown, unknown, unknown, words)
    slope, error, ends = _line(np.log10(sizes[use]), values[use], errors[use])
    change = float((ends[1] - ends[0]) / ends[0])
    words = (
        f"{what}: {minus(f'{slope:+.2f}')} ± {error:.2f} for a tenfold size, "
        f"{percent(change, signed=True)} from the smallest to the largest model."
    )
    return Trend(slope, error, change, words)


def _line(
    x: FloatArray, y: FloatArray, errors: FloatArray
) -> tuple[float, float, tuple[float, float]]:
    """Return slope, its error, and the line's values at both ends of x."""
    weights = errors**-2.0
    middle = float(np.average(x, weights=weights))
    spread = float(weights @ (x - middle) ** 2)
    slope = float(weights @ ((x - middle) * y)) / spread
    level = float(np.average(y, weights=weights))
    low, high = (level + slope * (float(end) - middle) for end in (x.min(), x.max()))
    return slope, spread**-0.5, (low, high)
