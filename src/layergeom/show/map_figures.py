"""Figures of maps for a paper: layers against layers, layers against steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergeom.show.figure_style import DOUBLE, Z, canvas, layer_axis, literal, style
from layergeom.show.layer_axis import BLUE, TINTS, tick_labels, ticks
from layergeom.show.over_training import (
    dynamics_axis,
    dynamics_chance,
    dynamics_title,
    dynamics_values,
    peak_places,
)
from layergeom.show.training_axis import TrainingAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

    from layergeom.profiles import Profile
    from layergeom.tasks.dynamics import Dynamics


def overlap_map(profile: Profile, ax: Axes | None = None, *, width: float = 4.6) -> Figure:
    """Draw the neighbourhood overlap between every two layers."""
    with style():
        figure, axes = canvas(ax, width, 0.87 * width)
        layer_map = profile.maps["overlap"]
        image = axes.imshow(layer_map.values, vmin=0, vmax=1, cmap="cividis", origin="lower")
        places = ticks(len(profile.layers), most=13)
        labels = [literal(tick_labels(profile)[i]) for i in places]
        axes.set_xticks(places, labels, rotation=90 if max(map(len, labels)) > 3 else 0)
        axes.set_yticks(places, labels)
        axes.set_xlabel("layer m")
        axes.set_ylabel("layer l")
        bar = figure.colorbar(image, ax=axes, shrink=0.85)
        bar.set_label(f"χ(l, m), chance {layer_map.chance:.2g}")
        bar.outline.set_linewidth(0.4)
    return figure


def dynamics_map(
    dynamics: Dynamics, name: str = "dimension", ax: Axes | None = None, *, width: float = DOUBLE
) -> Figure:
    """Draw one quantity over layer and step.

    Parameters
    ----------
    dynamics : Dynamics
    name : str
        A curve of the profiles, or ``"overlap_to_final"``.
    ax : matplotlib axes, optional
    width : float
        Of a new figure, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Steps are logarithmic; step 0, and checkpoints without a step, stand beyond a break of the
        axis. Cells without a value stay white.
    """
    with style():
        figure, axes = canvas(ax, width)
        profile, steps = dynamics.profiles[0], dynamics_axis(dynamics)
        layers = [place - 0.5 for place in range(len(profile.layers) + 1)]
        low, high = (0, 1) if "overlap" in name else (None, None)
        values = dynamics_values(dynamics, name)
        image = axes.pcolormesh(layers, steps.edges, values, cmap="cividis", vmin=low, vmax=high)
        _mark_steps(axes, steps, "y")
        axes.set_ylabel(literal(steps.title))
        layer_axis(axes, profile)
        figure.colorbar(image, ax=axes, label=_bar_label(dynamics, name))
    return figure


def _bar_label(dynamics: Dynamics, name: str) -> str:
    chance = dynamics_chance(dynamics, name)
    return dynamics_title(name) + ("" if chance is None else f" (chance {chance:.2g})")


def _mark_steps(axes: Axes, steps: TrainingAxis, which: str) -> None:
    """Set the ticks of the step axis, and cut the axis at its breaks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks([p for p, _ in steps.ticks], labels=[literal(t, 18) for _, t in steps.ticks])
    axis.set_minor_locator(_no_ticks())
    transform = axes.get_xaxis_transform() if which == "x" else axes.get_yaxis_transform()
    for place in steps.breaks:
        at = (place, 0.0) if which == "x" else (0.0, place)
        axes.plot(
            *at, transform=transform, marker=[(-1, -1), (1, 1)], markersize=9, color="#374151",
            markeredgewidth=1.2, clip_on=False, zorder=5,
        )  # fmt: skip


def _no_ticks() -> Locator:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def mean_dimension(dynamics: Dynamics, ax: Axes | None = None, *, width: float = DOUBLE) -> Figure:
    """Draw the layer-mean dimension over the steps, and between which its maximum lies."""
    with style():
        figure, axes = canvas(ax, width)
        steps, means = dynamics_axis(dynamics), dynamics.mean_dimension
        axes.plot(steps.places, means.values, "-", marker="o", color=BLUE, label="layer-mean ID")
        low, high = means.values - Z * means.errors, means.values + Z * means.errors
        known = np.isfinite(low) & np.isfinite(high)
        if known.any():
            band = f"band: ±{Z} SE"
            axes.fill_between(
                steps.places, low, high, where=known, color=BLUE, alpha=0.2, lw=0, label=band
            )
        _shade_peak(axes, dynamics, steps)
        _mark_steps(axes, steps, "x")
        axes.set_xlabel(literal(steps.title))
        axes.set_ylabel("layer-mean intrinsic dimension")
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, labels, loc="best")
    return figure


def _shade_peak(axes: Axes, dynamics: Dynamics, steps: TrainingAxis) -> None:
    interval = peak_places(dynamics, steps)
    if interval is not None:
        label = "95 %: the maximum lies here"
        axes.axvspan(*interval, color=TINTS["peak"], alpha=0.5, lw=0, zorder=0, label=label)
