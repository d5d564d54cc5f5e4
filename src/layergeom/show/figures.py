"""Figures for a paper: matplotlib, one function per figure, numbers taken as they are.

Every function draws into ``ax`` or, without it, into a new figure, and returns the figure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layergeom.geometry.scale_names import NEAREST, scale_words
from layergeom.profiles import BY_LABELS
from layergeom.show.figure_files import write_figures
from layergeom.show.figure_style import (
    DOUBLE,
    canvas,
    curve,
    layer_axis,
    legend,
    literal,
    style,
)
from layergeom.show.layer_axis import recommended_place, spans
from layergeom.show.map_figures import dynamics_map, mean_dimension, overlap_map
from layergeom.show.null_lines import draw_nulls
from layergeom.show.over_training import dynamics_names
from layergeom.show.quantities import quantity
from layergeom.show.scale_figures import samples, scales
from layergeom.show.series import ANISOTROPY, LOOKS, OVERLAPS, RANK, Group
from layergeom.show.table import added_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Profile
    from layergeom.reading import Reading
    from layergeom.tasks.dynamics import Dynamics

__all__ = [
    "anisotropy", "dimension", "dynamics_map", "mean_dimension", "one", "overlap", "overlap_map",
    "rank", "samples", "save_figures", "scales",
]  # fmt: skip


def dimension(
    profile: Profile,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
    depth: bool = False,
) -> Figure:
    """Draw the intrinsic dimension over the layers, with phases where a reading is given.

    Parameters
    ----------
    profile : Profile
    ax : matplotlib axes, optional
        Where to draw; without it a new figure is made.
    reading : Reading, optional
        Its phases are shaded and its layer is marked.
    width : float
        Of a new figure, in inches: 6.9 for two columns of a journal, 3.3 for one.
    depth : bool
        Whether the relative depth is written below in place of the layers' names.

    Returns
    -------
    matplotlib.figure.Figure
        Layers without a dimension leave a gap.
    """
    with style():
        figure, axes = canvas(ax, width)
        curve(axes, profile.curves["dimension"], f"ID ({_scale(profile)})", LOOKS[0])
        if "plateau_dimension" in profile.curves:
            curve(axes, profile.curves["plateau_dimension"], "ID (plateau)", LOOKS[2])
        draw_nulls(axes, profile, ["dimension"])
        _shade(axes, profile, reading)
        _mark(axes, profile, reading)
        axes.set_ylabel("intrinsic dimension")
        layer_axis(axes, profile, depth)
        legend(figure, axes)
    return figure


def overlap(
    profile: Profile,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
    depth: bool = False,
) -> Figure:
    """Draw the overlap with the next layer and, with labels, how neighbours share them."""
    with style():
        figure, axes = canvas(ax, width)
        for name, look in OVERLAPS.held(profile).items():
            drawn, symbol = profile.curves[name], quantity(name).symbol
            curve(axes, drawn, symbol, look)
            if drawn.chance is not None:
                label = f"chance of {symbol}"
                axes.plot(drawn.chance, ":", color=look.colour, lw=1, label=label)
        draw_nulls(axes, profile, ["overlap_next", *BY_LABELS])
        values = np.concatenate([profile.curves[name].values for name in OVERLAPS.held(profile)])
        axes.set_ylim(1.05 * min(0.0, float(np.nanmin([*values, 0.0]))), 1.03)
        _mark(axes, profile, reading)
        axes.set_ylabel("neighbourhood overlap")
        layer_axis(axes, profile, depth)
        legend(figure, axes)
    return figure


def anisotropy(
    profile: Profile,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
    depth: bool = False,
) -> Figure:
    """Draw the three anisotropies that the profile holds, each under its own name."""
    return _several(profile, ANISOTROPY, (ax, reading, "anisotropy", depth), width)


def rank(
    profile: Profile,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
    depth: bool = False,
) -> Figure:
    """Draw effective rank, spectral entropy rank and participation ratio."""
    return _several(profile, RANK, (ax, reading, "linear dimension", depth), width)


def one(
    profile: Profile,
    name: str,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
    depth: bool = False,
) -> Figure:
    """Draw any one curve of the profile, such as a quantity that was added to it."""
    title = quantity(name).title
    return _several(profile, Group(name, title, "", (name,)), (ax, reading, title, depth), width)


def _several(
    profile: Profile,
    group: Group,
    where: tuple[Axes | None, Reading | None, str, bool],
    width: float,
) -> Figure:
    ax, reading, title, depth = where
    with style():
        figure, axes = canvas(ax, width)
        for name, look in group.held(profile).items():
            curve(axes, profile.curves[name], quantity(name).title, look)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        _mark(axes, profile, reading)
        axes.set_ylabel(title)
        layer_axis(axes, profile, depth)
        legend(figure, axes)
    return figure


def _scale(profile: Profile) -> str:
    """Return how the dimension is read, short enough for a legend."""
    words = scale_words(profile.provenance.get("settings", {}).get("scale", NEAREST))
    return words.partition(",")[0] + ", ML"


def _shade(ax: Axes, profile: Profile, reading: Reading | None) -> None:
    """Shade the phases behind the curves, named along the top edge, narrow ones lower."""
    if reading is None:
        return
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.2 * (high - low))
    for span in spans(profile, reading.phases):
        ax.axvspan(span.start, span.stop, color=span.tint, alpha=0.75, lw=0, zorder=0)
        middle, level = (span.start + span.stop) / 2, 0.9 if span.narrow else 0.97
        ax.text(
            middle,
            level,
            literal(span.kind),
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=6.5,
            color="#374151",
        )


def _mark(ax: Axes, profile: Profile, reading: Reading | None) -> None:
    place = recommended_place(profile, reading)
    if place is not None:
        label = f"layer to use: {literal(profile.layers[place])}"
        ax.axvline(place, color="#111827", lw=0.9, ls=":", label=label, zorder=1)


def save_figures(
    profile: Profile,
    reading: Reading | None,
    folder: str | Path,
    dynamics: Dynamics | None = None,
) -> tuple[Path, ...]:
    """Write every figure as pdf, svg and png; equal profiles give equal files.

    Returns
    -------
    tuple of Path
        ``<figure>.pdf``, ``.svg``, ``.png`` for each figure that the profile has numbers for.
        Text stays text in pdf and svg. About a second per figure.
    """
    return write_figures(folder, _drawings(profile, reading, dynamics))


def _drawings(
    profile: Profile, reading: Reading | None, dynamics: Dynamics | None
) -> dict[str, Callable[[], Figure]]:
    curves = profile.curves
    have = {
        "dimension": "dimension" in curves,
        "overlap": bool(OVERLAPS.held(profile)),
        "anisotropy": "anisotropy" in curves,
        "rank": "effective_rank" in curves,
        "scales": bool(profile.scales),
        "samples": any(profile.decimation.values()),
    }
    functions: dict[str, Callable[..., Figure]] = {
        "dimension": dimension, "overlap": overlap, "anisotropy": anisotropy, "rank": rank,
        "scales": scales, "samples": samples,
    }  # fmt: skip
    drawn: dict[str, Callable[[], Figure]] = {
        name: partial(draw, profile, reading=reading)
        for name, draw in functions.items()
        if have[name]
    }
    for name in added_names(profile):
        drawn[f"added_{name}"] = partial(one, profile, name, reading=reading)
    if "overlap" in profile.maps:
        drawn["overlap_map"] = partial(overlap_map, profile)
    if dynamics is not None:
        drawn |= _dynamics_drawings(dynamics)
    return drawn


def _dynamics_drawings(dynamics: Dynamics) -> dict[str, Callable[[], Figure]]:
    drawn: dict[str, Callable[[], Figure]] = {
        f"dynamics_{name}": partial(dynamics_map, dynamics, name)
        for name in dynamics_names(dynamics)
    }
    return drawn | {"dynamics_mean_dimension": partial(mean_dimension, dynamics)}
