"""How figures for a paper look: type, colours, the layer axis, curves with their bands.

No global state is touched: no pyplot, no change of ``rcParams``. Labels are shown literally.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.show.cells import visible
from layergeom.show.layer_axis import tick_labels, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Curve, Profile
    from layergeom.show.series import Look

SINGLE, DOUBLE = 3.3, 6.9  # inches: one column of a journal, and two
Z = 1.96  # normal quantile of a 95 % band
_BAND = f"band: ±{Z} SE"
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.edgecolor": "#374151",
    "lines.linewidth": 1.4,
    "lines.markersize": 3.2,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,
    "svg.hashsalt": "layergeom",  # equal figures are equal files
}


def _settled(defaults: dict[Any, Any], backend: object) -> dict[Any, Any]:
    """Return the style over matplotlib's defaults, so that a user's file changes no figure."""
    return {**defaults, **_STYLE, "backend": backend}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of these figures, and leave ``rcParams`` as they were."""
    import matplotlib as mpl

    with mpl.rc_context(_settled(dict(mpl.rcParamsDefault), mpl.rcParams["backend"])):
        yield


def canvas(
    ax: Axes | None, width: float = DOUBLE, height: float | None = None
) -> tuple[Figure, Axes]:
    """Return the figure and the axes to draw into; a new figure has no window.

    Without a height it has the room that its legend needs: 3.5 inches on two columns of a
    journal, 2.9 on one, where the names stand below each other.
    """
    from matplotlib.figure import Figure

    if ax is not None:
        owner = ax.get_figure(root=True)
        if owner is not None:
            return owner, ax
    figure = Figure(figsize=(width, height or 2.35 + 0.17 * width))
    return figure, figure.add_subplot()


def breadth(ax: Axes) -> float:
    """Return how broad axes are, in inches: what decides how many names they hold."""
    box, figure = ax.get_position(), ax.get_figure(root=True)
    return float(box.width * (DOUBLE if figure is None else figure.get_figwidth()))


def literal(text: object, limit: int = 60) -> str:
    """Return ``text`` so that matplotlib shows it as it is: no control codes, no mathematics.

    A name that begins with ``_`` would be missing from a legend; a space without width saves it.
    """
    shown = visible(text, limit).replace("$", r"\$")
    return f"\u200b{shown}" if shown.startswith("_") else shown


def layer_axis(ax: Axes, profile: Profile, depth: bool = False) -> None:
    """Name the layers below and their relative depths above; with ``depth`` the depths below."""
    few = ticks(len(profile.layers), most=max(3, round(1.4 * breadth(ax))))
    depths = [f"{profile.names[i].depth:.2f}" for i in few]
    ax.set_xlim(-0.5, len(profile.layers) - 0.5)
    if depth:
        ax.spines["top"].set_visible(False)
        ax.set_xticks(few, depths)
        ax.set_xlabel("relative depth l/L")
        return
    _name_layers(ax, profile)
    above = ax.secondary_xaxis("top")
    above.set_xticks(few, depths)
    above.set_xlabel("relative depth l/L")
    above.tick_params(length=2)


def _name_layers(ax: Axes, profile: Profile) -> None:
    places = ticks(len(profile.layers), most=max(4, round(4.5 * breadth(ax))))
    labels = [literal(text) for text in tick_labels(profile)]
    crowded = max(len(labels[i]) for i in places) > 6
    ax.set_xticks(places, [labels[i] for i in places])
    if crowded:
        ax.tick_params(axis="x", labelrotation=35)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    ax.set_xlabel("layer (emb = embedding, number = block)" if breadth(ax) > SINGLE else "layer")


def strokes(look: Look) -> Any:
    """Return the line style of a look."""
    return (0, look.dash) if look.dash else "-"


def curve(ax: Axes, curve: Curve, label: str, look: Look) -> None:
    """Draw one curve with its band where errors are known; the label says which it is."""
    x = np.arange(len(curve.values))
    known = np.isfinite(curve.values) & np.isfinite(curve.errors)
    suffix = f" ({_BAND})" if known.any() else ""
    ax.plot(
        x, curve.values, linestyle=strokes(look), marker=look.marker, color=look.colour,
        label=f"{label}{suffix}",
    )  # fmt: skip
    if known.any():
        width = Z * np.where(known, curve.errors, np.nan)
        band = (curve.values - width, curve.values + width)
        ax.fill_between(x, *band, color=look.colour, alpha=0.2, lw=0, where=known)


def legend(figure: Figure, ax: Axes, columns: int = 2) -> None:
    """Put the legend below a figure of its own, inside axes that share theirs with others."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    alone = len(figure.axes) == 1
    if alone and figure.get_layout_engine() is not None:
        fitting = columns if figure.get_figwidth() > 1.5 * SINGLE else max(1, columns // 2)
        figure.legend(handles, labels, ncols=fitting, loc="outside lower center")
    else:
        ax.legend(handles, labels, loc="best")
