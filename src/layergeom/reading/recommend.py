"""Which layer to use: found beyond error? repeatable? useful? Three questions kept apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layergeom.profiles import Profile
from layergeom.reading.next_command import next_command
from layergeom.reading.other_readings import OtherReading, other_reading
from layergeom.reading.phases import Curve, number
from layergeom.reading.turns import (
    MIN_CHANGE,
    REPEATS,
    Differences,
    draws,
    minimum_after_peak,
    ties,
    turning_points,
)
from layergeom.states.hidden import HEAD, LayerName
from layergeom.written import counted, minus

REPEATABLE = 0.95  # so reported, 93 % of independent samples agreed (docs/decisions/0013)


@dataclass(frozen=True)
class Recommendation:
    """The layer to use and how far to trust the choice.

    Attributes
    ----------
    layer : str
        The layer to use now.
    found : bool
        Whether there is a relative minimum of the dimension after its first peak, beyond error.
    repeatability : float
        Share of draws from the errors whose minimum is one of the tied layers; nan if not found.
        Too high where few samples would find a minimum at all (docs/reference/layer_rule.md).
    ties : tuple of str
        Layers that cannot be told apart from the minimum; the shallowest is ``layer``.
    reason : str
        Why, with numbers.
    failed : str or None
        The condition that failed and by how much, when not found.
    settle : str or None
        The one command that would settle it, when not found.
    useful : str
        What the labels say of the choice, or "not tested".
    best_by_labels : str or None
        The layer whose neighbours agree best with the labels, where there are labels.
    words : str
        The layer in each tool's words.
    other : OtherReading or None
        A layer that another observation names for states of this kind, where it differs.
    """

    layer: str
    found: bool
    repeatability: float
    ties: tuple[str, ...]
    reason: str
    failed: str | None
    settle: str | None
    useful: str
    best_by_labels: str | None
    words: str
    other: OtherReading | None = None


def recommendation(profile: Profile, curve: Curve | None) -> Recommendation:
    """Choose the layer by the rule of Valeriani et al. 2023, with its evidence.

    Parameters
    ----------
    profile : Profile
        The numbers.
    curve : Curve or None
        Its dimension over the depth; None if fewer than three layers have one.

    Returns
    -------
    Recommendation
        "No interior minimum" is an answer: it names the layer that the model's makers use.
    """
    place = None if curve is None else minimum_after_peak(curve.turns)
    if curve is None or place is None:
        return _refusal(profile, curve)
    tied = ties(curve.values, curve.differ, curve.turns, place)
    layer = curve.keys[tied[0]]
    share = _repeatability(profile, curve, tied)
    peak, floor = curve.turns[place - 1].at, curve.turns[place].at
    reason = (
        f"The dimension falls from {number(curve, peak)} at the peak ({curve.keys[peak]}) to "
        f"{number(curve, floor)} at {curve.keys[floor]} and rises again"
    )
    if len(tied) > 1:
        reason += (
            f"; {curve.keys[tied[0]]} to {curve.keys[tied[-1]]} cannot be told apart, and {layer} "
            "is the shallowest"
        )
    return Recommendation(
        layer=layer,
        found=True,
        repeatability=share,
        ties=tuple(curve.keys[i] for i in tied),
        reason=reason + ".",
        failed=None,
        settle=None,
        useful=_useful(profile, layer),
        best_by_labels=_best_by_labels(profile),
        words=layer_words(profile, layer),
        other=other_reading(profile, curve, layer),
    )


def _repeatability(profile: Profile, curve: Curve, tied: list[int]) -> float:
    """Share of drawn profiles whose first minimum after a peak is one of the tied layers.

    Not the shallowest layer tied with it: which layers tie changes from draw to draw, and the
    minimum is what repeats (docs/reference/layer_rule.md).
    """
    covariance = _part(profile, curve)
    same = 0
    for values in draws(curve.values, covariance, REPEATS, seed=1):
        turns = turning_points(values, curve.differ)
        place = minimum_after_peak(turns)
        if place is not None:
            same += turns[place].at in tied
    return same / REPEATS


def _part(profile: Profile, curve: Curve) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    at = [profile.layers.index(key) for key in curve.keys]
    return np.asarray(profile.covariance["dimension"][np.ix_(at, at)])


def _refusal(profile: Profile, curve: Curve | None) -> Recommendation:
    layer = makers_choice(profile)
    failed, settle = _failure(profile, curve)
    best = _best_by_labels(profile)
    reason = (
        "No relative minimum of the dimension after a peak was found beyond error, so the geometry "
        f"names no layer; {layer} is {standing(profile, layer)}"
    )
    if best is not None:
        reason += f", and {by_labels(profile, layer, best)}"
    return Recommendation(
        layer=layer,
        found=False,
        repeatability=float("nan"),
        ties=(),
        reason=reason + ".",
        failed=failed,
        settle=settle,
        useful=_useful(profile, layer),
        best_by_labels=best,
        words=layer_words(profile, layer),
        other=other_reading(profile, curve, layer),
    )


def makers_choice(profile: Profile) -> str:
    """Return the layer that the model's makers use: the output of the whole model.

    Where that could not be measured (it overflowed, or is constant), the last one that could.
    """
    measured = [layer for layer in profile.layers if layer not in profile.undefined]
    return measured[-1] if measured else profile.layers[-1]


def standing(profile: Profile, layer: str) -> str:
    """Say why a layer is named although the geometry names none."""
    if layer == profile.layers[-1]:
        of_model = "model" in profile.provenance["states"]
        return "what the model's makers use" if of_model else "the last of the layers given"
    return "the last layer that could be measured"


def _failure(profile: Profile, curve: Curve | None) -> tuple[str, str]:
    """Which condition failed, by how much, and the command that would settle it."""
    if curve is None:
        return (
            "fewer than three layers along the depth have a dimension",
            next_command(profile, ("--pool", "mean"), ("--max-samples", "all")),
        )
    shape, dip = _shape(curve), _deepest_dip(curve)
    labelled = "the labels given already settle it"
    if profile.of_labels is None:
        labelled = next_command(profile, ("--labels", "FILE"))
    if dip is None:
        return (
            f"{shape}: after a rise no layer lies below both an earlier and a later one",
            labelled,
        )
    peak, at, end, lack = dip
    sentence = (
        f"{shape}: the deepest dip after a rise is at {curve.keys[at]} ({number(curve, at)}, "
        f"between {number(curve, peak)} at {curve.keys[peak]} and {number(curve, end)} at "
        f"{curve.keys[end]}), {lack:.2f} short of what the errors ask for"
    )
    needs = _samples_needed(profile, curve, dip)
    if needs is None:
        return sentence, labelled
    # stored states, and data of which every row was used, have no more rows to give
    there = needs <= profile.counts.get("sampled_from", profile.counts["rows"])
    sentence += f"; about {needs:,} rows would tell"
    return sentence, next_command(profile, ("--max-samples", str(needs))) if there else labelled


def _shape(curve: Curve) -> str:
    kinds = [turn.kind for turn in curve.turns]
    return {
        (): "the profile is flat",
        ("min", "max"): "the profile only rises",
        ("max", "min"): "the profile only falls",
        ("min", "max", "min"): "the profile is a hunchback",
        ("max", "min", "max"): "the profile falls first and then rises, with no peak before",
    }.get(tuple(kinds), "the profile starts with a fall")


def _deepest_dip(curve: Curve) -> tuple[int, int, int, float] | None:
    """Return the dip that comes closest to counting: (peak, dip, end, what it lacks)."""
    best: tuple[int, int, int, float] | None = None
    values = curve.values
    for at in range(2, len(values) - 1):
        peak = 1 + int(np.argmax(values[1:at]))
        end = at + 1 + int(np.argmax(values[at + 1 :]))
        start = int(np.argmin(values[: peak + 1]))
        if values[at] >= min(values[peak], values[end]) or values[start] >= values[peak]:
            continue
        lack = max(
            curve.differ.needed(values, i, j) - abs(float(values[i] - values[j]))
            for i, j in ((start, peak), (peak, at), (at, end))
        )
        if best is None or lack < best[3]:
            best = (peak, at, end, lack)
    return best if best is not None and best[3] > 0 else None


def _samples_needed(profile: Profile, curve: Curve, dip: tuple[int, int, int, float]) -> int | None:
    """Return the rows at which the errors would be small enough, if any number of rows would do."""
    peak, at, end, _ = dip
    factors = []
    for i, j in ((peak, at), (at, end)):
        difference = abs(float(curve.values[i] - curve.values[j]))
        if difference <= MIN_CHANGE * max(curve.values[i], curve.values[j]):
            return None  # a ripple stays a ripple
        factors.append((curve.differ.factor * float(curve.differ.errors[i, j]) / difference) ** 2)
    grow = max(factors)
    return int(np.ceil(grow * profile.counts["rows"] / 100) * 100) if grow > 1 else None


def _best_by_labels(profile: Profile) -> str | None:
    if profile.of_labels is None:
        return None
    values = profile.of_labels.values
    return profile.layers[int(np.nanargmax(values))] if np.isfinite(values).any() else None


def by_labels(profile: Profile, layer: str, best: str) -> str:
    """Say which layer the labels are for, ``layer`` or the ``best`` by their values.

    The best of many layers is a little better by chance: it counts beyond the simultaneous 95 %
    level over all pairs of layers.
    """
    if best == layer:
        return "it also serves the labels best"
    if _beyond_error(profile, layer, best):
        return f"the labels are served best by {best}"
    return f"by the labels {best} is best, but not beyond error"


def _beyond_error(profile: Profile, layer: str, best: str) -> bool:
    curve = profile.of_labels
    if curve is None:
        return False
    V, pair = profile.covariance[curve.name], [profile.layers.index(key) for key in (layer, best)]
    known = np.flatnonzero(np.isfinite(curve.values) & np.isfinite(np.diag(V)))
    if not np.isin(pair, known).all():
        return False
    differ = Differences.of(V[np.ix_(known, known)])
    at, top = np.searchsorted(known, pair)
    return bool(np.ptp(curve.values[pair]) > differ.factor * differ.errors[at, top])


def _useful(profile: Profile, layer: str) -> str:
    """Compare what the labels say of the layer with the last and the best layer, paired."""
    curve = profile.of_labels
    if curve is None:
        return "not tested (no labels)"
    V = profile.covariance[curve.name]
    at, last = profile.layers.index(layer), len(profile.layers) - 1
    best = int(np.nanargmax(curve.values))
    error = f"{curve.errors[at]:.3f}" if np.isfinite(curve.errors[at]) else "–"
    parts = [f"{curve.name.replace('_', ' ')} {minus(f'{curve.values[at]:.3f}')} ± {error}"]
    for name, other in (("last layer", last), ("best layer", best)):
        if other != at:
            gap = curve.values[at] - curve.values[other]
            spread = np.sqrt(max(V[at, at] + V[other, other] - 2 * V[at, other], 0))
            gained = minus(f"{gap:+.3f} ± {spread:.3f}")
            parts.append(f"{gained} against the {name} {profile.layers[other]}")
    if curve.chance is not None:
        parts.append(f"chance {minus(f'{curve.chance[at]:.3f}')}")
    return ", ".join(parts)


def layer_words(profile: Profile, layer: str) -> str:
    """Return a layer in each tool's words, separated by " = "."""
    name: LayerName = profile.names[profile.layers.index(layer)]
    words = [name.key]
    if name.hidden_states is not None:
        words.append(f"hidden_states[{name.hidden_states}]")
    if name.module is not None:
        words.append(f"output of {name.module}")
    if name.blocks is not None:
        words.append(_cut(name))
    return " = ".join(words)


def _cut(name: LayerName) -> str:
    """Return how many blocks a layer needs, and what follows them."""
    blocks = counted(name.blocks or 0, "block", "blocks")
    if (name.module or "").endswith(HEAD):
        return f"the whole model of {blocks}"
    if name.module is None and name.final_norm:  # no module's output: all that follows the blocks
        return f"the model's own output behind {blocks}"
    norm = "with" if name.final_norm else "without"
    return f"a model truncated to {blocks}, {norm} the final norm"


def dimension_curve(profile: Profile) -> Curve | None:
    """Return the dimension along the depth, undefined layers left out; None below three layers."""
    values = profile.dimension.values if "dimension" in profile.curves else np.zeros(0)
    at = [i for i in profile.blocks if i < len(values) and np.isfinite(values[i])]
    if len(at) < 3 or "dimension" not in profile.covariance:
        return None
    differ = Differences.of(profile.covariance["dimension"][np.ix_(at, at)])
    kept = values[at]
    return Curve(
        tuple(profile.layers[i] for i in at),
        kept,
        profile.dimension.errors[at],
        differ,
        turning_points(kept, differ),
    )
