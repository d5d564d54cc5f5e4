"""Maps of the report: layers against layers, layers against checkpoints."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import (
    BAND,
    Chart,
    Row,
    curve_rows,
    finished,
    label,
    number_or_none,
)
from layergeom.show.layer_axis import BLUE, tick_labels, ticks
from layergeom.show.over_training import dynamics_names, dynamics_title, dynamics_values
from layergeom.show.quantities import quantity

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.tasks.dynamics import Dynamics


def overlap_chart(profile: Profile) -> Chart:
    """Return the map of the overlap between every two layers."""
    layer_map = profile.maps["overlap"]
    rows = [
        {
            "position": i,
            "other": j,
            "value": number_or_none(float(layer_map.values[i][j])),
            "layers": f"{visible(a, 40)}, {visible(b, 40)}",
            "overlap": with_error(float(layer_map.values[i][j]), float(layer_map.errors[i][j])),
        }
        for i, a in enumerate(profile.layers)
        for j, b in enumerate(profile.layers)
    ]
    names = tick_labels(profile)
    spec = _heat(rows, (names, names), ("layer", "layer"), ("overlap", [0, 1]))
    title = "Overlap between layers"
    chance = number(float(layer_map.chance), 2)
    caption = f"The share of neighbours that two layers have in common; chance is {chance}."
    return Chart(
        "overlap_map", title, caption, label(title, profile), ("overlap",),
        finished(spec, height=340),
    )  # fmt: skip


def _heat(
    rows: list[Row],
    names: tuple[list[str], list[str]],
    titles: tuple[str, str],
    value: tuple[str, list[float] | None],
) -> list[Any]:
    """Return the cells of a map: ``position`` across, ``other`` upwards."""
    import altair as alt

    pick = alt.selection_point(
        name="pick", fields=["position"], on="pointerover", clear="pointerout"
    )
    across, up = (
        alt.Axis(
            values=ticks(len(labels), most=13),
            labelExpr=f"{json.dumps(labels)}[datum.value]",
            title=title,
            labelLimit=90,
            labelAngle=0,
            labelOverlap="greedy",
        )
        for labels, title in zip(names, titles, strict=True)
    )
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


def dynamics_charts(dynamics: Dynamics) -> list[Chart]:
    """Return the layer-mean dimension and the maps over layer and checkpoint."""
    charts = [_dynamics_map(dynamics, name) for name in dynamics_names(dynamics)]
    return [_mean_dimension(dynamics), *charts]


def _dynamics_map(dynamics: Dynamics, name: str) -> Chart:
    profile = dynamics.profiles[0]
    values = dynamics_values(dynamics, name)
    to_final = name == "overlap_to_final"
    rows = []
    for c, checkpoint in enumerate(dynamics.checkpoints):
        for place, layer in enumerate(profile.layers):
            value = float(values[c, place])
            row: Row = {"position": place, "other": c, "value": number_or_none(value)}
            row |= {"layer": visible(layer, 40), "checkpoint": visible(checkpoint, 40)}
            error = math.nan if to_final else float(dynamics.profiles[c].curves[name].errors[place])
            row["shown"] = with_error(value, error) if not to_final else number(value)
            rows.append(row)
    steps = [visible(text, 18) for text in dynamics.checkpoints]
    title = dynamics_title(name)
    titles = ("layer", "checkpoint")
    heat = _heat(rows, (tick_labels(profile), steps), titles, (_unit(name), None))
    return Chart(
        f"dynamics_{name}", f"{title} in training",
        "Layers across, checkpoints upwards.", f"{title} over layers and checkpoints.",
        () if to_final else (name,), finished(heat, height=300),
    )  # fmt: skip


def _unit(name: str) -> str:
    return "χ" if name == "overlap_to_final" else quantity(name).symbol


def _mean_dimension(dynamics: Dynamics) -> Chart:
    import altair as alt

    names = [visible(text, 18) for text in dynamics.checkpoints]
    rows = curve_rows(dynamics.mean_dimension)
    for row, name in zip(rows, dynamics.checkpoints, strict=True):
        place = row["position"]
        curve = dynamics.mean_dimension
        row["checkpoint"] = visible(name, 40)
        row["mean ID"] = with_error(float(curve.values[place]), float(curve.errors[place]))
    axis = alt.Axis(
        values=ticks(len(names)), labelExpr=f"{json.dumps(names)}[datum.value]", grid=False,
        labelLimit=80, labelFlush=False,
        title="checkpoint", labelAngle=-35,
    )  # fmt: skip
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("position:Q", axis=axis, scale=alt.Scale(padding=24))
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title="layer-mean dimension")
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.2, color=BLUE)
    line = base.mark_line(strokeWidth=2, color=BLUE).encode(y=y)
    tips = [alt.Tooltip(field=f, type="nominal", title=f) for f in ("checkpoint", "mean ID")]
    dots = base.mark_circle(size=60, color=BLUE, opacity=1).encode(y=y, tooltip=tips)
    layers = [band.encode(y=alt.Y("low:Q", title=None), y2="high:Q"), line, dots]
    return Chart(
        "dynamics_mean_dimension", "Layer-mean dimension in training",
        f"{visible(dynamics.turning_point)} {BAND}",
        "Layer-mean intrinsic dimension over the checkpoints.", (),
        finished(layers, height=260),
    )  # fmt: skip
