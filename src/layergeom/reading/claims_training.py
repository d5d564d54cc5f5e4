"""Claims about training: A7 (Valeriani et al. 2023), B2 and B3 (Razzhigaev et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.profiles import Curve, Profile
from layergeom.reading.claims_compared import SHAPE
from layergeom.reading.phases import Curve as Course
from layergeom.reading.recommend import dimension_curve
from layergeom.reading.turns import MIN_CHANGE, Differences, turning_points
from layergeom.reading.verdicts import (
    Answer,
    Claim,
    above,
    below,
    both,
    claim,
    shape_seen,
    starts_with,
    told,
)

Training = Sequence[tuple[float, Profile]]

FLAT = 0.25  # of the maximum; an untrained profile moves by less
A_RUN = "checkpoints of one training run: layergeom dynamics MODEL DATA"
CLOSER = "checkpoints closer together, or more rows"


def peak_first_claim(training: Training | None = None) -> Claim:
    """A7: untrained profiles are flat; the peak comes first in training, the compression later.

    Holds if the profile at step 0 moves by less than a quarter of its maximum, and the first
    checkpoint with a peak (turning points minimum, maximum, minimum) precedes the first whose
    profile rises again from the minimum after it. Does not hold if the untrained profile surely
    moves by more, or the last checkpoint surely has no peak, or no minimum after it. Cannot be
    told without step 0, or if peak and minimum are first seen at the same checkpoint.
    """
    statement = "untrained profiles are flat, the peak comes first, the compression later"
    if training is None or len(training) < 3:
        return claim("A7", statement, None, "", A_RUN)
    steps = [step for step, _ in training]
    curves = [dimension_curve(profile) for _, profile in training]
    peak, floor = _first(curves, SHAPE[:3]), _first(curves, SHAPE)
    seen = [
        f"{what} first at step {steps[at]:g}" if at is not None else f"no {what} beyond error"
        for what, at in (("peak", peak), ("minimum after it", floor))
    ]
    untrained = curves[steps.index(0.0)] if 0.0 in steps else None
    evidence = "; ".join([_moves(untrained), *seen])
    answer = both(_flat(untrained), _in_order(peak, floor, curves[-1]))
    return claim("A7", statement, answer, evidence, CLOSER if 0.0 in steps else "step 0")


def _first(curves: Sequence[Course | None], kinds: tuple[str, ...]) -> int | None:
    shown = (at for at, c in enumerate(curves) if c is not None and starts_with(c.turns, kinds))
    return next(shown, None)


def _extremes(curve: Course) -> tuple[float, float, float]:
    """Largest value, its distance from the smallest, and the error of the distance."""
    high, low = int(np.argmax(curve.values)), int(np.argmin(curve.values))
    gap = float(curve.values[high] - curve.values[low])
    return float(curve.values[high]), gap, float(curve.differ.errors[high, low])


def _flat(curve: Course | None) -> Answer:
    if curve is None:
        return None
    top, gap, error = _extremes(curve)
    return below(gap, error, FLAT * top)


def _moves(curve: Course | None) -> str:
    if curve is None:
        return "no profile at step 0"
    top, gap, error = _extremes(curve)
    return f"at step 0 the dimension moves by {told(gap, error)} of {top:.2f}"


def _in_order(peak: int | None, floor: int | None, last: Course | None) -> Answer:
    if peak is not None and floor is not None:
        return True if peak < floor else None
    if last is None:
        return None
    seen = shape_seen(last.values, last.differ, SHAPE if peak is not None else SHAPE[:3])
    return False if seen is False else None


def anisotropy_growth_claim(training: Training | None = None) -> Claim:
    """B2: anisotropy grows in training.

    The mean over the layers that have one at every checkpoint, its error the mean of their errors
    (layers share their rows); last against first checkpoint. Holds if it grows by more than 5 % of
    the larger by three standard errors; does not hold if it surely does not.
    """
    statement = "anisotropy grows in training"
    if training is None or len(training) < 2:
        return claim("B2", statement, None, "", A_RUN)
    values, errors = _rows([p for _, p in training], "anisotropy")
    if not values.size:
        return claim("B2", statement, None, "", "a layer with anisotropy at every checkpoint")
    means, spread = values.mean(axis=1), errors.mean(axis=1)
    gap, error = float(means[-1] - means[0]), float(np.hypot(spread[0], spread[-1]))
    evidence = (
        f"layer mean {told(means[0], spread[0], 3)} at step {training[0][0]:g}, "
        f"{told(means[-1], spread[-1], 3)} at step {training[-1][0]:g}; difference "
        f"{told(gap, error, 3)}"
    )
    answer = above(gap, error, MIN_CHANGE * float(max(means[0], means[-1])))
    return claim("B2", statement, answer, evidence, CLOSER)


def _rows(profiles: Sequence[Profile], name: str) -> tuple[FloatArray, FloatArray]:
    """Values and errors, (checkpoints, layers), of the layers that every checkpoint has."""
    along = layers_along(profiles, name)
    values = np.array([p[name].values[along] for p in profiles])
    return values, np.array([p[name].errors[along] for p in profiles])


def layers_along(profiles: Sequence[Profile], name: str = "dimension") -> list[int]:
    """Return the places of the layers along the depth that have a quantity in every profile.

    Parameters
    ----------
    profiles : sequence of Profile
        With the same layers.
    name : str
        The quantity.
    """
    values = np.array([p[name].values for p in profiles])
    return [i for i in profiles[0].blocks if np.isfinite(values[:, i]).all()]


def layer_means(profiles: Sequence[Profile]) -> Curve | None:
    """Return the mean dimension over the layers that have one in every profile, with its error.

    Returns
    -------
    Curve or None
        One value per profile; its error by the covariance of the layers. None if no layer has a
        dimension in all of them.
    """
    along = layers_along(profiles)
    if not along:
        return None
    values = np.array([p.dimension.values[along] for p in profiles])
    variances = [p.covariance["dimension"][np.ix_(along, along)].mean() for p in profiles]
    return Curve("mean_dimension", values.mean(axis=1), np.sqrt(variances))


def mean_dimension_claim(training: Training | None = None) -> Claim:
    """B3: the layer-mean dimension rises early in training and then falls.

    Holds if its turning points over the checkpoints, beyond error, begin with minimum, maximum,
    minimum. Does not hold if the values alone do not, while their errors would show a change of
    25 % of the mean. Cannot be told otherwise, and with fewer than three checkpoints.
    """
    statement = "the layer-mean dimension rises early in training, then falls"
    means = None if training is None or len(training) < 3 else layer_means([p for _, p in training])
    if training is None or means is None:
        return claim("B3", statement, None, "", A_RUN)
    differ = Differences.of(np.diag(means.errors**2))
    answer = shape_seen(means.values, differ, SHAPE[:3])
    turns = turning_points(means.values, differ)
    evidence = ", ".join(
        f"{turn.kind} {told(means.values[turn.at], means.errors[turn.at])} at step "
        f"{training[turn.at][0]:g}"
        for turn in turns
    )
    return claim("B3", statement, answer, evidence or "no turning point", CLOSER)
