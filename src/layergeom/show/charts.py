"""Charts of the report: altair specifications that share one hovered layer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import visible, with_error
from layergeom.show.chart_parts import (
    BAND,
    INK,
    Chart,
    Row,
    columns,
    curve_rows,
    finished,
    layer_x,
    nearest_tooltip,
)
from layergeom.show.findings import curves_finding
from layergeom.show.layer_axis import GREY, Span, recommended_place, spans
from layergeom.show.map_charts import overlap_chart
from layergeom.show.null_lines import null_caption, null_layers
from layergeom.show.quantities import quantity
from layergeom.show.scale_chart import sample_chart, scale_chart
from layergeom.show.series import LOOKS, Group, Look, further_groups, line_groups
from layergeom.show.training_charts import dynamics_charts

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.reading import Reading
    from layergeom.tasks.dynamics import Dynamics


def report_charts(
    profile: Profile, reading: Reading | None = None, dynamics: Dynamics | None = None
) -> tuple[Chart, ...]:
    """Return the charts of the report, those whose numbers the profile holds.

    Parameters
    ----------
    profile : Profile
    reading : Reading, optional
        Its phases are shaded and its layer is marked in the first chart.
    dynamics : Dynamics, optional
        Its charts over layer and checkpoint come first.
    """
    charts = [] if dynamics is None else list(dynamics_charts(dynamics))
    if "dimension" in profile.curves:
        charts.append(_dimension(profile, reading))
    charts += [_group_chart(profile, group) for group in line_groups(profile)]
    if profile.scales:
        charts.append(scale_chart(profile))
    if any(profile.decimation.values()):
        charts.append(sample_chart(profile))
    if "overlap" in profile.maps:
        charts.append(overlap_chart(profile))
    return (*charts, *(_group_chart(profile, group) for group in further_groups(profile)))


def _group_chart(profile: Profile, group: Group) -> Chart:
    drawn = group.held(profile)
    caption = " ".join(filter(None, [group.caption, BAND])) + null_caption(profile, drawn)
    finding = curves_finding(profile, drawn)
    spec = finished(_lines(profile, drawn))
    return Chart(group.key, group.title, caption, finding, tuple(drawn), spec)


def _dimension(profile: Profile, reading: Reading | None) -> Chart:
    lines = _lines(profile, {"dimension": LOOKS[0]}, "intrinsic dimension")
    phases = () if reading is None else spans(profile, reading.phases)
    layers = [*_phase_layers(profile, phases), *_recommended(profile, reading), *lines]
    return Chart(
        "dimension",
        "Intrinsic dimension",
        f"Over the layers, phases shaded, the layer to use dotted. {BAND}"
        + null_caption(profile, ["dimension"]),
        curves_finding(profile, ["dimension"]),
        ("dimension",),
        finished(layers, height=330),
        wide=True,
    )


def _phase_layers(profile: Profile, phases: tuple[Span, ...]) -> list[Any]:
    """Return the shaded spans; their names stand above the chart, narrow ones lower."""
    import altair as alt

    layers = []
    for span in phases:
        row: Row = {"start": span.start, "stop": span.stop, "phase": span.kind}
        row |= {"middle": (span.start + span.stop) / 2}
        data = alt.Chart(alt.Data(values=[row]))
        x, middle = layer_x(profile, "start"), layer_x(profile, "middle")
        layers.append(data.mark_rect(color=span.tint, opacity=0.7).encode(x=x, x2="stop:Q"))
        share = (1.9 if span.narrow else span.stop - span.start) / len(profile.layers)
        words = data.mark_text(
            baseline="bottom",
            color=INK,
            fontSize=11,
            limit=alt.ExprRef(f"{share:.4f} * width - 4"),
        )
        level = alt.value(-4 if span.narrow else -19)
        layers.append(words.encode(x=middle, y=level, text="phase:N"))
    return layers


def _recommended(profile: Profile, reading: Reading | None) -> list[Any]:
    import altair as alt

    place = recommended_place(profile, reading)
    if place is None:
        return []
    data = alt.Chart(alt.Data(values=[{"position": place, "text": "layer to use"}]))
    rule = data.mark_rule(strokeDash=[2, 3], color=INK, strokeWidth=1.5)
    left = place > len(profile.layers) / 2
    text = data.mark_text(
        baseline="top", align="right" if left else "left", dx=-6 if left else 6, fontSize=11,
        color=INK,
    )  # fmt: skip
    x = layer_x(profile)
    return [rule.encode(x=x), text.encode(x=x, y=alt.value(5), text="text:N")]


def _lines(profile: Profile, looks: Mapping[str, Look], title: str = "") -> list[Any]:
    """Return the layers band, chance, line, points and hover rule."""
    import altair as alt

    rows = [row for name in looks for row in curve_rows(profile.curves[name])]
    base = alt.Chart(alt.Data(values=rows)).encode(x=layer_x(profile), color=_colours(looks))
    axis = alt.Axis(title=title or None, tickCount=6)
    y = alt.Y("value:Q", axis=axis, scale=alt.Scale(zero=len(looks) > 1))
    layers = null_layers(profile, tuple(looks), y)
    if any("low" in row for row in rows):
        known = base.transform_filter("isValid(datum.low)")
        layers.append(known.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", axis=axis), y2="high:Q"))
    if any("chance" in row for row in rows):
        dashed = base.transform_filter("isValid(datum.chance)")
        layers.append(dashed.mark_line(strokeDash=[4, 3], strokeWidth=1).encode(y="chance:Q"))
    layers += [_line(base, name, look).encode(y=y) for name, look in looks.items()]
    layers.append(_points(base, looks).encode(y=y))
    return [*layers, _hover_rule(profile, tuple(looks))]


def _line(base: Any, name: str, look: Look) -> Any:
    only = base.transform_filter(f"datum.series === {json.dumps(quantity(name).title)}")
    return only.mark_line(strokeWidth=2, strokeDash=list(look.dash) or [1, 0])


def _points(base: Any, looks: Mapping[str, Look]) -> Any:
    import altair as alt

    size = alt.condition("datum.position === hovered", alt.value(120), alt.value(30))
    shape = alt.Shape("series:N", scale=_scale(looks, "shape"), legend=_legend(looks))
    return base.mark_point(filled=True, opacity=1).encode(size=size, shape=shape)


def _colours(looks: Mapping[str, Look]) -> Any:
    import altair as alt

    return alt.Color("series:N", scale=_scale(looks, "colour"), legend=_legend(looks))


def _scale(looks: Mapping[str, Look], what: str) -> Any:
    import altair as alt

    titles = [quantity(name).title for name in looks]
    return alt.Scale(domain=titles, range=[getattr(look, what) for look in looks.values()])


def _legend(looks: Mapping[str, Look]) -> Any:
    import altair as alt

    if len(looks) < 2:
        return None
    return alt.Legend(
        title=None, orient="top", columns=columns(), offset=8, symbolSize=70, symbolOpacity=1,
        symbolStrokeWidth=0,
    )  # fmt: skip


def _hover_rule(profile: Profile, names: tuple[str, ...]) -> Any:
    """Return the rule that follows the pointer and carries the tooltip."""
    import altair as alt

    rows = _hover_rows(profile, names)
    pick = alt.selection_point(
        name="pick", encodings=["x"], on="pointerover", nearest=True, clear="pointerout"
    )
    shown = alt.condition("datum.position === hovered", alt.value(0.7), alt.value(0))
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_rule(color=GREY, strokeWidth=1, tooltip=nearest_tooltip())
        .encode(x=layer_x(profile), opacity=shown)
        .add_params(pick)
    )


def _hover_rows(profile: Profile, names: tuple[str, ...]) -> list[Row]:
    """Return a row per layer with the texts of the tooltip."""
    rows: list[Row] = []
    for place, layer in enumerate(profile.layers):
        tip = {"title": visible(layer, 60), "relative depth": f"{profile.names[place].depth:.2f}"}
        for name in names:
            curve = profile.curves[name]
            text = with_error(float(curve.values[place]), float(curve.errors[place]))
            tip[quantity(name).title] = text
        rows.append({"position": place, "tip": tip})
    return rows
