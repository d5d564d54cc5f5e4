"""What all charts of the report are made of: rows of numbers, the layer axis, the finish.

Every chart has a parameter ``hovered`` (the place of a layer, -1 for none) and a selection
``pick`` that follows the pointer; the page carries the pick of one chart to all others. Charts of
a training run have a parameter ``stepped`` besides, the place of a checkpoint.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import short_layer
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
    title, caption, finding : str
        Heading, what is drawn, and what it shows in words.
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
    finding: str
    quantities: tuple[str, ...]
    spec: Spec
    wide: bool = False

    @property
    def label(self) -> str:
        """What a screen reader says of the chart."""
        finding = f" {self.finding}" if self.finding else ""
        return f"{self.title}.{finding} The numbers are in the tables below."


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
    across: str = "position",
) -> list[Any]:
    """Return the coloured cells of a map between two sets of layers.

    Parameters
    ----------
    rows : list of dict
        One per cell: ``position``, the place that the page carries to the other charts; ``other``,
        the layer upwards; ``value``, and ``shown``, the same with its error.
    names, titles : pair of list of str, pair of str
        Names of the layers, and titles of the axes, across and upwards.
    value : pair of str and list of float or None
        Title of the colours, and the two ends of their scale; None fits them to the values.
    across : str
        What of a row is the layer across, where that is not the place.
    """
    import altair as alt

    pick = alt.selection_point(
        name="pick", fields=["position"], on="pointerover", clear="pointerout"
    )
    x, y = (_named_axis(*axis) for axis in zip(names, titles, strict=True))
    scale = alt.Scale(scheme="cividis", **({} if value[1] is None else {"domain": value[1]}))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(f"{across}:O", axis=x, sort=None), y=alt.Y("other:O", axis=y, sort="descending")
    )
    marked = alt.condition(
        "datum.position === hovered", alt.value("#ffffff"), alt.value("transparent")
    )
    places = (f"datum.{across}", "datum.other")
    tip = {t: f"{json.dumps(n)}[{p}]" for t, n, p in zip(titles, names, places, strict=True)}
    cells = base.mark_rect(strokeWidth=1.2, tooltip=told(tip, value[0])).encode(
        stroke=marked,
        color=alt.Color("value:Q", scale=scale, legend=alt.Legend(title=value[0])),
    )
    return [cells.add_params(pick)]


def told(names: Mapping[str, str], value: str) -> Any:
    """Return a tooltip: expressions for the names of a cell, then its ``shown`` value."""
    import altair as alt

    parts = [f"{json.dumps(title)}: {expression}" for title, expression in names.items()]
    return alt.ExprRef("{" + ", ".join([*parts, f"{json.dumps(value)}: datum.shown"]) + "}")


def _named_axis(labels: list[str], title: str) -> Any:
    import altair as alt

    return alt.Axis(
        values=ticks(len(labels), most=13),
        labelExpr=f"{json.dumps([short_layer(name) for name in labels])}[datum.value]",
        title=title, labelLimit=90, labelAngle=0, labelOverlap="greedy",
    )  # fmt: skip


def columns() -> Any:
    """Return in how many columns the names of a legend stand: in one where the chart is narrow."""
    import altair as alt

    return alt.ExprRef("width < 420 ? 1 : 2")


def nearest_tooltip() -> Any:
    """Return the tooltip of a mark that is found by the nearest point: its row's ``tip``.

    A tooltip by fields would read them from the cell around the point, where they are undefined.
    """
    import altair as alt

    return alt.ExprRef("datum.datum ? datum.datum.tip : datum.tip")


def finished(layers: list[Any], height: int = _HEIGHT, stepped: int | None = None) -> Spec:
    """Return the layered chart as a checked specification without any address.

    Parameters
    ----------
    layers : list of altair charts
    height : int
        Pixels.
    stepped : int, optional
        The checkpoint that is shown at first, in charts of a training run.
    """
    import altair as alt

    places = [alt.param(name="hovered", value=-1)]
    if stepped is not None:
        places.append(alt.param(name="stepped", value=stepped))
    chart = alt.layer(*layers).add_params(*places).properties(width="container", height=height)
    spec: Spec = chart.configure(**_CONFIG).to_dict()
    spec.pop("$schema")
    spec["autosize"] = {"type": "fit-x", "contains": "padding", "resize": True}
    return spec | {"datasets": _named_once(spec)}


def _named_once(spec: Spec) -> dict[str, list[Row]]:
    """Take the rows out of a chart's layers by name: rows that several layers draw stand once."""
    names: dict[str, str] = {}
    for layer in (spec, *spec["layer"]):
        if "data" in layer:
            name = names.setdefault(json.dumps(layer["data"]["values"]), f"rows_{len(names)}")
            layer["data"] = {"name": name}
    return {name: json.loads(rows) for rows, name in names.items()}
