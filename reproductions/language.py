"""Pages of the two papers on language models: partitions of a corpus, and prompts as clouds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.markdown import table
from layergeom.arrays import FloatArray
from layergeom.profiles import Curve
from layergeom.reading.repeated import Repeats
from layergeom.show.clouds_table import interval, levels_cells
from layergeom.show.depth_figures import DepthCurve
from layergeom.show.partitions_table import peak_line
from layergeom.show.protocol_lines import departure_lines
from layergeom.show.published import PublishedCurve, published_curve
from layergeom.tasks.graded_clouds import OUTSIDE, GradedClouds
from layergeom.tasks.partitions import Partitions
from layergeom.tasks.protocols import Protocol
from reproductions.tables import number, verdicts

PUBLISHED = "gride_summary.npz"  # of DATA: {model}_mean (layers, (value, error, distance), scales)
SCALES = (2, 4, 8, 16, 32, 64)  # range scalings n2 of those arrays
SOURCE = "Viswanathan et al. 2025"
MODELS = {"gpt2": "GPT-2", "pythia160m": "Pythia 160 M"}
PARTS = {
    "overlap_next": "χ(l, l+1)",
    "imbalance_first": "Δ(l → first)",
    "imbalance_last": "Δ(l → last)",
}


def partition_tables(found: Partitions) -> dict[str, str]:
    """Return the tables of one network, by the end of their names."""
    lines = (peak_line(found), *departure_lines(found.record), *found.warnings)
    said = "\n".join(f"- {line}" for line in lines)
    return {
        "layers": f"{_partition_layers(found)}\n\n{said}",
        "claims": verdicts(found.claims, "C"),
    }


def _partition_layers(found: Partitions) -> str:
    intact = found.corpora["intact"]
    columns = {f"ID, {name}": c.curves["dimension"] for name, c in found.corpora.items()}
    columns |= {title: intact.curves[name] for name, title in PARTS.items()}
    spread = intact.curves["dimension"].spread
    rows = [
        [
            layer,
            f"{intact.depths[at]:.2f}",
            *(number(Curve(title, c.mean, c.error), at) for title, c in columns.items()),
            "–" if np.isnan(spread[at]) else f"{spread[at]:.2g}",
        ]
        for at, layer in enumerate(intact.layers)
    ]
    return table(["layer", "depth", *columns, "spread of the ID"], rows)


def partition_curves(found: Partitions) -> list[DepthCurve]:
    """Return the dimension of every corpus over the depth."""
    return [depth_curve(c, "dimension", name) for name, c in found.corpora.items()]


def imbalance_curves(found: Partitions) -> list[DepthCurve]:
    """Return the information imbalances of the intact and the shuffled sequences."""
    titles = {name: PARTS[name] for name in ("imbalance_first", "imbalance_last")}
    return [
        depth_curve(found.corpora[corpus], name, f"{title}, {corpus}")
        for corpus in found.corpora
        if corpus != "untrained"
        for name, title in titles.items()
    ]


def depth_curve(found: Repeats, quantity: str, name: str) -> DepthCurve:
    """Return a repeated quantity over the depth, mean with standard error; without ``final``."""
    kept = found.without("final")
    curve = kept.curves[quantity]
    return DepthCurve(name, np.array(kept.depths), curve.mean, curve.error)


def cloud_tables(found: GradedClouds) -> dict[str, str]:
    """Return the tables of one network, by the end of their names."""
    said = "\n".join(f"- {line}" for line in (*departure_lines(found.record), *found.warnings))
    levels = levels_cells(found)
    rows = [
        [layer, *(cells[at] for cells in levels.values())]
        for at, layer in enumerate(found.intact.layers)
    ]
    titles = ["intact" if name == "intact" else f"blocks of {name}" for name in levels]
    return {
        "layers": f"{_cloud_layers(found)}\n\n{said}",
        "levels": table(["layer", *titles], rows),
        "claims": verdicts(found.claims, "V"),
    }


def _cloud_layers(found: GradedClouds) -> str:
    curves = found.intact.repeats().curves
    names = {"dimension": "ID", "mean_cosine": "mean cosine", "overlap_next": "χ(l, l+1)"}
    ranks, lines = (found.intact.association(kind=kind) for kind in ("spearman", "pearson"))
    rows = [
        [
            layer,
            *(number(Curve(name, curves[name].mean, curves[name].error), at) for name in names),
            interval(ranks[at]),
            interval(lines[at]),
        ]
        for at, layer in enumerate(found.intact.layers)
    ]
    heads = ["ID and loss, rank (95 %)", "log ID and loss, Pearson (95 %)"]
    return table(["layer", *names.values(), *heads], rows)


def level_curves(found: GradedClouds, quantity: str) -> list[DepthCurve]:
    """Return a quantity of the shuffled prompts over the depth, by degrees."""
    ids = [cloud.id for cloud in found.levels[-1].found.clouds]
    return [
        depth_curve(
            level.found.repeats(ids).without(*OUTSIDE),
            quantity,
            "intact" if level.index == 0 else f"blocks of {level.block}",
        )
        for level in found.levels
    ]


def range_scaling(recipe: Protocol) -> int:
    """Return n2 of a recipe with a rank: what DADApy calls the range scaling."""
    return 2 * int(recipe.rank or 0)


def published_gride(folder: Path, scale: int) -> Iterator[PublishedCurve]:
    """Yield the authors' mean dimension of prompts at one range scaling; none without their file.

    The blocks of GPT-2 and Pythia 160 M, the last one behind the final norm; the number of prompts
    is not in the file, so errors are unknown.
    """
    file = folder / PUBLISHED
    if not file.is_file():
        return
    with np.load(file) as arrays:
        for name, model in MODELS.items():
            values: FloatArray = arrays[f"{name}_mean"][:, 0, SCALES.index(scale)]
            depth = np.arange(1, len(values) + 1) / len(values)
            facts = {"quantity": "dimension", "source": SOURCE, "label": model}
            yield published_curve(values, depth, **facts)
