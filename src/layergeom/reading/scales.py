"""What a profile says of the scale and the number of samples its dimensions belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from layergeom.geometry.plateaus import PLATEAU_SCALES, PLATEAU_SPREAD
from layergeom.geometry.scale_names import NEAREST, scale_words
from layergeom.profiles import Profile, ScaleCurve
from layergeom.written import counted, percent

SURE = 0.95  # share of the draws from which a plateau, or that there is none, is sure


def scale_statements(profile: Profile) -> Iterator[str]:
    """Yield how the dimension is read, where it is level over distance, and how it moves with N."""
    scale = profile.provenance.get("settings", {}).get("scale", NEAREST)
    if scale != NEAREST:
        yield f"The dimension is read by {scale_words(scale)}."
    if profile.scales:
        yield plateau_statement(profile)
    changes = _changes(profile)
    if changes:
        yield (
            f"From half the samples to all of them the dimension changes by {_range(changes)}; "
            "compare it only with values from as many samples."
        )


def plateau_statement(profile: Profile) -> str:
    """Return at how many layers the dimension is level, over which distances, and how far it moves.

    A plateau covers a part of the curve: one that falls steadily, by less than 7 % with every
    doubling of rank, has one too. So the change over the whole curve is told beside it.
    """
    curves = list(profile.scales.values())
    flat = sum(curve.plateau is not None for curve in curves)
    whole = sum(curve.plateau == (0, len(curve.values) - 1) for curve in curves)
    unsure = sum(1 - SURE < curve.plateau_share < SURE for curve in curves)
    doubt = f"; {unsure} could be otherwise by their errors" if unsure else ""
    return (
        f"At {flat} of {counted(len(curves), 'layer', 'layers')} the dimension stays within "
        f"{percent(PLATEAU_SPREAD)} over a part of the distances, {PLATEAU_SCALES} doublings of "
        f"rank or more (a plateau{doubt}), at {whole} over all of them{_moves(curves)}."
    )


def _moves(curves: Sequence[ScaleCurve]) -> str:
    ends = (c.values[np.isfinite(c.values)] for c in curves)
    changes = [float(known[-1] / known[0] - 1) for known in ends if len(known) > 1]
    if not changes:
        return ""
    return f"; from the smallest to the largest distance it changes by {_range(changes)}"


def _range(changes: Sequence[float]) -> str:
    least, most, middle = (
        percent(change, 1, signed=True)
        for change in (min(changes), max(changes), float(np.median(changes)))
    )
    return f"{least} to {most} (median {middle})"


def _changes(profile: Profile) -> list[float]:
    """Return the relative change of each layer's dimension from N/2 to N points."""
    parts = (part["values"][:2] for part in profile.decimation.values() if part)
    pairs = (tuple(map(float, values)) for values in parts if len(values) == 2)
    return [whole / half - 1 for whole, half in pairs if np.isfinite(whole / half)]
