"""Figures of a comparison for a paper: depth profiles, similarity maps, heights against size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layergeom.profiles import BY_LABELS
from layergeom.show.depth_figures import along_depth, curve_of
from layergeom.show.figure_files import write_figures
from layergeom.show.figure_style import Z, canvas, legend, literal, style
from layergeom.show.layer_axis import BLUE, ORANGE, tick_labels, ticks
from layergeom.show.published import PublishedCurve, curves_behind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Profile
    from layergeom.tasks.compare import Comparison
    from layergeom.tasks.cross_maps import CrossMap

OVER_DEPTH = ("dimension", "overlap_next", *BY_LABELS, "anisotropy", "effective_rank")
SIMILARITY = {"overlap": "χ", "cka": "CKA, debiased", "mutual_knn": "mNN, cosine"}


def depth_quantities(comparison: Comparison) -> list[str]:
    """Return the quantities that all models have, of those that are drawn over the depth."""
    return [name for name in OVER_DEPTH if all(name in p.curves for p in comparison.profiles)]


def depth_profiles(
    comparison: Comparison,
    quantity: str = "dimension",
    published: Sequence[PublishedCurve] = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw one quantity of all models over the relative depth, published curves behind them."""
    named = zip(comparison.runs, comparison.profiles, strict=True)
    curves = [curve_of(profile, quantity, name) for name, profile in named]
    return along_depth(curves, quantity, curves_behind(published, quantity), ax)


def similarity_map(comparison: Comparison, found: CrossMap, ax: Axes | None = None) -> Figure:
    """Draw one similarity between the layers of two models."""
    with style():
        figure, axes = canvas(ax, 4.6, 4.0)
        image = axes.imshow(
            found.values, vmin=min(0, float(np.nanmin(found.values, initial=0))), vmax=1,
            cmap="cividis", origin="lower", aspect="auto",
        )  # fmt: skip
        upwards, across = (profile_of(comparison, name) for name in found.runs)
        _name_layers(axes, across, upwards)
        axes.set_ylabel(f"layer of {literal(found.runs[0], 40)}")
        axes.set_xlabel(f"layer of {literal(found.runs[1], 40)}")
        bar = figure.colorbar(image, ax=axes, shrink=0.85)
        bar.set_label(f"{SIMILARITY[found.quantity]}, chance {found.chance:.2g}")
        bar.outline.set_linewidth(0.4)
    return figure


def profile_of(comparison: Comparison, name: str) -> Profile:
    """Return the profile of the run with this name."""
    return comparison.profiles[comparison.runs.index(name)]


def _name_layers(ax: Axes, across: Profile, upwards: Profile) -> None:
    for profile, axis in ((across, ax.xaxis), (upwards, ax.yaxis)):
        places = ticks(len(profile.layers), most=13)
        labels = tick_labels(profile)
        axis.set_ticks(places, [literal(labels[i]) for i in places])


def heights_by_size(comparison: Comparison, ax: Axes | None = None) -> Figure:
    """Draw the dimension at the peak and on the plateau against the size of the models."""
    with style():
        figure, axes = canvas(ax, 4.6, 3.3)
        sides = (("peak", comparison.peaks, BLUE), ("plateau", comparison.plateaus, ORANGE))
        for name, heights, colour in sides:
            values = np.array([height.value for height in heights])
            bars = Z * np.array([height.error for height in heights])
            order = np.argsort(comparison.sizes)
            axes.errorbar(
                comparison.sizes[order], values[order], yerr=bars[order], color=colour,
                marker="o", lw=0.9, elinewidth=0.9, capsize=2, label=f"{name} (±{Z} SE)",
            )  # fmt: skip
        axes.set_xscale("log")
        known = sorted(set(comparison.sizes[np.isfinite(comparison.sizes)].tolist()))
        axes.set_xticks(known, [f"{size:,.0f}" for size in known])
        axes.minorticks_off()
        axes.spines["top"].set_visible(False)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"size ({comparison.size_kind})")
        axes.set_ylabel("intrinsic dimension")
        legend(figure, axes)
    return figure


def save_comparison_figures(
    comparison: Comparison, folder: Path, published: Sequence[PublishedCurve] = ()
) -> tuple[Path, ...]:
    """Write every figure as pdf, svg and png; equal comparisons give equal files."""
    return write_figures(folder, _drawings(comparison, published))


def _drawings(
    comparison: Comparison, published: Sequence[PublishedCurve]
) -> dict[str, Callable[[], Figure]]:
    drawn: dict[str, Callable[[], Figure]] = {
        f"depth_{name}": partial(depth_profiles, comparison, name, published)
        for name in depth_quantities(comparison)
    }
    for found in comparison.maps:
        drawn[map_key(comparison, found)] = partial(similarity_map, comparison, found)
    if heights_known(comparison):
        drawn["heights_by_size"] = partial(heights_by_size, comparison)
    return drawn


def map_key(comparison: Comparison, found: CrossMap) -> str:
    """Return a name for files and places in the page: runs by number, from 1."""
    a, b = (comparison.runs.index(name) + 1 for name in found.runs)
    return f"{found.quantity}_{a}_{b}"


def heights_known(comparison: Comparison) -> bool:
    """Whether there is a model with both a size and a height."""
    heights = np.array([h.value for h in (*comparison.peaks, *comparison.plateaus)])
    sizes = np.tile(comparison.sizes, 2)
    return bool((np.isfinite(heights) & np.isfinite(sizes)).any())
