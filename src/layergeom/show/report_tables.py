"""The tables of the report: every number that a chart draws, with its error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layergeom.show.cells import UNKNOWN, number, visible, with_error
from layergeom.show.over_training import dynamics_names, dynamics_title, dynamics_values
from layergeom.show.quantities import quantity
from layergeom.show.table import added_names, curve_names

if TYPE_CHECKING:
    from layergeom.profiles import Curve, Profile, ScaleCurve
    from layergeom.tasks.dynamics import Dynamics

_GROUPS = {
    "Dimension, layer by layer": ("dimension", "plateau", "homogeneity", "distinct"),
    "Neighbourhood overlap, layer by layer": ("overlap", "label"),
    "Anisotropy and rank, layer by layer": (
        "anisotropy", "mean_cosine", "effective", "spectral", "participation", "pca",
    ),
}  # fmt: skip
_DRAWN_NULLS = ("dimension", "overlap_next", "label_overlap")
_PROFILED = ("shuffled", "untrained")
_REST = "Distances and norms, layer by layer"
_ADDED = "Added quantities, layer by layer"


@dataclass(frozen=True)
class Table:
    """A table of the report; ``by_layer`` where row i is layer i of the profile."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    by_layer: bool = True
    open: bool = False


def report_tables(profile: Profile, dynamics: Dynamics | None = None) -> tuple[Table, ...]:
    """Return the tables: layers in rows, then scales, overlaps and, if given, checkpoints."""
    tables = [_layers(profile), *_curves(profile), *_nulls(profile)]
    if profile.scales:
        tables += [_scales(profile), _plateaus(profile)]
    if any(profile.decimation.values()):
        tables.append(_decimation(profile))
    if "overlap" in profile.maps:
        tables.append(_overlap(profile))
    if dynamics is not None:
        tables += [_mean(dynamics), *(_checkpoints(dynamics, n) for n in dynamics_names(dynamics))]
    return tuple(tables)


def _group(name: str) -> str:
    return next((t for t, heads in _GROUPS.items() if name.startswith(heads)), _REST)


def _curves(profile: Profile) -> list[Table]:
    grouped: dict[str, list[str]] = {title: [] for title in (*_GROUPS, _REST, _ADDED)}
    added = added_names(profile)
    for name in curve_names(profile):
        grouped[_ADDED if name in added else _group(name)].append(name)
    used = {title: names for title, names in grouped.items() if names}
    return [
        _group_table(profile, title, [profile.curves[name] for name in names])
        for title, names in used.items()
    ]


def _nulls(profile: Profile) -> list[Table]:
    """Return a table per null; of those with a profile of their own what is drawn."""
    tables = []
    for kind, null in profile.nulls.items():
        drawn = [null[name] for name in _DRAWN_NULLS if name in null]
        shown = drawn if kind in _PROFILED else list(null.values())
        tables.append(_group_table(profile, f"Null: {visible(kind)}, layer by layer", shown))
    return tables


def _group_table(profile: Profile, title: str, curves: list[Curve]) -> Table:
    head, columns = ["Layer"], [[visible(key, 60) for key in profile.layers]]
    for curve in curves:
        head.append(quantity(curve.name).title)
        columns.append(_texts(curve.values, curve.errors))
        if curve.chance is not None:
            head.append("Chance")
            columns.append([number(float(v)) for v in curve.chance])
    return Table(title, tuple(head), tuple(zip(*columns, strict=True)), open=True)


def _texts(values: Iterable[float], errors: Iterable[float]) -> list[str]:
    return [with_error(float(v), float(e)) for v, e in zip(values, errors, strict=True)]


def _layers(profile: Profile) -> Table:
    head = ("Layer", "Relative depth", "hidden_states", "Module", "Blocks", "Final norm", "State")
    rows = []
    for key, name in zip(profile.layers, profile.names, strict=True):
        row = [visible(key, 60), f"{name.depth:.3f}", _word(name.hidden_states)]
        row += [_word(name.module), _word(name.blocks), "yes" if name.final_norm else "no"]
        rows.append((*row, visible(profile.undefined.get(key, "measured"))))
    return Table("The layers in each tool's words", head, tuple(rows))


def _word(value: object) -> str:
    return UNKNOWN if value is None else visible(value, 80)


def _scales(profile: Profile) -> Table:
    longest = max(profile.scales.values(), key=lambda scale: len(scale.ranks))
    head = ("Layer", *(f"n₁ = {int(rank)}" for rank in longest.ranks))
    rows = tuple(
        (visible(key, 60), *_scale_cells(profile.scales.get(key), len(longest.ranks)))
        for key in profile.layers
    )
    return Table("Dimension at each scale (at mean distance)", head, rows)


def _scale_cells(scale: ScaleCurve | None, width: int) -> list[str]:
    if scale is None:
        return [UNKNOWN] * width
    texts = _texts(scale.values, scale.errors)
    cells = [f"{t} ({number(float(r))})" for t, r in zip(texts, scale.distances, strict=True)]
    return cells + [UNKNOWN] * (width - len(cells))


def _plateaus(profile: Profile) -> Table:
    rows = []
    for key in profile.layers:
        scale = profile.scales.get(key)
        share = UNKNOWN if scale is None else number(float(scale.plateau_share), 2)
        if scale is None or scale.plateau is None:
            rows.append((visible(key, 60), "none", UNKNOWN, share))
            continue
        first, last = (int(scale.ranks[i]) for i in scale.plateau)
        text = with_error(float(scale.plateau_dimension), float(scale.plateau_error))
        rows.append((visible(key, 60), f"n₁ = {first} to {last}", text, share))
    head = ("Layer", "Range", "Dimension", "Draws with a plateau")
    return Table("Plateau of scales", head, tuple(rows))


def _decimation(profile: Profile) -> Table:
    rows = []
    for key in profile.layers:
        part = profile.decimation.get(key)
        if part:
            texts = _texts(part["values"], part["errors"])
            cells = [f"{t} (N = {int(n):,})" for t, n in zip(texts, part["n"], strict=True)]
            rows.append((visible(key, 60), " · ".join(cells)))
    head = ("Layer", "Dimension at N, N/2, N/4, …")
    return Table("Dimension against the number of samples", head, tuple(rows), by_layer=False)


def _overlap(profile: Profile) -> Table:
    found = profile.maps["overlap"]
    keys = [visible(key, 60) for key in profile.layers]
    rows = tuple(
        (key, *_texts(found.values[i], found.errors[i])) for i, key in enumerate(keys)
    )  # fmt: skip
    return Table("Overlap between every two layers", ("Layer", *keys), rows)


def _mean(dynamics: Dynamics) -> Table:
    curve = dynamics.mean_dimension
    names = [visible(text, 60) for text in dynamics.checkpoints]
    steps = [number(float(step), 6) for step in dynamics.steps]
    rows = zip(names, steps, _texts(curve.values, curve.errors), strict=True)
    head = ("Checkpoint", "Step", "Layer-mean dimension")
    return Table("Layer-mean dimension in training", head, tuple(rows), by_layer=False)


def _checkpoints(dynamics: Dynamics, name: str) -> Table:
    values = dynamics_values(dynamics, name)
    keys = [visible(key, 60) for key in dynamics.profiles[0].layers]
    rows = []
    for c, checkpoint in enumerate(dynamics.checkpoints):
        errors: Iterable[float] = [math.nan] * len(keys)
        if name != "overlap_to_final":
            errors = dynamics.profiles[c].curves[name].errors
        rows.append((visible(checkpoint, 60), *_texts(values[c], errors)))
    title = f"{dynamics_title(name)} in training"
    return Table(title, ("Checkpoint", *keys), tuple(rows), by_layer=False)
