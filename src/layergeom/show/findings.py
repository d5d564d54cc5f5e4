"""What a figure shows, in words: for who cannot see it, and beside it for who can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergeom.show.cells import number, visible, with_error
from layergeom.show.quantities import quantity
from layergeom.written import minus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from layergeom.arrays import FloatArray
    from layergeom.profiles import Curve, Profile


def curves_finding(profile: Profile, names: Iterable[str]) -> str:
    """Return a sentence for each curve: both ends, the largest and the smallest value."""
    found = (_curve_finding(profile.curves[name], profile.layers) for name in names)
    return " ".join(found)


def _curve_finding(curve: Curve, layers: Sequence[str]) -> str:
    title = quantity(curve.name).title
    known = np.flatnonzero(np.isfinite(curve.values))
    if not len(known):
        return f"{title} is not known at any layer."
    first, last = int(known[0]), int(known[-1])
    low = int(known[np.argmin(curve.values[known])])
    high = int(known[np.argmax(curve.values[known])])
    if curve.values[low] == curve.values[high]:
        return f"{title} is {_at(curve, layers, first)} and the same at every layer."
    words = f"{title} goes from {_at(curve, layers, first)} to {_at(curve, layers, last)}"
    inner = {"largest": high, "smallest": low}
    told = [f"{w} {_at(curve, layers, i)}" for w, i in inner.items() if i not in (first, last)]
    return "; ".join([words, *told]) + "."


def _at(curve: Curve, layers: Sequence[str], place: int) -> str:
    text = with_error(float(curve.values[place]), float(curve.errors[place]), 3)
    return f"{text.replace(' ± –', '')} at {visible(layers[place], 40)}"


def overlap_finding(profile: Profile) -> str:
    """Return where neighbouring layers differ the most, and what the two ends share."""
    values = profile.maps["overlap"].values
    if len(values) < 2:
        return ""
    steps = np.asarray(np.diagonal(values, 1), dtype=float)
    if not np.isfinite(steps).any():
        return "The overlap is not known between any two neighbouring layers."
    least = int(np.nanargmin(steps))
    a, b = (visible(profile.layers[least + i], 40) for i in (0, 1))
    return (
        f"Neighbouring layers share {_span(steps)} of their neighbours, the least between {a} and "
        f"{b}; the first and the last layer share {number(float(values[0][-1]), 2)}."
    )


def _span(values: FloatArray) -> str:
    low, high = (number(float(end), 2) for end in (np.nanmin(values), np.nanmax(values)))
    return f"{low} to {high}"


def samples_finding(profile: Profile) -> str:
    """Return by how much the dimension changes from half the samples to all of them."""
    changes = [
        100 * (part["values"][0] / part["values"][1] - 1)
        for part in profile.decimation.values()
        if part and len(part["values"]) > 1 and part["values"][1]
    ]
    known = [change for change in changes if np.isfinite(change)]
    if not known:
        return ""
    return (
        "From half the samples to all of them the dimension changes by "
        f"{minus(f'{min(known):+.0f}')} % to {minus(f'{max(known):+.0f}')} %."
    )


def map_finding(values: FloatArray, checkpoints: Sequence[str], layers: Sequence[str]) -> str:
    """Return where a map over checkpoints and layers is the largest and the smallest."""
    if not np.isfinite(values).any():
        return "No value is known."
    ends = []
    for word, flat in (("largest", np.nanargmax(values)), ("smallest", np.nanargmin(values))):
        step, layer = (int(i) for i in np.unravel_index(flat, values.shape))
        where = f"{visible(layers[layer], 40)}, {visible(checkpoints[step], 40)}"
        ends.append(f"{word} {number(float(values[step, layer]))} at {where}")
    return f"{ends[0].capitalize()}; {ends[1]}."
