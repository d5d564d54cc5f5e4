"""Claims of Razzhigaev et al. 2024 on one profile: B1, B4, B5."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from layergeom.arrays import FloatArray
from layergeom.profiles import Curve, Profile
from layergeom.reading.anisotropy import BELL_SHARE, FLAT_SHARE
from layergeom.reading.landmarks import value_at
from layergeom.reading.verdicts import Answer, Claim, above, below, both, claim
from layergeom.written import minus

AGREES = 0.5  # rank correlation over the depth from which two measures agree
LAYERS = 6  # fewer give no rank correlation worth its name
RESAMPLES = 1000
TOKENS = "layergeom run MODEL TEXT --protocol razzhigaev2024"


def course_claim(profile: Profile) -> Claim:
    """B1: the course of anisotropy is a bell in decoders and flat in encoders.

    A bell: both ends lie below 75 % of the largest value between them; flat: the whole range is
    below 25 % of the maximum; each by three standard errors, taken as independent. Holds for a
    causal network with a bell or another that is flat; does not hold if it surely is not so.
    """
    statement = "anisotropy over the depth is a bell in decoders, flat in encoders"
    curve = profile.curves.get("anisotropy")
    causal = profile.provenance.get("states", {}).get("causal")
    at = [] if curve is None else [i for i in profile.blocks if np.isfinite(curve.values[i])]
    if curve is None or len(at) < 3:
        return claim("B1", statement, None, "", "anisotropy for at least three layers")
    top = max(at, key=lambda i: float(curve.values[i]))
    shown = ", ".join(value_at(profile, curve, i) for i in dict.fromkeys((at[0], top, at[-1])))
    if causal is None:
        return claim("B1", statement, None, shown, "whether the model is a decoder: MODEL and DATA")
    values, errors = curve.values[at], curve.errors[at]
    answer = _bell(values, errors) if causal else _flat(values, errors)
    evidence = f"{'decoder' if causal else 'encoder'}: {shown}"
    return claim("B1", statement, answer, evidence, "more rows")


def _bell(values: FloatArray, errors: FloatArray) -> Answer:
    top = 1 + int(np.argmax(values[1:-1]))
    least = BELL_SHARE * values[top]
    return both(
        *(
            above(least - values[end], float(np.hypot(BELL_SHARE * errors[top], errors[end])), 0)
            for end in (0, -1)
        )
    )


def _flat(values: FloatArray, errors: FloatArray) -> Answer:
    high, low = int(np.argmax(values)), int(np.argmin(values))
    error = float(np.hypot(errors[high], errors[low]))
    return below(float(values[high] - values[low]), error, FLAT_SHARE * float(values[high]))


def measures_claim(profile: Profile, seed: int = 0) -> Claim:
    """B4: spectral anisotropy and mean cosine agree over the depth.

    Spearman's rank correlation over the layers; its 95 % interval from 1,000 draws of layers with
    replacement, each value drawn within its error. Holds if the interval lies above 0.5, does not
    hold if it lies below. At least six layers. Neighbouring layers resemble each other, so the
    interval is too narrow: read a verdict that is close to 0.5 as open.
    """
    statement = "centred spectral anisotropy and mean cosine agree over the depth"
    pair = [profile.curves.get(name) for name in ("anisotropy", "mean_cosine")]
    curves = [curve for curve in pair if curve is not None]
    at = [i for i in profile.blocks if all(_known(curve, i) for curve in curves)]
    if len(curves) < 2 or len(at) < LAYERS:
        return claim("B4", statement, None, "", f"both measures at {LAYERS} layers or more")
    values = np.array([curve.values[at] for curve in curves])
    errors = np.array([curve.errors[at] for curve in curves])
    low, high = np.quantile(_correlations(values, errors, seed), [0.025, 0.975])
    answer = True if low > AGREES else (False if high < AGREES else None)
    found, *ends = (minus(f"{value:.2f}") for value in (_spearman(values), low, high))
    evidence = f"rank correlation {found}, 95 % interval {' to '.join(ends)}"
    return claim("B4", statement, answer, f"{evidence}, {len(at)} layers", "a deeper model")


def _known(curve: Curve, i: int) -> bool:
    return bool(np.isfinite(curve.values[i]) and np.isfinite(curve.errors[i]))


def _spearman(values: FloatArray) -> float:
    """Rank correlation of two rows; 0 where one of them is constant."""
    ranks = np.array([rankdata(row) for row in values])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1])))
    return float(centred[0] @ centred[1]) / scale if scale else 0.0


def _correlations(values: FloatArray, errors: FloatArray, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        rows = rng.integers(values.shape[1], size=values.shape[1])
        drawn = values + errors * rng.standard_normal(values.shape)
        found.append(_spearman(drawn[:, rows]))
    return found


def tokens_claim(profile: Profile) -> Claim:
    """B5: the numbers are of individual tokens, by the recipe of the paper.

    Holds for a profile made by the protocol ``razzhigaev2024`` without departures; does not hold
    where rows are known to be pooled; cannot be told of tokens by another recipe and of stored
    states, which do not say what made them.
    """
    statement = "the numbers are of individual tokens, by the paper's recipe"
    pool = profile.provenance.get("states", {}).get("settings", {}).get("pool")
    made = profile.provenance.get("protocol", {})
    if made.get("name") == "razzhigaev2024" and not made.get("departures"):
        return claim("B5", statement, True, f"{profile.counts['rows']:,} tokens", "")
    evidence = "" if pool is None else f"pool = {pool}"
    departures = made.get("departures", {})
    if departures:
        evidence += f"; departs in {', '.join(departures)}"
    return claim("B5", statement, None if pool in (None, "token") else False, evidence, TOKENS)
