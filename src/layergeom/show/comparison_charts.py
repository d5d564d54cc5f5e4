"""Charts of the comparison's page: the same drawings as the figures, to be pointed at."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import (
    BAND,
    Chart,
    Row,
    columns,
    finished,
    map_cells,
    nearest_tooltip,
    number_or_none,
)
from layergeom.show.comparison_figures import (
    SIMILARITY,
    depth_quantities,
    heights_known,
    map_key,
    profile_of,
)
from layergeom.show.depth_figures import DepthCurve, curve_of
from layergeom.show.figure_style import Z
from layergeom.show.findings import curves_finding
from layergeom.show.layer_axis import BLUE, GREY, ORANGE
from layergeom.show.published import PublishedCurve, curves_behind
from layergeom.show.quantities import quantity as words_of
from layergeom.show.readers import depths
from layergeom.show.series import look_of

if TYPE_CHECKING:
    from layergeom.tasks.compare import Comparison
    from layergeom.tasks.cross_maps import CrossMap

_HEADINGS = {
    "overlap": "Neighbourhood overlap",
    "cka": "Linear CKA",
    "mutual_knn": "Mutual nearest neighbours by cosine",
}


def comparison_charts(
    comparison: Comparison, published: Sequence[PublishedCurve] = ()
) -> tuple[Chart, ...]:
    """Return the charts: quantities over the depth, similarity maps, heights against size."""
    charts = [_over_depth(comparison, name, published) for name in depth_quantities(comparison)]
    charts += [_map(comparison, found) for found in comparison.maps]
    if heights_known(comparison):
        charts.append(_heights(comparison))
    return tuple(charts)


def _over_depth(comparison: Comparison, name: str, published: Sequence[PublishedCurve]) -> Chart:
    named = zip(comparison.runs, comparison.profiles, strict=True)
    curves = [curve_of(profile, name, run) for run, profile in named]
    behind = curves_behind(published, name)
    title = words_of(name).title
    words = (
        f"{visible(run, 60)}: {curves_finding(profile, [name])}"
        for run, profile in zip(comparison.runs, comparison.profiles, strict=True)
    )
    return Chart(
        f"depth_{name}",
        title,
        f"Over the relative depth{', published curves in grey' if behind else ''}. {BAND}",
        " ".join(words),
        (name,),
        finished(
            _lines(curves, behind, depths(comparison)), height=330 if name == "dimension" else 260
        ),
        wide=name == "dimension",
    )


def _lines(
    curves: Sequence[DepthCurve], behind: Sequence[DepthCurve], places: Sequence[float]
) -> list[Any]:
    """Return bands, lines and points over the relative depth, and the marker of a depth."""
    import altair as alt

    rows = [row for curve in (*behind, *curves) for row in _rows(curve, places)]
    looks = [look_of(at) for at in range(len(curves))]
    names = [visible(curve.name, 80) for curve in (*behind, *curves)]
    colours = [GREY] * len(behind) + [look.colour for look in looks]
    shapes = ["stroke"] * len(behind) + [look.shape for look in looks]
    legend = alt.Legend(
        title=None, orient="top", columns=columns(), labelLimit=420, symbolSize=70, symbolOpacity=1,
        symbolStrokeWidth=0,
    )  # fmt: skip
    scale = {"domain": names}
    colour = alt.Color("series:N", scale=alt.Scale(range=colours, **scale), legend=legend)
    shape = alt.Shape("series:N", scale=alt.Scale(range=shapes, **scale), legend=legend)
    x = alt.X("depth:Q", scale=alt.Scale(domain=[0, 1]), title="relative depth l/L")
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour)
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title=None)
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.15)
    size = alt.condition("datum.position === hovered", alt.value(120), alt.value(36))
    points = base.mark_point(filled=True, opacity=1, tooltip=nearest_tooltip())
    dashes = [()] * len(behind) + [look.dash for look in looks]
    return [
        band.encode(y=alt.Y("low:Q", title=None), y2="high:Q"),
        *(_line(base, name, dash).encode(y=y) for name, dash in zip(names, dashes, strict=True)),
        points.encode(y=y, shape=shape, size=size).add_params(_pick()),
        _marker(x, places),
    ]


def _line(base: Any, name: str, dash: Sequence[float]) -> Any:
    only = base.transform_filter(f"datum.series === {json.dumps(name)}")
    return only.mark_line(strokeWidth=2, strokeDash=list(dash) or [1, 0])


def _pick() -> Any:
    import altair as alt

    return alt.selection_point(
        name="pick", fields=["position"], on="pointerover", nearest=True, clear="pointerout"
    )


def _marker(x: Any, places: Sequence[float]) -> Any:
    import altair as alt

    rows = [{"position": at, "depth": number_or_none(depth)} for at, depth in enumerate(places)]
    shown = alt.condition("datum.position === hovered", alt.value(0.7), alt.value(0))
    rule = alt.Chart(alt.Data(values=rows)).mark_rule(color=GREY, strokeWidth=1)
    return rule.encode(x=x, opacity=shown)


def _rows(curve: DepthCurve, places: Sequence[float]) -> list[Row]:
    rows: list[Row] = []
    name = visible(curve.name, 80)
    for depth, value, error in zip(curve.depth, curve.values, curve.errors, strict=True):
        told = with_error(float(value), float(error))
        row: Row = {"series": name, "depth": number_or_none(float(depth))}
        row |= {"value": number_or_none(float(value)), "position": _place(float(depth), places)}
        row["tip"] = {"title": name, "relative depth": f"{depth:.2f}", "value": told}
        if math.isfinite(value) and math.isfinite(error):
            row["low"] = number_or_none(float(value - Z * error))
            row["high"] = number_or_none(float(value + Z * error))
        rows.append(row)
    return rows


def _place(depth: float, places: Sequence[float]) -> int:
    return min(range(len(places)), key=lambda at: abs(places[at] - depth))


def _map(comparison: Comparison, found: CrossMap) -> Chart:
    upwards, across = (profile_of(comparison, name) for name in found.runs)
    places = depths(comparison)
    rows = [
        {
            "position": _place(name.depth, places),
            "across": j,
            "other": i,
            "value": number_or_none(float(found.values[i, j])),
            "shown": with_error(float(found.values[i, j]), float(found.errors[i, j])),
        }
        for i in range(len(upwards.layers))
        for j, name in enumerate(across.names)
    ]
    first, second = (visible(name, 40) for name in found.runs)
    cells = map_cells(
        rows,
        ([visible(key, 40) for key in across.layers], [visible(key, 40) for key in upwards.layers]),
        (f"layer of {second}", f"layer of {first}"),
        (SIMILARITY[found.quantity], [0, 1]),
        across="across",
    )
    title = f"{_HEADINGS[found.quantity]}: {first} and {second}"
    return Chart(
        map_key(comparison, found), title, map_words(found),
        "",
        () if found.quantity == "cka" else (found.quantity,), finished(cells, height=340),
    )  # fmt: skip


def map_words(found: CrossMap) -> str:
    """Say what chance reaches in a map, and which layers are the most alike."""
    words = f"{found.rows:,} rows; chance is {number(found.chance, 2)}."
    if found.best[0]:
        words += f" Most alike: {visible(found.best[0], 40)} and {visible(found.best[1], 40)}"
        if found.level is not None:
            words += (
                f"; with their rows dealt at random ({found.level.permutations} times) they reach "
                f"{number(found.level.mean, 2)} on average and {number(found.level.quantile, 2)} "
                "in one of twenty"
            )
        words += "."
    return words


def _heights(comparison: Comparison) -> Chart:
    import altair as alt

    rows: list[Row] = []
    for kind, heights in (("peak", comparison.peaks), ("plateau", comparison.plateaus)):
        for name, size, height in zip(comparison.runs, comparison.sizes, heights, strict=True):
            if not (math.isfinite(size) and math.isfinite(height.value)):
                continue
            row: Row = {"kind": kind, "size": float(size), "value": height.value}
            row |= {"model": visible(name, 60), "shown": with_error(height.value, height.error)}
            if math.isfinite(height.error):
                row |= {"low": height.value - Z * height.error}
                row |= {"high": height.value + Z * height.error}
            rows.append(row)
    scale = alt.Scale(domain=["peak", "plateau"], range=[BLUE, ORANGE])
    colour = alt.Color("kind:N", scale=scale, legend=alt.Legend(title=None, orient="top"))
    x = alt.X("size:Q", scale=alt.Scale(type="log"), title=f"size ({comparison.size_kind})")
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour)
    bars = base.transform_filter("isValid(datum.low)").mark_rule()
    y = alt.Y("value:Q", title="intrinsic dimension")
    tips = [alt.Tooltip(f, type="nominal") for f in ("model", "kind", "shown")]
    layers = [
        bars.encode(y=alt.Y("low:Q", title="intrinsic dimension"), y2="high:Q"),
        base.mark_line(strokeWidth=1).encode(y=y),
        base.mark_circle(size=70, opacity=1).encode(y=y, tooltip=tips),
    ]
    return Chart(
        "heights_by_size", "Peak and plateau against size",
        f"{visible(comparison.claim.statement)}: {comparison.claim.verdict}. Bars: ±{Z} SE.",
        "", (),
        finished(layers),
    )  # fmt: skip
