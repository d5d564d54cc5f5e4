"""Claims of Valeriani et al. 2023 that need several profiles: A2, A6, A8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layergeom.profiles import Profile
from layergeom.reading.heights import Height, peak_height, plateau_height
from layergeom.reading.landmarks import Landmarks, best_of, landmarks, near_best, value_at
from layergeom.reading.recommend import dimension_curve
from layergeom.reading.turns import MIN_CHANGE
from layergeom.reading.verdicts import (
    Answer,
    Claim,
    above,
    below,
    both,
    claim,
    shape_seen,
    told,
)

SHAPE = ("min", "max", "min", "max")


def sizes_claim(profiles: Sequence[Profile]) -> Claim:
    """A2: the peak grows with the size of the model, the plateau does not.

    The largest model against the smallest, as independent estimates. Holds if the peak grows by
    more than 5 % and the plateau, as a share of itself, by less than half of what the peak grows,
    both by three standard errors. Does not hold if one of them surely is not so.
    """
    statement = "the peak grows with the size of the model, the plateau does not"
    if len(profiles) < 2:
        return claim("A2", statement, None, "", "profiles of models of several sizes")
    peaks = [peak_height(profile) for profile in profiles]
    floors = [plateau_height(profile) for profile in profiles]
    evidence = f"peaks {_listed(peaks)}; plateaus {_listed(floors)}"
    first, last = peaks[0], peaks[-1]
    if not np.isfinite([first.value, last.value, floors[0].value, floors[-1].value]).all():
        return claim("A2", statement, None, evidence, "a peak beyond error in both sizes")
    growth, error = last.value - first.value, float(np.hypot(first.error, last.error))
    rise = floors[-1].value - floors[0].value
    half = growth / first.value / 2 * floors[0].value
    answer = both(
        above(growth, error, MIN_CHANGE * first.value),
        below(rise, float(np.hypot(floors[0].error, floors[-1].error)), half),
    )
    return claim("A2", statement, answer, evidence, "more rows, or sizes further apart")


def _listed(heights: Sequence[Height]) -> str:
    return ", ".join(
        told(height.value, height.error) if np.isfinite(height.value) else "none"
        for height in heights
    )


def exclusion_claim(profile: Profile, comparison: Profile | None = None) -> Claim:
    """A6: with and without members of the same family, the same layer serves the labels best.

    ``comparison`` is of the same rows with the other choice. Holds if the best layer of each lies
    within 5 % of the best of the other, by three standard errors, paired; does not hold if one of
    them surely does not.
    """
    statement = "with and without the same family as neighbours, the same layer is best"
    needs = "two runs with labels, of which one excludes groups: --labels … with and without "
    needs += "--exclude …"
    if comparison is None or _excludes(profile) == _excludes(comparison):
        return claim("A6", statement, None, "", needs)
    first, second = (p.curves.get("label_overlap") for p in (profile, comparison))
    if first is None or second is None:
        return claim("A6", statement, None, "", needs)
    best, other = best_of(first), best_of(second)
    if best is None or other is None or profile.layers != comparison.layers:
        return claim("A6", statement, None, "", needs)
    answer = both(
        near_best(profile, first, other, MIN_CHANGE),
        near_best(comparison, second, best, MIN_CHANGE),
    )
    named = [
        f"{'with' if _excludes(p) else 'without'} exclusion best {value_at(p, curve, at)}"
        for p, curve, at in ((profile, first, best), (comparison, second, other))
    ]
    return claim("A6", statement, answer, "; ".join(named), "more labelled rows")


def _excludes(profile: Profile) -> bool:
    return (profile.provenance.get("labels") or {}).get("excluded_groups") is not None


def variants_claim(profile: Profile, variants: Mapping[str, Profile] | None = None) -> Claim:
    """A8: the profile does not depend on k, hook point and pooling.

    A variant agrees if peak and minimum of the dimension each share a layer with those of the
    profile, ties included, and the best layers by labels, where both have them, lie within 5 % of
    each other's best. It disagrees if they share none, if it surely has no such minimum, or if
    the best layers surely differ. Holds if all variants agree; does not hold if one disagrees.
    """
    statement = "the profile does not depend on k, hook point and pooling"
    marks = landmarks(profile)
    if not variants:
        return claim("A8", statement, None, "", "the same run with other k, hook point or pooling")
    if marks is None:
        return claim("A8", statement, None, "", "a minimum of the dimension, beyond error")
    answers = {name: _agrees(profile, marks, other) for name, other in variants.items()}
    words = {True: "agrees", False: "disagrees", None: "open"}
    evidence = ", ".join(f"{name}: {words[answer]}" for name, answer in answers.items())
    return claim("A8", statement, both(*answers.values()), evidence, "more rows")


def _agrees(profile: Profile, marks: Landmarks, other: Profile) -> Answer:
    found = landmarks(other)
    if found is None:
        curve = dimension_curve(other)
        seen = None if curve is None else shape_seen(curve.values, curve.differ, SHAPE)
        return None if seen is None else False
    shared = [
        bool({profile.layers[i] for i in mine} & {other.layers[i] for i in theirs})
        for mine, theirs in ((marks.peaks, found.peaks), (marks.floors, found.floors))
    ]
    return both(*shared, _same_best(profile, other))


def _same_best(profile: Profile, other: Profile) -> Answer:
    """Whether the labels choose the same layer; True where one has no labels."""
    mine, theirs = (p.curves.get("label_overlap") for p in (profile, other))
    if mine is None or theirs is None:
        return True
    best, others = best_of(mine), best_of(theirs)
    if best is None or others is None:
        return True
    names = (profile.layers[best], other.layers[others])
    if names[0] not in other.layers or names[1] not in profile.layers:
        return None
    return both(
        near_best(profile, mine, profile.layers.index(names[1]), MIN_CHANGE),
        near_best(other, theirs, other.layers.index(names[0]), MIN_CHANGE),
    )
