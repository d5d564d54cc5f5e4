"""The report's charts of dimension against distance and against the number of samples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from layergeom.reading.scales import plateau_statement
from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import (
    FREE,
    Chart,
    Row,
    finished,
    nearest_tooltip,
    number_or_none,
)
from layergeom.show.figure_style import Z
from layergeom.show.findings import samples_finding
from layergeom.show.layer_axis import tick_labels, ticks

if TYPE_CHECKING:
    from layergeom.profiles import Profile


def scale_chart(profile: Profile) -> Chart:
    """Return the chart of dimension against distance, a line per layer."""
    import altair as alt

    rows, flat = _scale_rows(profile)
    x = alt.X(
        "along:Q",
        scale=alt.Scale(type="log", nice=False, padding=8),
        axis=alt.Axis(title="distance, mean of (rₙ₁ + rₙ₂)/2", grid=False, tickCount=6),
    )
    title = "Dimension against distance"
    caption = (
        "One line per layer; the plateau found by the rule is drawn broad. Point at a layer to "
        f"see it alone with bars of ±{Z} standard errors."
    )
    layers = _layer_lines(profile, rows, x, flat)
    return Chart(
        "scales", title, caption, plateau_statement(profile), ("plateau_dimension",),
        finished(layers, height=340),
    )  # fmt: skip


def sample_chart(profile: Profile) -> Chart:
    """Return the chart of dimension against the number of samples, a line per layer."""
    import altair as alt

    rows = list(_sample_rows(profile))
    sizes = sorted({row["along"] for row in rows})
    x = alt.X(
        "along:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=8),
        axis=alt.Axis(title="points per subset", grid=False, values=sizes, format=",d"),
    )
    title = "Dimension against the number of samples"
    caption = (
        "Mean TwoNN over disjoint subsets of N, N/2, N/4, … points, one line per layer. A line "
        "that still rises at N says that the dimension is at least that: do not compare it with a "
        f"value from another number of samples. Bars of the layer pointed at: ±{Z} standard errors."
    )
    layers = _layer_lines(profile, rows, x)
    return Chart(
        "samples", title, caption, samples_finding(profile), ("dimension",),
        finished(layers, height=300),
    )  # fmt: skip


def _layer_lines(profile: Profile, rows: list[Row], x: Any, flat: Sequence[Row] = ()) -> list[Any]:
    """Return a line with dots and bars per layer, and the ``flat`` rows drawn broad."""
    import altair as alt

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
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title="intrinsic dimension")
    faint = alt.condition(FREE, alt.value(1), alt.value(0.15))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour, opacity=faint)
    layers: list[Any] = []
    if flat:
        bold = alt.Chart(alt.Data(values=list(flat))).mark_line(strokeWidth=6, strokeCap="round")
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
    return layers


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
            tip = {
                "neighbours": f"{int(scale.ranks[i])} and {2 * int(scale.ranks[i])}",
                "at distance": number(distance),
            }
            row = _point(place, layer, distance, (value, error), tip)
            rows.append(row)
            if first <= i <= last:
                flat.append({name: row[name] for name in ("position", "layer", "along", "value")})
    return rows, flat


def _sample_rows(profile: Profile) -> Iterator[Row]:
    for place, layer in enumerate(profile.layers):
        part = profile.decimation.get(layer)
        if not part:
            continue
        for n, value, error in zip(part["n"], part["values"], part["errors"], strict=True):
            if math.isfinite(value):
                tip = {"points": f"{int(n):,}"}
                yield _point(place, layer, float(n), (value, error), tip)


def _point(
    place: int, layer: str, along: float, estimate: tuple[float, float], tip: dict[str, str]
) -> Row:
    """Return what is drawn and told of one estimate of one layer."""
    value, error = estimate
    return {
        "position": place,
        "layer": visible(layer, 60),
        "along": number_or_none(along),
        "value": number_or_none(value),
        "low": number_or_none(value - Z * error),
        "high": number_or_none(value + Z * error),
        "tip": {
            "title": visible(layer, 60),
            **tip,
            "intrinsic dimension": with_error(value, error),
        },
    }
