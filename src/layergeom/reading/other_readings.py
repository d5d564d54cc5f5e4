"""Where another observation than the minimum after the peak names a layer for states of this kind.

The rule was observed for states averaged over the tokens of masked and image models (Valeriani et
al. 2023). What a network was trained for and how its tokens are pooled can speak for another layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from layergeom.profiles import Profile
from layergeom.reading.phases import Curve, number


@dataclass(frozen=True)
class OtherReading:
    """A layer that another observation names.

    Attributes
    ----------
    layer : str
        Its key.
    reason : str
        Whose observation, on what states, with numbers.
    """

    layer: str
    reason: str


def other_reading(profile: Profile, curve: Curve | None, chosen: str) -> OtherReading | None:
    """Return what else speaks for a layer, None if nothing does or it is the ``chosen`` one.

    Last tokens of a causal network: the peak of the dimension, at or after which Cheng et al. (ICLR
    2025, arXiv 2405.15471) find the best transfer. A sentence encoder with its own pooling: the
    output, for which it was fine-tuned.
    """
    states = profile.provenance.get("states", {})
    pooling = str(states.get("pooling", ""))
    found = None
    if states.get("causal") and pooling.startswith("last "):
        found = _peak(curve)
    elif pooling.startswith("the model's own"):
        found = OtherReading(
            profile.layers[-1],
            "the model is a sentence encoder, fine-tuned for its output: such encoders are often "
            "best there",
        )
    return None if found is None or found.layer == chosen else found


def _peak(curve: Curve | None) -> OtherReading | None:
    inner = () if curve is None else curve.turns[1:-1]
    peak = next((turn.at for turn in inner if turn.kind == "max"), None)
    if curve is None or peak is None:
        return None
    return OtherReading(
        curve.keys[peak],
        f"the dimension has its peak there ({number(curve, peak)}); for last-token states of "
        "decoders Cheng et al. (2025) find the best transfer at the peak or after it, not at the "
        "minimum",
    )
