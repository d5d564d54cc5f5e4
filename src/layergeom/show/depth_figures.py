"""Curves of several models over one axis: the relative depth, from the embedding to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.show.figure_style import DOUBLE, Z, canvas, legend, literal, strokes, style
from layergeom.show.layer_axis import GREY
from layergeom.show.quantities import quantity as words_of
from layergeom.show.series import Look, look_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Profile

ENDS = {"overlap_first": 0, "overlap_last": -1}  # read off the map of overlaps


@dataclass(frozen=True, eq=False)
class DepthCurve:
    """One model's quantity over the relative depth, under the name that the legend shows."""

    name: str
    depth: FloatArray
    values: FloatArray
    errors: FloatArray


def curve_of(profile: Profile, quantity: str, name: str) -> DepthCurve:
    """Return a profile's quantity over the depth, ``final`` left out: it shares the depth 1.

    Also ``overlap_first`` and ``overlap_last``, with the embedding and the last block.
    """
    at = list(profile.blocks)
    depth = np.array([profile.names[i].depth for i in at])
    if quantity in ENDS:
        held, end = profile.overlap, at[ENDS[quantity]]
        return DepthCurve(name, depth, held.values[at, end], held.errors[at, end])
    curve = profile[quantity]
    return DepthCurve(name, depth, curve.values[at], curve.errors[at])


def along_depth(
    curves: Sequence[DepthCurve],
    quantity: str,
    behind: Sequence[DepthCurve] = (),
    ax: Axes | None = None,
    width: float = DOUBLE,
) -> Figure:
    """Draw curves over the relative depth with bands of ±1.96 standard errors.

    Curves ``behind`` are grey and thin: what they are compared with.
    """
    with style():
        figure, axes = canvas(ax, width)
        for at, curve in enumerate(curves):
            _draw(axes, curve, look_of(at), 2)
        for at, curve in enumerate(behind):
            _draw(axes, curve, replace(look_of(at), colour=GREY, marker=""), 1)
        axes.spines["top"].set_visible(False)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(f"relative depth l/L (bands: ±{Z} SE)")
        axes.set_ylabel(words_of(quantity).title)
        legend(figure, axes)
    return figure


def _draw(ax: Axes, curve: DepthCurve, look: Look, rank: int) -> None:
    known = np.isfinite(curve.values) & np.isfinite(curve.errors)
    ax.plot(
        curve.depth, curve.values, linestyle=strokes(look), marker=look.marker, color=look.colour,
        lw=0.7 * rank, label=literal(curve.name), zorder=1 + rank,
    )  # fmt: skip
    if known.any():
        width = Z * np.where(known, curve.errors, np.nan)
        band = (curve.values - width, curve.values + width)
        ax.fill_between(
            curve.depth, *band, color=look.colour, alpha=0.1 * rank, lw=0, where=known, zorder=rank
        )
