"""Figures of maps for a paper: layers against layers, layers against checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layergeom.show.figure_style import canvas, curve, layer_axis, literal, style
from layergeom.show.layer_axis import BLUE, tick_labels, ticks
from layergeom.show.over_training import dynamics_title, dynamics_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Profile
    from layergeom.tasks.dynamics import Dynamics


def overlap_map(profile: Profile, ax: Axes | None = None) -> Figure:
    """Draw the neighbourhood overlap between every two layers."""
    with style():
        figure, axes = canvas(ax, 4.6, 4.0)
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


def dynamics_map(dynamics: Dynamics, name: str = "dimension", ax: Axes | None = None) -> Figure:
    """Draw one quantity over layer and checkpoint.

    Parameters
    ----------
    dynamics : Dynamics
    name : str
        A curve of the profiles, or ``"overlap_to_final"``.
    ax : matplotlib axes, optional
    """
    with style():
        figure, axes = canvas(ax, 6.3, 3.4)
        profile = dynamics.profiles[0]
        values = dynamics_values(dynamics, name)
        image = axes.imshow(values, aspect="auto", cmap="cividis", origin="lower")
        places = ticks(len(dynamics.checkpoints), most=12)
        axes.set_yticks(places, [literal(dynamics.checkpoints[i], 18) for i in places])
        axes.set_ylabel("checkpoint")
        layer_axis(axes, profile)
        figure.colorbar(image, ax=axes, label=dynamics_title(name))
    return figure


def mean_dimension(dynamics: Dynamics, ax: Axes | None = None) -> Figure:
    """Draw the layer-mean intrinsic dimension over the checkpoints."""
    with style():
        figure, axes = canvas(ax)
        curve(axes, dynamics.mean_dimension, "layer-mean ID", BLUE)
        names = [literal(text, 18) for text in dynamics.checkpoints]
        places = ticks(len(names), most=12)
        axes.set_xticks(places, [names[i] for i in places], rotation=35, ha="right")
        axes.set_xlabel("checkpoint")
        axes.set_ylabel("layer-mean intrinsic dimension")
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, labels, loc="best")
    return figure
