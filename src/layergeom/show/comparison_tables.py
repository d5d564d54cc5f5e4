"""The numbers of a comparison: tables for the page and the terminal, rows for CSV, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.profiles import plain
from layergeom.show.cells import UNKNOWN, number, visible, with_error
from layergeom.show.comparison_figures import SIMILARITY, depth_quantities, profile_of
from layergeom.show.quantities import quantity as words_of
from layergeom.show.report_tables import Table
from layergeom.show.table import csv_text

if TYPE_CHECKING:
    from rich.table import Table as TerminalTable

    from layergeom.profiles import Profile
    from layergeom.reading.heights import Height
    from layergeom.tasks.compare import Comparison
    from layergeom.tasks.cross_maps import CrossMap


_MEASURED = {
    "overlap": "their shared neighbours (χ)",
    "cka": "debiased CKA",
    "mutual_knn": "neighbours by cosine (mNN)",
}


def comparison_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the tables of the page: models, quantities over the depth, similarity maps."""
    names = depth_quantities(comparison)
    named = list(zip(comparison.runs, comparison.profiles, strict=True))
    tables = [models_table(comparison)]
    tables += [_layers(run, profile, names) for run, profile in named]
    maps = comparison.maps
    return (*tables, *(_map(comparison, found) for found in maps))


def models_table(comparison: Comparison) -> Table:
    """Return a row per model: size, peak and plateau."""
    head = ("Model", "Size", "Layers", "Peak", "at", "depth", "Plateau", "from", "depth")
    rows = []
    for at, run in enumerate(comparison.runs):
        size = float(comparison.sizes[at])
        cells = [visible(run, 60), UNKNOWN if math.isnan(size) else f"{size:,.0f}"]
        cells.append(str(len(comparison.profiles[at].layers)))
        for height in (comparison.peaks[at], comparison.plateaus[at]):
            cells += _height(height)
        rows.append(tuple(cells))
    title = f"Models (size: {comparison.size_kind})"
    return Table(title, head, tuple(rows), by_layer=False, open=True)


def _height(height: Height) -> list[str]:
    where = visible(height.layer, 40) if height.layer else UNKNOWN
    return [with_error(height.value, height.error, 2), where, number(height.depth, 2)]


def _layers(run: str, profile: Profile, names: Sequence[str]) -> Table:
    head = ("Layer", "Relative depth", *(words_of(name).title for name in names))
    rows = []
    for at, key in enumerate(profile.layers):
        curves = [profile.curves[name] for name in names]
        cells = [with_error(float(c.values[at]), float(c.errors[at])) for c in curves]
        rows.append((visible(key, 60), f"{profile.names[at].depth:.3f}", *cells))
    return Table(f"{visible(run, 60)}, layer by layer", head, tuple(rows), by_layer=False)


def _map(comparison: Comparison, found: CrossMap) -> Table:
    upwards, across = (profile_of(comparison, name) for name in found.runs)
    first, second = (visible(name, 60) for name in found.runs)
    rows = []
    for i, key in enumerate(upwards.layers):
        pairs = zip(found.values[i], found.errors[i], strict=True)
        rows.append((visible(key, 60), *(with_error(float(v), float(e)) for v, e in pairs)))
    head = (f"{first} \\ {second}", *(visible(key, 60) for key in across.layers))
    title = f"{SIMILARITY[found.quantity]} between {first} and {second}"
    return Table(title, head, tuple(rows), by_layer=False)


def terminal_table(comparison: Comparison) -> TerminalTable:
    """Return the models for the terminal, a row each."""
    from rich.table import Table as TerminalTable
    from rich.text import Text

    page = models_table(comparison)
    shown = TerminalTable(title=page.title, title_justify="left", header_style="bold", box=None)
    for place, head in enumerate(page.head):
        shown.add_column(head, justify="right" if place else "left", no_wrap=True)
    for row in page.rows:
        shown.add_row(*map(Text, (cell.replace(" ± ", "±") for cell in row)))
    return shown


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return what was found, as lines of plain text: the most alike layers, then sizes.

    What moves with the size is told of models of several sizes, and the claim only where a model
    has a peak to speak of.
    """
    lines = [_best(comparison, found) for found in comparison.maps if found.best[0]]
    lines = lines or ["No layer of one model could be compared with a layer of another."]
    if len(set(comparison.sizes[np.isfinite(comparison.sizes)].tolist())) > 1:
        lines += _of_sizes(comparison)
    return [visible(line) for line in lines]


def _of_sizes(comparison: Comparison) -> list[str]:
    claim, heights = comparison.claim, comparison.peaks
    if not any(math.isfinite(height.value) for height in heights):
        return [f"Size: {heights[0].reason} in any model, so there is nothing to follow over size."]
    settle = f"; to settle it: {claim.needs}" if claim.needs else ""
    numbers = f" ({claim.evidence})" if claim.evidence else ""
    told = f"{claim.name} {claim.verdict}: {claim.statement}{numbers}{settle}."
    return [*(trend.words for trend in comparison.trends), told]


def _best(comparison: Comparison, found: CrossMap) -> str:
    upwards, across = (profile_of(comparison, name) for name in found.runs)
    i, j = upwards.layers.index(found.best[0]), across.layers.index(found.best[1])
    value = with_error(float(found.values[i, j]), float(found.errors[i, j]), 3)
    level = "" if found.level is None else f", dealt at random {number(found.level.quantile, 2)}"
    first, second = found.best
    where = f"at {first}" if first == second else f"between {first} and {second}"
    return (
        f"By {_MEASURED[found.quantity]}, {found.runs[0]} and {found.runs[1]} are most alike "
        f"{where}: {value} (chance {number(found.chance, 2)}{level})."
    )


def profiles_csv(comparison: Comparison) -> str:
    """Return one row per model and layer: depth, then every quantity with its error."""
    rows: list[dict[str, Any]] = []
    for run, profile in zip(comparison.runs, comparison.profiles, strict=True):
        rows += [{"model": run, **row} for row in profile.rows()]
    return csv_text(rows)


def similarities_csv(comparison: Comparison) -> str:
    """Return one row per two layers of two models: similarity, error, chance, rows."""
    rows: list[dict[str, Any]] = []
    for found in comparison.maps:
        upwards, across = (profile_of(comparison, name) for name in found.runs)
        facts = {"quantity": found.quantity, "model": found.runs[0], "other_model": found.runs[1]}
        for i, key in enumerate(upwards.layers):
            for j, other in enumerate(across.layers):
                values = {"value": float(found.values[i, j]), "error": float(found.errors[i, j])}
                row = {**facts, "layer": key, "other_layer": other, **values}
                rows.append({**row, "chance": found.chance, "rows": found.rows})
    return csv_text(rows)


def comparison_facts(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison as plain JSON; what is not a number is null."""
    parts = vars(comparison) | {
        "profiles": [json.loads(profile.to_json()) for profile in comparison.profiles],
        "overlaps": [_map_facts(found) for found in comparison.overlaps],
        "claim": vars(comparison.claim),
        "ckas": [_map_facts(found) for found in comparison.ckas],
        "mutual_knns": [_map_facts(found) for found in comparison.mutual_knns],
        "peaks": [vars(height) for height in comparison.peaks],
        "plateaus": [vars(height) for height in comparison.plateaus],
        "trends": {
            name: vars(trend)
            for name, trend in zip(("peak", "plateau"), comparison.trends, strict=True)
        },
    }
    facts: dict[str, Any] = plain({"schema": 1, **parts})
    return facts


def _map_facts(found: CrossMap) -> dict[str, Any]:
    return vars(found) | {"level": None if found.level is None else vars(found.level)}
