"""Claims of Valeriani et al. 2023 on the geometry of one profile: A1, A3, A9, A10, A11."""

from __future__ import annotations

import numpy as np

from layergeom.profiles import Profile
from layergeom.reading.landmarks import difference, landmarks, value_at
from layergeom.reading.recommend import dimension_curve
from layergeom.reading.verdicts import (
    Answer,
    Claim,
    above,
    both,
    claim,
    shape_seen,
    told,
    within,
)

EARLY = 0.5  # depth before which the peak lies
OVERLAP_GAP = 0.05  # by which the overlap of consecutive layers is higher on the plateau
ALIKE = 1 / 3  # of the larger dimension; input and output are alike within it
FEW_SCALES = 5  # scales below which the lack of a plateau says nothing
HOMOGENEOUS = 0.9  # share of the points with a constant density among six neighbours
MORE_ROWS = "more rows: layergeom run MODEL DATA --max-samples all"
A_MINIMUM = "a profile with a minimum of the dimension after a peak, beyond error"


def phases_claim(profile: Profile) -> Claim:
    """A1: the dimension rises to a peak early in the network, falls, and then rises again.

    Holds if the turning points beyond error begin with minimum, maximum, minimum, maximum and
    every layer tied with the peak lies at a relative depth of at most 0.5. Does not hold if the
    values alone show no such order while the errors would show a change of 25 % of the mean, or
    if every layer tied with the peak lies deeper. Cannot be told otherwise.
    """
    statement = "the dimension has an early peak, then a minimum or plateau, then rises"
    curve = dimension_curve(profile)
    if curve is None:
        return claim("A1", statement, None, "", "a dimension for at least three layers")
    answer = shape_seen(curve.values, curve.differ, ("min", "max", "min", "max"))
    marks = landmarks(profile)
    if answer and marks is not None:
        answer = _early([profile.names[i].depth for i in marks.peaks])
    turns = [
        f"{turn.kind} {told(curve.values[turn.at], curve.errors[turn.at])} at {curve.keys[turn.at]}"
        f" (depth {profile.names[profile.layers.index(curve.keys[turn.at])].depth:.2f})"
        for turn in curve.turns
    ]
    return claim("A1", statement, answer, ", ".join(turns) or "no turning point", MORE_ROWS)


def _early(depths: list[float]) -> Answer:
    if max(depths) <= EARLY:
        return True
    return False if min(depths) > EARLY else None


def consecutive_overlap_claim(profile: Profile) -> Claim:
    """A3: the overlap of consecutive layers is low at the peak and high on the plateau.

    The pairs of layers that the peak belongs to are compared with the pairs within the tie set of
    the minimum (with those that it belongs to, if it stands alone); the error of a mean is the
    mean of its errors. Holds if the plateau is higher by 0.05 and three standard errors more;
    does not hold if by three standard errors it is not.
    """
    statement = "the overlap of consecutive layers is low at the peak, high on the plateau"
    marks = landmarks(profile)
    if marks is None or "overlap_next" not in profile.curves:
        return claim("A3", statement, None, "", A_MINIMUM)
    inside = [i for i in marks.floors if i + 1 in marks.floors]
    at_peak = _mean_of_pairs(profile, [marks.peak - 1, marks.peak])
    on_plateau = _mean_of_pairs(profile, inside or [marks.floor - 1, marks.floor])
    gap, error = on_plateau[0] - at_peak[0], float(np.hypot(at_peak[1], on_plateau[1]))
    evidence = (
        f"{told(*at_peak, 3)} at the peak ({profile.layers[marks.peak]}), {told(*on_plateau, 3)} "
        f"on the plateau ({profile.layers[marks.floor]}); difference {told(gap, error, 3)}"
    )
    return claim("A3", statement, above(gap, error, OVERLAP_GAP), evidence, MORE_ROWS)


def _mean_of_pairs(profile: Profile, firsts: list[int]) -> tuple[float, float]:
    curve = profile["overlap_next"]
    return float(np.mean(curve.values[firsts])), float(np.mean(curve.errors[firsts]))


def scale_claim(profile: Profile) -> Claim:
    """A9: the dimension is read at a scale at which it does not depend on the scale.

    Holds if the dimension over distance has a plateau (at least three doublings of rank within
    15 %) at every layer that has a dimension. Does not hold if a layer with five scales or more
    has none. Cannot be told without scale curves, or where the scales are fewer.
    """
    statement = "the dimension is read on a plateau over the scale, and the scale is reported"
    if not profile.scales:
        return claim("A9", statement, None, "", "a profile with dimension against distance")
    without = [key for key, scale in profile.scales.items() if scale.plateau is None]
    enough = [key for key in without if len(profile.scales[key].ranks) >= FEW_SCALES]
    evidence = f"{len(profile.scales) - len(without)} of {len(profile.scales)} layers have one"
    if without:
        evidence += f"; none at {', '.join(without)}"
    answer = True if not without else (False if enough else None)
    return claim("A9", statement, answer, evidence, MORE_ROWS)


def homogeneity_claim(profile: Profile) -> Claim:
    """A10: the density is constant within the first six neighbours.

    Read off the curve ``homogeneity``, the share of the points whose density among their first six
    neighbours no likelihood-ratio test of PAk, at p = 1e-6, tells from a constant. Holds if the
    share is above 0.9 at every layer by three standard errors; does not hold if at one layer it is
    as surely below.
    """
    statement = "the density is constant within the first six neighbours"
    curve = profile.curves.get("homogeneity")
    if curve is None:
        return claim(
            "A10", statement, None, "", "a test of constant density (PAk), as a new run makes"
        )
    known = np.flatnonzero(np.isfinite(curve.values)).tolist()
    if not known:
        return claim("A10", statement, None, "", "a layer with that test")
    lowest = min(known, key=lambda i: float(curve.values[i]))
    answer = both(*(above(curve.values[i], curve.errors[i], HOMOGENEOUS) for i in known))
    evidence = f"least share {value_at(profile, curve, lowest)}"
    return claim("A10", statement, answer, evidence, MORE_ROWS)


def ends_claim(profile: Profile) -> Claim:
    """A11: the dimension at the output is about that at the input.

    The first and the last layer with a dimension, ``final`` included. Holds if they differ by less
    than a third of the larger, three standard errors included; does not hold if surely by more.
    """
    statement = "the dimension at the output is about that at the input"
    curve = profile.curves.get("dimension")
    known = np.flatnonzero(np.isfinite(curve.values)) if curve is not None else np.empty(0, int)
    if curve is None or len(known) < 2:
        return claim("A11", statement, None, "", "a dimension for at least two layers")
    first, last = int(known[0]), int(known[-1])
    gap, error = difference(profile, curve, last, first)
    largest = float(max(curve.values[first], curve.values[last]))
    evidence = (
        f"{value_at(profile, curve, first, 2)}, {value_at(profile, curve, last, 2)}; difference "
        f"{told(gap, error)}, alike within {ALIKE * largest:.2f}"
    )
    return claim("A11", statement, within(gap, error, ALIKE * largest), evidence, MORE_ROWS)
