"""The profile at one checkpoint of a training run, which a slider over the steps moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layergeom.profiles import BY_LABELS
from layergeom.show.cells import visible, with_error
from layergeom.show.chart_parts import (
    BAND,
    Chart,
    Row,
    curve_rows,
    finished,
    layer_x,
    nearest_tooltip,
)
from layergeom.show.findings import curves_finding
from layergeom.show.layer_axis import BLUE, GREY, ORANGE
from layergeom.show.over_training import dynamics_title
from layergeom.show.quantities import quantity

if TYPE_CHECKING:
    from layergeom.tasks.dynamics import Dynamics

PROFILED = {"dimension": BLUE, **dict.fromkeys(BY_LABELS, ORANGE)}


def step_profile(dynamics: Dynamics, name: str) -> Chart:
    """Return the curve of one quantity over the layers, of the checkpoint that is stepped to."""
    title = f"{dynamics_title(name)}, step by step"
    last = dynamics.profiles[-1]
    caption = (
        "The checkpoint of the slider; the others are faint. Move it with the slider or, in a "
        f"figure, with the arrow keys up and down. {BAND}"
    )
    return Chart(
        f"step_profile_{name}",
        title,
        caption,
        f"At the last checkpoint: {curves_finding(last, [name])}",
        (name,),
        finished(_marks(dynamics, name), stepped=len(dynamics.profiles) - 1),
    )


def _marks(dynamics: Dynamics, name: str) -> list[Any]:
    import altair as alt

    first = dynamics.profiles[0]
    base = alt.Chart(alt.Data(values=_rows(dynamics, name))).encode(x=layer_x(first))
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title=quantity(name).symbol)
    faint = base.mark_line(strokeWidth=1, color=GREY, opacity=0.25)
    shown = base.transform_filter("datum.at === stepped")
    band = shown.transform_filter("isValid(datum.low)").mark_area(opacity=0.2, color=PROFILED[name])
    size = alt.condition("datum.position === hovered", alt.value(120), alt.value(30))
    pick = alt.selection_point(
        name="pick", encodings=["x"], on="pointerover", nearest=True, clear="pointerout"
    )
    dots = shown.mark_circle(color=PROFILED[name], opacity=1, tooltip=nearest_tooltip())
    return [
        faint.encode(y=y, detail="at:N"),
        band.encode(y=alt.Y("low:Q", title=None), y2="high:Q"),
        shown.mark_line(strokeWidth=2.2, color=PROFILED[name]).encode(y=y),
        dots.encode(y=y, size=size).add_params(pick),
    ]


def _rows(dynamics: Dynamics, name: str) -> list[Row]:
    rows: list[Row] = []
    for at, profile in enumerate(dynamics.profiles):
        curve, checkpoint = profile.curves[name], visible(dynamics.checkpoints[at], 40)
        for place, row in enumerate(curve_rows(curve)):
            text = with_error(float(curve.values[place]), float(curve.errors[place]))
            tip = {"title": visible(profile.layers[place], 60), "checkpoint": checkpoint}
            rows.append({**row, "at": at, "tip": {**tip, quantity(name).title: text}})
    return rows
