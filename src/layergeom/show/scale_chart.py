"""The report's chart of dimension against distance."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import (
    FREE,
    Chart,
    Row,
    finished,
    label,
    nearest_tooltip,
    number_or_none,
)
from layergeom.show.figure_style import Z
from layergeom.show.layer_axis import tick_labels, ticks

if TYPE_CHECKING:
    from layergeom.profiles import Profile


def scale_chart(profile: Profile) -> Chart:
    """Return the chart of dimension against distance, a line per layer."""
    import altair as alt

    rows, flat = _scale_rows(profile)
    pick = alt.selection_point(
        name="pick", fields=["position"], on="pointerover", nearest=True, clear="pointerout"
    )
    highest = max(len(profile.layers) - 1, 1)
    colour = alt.Color(
        "position:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, highest * 1.08]),
        legend=alt.Legend(
            title=["layer"],
            values=ticks(len(profile.layers), most=5),
            labelExpr=f"{json.dumps(tick_labels(profile))}[round(datum.value)]",
            gradientLength=200,
        ),
    )
    x = alt.X(
        "distance:Q",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(title="distance, mean of (rₙ₁ + rₙ₂)/2", grid=False, tickCount=6),
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title="intrinsic dimension")
    faint = alt.condition(FREE, alt.value(1), alt.value(0.15))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour, opacity=faint)
    layers: list[Any] = []
    if flat:
        bold = alt.Chart(alt.Data(values=flat)).mark_line(strokeWidth=6, strokeCap="round")
        half = alt.condition(FREE, alt.value(0.4), alt.value(0.05))
        layers.append(bold.encode(x=x, y=y, color=colour, opacity=half, detail="layer:N"))
    only = alt.condition("datum.position === hovered", alt.value(1), alt.value(0))
    bars = base.mark_rule(strokeWidth=1).encode(y=alt.Y("low:Q"), y2="high:Q", opacity=only)
    dots = base.mark_circle(size=30, tooltip=nearest_tooltip()).encode(y=y)
    layers += [
        bars.transform_filter("isValid(datum.low)"),
        base.mark_line(strokeWidth=1.5).encode(y=y, detail="layer:N"),
        dots.add_params(pick),
    ]
    title = "Dimension against distance"
    caption = (
        "One line per layer; the plateau found by the rule is drawn broad. Point at a layer to "
        f"see it alone with bars of ±{Z} standard errors."
    )
    return Chart(
        "scales", title, caption, label(title, profile), ("plateau_dimension",),
        finished(layers, height=340),
    )  # fmt: skip


def _scale_rows(profile: Profile) -> tuple[list[Row], list[Row]]:
    rows: list[Row] = []
    flat: list[Row] = []
    for place, layer in enumerate(profile.layers):
        if layer not in profile.scales:
            continue
        scale = profile.scales[layer]
        first, last = scale.plateau or (0, -1)
        for i in range(len(scale.ranks)):
            value, error = float(scale.values[i]), float(scale.errors[i])
            distance = float(scale.distances[i])
            if not (math.isfinite(value) and distance > 0):
                continue
            row: Row = {
                "position": place,
                "layer": visible(layer, 60),
                "distance": number_or_none(distance),
                "value": number_or_none(value),
                "low": number_or_none(value - Z * error),
                "high": number_or_none(value + Z * error),
                "tip": {
                    "title": visible(layer, 60),
                    "neighbours": f"{int(scale.ranks[i])} and {2 * int(scale.ranks[i])}",
                    "at distance": number(distance),
                    "intrinsic dimension": with_error(value, error),
                },
            }
            rows.append(row)
            if first <= i <= last:
                flat.append(row)
    return rows, flat
