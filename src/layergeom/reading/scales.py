"""What a profile says of the scale and the number of samples its dimensions belong to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layergeom.geometry.scale_names import NEAREST, scale_words
from layergeom.profiles import Profile

SURE = 0.95  # share of the draws from which a plateau, or that there is none, is sure


def scale_statements(profile: Profile) -> Iterator[str]:
    """Yield how the dimension is read, where it is level over distance, and how it moves with N."""
    scale = profile.provenance.get("settings", {}).get("scale", NEAREST)
    if scale != NEAREST:
        yield f"The dimension is read by {scale_words(scale)}."
    if profile.scales:
        yield _plateaus(profile)
    changes = _changes(profile)
    if changes:
        yield (
            f"From half the samples to all of them the dimension changes by {min(changes):+.1%} to "
            f"{max(changes):+.1%} (median {np.median(changes):+.1%}); compare it only with values "
            "from as many samples."
        )


def _plateaus(profile: Profile) -> str:
    curves = list(profile.scales.values())
    flat = sum(curve.plateau is not None for curve in curves)
    unsure = sum(1 - SURE < curve.plateau_share < SURE for curve in curves)
    doubt = f" ({unsure} could be otherwise by their errors)" if unsure else ""
    return (
        f"{flat} of {len(curves)} layers show a plateau of the dimension over distance{doubt}; "
        "without one, the value depends on the distance at which it is read."
    )


def _changes(profile: Profile) -> list[float]:
    """Return the relative change of each layer's dimension from N/2 to N points."""
    parts = (part["values"][:2] for part in profile.decimation.values() if part)
    pairs = (tuple(map(float, values)) for values in parts if len(values) == 2)
    return [whole / half - 1 for whole, half in pairs if np.isfinite(whole / half)]
