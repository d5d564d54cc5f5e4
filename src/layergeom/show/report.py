"""The report: one HTML file that needs no network and runs no script but its own."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from layergeom.show.atomic import replace_file
from layergeom.show.cells import model_name, visible
from layergeom.show.charts import report_charts
from layergeom.show.layer_axis import TINTS, recommended_place
from layergeom.show.methods import cited_works, methods_text, references_bib
from layergeom.show.page import dotted, page_html, quantity_words
from layergeom.show.readers import layer_reader, step_reader
from layergeom.show.report_tables import report_tables
from layergeom.show.table import audit_line, curve_names, recommendation_facts
from layergeom.show.training_answer import (
    training_facts,
    training_sentences,
    training_warnings,
)
from layergeom.show.verdicts import verdicts
from layergeom.show.warning_groups import warning_groups
from layergeom.written import counted

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.reading import Phase, Reading
    from layergeom.tasks.dynamics import Dynamics


def write_report(
    path: str | Path,
    profile: Profile,
    reading: Reading,
    dynamics: Dynamics | None = None,
    command: str = "",
) -> Path:
    """Write the report of a profile.

    Parameters
    ----------
    path : str or Path
        The HTML file; it is replaced whole or not at all.
    profile : Profile
    reading : Reading
    dynamics : Dynamics, optional
        Of the training whose last checkpoint the profile is: the page then opens with the answer
        about the training, and has maps over layer and checkpoint.
    command : str
        The exact command that made the profile, shown under Provenance.

    Returns
    -------
    Path
        The file: about 1 MB, most of it the code that draws.

    Notes
    -----
    The page's policy forbids every request and every script but the inline ones; it holds
    numbers and names, never the data's texts. About two seconds.
    """
    return replace_file(Path(path), report_page(profile, reading, dynamics, command))


def report_page(
    profile: Profile, reading: Reading, dynamics: Dynamics | None = None, command: str = ""
) -> str:
    """Return the report as HTML; see ``write_report``."""
    facts = {
        **_answer(profile, reading),
        **_words(profile, command),
        "tables": report_tables(profile, dynamics),
        "training": None,
    }
    if dynamics is not None:
        facts |= _training(profile, dynamics)
    charts = report_charts(profile, reading, dynamics)
    readers = [layer_reader(profile, recommended_place(profile, reading) or 0)]
    if dynamics is not None:
        readers.append(step_reader(dynamics))
    return page_html("report", facts, charts, readers)


def _training(profile: Profile, dynamics: Dynamics) -> dict[str, Any]:
    """Return what a page says of a training in place of what it says of one profile."""
    told = training_warnings(dynamics, profile)
    last = dynamics.checkpoints[-1]
    return {
        "title": visible(model_name(_trained(profile, last)), 120),
        "sentence": _unbroken(" ".join(training_sentences(dynamics))),
        "warnings": warning_groups(told),
        "told": len(told),
        "training": {"facts": training_facts(dynamics), "last": visible(last, 60)},
    }


def _unbroken(text: str) -> str:
    """Return a text whose numbers stay on a line with their errors."""
    return text.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def _trained(profile: Profile, last: str) -> str:
    """Return the model whose checkpoint ``last`` is: a hub id, or the folder of the checkpoints."""
    place = PurePath(_model(profile))
    return str(place.parent) if place.name == last and len(place.parts) > 1 else str(place)


def _model(profile: Profile) -> str:
    return str(profile.provenance.get("states", {}).get("model") or "Stored states")


def _answer(profile: Profile, reading: Reading) -> dict[str, Any]:
    advice = reading.recommendation
    chosen = recommended_place(profile, reading)
    statements = [f"Anisotropy: {reading.anisotropy}", *reading.statements]
    return {
        "sentence": visible(reading.sentence),
        "of_layer": visible(reading.sentence),
        "layer": visible(advice.layer, 60),
        "words": visible(advice.words),
        "reason": visible(advice.reason),
        "evidence": [(head, visible(text)) for head, text in recommendation_facts(reading)],
        "verdicts": verdicts(profile, reading),
        "warnings": warning_groups(profile.warnings),
        "told": len(profile.warnings),
        "phases": [_phase(phase) for phase in reading.phases],
        "statements": [visible(text) for text in statements],
        "chosen": -1 if chosen is None else chosen,
    }


def _phase(phase: Phase) -> dict[str, str]:
    first, last = visible(phase.first, 60), visible(phase.last, 60)
    return {
        "kind": visible(phase.kind),
        "span": first if first == last else f"{first} – {last}",
        "evidence": visible(phase.evidence),
        "tint": TINTS.get(phase.kind, TINTS["flat"]),
    }


def _words(profile: Profile, command: str) -> dict[str, Any]:
    names = (*curve_names(profile), *profile.maps)
    return {
        "title": visible(model_name(_model(profile)), 120),
        "facts": _facts(profile),
        "quantities": [quantity_words(name) for name in names],
        "methods": methods_text(profile),
        "provenance": list(dotted(profile.provenance)),
        "command": visible(command),
        "works": cited_works(),
        "bibtex": references_bib(),
    }


def _facts(profile: Profile) -> list[str]:
    rows = profile.counts.get("rows")
    facts = [counted(len(profile.layers), "layer", "layers")]
    if rows is not None:
        facts.append(counted(rows, "sample", "samples"))
    settings = profile.provenance.get("settings", {})
    if "k" in settings:
        facts.append(f"k = {visible(settings['k'], 20)}")
    if profile.provenance.get("created"):
        facts.append(visible(profile.provenance["created"], 40))
    return facts + [line for line in (audit_line(profile),) if line]
