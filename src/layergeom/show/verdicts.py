"""The answer in a few words: found, repeatable, useful, and what it gains over the last layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layergeom.reading.turns import Differences
from layergeom.show.cells import UNKNOWN, visible, with_error
from layergeom.show.quantities import quantity
from layergeom.written import MINUS, minus, percent

if TYPE_CHECKING:
    from layergeom.profiles import Curve, Profile
    from layergeom.reading import Reading


@dataclass(frozen=True)
class Verdict:
    """One of the questions about a choice, its answer in a word or two, and a remark."""

    question: str
    answer: str
    remark: str = ""


def verdicts(profile: Profile, reading: Reading) -> tuple[Verdict, ...]:
    """Answer whether the layer was found, is repeatable and useful, and what it gains.

    Returns
    -------
    tuple of Verdict
        Four; the last two say "not tested" where the profile has no labels.
    """
    advice = reading.recommendation
    found = "yes" if advice.found else "no"
    remark = "a minimum after a peak, beyond error" if advice.found else "no minimum after a peak"
    return (
        Verdict("Found", found, remark),
        _repeatable(advice.repeatability),
        _useful(profile, advice.layer),
        _gain(profile, advice.layer, advice.best_by_labels),
    )


def _repeatable(share: float) -> Verdict:
    if math.isnan(share):
        return Verdict("Repeatable", UNKNOWN, "no minimum to repeat")
    return Verdict("Repeatable", f"{percent(share)}", "of draws from the errors agree")


def _useful(profile: Profile, layer: str) -> Verdict:
    curve = profile.of_labels
    if curve is None or layer not in profile.layers:
        return Verdict("Useful", "not tested", "no labels were given")
    at = profile.layers.index(layer)
    value = with_error(float(curve.values[at]), float(curve.errors[at]), 3)
    chance = "" if curve.chance is None else f", chance {minus(f'{curve.chance[at]:.3f}')}"
    return Verdict("Useful", value, f"{_by_labels(curve)}{chance}")


def _gain(profile: Profile, layer: str, best: str | None) -> Verdict:
    question = "Over the last layer"
    if layer == profile.layers[-1]:
        return Verdict(question, UNKNOWN, f"it is the last layer{_better(profile, best)}")
    gain, curve = gain_over_last(profile, layer), profile.of_labels
    if gain is None or curve is None:
        return Verdict(question, "not tested", "no labels were given")
    last = visible(profile.layers[-1], 40)
    return Verdict(question, signed(*gain), f"{_by_labels(curve)}, {last} = 0")


def _by_labels(curve: Curve) -> str:
    title = quantity(curve.name).title
    return title[0].lower() + title[1:]


def _better(profile: Profile, best: str | None) -> str:
    gain = None if best is None else gain_over_last(profile, best)
    if gain is None or not gain[0] > 0:
        return ""
    return f"; by the labels {visible(best, 40)} gains {signed(*gain)}"


def gain_over_last(profile: Profile, layer: str) -> tuple[float, float] | None:
    """Return how well a layer serves the labels minus how well the last does, and the error.

    The error is that of the difference: both layers see the same rows. None without labels; the
    error is nan where the profile holds no covariance.
    """
    curve = profile.of_labels
    if curve is None or layer not in profile.layers:
        return None
    at = profile.layers.index(layer)
    gain = float(curve.values[at] - curve.values[-1])
    covariance = profile.covariance.get(curve.name)
    if covariance is None:
        return gain, math.nan
    return gain, float(Differences.of(covariance).errors[at, -1])


def signed(value: float, error: float) -> str:
    """Return a difference with its sign and its error.

    Examples
    --------
    >>> signed(0.1234, 0.01), signed(-0.02, 0.005)
    ('+0.123 ± 0.010', '−0.020 ± 0.005')
    """
    text = with_error(abs(value), error, 3)
    if not math.isfinite(value):
        return text
    return f"{MINUS if value < 0 else '+'}{text}"
