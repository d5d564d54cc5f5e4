"""The report: one HTML file that needs no network and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.show.atomic import replace_file
from layergeom.show.cells import model_name, visible, with_error
from layergeom.show.chart_parts import Chart
from layergeom.show.charts import report_charts
from layergeom.show.layer_axis import TINTS, recommended_place
from layergeom.show.methods import cited_works, methods_text, references_bib
from layergeom.show.quantities import quantity
from layergeom.show.report_tables import report_tables
from layergeom.show.table import curve_names, recommendation_facts

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.reading import Phase, Reading
    from layergeom.tasks.dynamics import Dynamics

_HERE = Path(__file__).parent
_READOUT = ("dimension", "overlap_next", "label_overlap", "anisotropy", "effective_rank")


@dataclass(frozen=True)
class _Script:
    """An inline script, and the hash by which the page's policy admits it."""

    text: str

    @property
    def hash(self) -> str:
        digest = hashlib.sha256(self.text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"


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
        Adds maps over layer and checkpoint.
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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    charts = report_charts(profile, reading, dynamics)
    page = {
        **_answer(profile, reading),
        **_words(profile, command),
        **_code(profile, charts),
        "charts": [_figure(chart) for chart in charts],
        "tables": report_tables(profile, dynamics),
        "rows": profile.layers,
    }
    return environment.get_template("report.html").render(page=page)


def _answer(profile: Profile, reading: Reading) -> dict[str, Any]:
    advice = reading.recommendation
    chosen = recommended_place(profile, reading)
    statements = [f"Anisotropy: {reading.anisotropy}", *reading.statements]
    return {
        "sentence": visible(reading.sentence),
        "layer": visible(advice.layer, 60),
        "words": visible(advice.words),
        "reason": visible(advice.reason),
        "evidence": [(head, visible(text)) for head, text in recommendation_facts(reading)],
        "warnings": [visible(text) for text in profile.warnings],
        "phases": [_phase(phase) for phase in reading.phases],
        "statements": [visible(text) for text in statements],
        "chosen": -1 if chosen is None else chosen,
        "place": chosen or 0,
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
    states = profile.provenance.get("states", {})
    names = (*curve_names(profile), *profile.maps)
    return {
        "model": visible(model_name(str(states.get("model") or "Stored states")), 120),
        "facts": _facts(profile),
        "quantities": [_quantity(name) for name in names],
        "methods": methods_text(profile),
        "provenance": list(_flat(profile.provenance)),
        "command": visible(command),
        "works": cited_works(),
        "bibtex": references_bib(),
    }


def _facts(profile: Profile) -> list[str]:
    rows = profile.counts.get("rows")
    facts = [f"{len(profile.layers)} layers"]
    if rows is not None:
        facts.append(f"{rows:,} samples")
    settings = profile.provenance.get("settings", {})
    if "k" in settings:
        facts.append(f"k = {visible(settings['k'], 20)}")
    if profile.provenance.get("created"):
        facts.append(visible(profile.provenance["created"], 40))
    return facts


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of all that nested mappings hold."""
    for name, value in mapping.items():
        key = f"{prefix}{visible(name, 80)}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{key}.")
        else:
            yield key, visible(value, 500)


def _quantity(name: str) -> dict[str, Any]:
    from markupsafe import Markup, escape

    words = quantity(name)
    formula = escape(words.formula)
    for tag in ("i", "sub", "sup"):
        for mark in (f"<{tag}>", f"</{tag}>"):
            formula = Markup(str(formula).replace(str(escape(mark)), mark))  # noqa: S704
    return {
        "name": name,
        "title": words.title,
        "bounds": words.bounds,
        "formula": formula,
        "definition": words.definition,
        "misleads": words.misleads,
        "source": words.source,
    }


def _figure(chart: Chart) -> dict[str, Any]:
    return {
        "key": chart.key,
        "title": chart.title,
        "caption": chart.caption,
        "label": chart.label,
        "wide": chart.wide,
        "words": [_quantity(name) for name in chart.quantities],
    }


def _code(profile: Profile, charts: tuple[Chart, ...]) -> dict[str, Any]:
    """Return styles, scripts and data: the only parts that are not escaped by the template."""
    from markupsafe import Markup

    bundle, script = _Script(_drawing_code()), _Script((_HERE / "report.js").read_text("utf-8"))
    data = {"charts": {c.key: c.spec for c in charts}, "readouts": _readouts(profile)}
    return {
        "style": Markup((_HERE / "report.css").read_text("utf-8")),  # noqa: S704
        "bundle": Markup(bundle.text),  # noqa: S704
        "script": Markup(script.text),  # noqa: S704
        "hashes": Markup(f"{bundle.hash} {script.hash}"),  # noqa: S704
        "data": Markup(script_json(data)),  # noqa: S704
    }


def script_json(data: object) -> str:
    r"""Return JSON that cannot end the script element it stands in.

    Examples
    --------
    >>> script_json({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _drawing_code() -> str:
    """Return vega, vega-lite and vega-embed, their addresses of editor and issues cut short."""
    import altair as alt
    import vl_convert

    version = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
    code: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    code = re.sub(r"https?://(?!www\.w3\.org/)", "", code)
    return code.replace("\r", "").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _readouts(profile: Profile) -> list[str]:
    """Return the line that the page shows for each layer."""
    lines = []
    for place, layer in enumerate(profile.layers):
        parts = [visible(layer, 40)]
        for name in _READOUT:
            if name in profile.curves:
                curve = profile.curves[name]
                text = with_error(float(curve.values[place]), float(curve.errors[place]))
                parts.append(f"{quantity(name).symbol} {text}")
        lines.append(" · ".join(parts))
    return lines
