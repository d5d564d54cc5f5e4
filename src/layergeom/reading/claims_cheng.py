"""Claims of Cheng et al. 2025 on partitions of a corpus: C1 to C4.

Repeats are disjoint partitions; errors are read off them, and three standard errors are widened
for their small number.
"""

from __future__ import annotations

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.reading.onsets import Peak, peak_of, peaked
from layergeom.reading.repeated import Repeats, mean_with_error, surely_above
from layergeom.reading.verdicts import Answer, Claim, both, claim, told

MORE = "more sequences, or more partitions"
HALF = 0.5


def cheng_claims(
    intact: Repeats, shuffled: Repeats | None = None, untrained: Repeats | None = None
) -> tuple[Claim, ...]:
    """Test the claims C1 to C4.

    Parameters
    ----------
    intact, shuffled : Repeats
        Of the same partitions as they are, and with the words of every sequence in random order.
    untrained : Repeats, optional
        Of the network before training, on the same partitions.

    Returns
    -------
    tuple of Claim
        In the order of their names.
    """
    peak = peak_of(intact.curves["dimension"], intact.depths)
    return (
        peak_claim(intact, peak),
        shuffled_claim(intact, shuffled, peak),
        untrained_claim(untrained),
        first_layer_claim(intact, peak),
    )


def peak_claim(found: Repeats, peak: Peak | None = None) -> Claim:
    """C1: the dimension has a peak at intermediate layers, above both ends.

    Holds if there is an interior maximum beyond error that lies above the first and the last layer
    that have a dimension, each by three standard errors, paired; does not hold if there surely is
    none, or if it surely does not lie above both.
    """
    statement = "the dimension has a peak at intermediate layers, above both ends"
    curve = found.curves["dimension"]
    if peak is None:
        return claim("C1", statement, peaked(curve), range_told(found), MORE)
    ends = (curve.complete[0], curve.complete[-1])
    rises = [curve.values[:, peak.at] - curve.values[:, end] for end in ends]
    answer = both(*(surely_above(rise, 0) for rise in rises))
    return claim("C1", statement, answer, f"{peak_told(found, peak)}; {_over_ends(rises)}", MORE)


def peak_told(found: Repeats, peak: Peak) -> str:
    """Return a peak and its onset as text."""
    where = f"{told(peak.value, peak.error)} at {found.layers[peak.at]}"
    return f"{where}, onset at depth {told(peak.onset, peak.onset_error)}"


def range_told(found: Repeats) -> str:
    """Return the range of a dimension without a peak as text."""
    values = found.curves["dimension"].mean
    if not np.isfinite(values).any():
        return ""
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    ends = f"{values[low]:.2f} at {found.layers[low]} to {values[high]:.2f} at {found.layers[high]}"
    return f"no interior maximum beyond error: {ends}"


def _over_ends(rises: list[FloatArray]) -> str:
    first, last = (told(*mean_with_error(rise)) for rise in rises)
    return f"{first} above the first layer, {last} above the last"


def shuffled_claim(intact: Repeats, shuffled: Repeats | None, peak: Peak | None) -> Claim:
    """C2: with the words in random order the peak is lower.

    The dimension of intact less that of shuffled sequences at the layer of the intact peak, paired
    by partition. Holds or does not hold by three standard errors.
    """
    statement = "with the words of each sequence in random order the peak is lower"
    if peak is None:
        return claim("C2", statement, None, "", "a peak of the intact sequences")
    if shuffled is None:
        return claim("C2", statement, None, "", "the shuffled control")
    pair = [found.curves["dimension"].values[:, peak.at] for found in (intact, shuffled)]
    lost = pair[0] - pair[1]
    at = f"{np.nanmean(pair[1]):.2f} shuffled at {intact.layers[peak.at]}"
    evidence = f"{at}, lower by {told(*mean_with_error(lost))}"
    return claim("C2", statement, surely_above(lost, 0), evidence, MORE)


def untrained_claim(untrained: Repeats | None) -> Claim:
    """C3: an untrained network has no peak.

    Holds if it surely has none, does not hold if it has one beyond error.
    """
    statement = "before training there is no peak of the dimension"
    if untrained is None:
        return claim("C3", statement, None, "", "the same partitions through the untrained network")
    peak = peak_of(untrained.curves["dimension"], untrained.depths)
    seen = peaked(untrained.curves["dimension"])
    answer: Answer = None if seen is None else not seen
    evidence = range_told(untrained) if peak is None else peak_told(untrained, peak)
    return claim("C3", statement, answer, evidence, MORE)


def first_layer_claim(found: Repeats, peak: Peak | None) -> Claim:
    """C4: the neighbours of the first layer are lost on the rise to the peak.

    The share of the whole range of Δ(layer → first) that is passed between the start of the rise
    and the peak, by partition. Holds if it lies above one half by three standard errors, does not
    hold if it lies below.
    """
    statement = "the neighbours of the first layer are lost on the rise to the peak"
    if peak is None or "imbalance_first" not in found.curves:
        return claim("C4", statement, None, "", "a peak, and the information imbalance")
    values = found.curves["imbalance_first"].values
    whole = np.nanmax(values, axis=1) - np.nanmin(values, axis=1)
    share = (values[:, peak.at] - values[:, peak.start]) / whole
    ends = " to ".join(found.layers[at] for at in (peak.start, peak.at))
    mean = found.curves["imbalance_first"].mean
    shown = f"Δ(layer → first) {mean[peak.start]:.3f} to {mean[peak.at]:.3f} from {ends}"
    evidence = f"{shown}, {told(*mean_with_error(share))} of its range"
    return claim("C4", statement, surely_above(share, HALF), evidence, MORE)
