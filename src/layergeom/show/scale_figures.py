"""Figures of the dimension against distance and against the number of samples."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from layergeom.show.figure_style import DOUBLE, SINGLE, Z, breadth, canvas, legend, literal, style
from layergeom.show.layer_axis import GREY, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from layergeom.profiles import Profile
    from layergeom.reading import Reading

RGBA: TypeAlias = tuple[float, float, float, float]


def scales(
    profile: Profile,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
) -> Figure:
    """Draw the dimension against distance for up to seven layers, plateaus in bold."""
    with style():
        figure, axes = canvas(ax, width)
        for key, colour in _coloured(profile, profile.scales, reading):
            scale = profile.scales[key]
            _line(axes, key, colour, scale.distances, scale.values, scale.errors)
            if scale.plateau is not None:
                flat = slice(scale.plateau[0], scale.plateau[1] + 1)
                axes.plot(
                    scale.distances[flat], scale.values[flat], color=colour, lw=3.5, alpha=0.5
                )
        axes.set_xscale("log")
        _plain_log_ticks(axes)
        axes.set_xlabel("distance, mean of (r_n1 + r_n2)/2")
        axes.set_title("bold: plateau found by the rule", fontsize=7, color=GREY)
        _finish(figure, axes, bool(profile.scales))
    return figure


def samples(
    profile: Profile,
    ax: Axes | None = None,
    reading: Reading | None = None,
    *,
    width: float = DOUBLE,
) -> Figure:
    """Draw the dimension against the number of samples for up to seven layers."""
    from matplotlib.ticker import FixedLocator, NullLocator

    known = {key: part for key, part in profile.decimation.items() if part}
    with style():
        figure, axes = canvas(ax, width)
        for key, colour in _coloured(profile, known, reading):
            part = known[key]
            _line(axes, key, colour, part["n"], part["values"], part["errors"])
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(
            FixedLocator(sorted({n for x in known.values() for n in x["n"]}))
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("points per subset")
        _finish(figure, axes, bool(known))
    return figure


def _coloured(
    profile: Profile, known: Collection[str], reading: Reading | None
) -> Iterator[tuple[str, RGBA]]:
    """Yield up to seven of the known layers, the recommended one among them, with their colours."""
    from matplotlib import colormaps

    keys = [key for key in profile.layers if key in known]
    chosen = {keys[i] for i in ticks(len(keys), most=6)}
    if reading is not None:
        chosen.add(reading.recommendation.layer)
    for key in keys:
        if key in chosen:
            depth = profile.names[profile.layers.index(key)].depth
            yield key, colormaps["viridis"](0.92 * depth)


def _line(
    axes: Axes, key: str, colour: RGBA, at: ArrayLike, values: ArrayLike, errors: ArrayLike
) -> None:
    bar = Z * np.asarray(errors, dtype=float)
    axes.errorbar(
        at, values, yerr=bar, color=colour, lw=0.9, marker="o", elinewidth=0.6,
        label=literal(key, 20),
    )  # fmt: skip


def _finish(figure: Figure, axes: Axes, named: bool) -> None:
    broken = "\n" if breadth(axes) < SINGLE else " "
    axes.set_ylabel(f"intrinsic dimension{broken}(bars: ±{Z} SE)")
    if named:
        legend(figure, axes, columns=4)


def _plain_log_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
