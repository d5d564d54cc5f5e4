"""The peak and the minimum of a profile by their positions, and how near a layer is to the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from layergeom.profiles import Curve, Profile
from layergeom.reading.recommend import dimension_curve
from layergeom.reading.turns import minimum_after_peak, ties
from layergeom.reading.verdicts import Answer, below, both, told

Evaluation = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Landmarks:
    """Positions in ``profile.layers`` of the peak and the minimum after it, with their ties.

    Attributes
    ----------
    peak, floor : int
        The extrema.
    peaks, floors : tuple of int
        Layers that cannot be told apart from them, ascending; the first of ``floors`` is the
        layer that the rule of the package recommends.
    """

    peak: int
    floor: int
    peaks: tuple[int, ...]
    floors: tuple[int, ...]


def landmarks(profile: Profile) -> Landmarks | None:
    """Return peak and minimum of the dimension, None if there is no minimum beyond error."""
    curve = dimension_curve(profile)
    place = None if curve is None else minimum_after_peak(curve.turns)
    if curve is None or place is None:
        return None
    at = [profile.layers.index(key) for key in curve.keys]
    tied = [ties(curve.values, curve.differ, curve.turns, p) for p in (place - 1, place)]
    peaks, floors = (tuple(at[i] for i in group) for group in tied)
    return Landmarks(at[curve.turns[place - 1].at], at[curve.turns[place].at], peaks, floors)


def difference(profile: Profile, curve: Curve, i: int, j: int) -> tuple[float, float]:
    """Return curve[i] - curve[j] and its standard error, with the covariance where it is known.

    Without one the errors are taken as independent: too large for layers that share their rows.
    """
    if i == j:
        return 0.0, 0.0
    gap = float(curve.values[i] - curve.values[j])
    V = profile.covariance.get(curve.name)
    if V is None:
        return gap, float(np.hypot(curve.errors[i], curve.errors[j]))
    return gap, float(np.sqrt(max(V[i, i] + V[j, j] - 2 * V[i, j], 0)))


def best_of(curve: Curve) -> int | None:
    """Return the layer of the largest value, None if no value is known."""
    return int(np.nanargmax(curve.values)) if np.isfinite(curve.values).any() else None


def near_best(profile: Profile, curve: Curve, layer: int, share: float) -> Answer:
    """Return whether no layer exceeds this one by ``share`` of the best value.

    Every layer is asked, not only the one that happens to be largest: True if each surely exceeds
    it by less, False if one surely exceeds it by more.
    """
    best = best_of(curve)
    if best is None or not np.isfinite(curve.values[layer]):
        return None
    bound = share * abs(float(curve.values[best]))
    others = np.flatnonzero(np.isfinite(curve.values)).tolist()
    return both(*(below(*difference(profile, curve, j, layer), bound) for j in others))


def evaluated(profile: Profile, evaluation: Evaluation | None) -> Curve | None:
    """Return the user's own measure per layer as a curve, else the label overlap, else None."""
    if evaluation is None:
        return profile.curves.get("label_overlap")
    unknown = (float("nan"), float("nan"))
    pairs = np.array([evaluation.get(layer, unknown) for layer in profile.layers], dtype=float)
    return Curve("evaluation", pairs[:, 0], pairs[:, 1])


def value_at(profile: Profile, curve: Curve, layer: int, digits: int = 3) -> str:
    """Return a value with its error and the layer that it belongs to, as text."""
    value, error = float(curve.values[layer]), float(curve.errors[layer])
    return f"{told(value, error, digits)} at {profile.layers[layer]}"
