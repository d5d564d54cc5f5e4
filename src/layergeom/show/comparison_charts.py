"""Charts of the comparison's page: the same drawings as the figures, to be pointed at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import BAND, Chart, Row, finished, map_cells, number_or_none
from layergeom.show.comparison_figures import (
    SIMILARITY,
    depth_quantities,
    heights_known,
    map_key,
    profile_of,
)
from layergeom.show.depth_figures import COLOURS, DepthCurve, curve_of
from layergeom.show.figure_style import Z
from layergeom.show.layer_axis import BLUE, GREY, ORANGE, tick_labels
from layergeom.show.published import PublishedCurve, curves_behind
from layergeom.show.quantities import quantity as words_of

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
    return Chart(
        f"depth_{name}",
        title,
        f"Over the relative depth{', published curves in grey' if behind else ''}. {BAND}",
        f"{title} of {len(curves)} models over the relative depth; numbers in the tables below.",
        (name,),
        finished(_lines(curves, behind), height=330 if name == "dimension" else 260),
        wide=name == "dimension",
    )


def _lines(curves: Sequence[DepthCurve], behind: Sequence[DepthCurve]) -> list[Any]:
    """Return bands, lines and points over the relative depth."""
    import altair as alt

    rows = [row for curve in (*behind, *curves) for row in _rows(curve)]
    names = [visible(curve.name, 80) for curve in (*behind, *curves)]
    colours = [GREY] * len(behind) + [COLOURS[i % len(COLOURS)] for i in range(len(curves))]
    legend = alt.Legend(title=None, orient="top", columns=2, labelLimit=420)
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=colours), legend=legend)
    x = alt.X("depth:Q", scale=alt.Scale(domain=[0, 1]), title="relative depth l/L")
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, color=colour)
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title=None)
    band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.15)
    tips = [alt.Tooltip(f, type="nominal") for f in ("series", "depth", "shown")]
    return [
        band.encode(y=alt.Y("low:Q", title=None), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y),
        base.mark_circle(size=40, opacity=1).encode(y=y, tooltip=tips),
    ]


def _rows(curve: DepthCurve) -> list[Row]:
    rows: list[Row] = []
    for depth, value, error in zip(curve.depth, curve.values, curve.errors, strict=True):
        row: Row = {"series": visible(curve.name, 80), "depth": number_or_none(float(depth))}
        row |= {
            "value": number_or_none(float(value)),
            "shown": with_error(float(value), float(error)),
        }
        if math.isfinite(value) and math.isfinite(error):
            row["low"] = number_or_none(float(value - Z * error))
            row["high"] = number_or_none(float(value + Z * error))
        rows.append(row)
    return rows


def _map(comparison: Comparison, found: CrossMap) -> Chart:
    upwards, across = (profile_of(comparison, name) for name in found.runs)
    rows = [
        {
            "position": j,
            "other": i,
            "value": number_or_none(float(found.values[i, j])),
            "layers": f"{visible(a, 40)}, {visible(b, 40)}",
            "shown": with_error(float(found.values[i, j]), float(found.errors[i, j])),
        }
        for i, a in enumerate(upwards.layers)
        for j, b in enumerate(across.layers)
    ]
    first, second = (visible(name, 40) for name in found.runs)
    cells = map_cells(
        rows,
        (tick_labels(across), tick_labels(upwards)),
        (f"layer of {second}", f"layer of {first}"),
        (SIMILARITY[found.quantity], [0, 1]),
    )
    title = f"{_HEADINGS[found.quantity]}: {first} and {second}"
    return Chart(
        map_key(comparison, found), title, map_words(found),
        f"{title}, layer by layer; the numbers are in the tables below.",
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
        "Height of the dimension's peak and plateau against the size of the model.", (),
        finished(layers),
    )  # fmt: skip
