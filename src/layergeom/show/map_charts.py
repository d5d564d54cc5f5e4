"""The report's map of layers against layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layergeom.show.cells import number, visible, with_error
from layergeom.show.chart_parts import Chart, finished, map_cells, number_or_none
from layergeom.show.findings import overlap_finding

if TYPE_CHECKING:
    from layergeom.profiles import Profile


def overlap_chart(profile: Profile) -> Chart:
    """Return the map of the overlap between every two layers."""
    layer_map = profile.maps["overlap"]
    rows = [
        {
            "position": i,
            "other": j,
            "value": number_or_none(float(layer_map.values[i][j])),
            "shown": with_error(float(layer_map.values[i][j]), float(layer_map.errors[i][j])),
        }
        for i in range(len(profile.layers))
        for j in range(len(profile.layers))
    ]
    names = [visible(layer, 40) for layer in profile.layers]
    spec = map_cells(rows, (names, names), ("layer", "other layer"), ("overlap", [0, 1]))
    title = "Overlap between layers"
    chance = number(float(layer_map.chance), 2)
    caption = f"The share of neighbours that two layers have in common; chance is {chance}."
    return Chart(
        "overlap_map", title, caption, overlap_finding(profile), ("overlap",),
        finished(spec, height=340),
    )  # fmt: skip
