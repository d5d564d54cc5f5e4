"""Claims of Valeriani et al. 2023 on what the chosen layer is good for: A4, A5, A12, A13."""

from __future__ import annotations

from layergeom.profiles import Curve, Profile
from layergeom.reading.claims_depth import A_MINIMUM, MORE_ROWS
from layergeom.reading.landmarks import (
    Evaluation,
    best_of,
    difference,
    evaluated,
    landmarks,
    near_best,
    value_at,
)
from layergeom.reading.turns import MIN_CHANGE
from layergeom.reading.verdicts import Answer, Claim, above, below, both, claim, told

AT_CHANCE = 0.2  # of the best gain over chance; less is near chance
AT_BEST = 0.1  # of the best value; a layer within it is near the best
GAIN = 0.01  # of retrieval: a percentage point
LABELS = "labels: layergeom run MODEL DATA --labels FILE"


def label_overlap_claim(profile: Profile) -> Claim:
    """A4: the label overlap is near chance at the embedding and maximal at the minimum.

    Holds if the gain over chance at the first layer is less than a fifth of the best layer's gain,
    and a layer tied with the minimum of the dimension lies within 5 % of the best label overlap;
    both by three standard errors, paired. Does not hold if one of them surely is not so.
    """
    statement = "the label overlap is near chance at the embedding, maximal at the minimum"
    curve, marks = profile.curves.get("label_overlap"), landmarks(profile)
    if curve is None or curve.chance is None:
        return claim("A4", statement, None, "", LABELS)
    best = best_of(curve)
    if best is None:
        return claim("A4", statement, None, "", LABELS)
    gain = float(curve.values[best] - curve.chance[best])
    start = float(curve.values[0] - curve.chance[0])
    near_chance = below(start, float(curve.errors[0]), AT_CHANCE * gain)
    evidence = (
        f"{value_at(profile, curve, 0)} (chance {curve.chance[0]:.3f}), best "
        f"{value_at(profile, curve, best)}"
    )
    if marks is None:
        answer = False if near_chance is False else None
        return claim("A4", statement, answer, evidence, A_MINIMUM)
    evidence += f", {value_at(profile, curve, marks.floor)}, the minimum of the dimension"
    answer = both(near_chance, _one_near_best(profile, curve, marks.floors))
    return claim("A4", statement, answer, evidence, MORE_ROWS)


def _one_near_best(profile: Profile, curve: Curve, layers: tuple[int, ...]) -> Answer:
    answers = [near_best(profile, curve, i, MIN_CHANGE) for i in layers]
    if any(answers):
        return True
    return False if all(answer is False for answer in answers) else None


def chosen_layer_claim(profile: Profile, evaluation: Evaluation | None = None) -> Claim:
    """A5: the layer at the minimum of the dimension is near the best and well above the last.

    By ``evaluation`` where it is given, else by the label overlap. Holds if the layer lies less
    than 10 % below the best and exceeds the last layer by more than 5 % of the best value, both by
    three standard errors; does not hold if one of them surely is not so.
    """
    statement = "the layer at the minimum is near the best and well above the last"
    curve, marks = evaluated(profile, evaluation), landmarks(profile)
    if curve is None:
        return claim("A5", statement, None, "", LABELS)
    best = best_of(curve)
    if marks is None or best is None:
        return claim("A5", statement, None, "", A_MINIMUM)
    chosen, last = marks.floors[0], len(profile.layers) - 1
    lead, error = difference(profile, curve, chosen, last)
    answer = both(
        near_best(profile, curve, chosen, AT_BEST),
        above(lead, error, MIN_CHANGE * abs(float(curve.values[best]))),
    )
    evidence = (
        f"{curve.name}: {value_at(profile, curve, chosen)}, best {value_at(profile, curve, best)}, "
        f"{value_at(profile, curve, last)}; {told(lead, error, 3)} above the last"
    )
    return claim("A5", statement, answer, evidence, MORE_ROWS)


def retrieval_claim(profile: Profile, evaluation: Evaluation | None = None) -> Claim:
    """A12: retrieval by the nearest neighbour is better at the chosen layer than at the last.

    By ``evaluation`` where it is given, else by the label overlap of a profile made with k = 1.
    Holds if the gain exceeds 0.01 by three standard errors; does not hold if it surely does not.
    """
    statement = "1-NN retrieval gains at the chosen layer over the last"
    curve, marks = evaluated(profile, evaluation), landmarks(profile)
    k = profile.provenance.get("settings", {}).get("k")
    if curve is None or (evaluation is None and k != 1):
        needs = "the share of right nearest neighbours per layer, or a run with labels and --k 1"
        return claim("A12", statement, None, "", needs)
    if marks is None:
        return claim("A12", statement, None, "", A_MINIMUM)
    chosen, last = marks.floors[0], len(profile.layers) - 1
    gain, error = difference(profile, curve, chosen, last)
    evidence = (
        f"{value_at(profile, curve, chosen)}, {value_at(profile, curve, last)}; gain "
        f"{told(gain, error, 3)}"
    )
    return claim("A12", statement, above(gain, error, GAIN), evidence, MORE_ROWS)


def text_labels_claim(profile: Profile) -> Claim:
    """A13: on labelled texts the label overlap is best at the first minimum, and above chance.

    Holds if the best label overlap exceeds chance and a layer tied with the first minimum lies
    within 5 % of it, both by three standard errors; does not hold if one of them surely is not so.
    Cannot be told of token ids (images), and of the papers' protocols for proteins and images.
    """
    statement = "on labelled texts, the label overlap is best at the first minimum"
    curve, marks = profile.curves.get("label_overlap"), landmarks(profile)
    if not _of_texts(profile):
        return claim("A13", statement, None, "", "texts; these rows are none")
    best = None if curve is None else best_of(curve)
    if curve is None or curve.chance is None or best is None:
        return claim("A13", statement, None, "", LABELS)
    gain, error = float(curve.values[best] - curve.chance[best]), float(curve.errors[best])
    evidence = f"best {value_at(profile, curve, best)}, {told(gain, error, 3)} above chance"
    if marks is None:
        answer = False if above(gain, error, 0.0) is False else None
        return claim("A13", statement, answer, evidence, A_MINIMUM)
    evidence += f"; {value_at(profile, curve, marks.floor)}, the first minimum"
    answer = both(above(gain, error, 0.0), _one_near_best(profile, curve, marks.floors))
    return claim("A13", statement, answer, evidence, MORE_ROWS)


def _of_texts(profile: Profile) -> bool:
    protocol = profile.provenance.get("protocol", {}).get("name", "")
    kind = profile.provenance.get("states", {}).get("data_kind", "text")
    return bool(kind == "text" and not protocol.endswith(("-protein", "-image")))
