"""Claims of Viswanathan et al. 2025 on prompts as clouds of their tokens: V1 to V5.

Repeats are prompts; what is compared between intact and shuffled prompts is paired by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layergeom.reading.associations import Association
from layergeom.reading.claims_cheng import peak_told, range_told
from layergeom.reading.onsets import Peak, peak_of, peaked
from layergeom.reading.repeated import Repeats, mean_with_error, surely_above
from layergeom.reading.verdicts import Answer, Claim, claim, told
from layergeom.written import counted, minus

MORE = "more prompts"
EARLY = 0.5  # relative depth up to which a layer is early or in the middle
MOST = 0.5  # share of the layers that a statement on "the layers" needs

_SHUFFLED = {  # quantity: name, statement, and which way it moves
    "dimension": ("V2", "the dimension at the peak grows as tokens are shuffled", "up"),
    "overlap_next": (
        "V3",
        "with shuffled tokens, neighbours change more from layer to layer at the peak",
        "down",
    ),
    "mean_cosine": ("V4", "tokens point more alike at the peak as they are shuffled", "up"),
}


def viswanathan_claims(
    intact: Repeats,
    pair: tuple[Repeats, Repeats] | None,
    associations: Sequence[Association],
) -> tuple[Claim, ...]:
    """Test the claims V1 to V5.

    Parameters
    ----------
    intact : Repeats
        All prompts.
    pair : (Repeats, Repeats), optional
        Some of them as they are, and the same with all tokens in random order.
    associations : sequence of Association
        Of dimension and loss over the prompts, by layer.

    Returns
    -------
    tuple of Claim
        In the order of their names.
    """
    peak = peak_of(intact.curves["dimension"], intact.depths)
    return (
        early_peak_claim(intact, peak),
        *(shuffling_claim(name, pair, peak) for name in _SHUFFLED),
        loss_claim(associations),
    )


def early_peak_claim(found: Repeats, peak: Peak | None = None) -> Claim:
    """V1: the dimension of a prompt's tokens peaks at early or middle layers.

    Of the mean over prompts. Holds for a peak beyond error up to half of the depth; does not hold
    if it lies deeper, or there surely is none.
    """
    statement = "the dimension of a prompt's tokens peaks at early or middle layers"
    if peak is None:
        answer = peaked(found.curves["dimension"])
        return claim("V1", statement, answer, range_told(found), MORE)
    return claim("V1", statement, found.depths[peak.at] <= EARLY, peak_told(found, peak), MORE)


def shuffling_claim(
    quantity: str, pair: tuple[Repeats, Repeats] | None, peak: Peak | None
) -> Claim:
    """V2, V3, V4: what shuffling does at the peak of the intact prompts.

    Shuffled less intact at that layer, paired by prompt. Holds or does not hold by three standard
    errors over the prompts. Where the intact prompts have no peak, the layer of their largest
    dimension stands for it, and the evidence says so.
    """
    name, statement, way = _SHUFFLED[quantity]
    if pair is None:
        return claim(name, statement, None, "", "the shuffled prompts")
    at, where = _layer(pair[0], peak)
    intact, shuffled = (found.curves[quantity].values[:, at] for found in pair)
    moved = shuffled - intact
    if not np.isfinite(moved).any():
        return claim(name, statement, None, "", MORE)
    answer = surely_above(moved if way == "up" else -moved, 0)
    ends = " to ".join(minus(f"{np.nanmean(values):.3f}") for values in (intact, shuffled))
    shown = f"{ends}, by {told(*mean_with_error(moved), 3)}"
    return claim(name, statement, answer, f"{shown} {where}", MORE)


def _layer(found: Repeats, peak: Peak | None) -> tuple[int, str]:
    if peak is not None:
        return peak.at, f"at the peak, {found.layers[peak.at]}"
    at = int(np.nanargmax(found.curves["dimension"].mean))
    return at, f"at {found.layers[at]}, the largest of a course without a peak"


def loss_claim(found: Sequence[Association]) -> Claim:
    """V5: prompts with more loss have tokens of higher dimension.

    Spearman's correlation over prompts, by layer. Holds if its 95 % interval lies above 0 at more
    than half of the layers that have one; does not hold if it lies below 0 at more than half.
    """
    statement = "prompts with more loss have tokens of higher dimension"
    known = [one for one in found if np.isfinite([one.low, one.high]).all()]
    if not known:
        return claim("V5", statement, None, "", "a model with a head, and ten prompts or more")
    up, down = (sum(test) for test in zip(*((a.low > 0, a.high < 0) for a in known), strict=True))
    answer: Answer = None
    if max(up, down) > MOST * len(known):
        answer = up > down
    values = [one.value for one in known]
    best = max(known, key=lambda one: abs(one.value))
    shown = (min(values), max(values), best.value, best.low, best.high)
    least, most, value, low, high = (minus(f"{one:+.2f}") for one in shown)
    evidence = (
        f"{least} to {most}; above 0 at {up} and below at {down} of "
        f"{counted(len(known), 'layer', 'layers')}; {best.layer} {value} ({low} to {high})"
    )
    return claim("V5", statement, answer, evidence, MORE)
