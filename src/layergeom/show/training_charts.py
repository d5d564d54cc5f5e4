"""Charts of a training run: layers against steps, and the mean over the layers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import (
    BAND,
    Chart,
    Row,
    curve_rows,
    finished,
    layer_x,
    number_or_none,
    told,
)
from layergeom.show.findings import map_finding
from layergeom.show.layer_axis import BLUE, TINTS
from layergeom.show.over_training import (
    TO_FINAL,
    dynamics_axis,
    dynamics_chance,
    dynamics_errors,
    dynamics_names,
    dynamics_title,
    dynamics_values,
    peak_places,
)
from layergeom.show.quantities import quantity
from layergeom.show.step_profile import PROFILED, step_profile
from layergeom.show.training_axis import TrainingAxis

if TYPE_CHECKING:
    from layergeom.tasks.dynamics import Dynamics


def dynamics_charts(dynamics: Dynamics) -> list[Chart]:
    """Return the layer-mean dimension, profiles of one checkpoint, maps over layer and step."""
    names = dynamics_names(dynamics)
    profiles = [step_profile(dynamics, name) for name in PROFILED if name in names]
    maps = [_dynamics_map(dynamics, name) for name in names]
    return [*profiles, _mean_dimension(dynamics), *maps]


def _dynamics_map(dynamics: Dynamics, name: str) -> Chart:
    steps = dynamics_axis(dynamics)
    title, chance = dynamics_title(name), dynamics_chance(dynamics, name)
    caption = f"Layers across, training upwards. {_axis_words(steps)}"
    if chance is not None:
        caption += f" Chance is {number(chance, 2)}."
    bounds = [0.0, 1.0] if "overlap" in name else None
    heat = _step_heat(dynamics, name, steps, (_unit(name), bounds))
    return Chart(
        f"dynamics_{name}", f"{title} in training", caption.strip(),
        map_finding(
            dynamics_values(dynamics, name), dynamics.checkpoints, dynamics.profiles[0].layers
        ),
        () if name == TO_FINAL else (name,),
        finished(heat, height=300, stepped=len(dynamics.checkpoints) - 1),
    )  # fmt: skip


def _cells(dynamics: Dynamics, name: str) -> list[Row]:
    values, errors = dynamics_values(dynamics, name), dynamics_errors(dynamics, name)
    return [
        {
            "position": place,
            "at": at,
            "value": number_or_none(float(values[at, place])),
            "shown": with_error(float(values[at, place]), float(errors[at, place])),
        }
        for at in range(values.shape[0])
        for place in range(values.shape[1])
    ]


def _step_heat(
    dynamics: Dynamics, name: str, steps: TrainingAxis, value: tuple[str, list[float] | None]
) -> list[Any]:
    """Return the cells of a map over layer and step, as high as their part of the axis."""
    import altair as alt

    pick = alt.selection_point(
        name="pick", fields=["position", "at"], on="pointerover", clear="pointerout"
    )
    bounds = alt.Scale(domain=[steps.edges[0], steps.edges[-1]], nice=False, zero=False)
    color = alt.Scale(scheme="cividis", **({} if value[1] is None else {"domain": value[1]}))
    marked = alt.condition(
        "datum.position === hovered || datum.at === stepped",
        alt.value("#ffffff"),
        alt.value("transparent"),
    )
    edges = json.dumps([number_or_none(edge) for edge in steps.edges])
    base = alt.Chart(alt.Data(values=_cells(dynamics, name))).transform_calculate(
        left="datum.position - 0.5",
        right="datum.position + 0.5",
        low=f"{edges}[datum.at]",
        high=f"{edges}[datum.at + 1]",
    )
    cells = base.mark_rect(strokeWidth=1.2, tooltip=_told(dynamics, value[0])).encode(
        x=layer_x(dynamics.profiles[0], "left"),
        x2="right:Q",
        y=alt.Y("low:Q", axis=_step_axis(steps), scale=bounds),
        y2="high:Q",
        stroke=marked,
        color=alt.Color("value:Q", scale=color, legend=alt.Legend(title=value[0])),
    )
    return [cells.add_params(pick), *_breaks(steps, "y")]


def _told(dynamics: Dynamics, value: str) -> Any:
    layers = json.dumps([visible(layer, 40) for layer in dynamics.profiles[0].layers])
    names = json.dumps([visible(name, 40) for name in dynamics.checkpoints])
    return told({"layer": f"{layers}[datum.position]", "checkpoint": f"{names}[datum.at]"}, value)


def _step_axis(steps: TrainingAxis) -> Any:
    """Return the axis of the steps with its own labels at its own places."""
    import altair as alt

    places = [number_or_none(place) for place, _ in steps.ticks]
    labels = json.dumps([visible(text, 18) for _, text in steps.ticks])
    which = f"indexof({json.dumps(places)}, datum.value)"
    return alt.Axis(
        values=places, labelExpr=f"{labels}[{which}]", title=steps.title, grid=False,
        labelLimit=90, labelFlush=False,
    )  # fmt: skip


def _breaks(steps: TrainingAxis, channel: str) -> list[Any]:
    """Return dashed lines where the axis is broken."""
    import altair as alt

    if not steps.breaks:
        return []
    rows = alt.Data(values=[{"break": number_or_none(place)} for place in steps.breaks])
    line = alt.Chart(rows).mark_rule(strokeDash=[3, 3], color="#374151", strokeWidth=1)
    return [line.encode(**{channel: alt.Y("break:Q") if channel == "y" else alt.X("break:Q")})]


def _axis_words(steps: TrainingAxis) -> str:
    if not steps.breaks:
        return ""
    return "Beyond a dashed line the axis is broken: what stands there has no logarithm."


def _unit(name: str) -> str:
    return "χ" if name == TO_FINAL else quantity(name).symbol


def _mean_dimension(dynamics: Dynamics) -> Chart:
    steps, peak = dynamics_axis(dynamics), dynamics.peak
    where = "" if peak is None else _sentence(f"{peak}.")
    words = (where, BAND, _axis_words(steps))
    return Chart(
        "dynamics_mean_dimension", "Layer-mean dimension in training",
        visible(" ".join(word for word in words if word)),
        visible(_sentence(dynamics.turning_point)), (),
        finished(_mean_marks(dynamics, steps), stepped=len(dynamics.checkpoints) - 1),
    )  # fmt: skip


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _mean_marks(dynamics: Dynamics, steps: TrainingAxis) -> list[Any]:
    import altair as alt

    base = alt.Chart(alt.Data(values=_mean_rows(dynamics, steps))).encode(
        x=alt.X("place:Q", axis=_step_axis(steps), scale=alt.Scale(padding=24, zero=False))
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title="layer-mean dimension")
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.2, color=BLUE)
    line = base.mark_line(strokeWidth=2, color=BLUE).encode(y=y)
    tips = [alt.Tooltip(field=f, type="nominal", title=f) for f in ("checkpoint", "mean ID")]
    size = alt.condition("datum.position === stepped", alt.value(160), alt.value(60))
    dots = base.mark_circle(color=BLUE, opacity=1).encode(y=y, tooltip=tips, size=size)
    marks = [band.encode(y=alt.Y("low:Q", title=None), y2="high:Q"), line, dots]
    return [*_peak_mark(dynamics, steps), *marks, *_breaks(steps, "x")]


def _mean_rows(dynamics: Dynamics, steps: TrainingAxis) -> list[Row]:
    curve = dynamics.mean_dimension
    rows = curve_rows(curve)
    for at, (row, name) in enumerate(zip(rows, dynamics.checkpoints, strict=True)):
        row["place"] = number_or_none(steps.places[at])
        row["checkpoint"] = visible(name, 40)
        row["mean ID"] = with_error(float(curve.values[at]), float(curve.errors[at]))
    return rows


def _peak_mark(dynamics: Dynamics, steps: TrainingAxis) -> list[Any]:
    import altair as alt

    interval = peak_places(dynamics, steps)
    if interval is None:
        return []
    row = {"from": number_or_none(interval[0]), "to": number_or_none(interval[1])}
    mark = alt.Chart(alt.Data(values=[row])).mark_rect(color=TINTS["peak"], opacity=0.45)
    return [mark.encode(x=alt.X("from:Q"), x2="to:Q")]
