"""What all charts of the report are made of: rows of numbers, the layer axis, the finish.

Every chart has a parameter ``hovered`` (the place of a layer, -1 for none) and a selection
``pick`` that follows the pointer; the page carries the pick of one chart to all others.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.show.figure_style import Z
from layergeom.show.layer_axis import tick_labels, ticks
from layergeom.show.quantities import quantity

if TYPE_CHECKING:
    from layergeom.profiles import Curve, Profile

Spec = dict[str, Any]
Row = dict[str, Any]
FREE = "hovered < 0 || datum.position === hovered"
BAND = f"Bands: ±{Z} standard errors; no band where the error is unknown."
INK, _FAINT = "#1f2937", "#e5e7eb"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_HEIGHT = 260
_CONFIG: Spec = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "domainColor": "#9ca3af",
        "gridColor": _FAINT,
        "labelColor": "#4b5563",
        "labelFontSize": 11,
        "tickColor": "#9ca3af",
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 260,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
}


@dataclass(frozen=True)
class Chart:
    """One chart of the report.

    Attributes
    ----------
    key : str
        Identifier of its place in the page.
    title, caption, label : str
        Heading, what is drawn, and the text for screen readers.
    quantities : tuple of str
        Names of the quantities drawn, whose formulas stand below.
    spec : dict
        Vega-Lite, without any address.
    wide : bool
        True where it takes the page's whole width.
    """

    key: str
    title: str
    caption: str
    label: str
    quantities: tuple[str, ...]
    spec: Spec
    wide: bool = False


def label(title: str, profile: Profile) -> str:
    """Return what a screen reader says of a chart over the layers."""
    return f"{title} over {len(profile.layers)} layers; the numbers are in the tables below."


def number_or_none(value: float) -> float | None:
    """Return the value to six figures, which no screen resolves; null where it is unknown."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def curve_rows(curve: Curve) -> list[Row]:
    """Return a row per layer: value, ends of its band where the error is known, chance."""
    title = quantity(curve.name).title
    rows: list[Row] = []
    for place in range(len(curve.values)):
        value, error = float(curve.values[place]), float(curve.errors[place])
        row: Row = {"position": place, "series": title, "value": number_or_none(value)}
        if math.isfinite(value) and math.isfinite(error):
            row["low"] = number_or_none(value - Z * error)
            row["high"] = number_or_none(value + Z * error)
        if curve.chance is not None:
            row["chance"] = number_or_none(float(curve.chance[place]))
        rows.append(row)
    return rows


def layer_x(profile: Profile, field: str = "position") -> Any:
    """Return the layer axis for ``field``, the same in every chart so that they share it."""
    import altair as alt

    labels = json.dumps(tick_labels(profile))
    axis = alt.Axis(
        values=ticks(len(profile.layers)),
        labelExpr=f"{labels}[datum.value]",
        title="layer",
        grid=False,
        labelOverlap="greedy",
        labelLimit=52,
        tickSize=4,
    )
    bounds = [-0.5, len(profile.layers) - 0.5]
    scale = alt.Scale(domain=bounds, nice=False, zero=False)
    return alt.X(f"{field}:Q", axis=axis, scale=scale)


def map_cells(
    rows: list[Row],
    names: tuple[list[str], list[str]],
    titles: tuple[str, str],
    value: tuple[str, list[float] | None],
) -> list[Any]:
    """Return the coloured cells of a map between two sets of layers.

    Parameters
    ----------
    rows : list of dict
        One per cell: ``position`` across, ``other`` upwards, ``value``; the rest are its tooltip.
    names, titles : pair of list of str, pair of str
        Tick labels and titles of the axes, across and upwards.
    value : pair of str and list of float or None
        Title of the colours, and the two ends of their scale; None fits them to the values.
    """
    import altair as alt

    pick = alt.selection_point(
        name="pick", fields=["position"], on="pointerover", clear="pointerout"
    )
    across, up = (_named_axis(*axis) for axis in zip(names, titles, strict=True))
    scale = alt.Scale(scheme="cividis", **({} if value[1] is None else {"domain": value[1]}))
    fields = [f for f in rows[0] if f not in ("position", "other", "value")]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("position:O", axis=across, sort=None),
        y=alt.Y("other:O", axis=up, sort="descending"),
    )
    marked = alt.condition("datum.position === hovered", alt.value("#ffffff"), alt.value(None))
    cells = base.mark_rect(strokeWidth=1.2).encode(
        stroke=marked,
        color=alt.Color("value:Q", scale=scale, legend=alt.Legend(title=value[0])),
        tooltip=[alt.Tooltip(field=f, type="nominal", title=f) for f in fields],
    )
    return [cells.add_params(pick)]


def _named_axis(labels: list[str], title: str) -> Any:
    import altair as alt

    return alt.Axis(
        values=ticks(len(labels), most=13), labelExpr=f"{json.dumps(labels)}[datum.value]",
        title=title, labelLimit=90, labelAngle=0, labelOverlap="greedy",
    )  # fmt: skip


def nearest_tooltip() -> Any:
    """Return the tooltip of a mark that is found by the nearest point: its row's ``tip``.

    A tooltip by fields would read them from the cell around the point, where they are undefined.
    """
    import altair as alt

    return alt.ExprRef("datum.datum ? datum.datum.tip : datum.tip")


def finished(layers: list[Any], height: int = _HEIGHT) -> Spec:
    """Return the layered chart as a checked specification without any address."""
    import altair as alt

    hovered = alt.param(name="hovered", value=-1)
    chart = alt.layer(*layers).add_params(hovered).properties(width="container", height=height)
    spec: Spec = chart.configure(**_CONFIG).to_dict()
    spec.pop("$schema")
    spec["autosize"] = {"type": "fit-x", "contains": "padding", "resize": True}
    return spec
