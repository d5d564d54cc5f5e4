"""Where the layer-mean dimension is largest over training, with an interval."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.profiles import Curve
from layergeom.reading.turns import DRAWS, LEVEL, REPEATS, Differences, draws, turning_points

Kind: TypeAlias = Literal["peak", "start", "end", "none"]


@dataclass(frozen=True)
class TurningPoint:
    """The maximum of a curve over training, and between which steps it lies.

    Attributes
    ----------
    kind : {"peak", "start", "end", "none"}
        ``peak``: a rise before it and a fall after it, both beyond error. ``end``: the maximum
        cannot be told from the last checkpoint (it still rises), ``start``: nor from the first (it
        only falls). ``none``: it can be told from neither, as where nothing moves beyond error.
    step : float
        Of the checkpoint with the largest value; nan if there is none.
    low, high : float
        The interval of 95 %: from the checkpoint before the first that cannot be told from the
        maximum to the one after the last, as a curve between checkpoints may turn on either side
        of its largest checkpoint. nan if there is none.
    value, error : float
        The curve there and its standard error.
    checkpoint : str
        Name of that checkpoint.
    ties : tuple of str
        The checkpoints that cannot be told from the maximum, itself among them.
    repeatability : float
        Share of draws from the errors in which that same checkpoint is the largest.
    joint : bool
        True if the errors are those of shared rows; False if checkpoints were taken as
        independent, which makes the interval wider.
    """

    kind: Kind
    step: float
    low: float
    high: float
    value: float
    error: float
    checkpoint: str
    ties: tuple[str, ...]
    repeatability: float
    joint: bool

    def __str__(self) -> str:
        """Say it in a sentence, without a full stop."""
        if self.kind == "none":
            return "no checkpoint is largest beyond error"
        named = f"{self.step:g}" in re.findall(r"[0-9]+", self.checkpoint)  # as "step400" is
        step = "" if named else f"step {self.step:g}; "
        where = f"{self.checkpoint} ({step}95 %: steps {self.low:g} to {self.high:g})"
        if self.kind == "peak":
            return f"largest at {where}"
        first_or_last = "last" if self.kind == "end" else "first"
        outer = self.ties[-1 if self.kind == "end" else 0]
        if outer == self.checkpoint:
            return f"no peak: largest at the {first_or_last} checkpoint, {where}"
        return f"no peak: largest at {where}, not told from the {first_or_last} checkpoint {outer}"


def maximum(
    names: Sequence[str],
    steps: FloatArray,
    means: Curve,
    covariance: FloatArray | None = None,
    seed: int = 0,
) -> TurningPoint:
    """Find the largest checkpoint of a curve and the steps between which its maximum lies.

    Parameters
    ----------
    names : sequence of C str
        The checkpoints.
    steps : ndarray, shape (C,)
        Ascending; those of nan (``main``) are left out.
    means : Curve
        Values and errors over the checkpoints.
    covariance : ndarray, shape (C, C), optional
        Of the values; without it the checkpoints are taken as independent.
    seed : int
        Of the draws.

    Returns
    -------
    TurningPoint
        Of kind ``none`` also if an error is unknown or fewer than two checkpoints have a step.

    Notes
    -----
    A checkpoint is told from the maximum if another lies above it by more than the highest of all
    others would lie above the largest by chance in one run of twenty (2,000 draws from the joint
    errors). The checkpoints that are not told are a confidence set of 95 % for the largest (Hsu
    1984, *Annals of Statistics* 12, on comparisons with the best). The interval holds if the
    curve has one maximum between neighbouring checkpoints; a second one that is narrower than
    their distance is not seen. Claim B3: Razzhigaev et al. 2024, section 5.

    Examples
    --------
    >>> import numpy as np
    >>> curve = Curve("mean_dimension", np.array([5.0, 8.9, 9.0, 6.0]), np.full(4, 0.1))
    >>> found = maximum(["step1", "step2", "step4", "step8"], np.array([1.0, 2, 4, 8]), curve)
    >>> found.kind, found.step, found.low, found.high, found.ties
    ('peak', 4.0, 1.0, 8.0, ('step2', 'step4'))
    """
    known = np.flatnonzero(np.isfinite(steps))
    values, errors = means.values[known], means.errors[known]
    if len(known) < 2 or not np.isfinite(errors).all():
        return _nothing(covariance is not None)
    V = np.diag(errors**2) if covariance is None else covariance[np.ix_(known, known)]
    tied = _not_told(values, V, seed)
    at, last = int(np.argmax(values)), len(known) - 1
    if tied[0] == 0 and tied[-1] == last:
        return _nothing(covariance is not None)
    low, high = max(tied[0] - 1, 0), min(tied[-1] + 1, last)
    return TurningPoint(
        kind=_kind(tied, last),
        step=float(steps[known[at]]),
        low=float(steps[known[low]]),
        high=float(steps[known[high]]),
        value=float(values[at]),
        error=float(errors[at]),
        checkpoint=names[known[at]],
        ties=tuple(names[known[i]] for i in tied),
        repeatability=float(np.mean(draws(values, V, REPEATS, seed).argmax(axis=1) == at)),
        joint=covariance is not None,
    )


def _not_told(values: FloatArray, V: FloatArray, seed: int) -> list[int]:
    """Return the checkpoints that may be the largest, ascending."""
    variance = np.diag(V)
    errors = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * V, 0))
    noise = draws(np.zeros(len(V)), V, DRAWS, seed)
    return [j for j in range(len(values)) if not _surpassed(values, noise, errors[j], j)]


def _surpassed(values: FloatArray, noise: FloatArray, errors: FloatArray, j: int) -> bool:
    """Whether another checkpoint lies above ``j`` by more than chance puts any above the best."""
    gaps = values - values[j]
    others = errors > 0
    if (gaps[~others] > 0).any():
        return True
    if not others.any():
        return False
    highest = ((noise[:, others] - noise[:, [j]]) / errors[others]).max(axis=1)
    return bool((gaps[others] / errors[others]).max() > np.quantile(highest, LEVEL))


def _kind(tied: list[int], last: int) -> Kind:
    if tied[-1] == last:
        return "end"
    return "start" if tied[0] == 0 else "peak"


def _nothing(joint: bool) -> TurningPoint:
    nan = math.nan
    return TurningPoint("none", nan, nan, nan, nan, nan, "", (), nan, joint)


def turning_point(names: Sequence[str], means: Curve, covariance: FloatArray | None = None) -> str:
    """Say how the layer-mean dimension moves over the checkpoints, beyond error and 5 %.

    Examples
    --------
    >>> import numpy as np
    >>> up_down = Curve("mean_dimension", np.array([5.0, 9.0, 6.0]), np.full(3, 0.1))
    >>> turning_point(["step0", "step100", "step900"], up_down)
    'the layer-mean dimension starts at 5.00 ± 0.10 at step0, rises to 9.00 ± 0.10 at step100,
    then falls to 6.00 ± 0.10 at step900.'
    """
    turns = turning_points(means.values, mean_differences(means, covariance))
    if not turns:
        return "the layer-mean dimension does not move beyond its error and 5 % over training."
    moves = [
        f"{'rises' if turn.kind == 'max' else 'falls'} to {_at(names, means, turn.at)}"
        for turn in turns[1:]
    ]
    start = _at(names, means, turns[0].at)
    verb = "stands" if turns[0].at else "starts"  # the first may be later than the first checkpoint
    return f"the layer-mean dimension {verb} at {start}, {', then '.join(moves)}."


def mean_differences(means: Curve, covariance: FloatArray | None = None) -> Differences:
    """Return which differences between the checkpoints count.

    Parameters
    ----------
    means : Curve
        Values and errors over the checkpoints.
    covariance : ndarray, shape (C, C), optional
        Of the values; without it the checkpoints are taken as independent.
    """
    return Differences.of(np.diag(means.errors**2) if covariance is None else covariance)


def _at(names: Sequence[str], means: Curve, at: int) -> str:
    return f"{means.values[at]:.2f} ± {means.errors[at]:.2f} at {names[at]}"
