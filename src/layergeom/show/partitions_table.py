"""Partitions of a corpus as a table: mean and spread of every quantity by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from layergeom.reading.repeated import Repeats
from layergeom.show.cells import UNKNOWN, number, with_error

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.tasks.partitions import Partitions

COLUMNS = {
    "dimension": "ID",
    "overlap_next": "χ(l, l+1)",
    "imbalance_first": "Δ(l → first)",
    "imbalance_last": "Δ(l → last)",
}


def partitions_table(found: Partitions) -> Table:
    """Return a rich table with a row per layer: means over partitions with their standard errors.

    The dimension of every corpus, the other quantities of the intact one.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("layer")
    for title in titles(found):
        table.add_column(title, justify="right")
    for row in rows(found):
        table.add_row(*row)
    return table


def titles(found: Partitions) -> list[str]:
    """Return the titles behind ``layer``."""
    others = [f"ID, {name}" for name in found.corpora if name != "intact"]
    own = list(COLUMNS.values())
    return [own[0], *others, *own[1:]]


def rows(found: Partitions) -> Iterator[list[str]]:
    """Yield the cells of each layer."""
    intact = found.corpora["intact"]
    columns = [_cells(intact, "dimension")]
    columns += [_cells(c, "dimension") for name, c in found.corpora.items() if name != "intact"]
    columns += [_cells(intact, name) for name in COLUMNS if name != "dimension"]
    for at, layer in enumerate(intact.layers):
        yield [layer, *(column[at] for column in columns)]


def _cells(found: Repeats, name: str) -> list[str]:
    curve = found.curves[name]
    pairs = zip(curve.mean.tolist(), curve.error.tolist(), strict=True)
    return [with_error(value, error) for value, error in pairs]


def peak_line(found: Partitions) -> str:
    """Return the peak of the intact sequences and its onset in a sentence."""
    peak = found.peak()
    if peak is None:
        return "Peak: none beyond error; no onset."
    layers = found.corpora["intact"].layers
    onset = UNKNOWN if peak.onset != peak.onset else f"{peak.onset:.2f}"
    error = number(peak.onset_error, 2)
    return (
        f"Peak: {with_error(peak.value, peak.error)} at {layers[peak.at]}; onset (half of the rise "
        f"from {layers[peak.start]}) at depth {onset} ± {error}."
    )


def partition_facts(found: Partitions) -> dict[str, Any]:
    """Return the same for programs: values by partition, mean, spread and error; peaks; claims."""
    from dataclasses import asdict

    intact = found.corpora["intact"]
    peaks = {name: found.peak(name) for name in found.corpora}
    return {
        "layers": list(intact.layers),
        "depths": list(intact.depths),
        "rank": found.rank,
        "ranks": found.ranks.tolist(),
        "corpora": {name: _facts(corpus) for name, corpus in found.corpora.items()},
        "scales": {name: values.tolist() for name, values in found.scales.items()},
        "peaks": {name: None if peak is None else asdict(peak) for name, peak in peaks.items()},
        "claims": [asdict(claim) for claim in found.claims],
        "protocol": found.record,
        "warnings": list(found.warnings),
    }


def _facts(found: Repeats) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "values": curve.values.tolist(),
            "mean": curve.mean.tolist(),
            "spread": curve.spread.tolist(),
            "error": curve.error.tolist(),
        }
        for name, curve in found.curves.items()
    }
