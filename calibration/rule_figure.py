"""The figure of the layer rule's calibration: power against the depth of the dip."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calibration.rule_tally import Tally
from layergeom.geometry.recall import wilson
from layergeom.reading.turns import MIN_CHANGE
from layergeom.show.figure_style import style

GREYS = ("#9ca3af", "#60a5fa", "#2563eb", "#1e3a8a")


def figure(power: Sequence[Tally]) -> bytes:
    """Return the figure as SVG: a panel for each number of layers, a line for each of rows."""
    depths = sorted({each.case["layers"] for each in power})
    with style():
        drawn = Figure(figsize=(6.3, 2.6))
        axes = drawn.subplots(1, len(depths), sharey=True, squeeze=False)[0]
        for ax, layers in zip(axes, depths, strict=True):
            _panel(ax, [each for each in power if each.case["layers"] == layers])
            ax.set_title(f"{layers} layers")
        axes[0].set_ylabel("share of stacks, %")
        axes[0].legend(title="rows", title_fontsize=7)
        file = io.BytesIO()
        drawn.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _panel(ax: Axes, power: Sequence[Tally]) -> None:
    sizes = sorted({each.case["rows"] for each in power})
    for rows, colour in zip(sizes, GREYS, strict=False):
        mine = sorted(
            (each for each in power if each.case["rows"] == rows), key=lambda x: x.case["dip"]
        )
        dips = [100 * each.case["dip"] for each in mine]
        bands = [wilson(len(each.found) / each.repetitions, each.repetitions) for each in mine]
        shares = [100 * len(each.found) / each.repetitions for each in mine]
        ax.plot(dips, shares, "o-", color=colour, label=f"{rows:,}")
        low, high = zip(*bands, strict=True)
        ax.fill_between(
            dips, [100 * x for x in low], [100 * x for x in high], color=colour, alpha=0.15, lw=0
        )
    ax.axvline(100 * MIN_CHANGE, color="#374151", lw=0.6, ls=":")
    ax.set(xlabel="depth of the dip, %", ylim=(-3, 103), xlim=(0, None))
