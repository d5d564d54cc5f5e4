"""Everything that a comparison leaves behind: one offline page, tables, figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from layergeom.show.atomic import replace_file
from layergeom.show.cells import visible
from layergeom.show.comparison_charts import comparison_charts
from layergeom.show.comparison_figures import (
    depth_profiles,
    heights_by_size,
    save_comparison_figures,
    similarity_map,
)
from layergeom.show.comparison_tables import (
    comparison_facts,
    comparison_lines,
    comparison_tables,
    profiles_csv,
    similarities_csv,
)
from layergeom.show.page import dotted, page_html
from layergeom.show.published import PublishedCurve
from layergeom.show.readers import depth_reader
from layergeom.show.warning_groups import warning_groups

if TYPE_CHECKING:
    from layergeom.tasks.compare import Comparison

__all__ = [
    "comparison_page", "depth_profiles", "heights_by_size", "similarity_map", "write_comparison",
]  # fmt: skip


def write_comparison(
    folder: str | Path,
    comparison: Comparison,
    published: Sequence[PublishedCurve] = (),
    command: str = "",
) -> tuple[Path, ...]:
    """Write page, tables and figures of a comparison.

    Parameters
    ----------
    folder : str or Path
        Made where it is missing; files of the same names are replaced.
    comparison : Comparison
    published : sequence of PublishedCurve
        Drawn behind the models' curves of the same quantity.
    command : str
        The exact command, shown in the page.

    Returns
    -------
    tuple of Path
        ``comparison.html``, ``comparison.json``, ``profiles.csv`` (a row per model and layer),
        ``similarities.csv`` (a row per two layers of two models), the folder ``figures``.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    place = Path(folder)
    content = {
        "comparison.html": comparison_page(comparison, published, command),
        "comparison.json": json.dumps(
            comparison_facts(comparison), ensure_ascii=False, allow_nan=False, indent=1
        ) + "\n",
        "profiles.csv": profiles_csv(comparison),
        "similarities.csv": similarities_csv(comparison),
    }  # fmt: skip
    save_comparison_figures(comparison, place / "figures", published)
    written = [replace_file(place / name, text) for name, text in content.items()]
    return (*written, place / "figures")


def comparison_page(
    comparison: Comparison, published: Sequence[PublishedCurve] = (), command: str = ""
) -> str:
    """Return the comparison as one HTML page that needs no network; see ``write_comparison``.

    The page's policy forbids every request and every script but the inline ones; it holds numbers
    and names, never the data's texts.
    """
    sentence, *statements = comparison_lines(comparison)
    facts = {
        "title": " · ".join(visible(run, 60) for run in comparison.runs),
        "facts": [
            f"{len(comparison.runs)} models", f"{comparison.rows:,} samples", f"k = {comparison.k}",
        ],
        "sentence": sentence,
        "statements": [*statements, *_sources(published)],
        "warnings": warning_groups(comparison.warnings),
        "told": len(comparison.warnings),
        "tables": comparison_tables(comparison),
        "command": visible(command),
        "provenance": list(dotted(comparison.provenance)),
    }  # fmt: skip
    charts = comparison_charts(comparison, published)
    return page_html("comparison", facts, charts, [depth_reader(comparison)])


def _sources(published: Sequence[PublishedCurve]) -> list[str]:
    return [
        visible(f"Published {curve.quantity}, {curve.label}: {curve.source}.")
        for curve in published
    ]
