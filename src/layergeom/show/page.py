"""What every page is made of: one offline file of text, charts, their drawing code and data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layergeom.show.cells import visible
from layergeom.show.chart_parts import Chart
from layergeom.show.quantities import quantity
from layergeom.show.readers import Reader

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Script:
    """An inline script, and the hash by which the page's policy admits it."""

    text: str

    @property
    def hash(self) -> str:
        digest = hashlib.sha256(self.text.encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"


def page_html(
    name: str,
    facts: Mapping[str, Any],
    charts: Sequence[Chart],
    readers: Sequence[Reader] = (),
) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    name : str
        Its template ``<name>.html``, which extends ``page.html``.
    facts : mapping
        What the template shows, all of it escaped.
    charts : sequence of Chart
    readers : sequence of Reader
        The markers that the figures share.

    Returns
    -------
    str
        About 1 MB, most of it the code that draws. The page's policy forbids every request and
        every script but the inline ones.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {
        "charts": {chart.key: chart.spec for chart in charts},
        "readers": {reader.signal: reader.data() for reader in readers},
    }
    shown = {**facts, **_code(drawn), "readers": readers}
    shown |= {"charts": [_figure(chart) for chart in charts]}
    return environment.get_template(f"{name}.html").render(page=shown)


def _code(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return styles, scripts and data: the only parts that are not escaped by the template."""
    from markupsafe import Markup

    bundle = _Script(_drawing_code())
    script = _Script((_HERE / "page.js").read_text("utf-8"))
    return {
        "style": Markup((_HERE / "page.css").read_text("utf-8")),  # noqa: S704
        "bundle": Markup(bundle.text),  # noqa: S704
        "script": Markup(script.text),  # noqa: S704
        "hashes": Markup(f"{bundle.hash} {script.hash}"),  # noqa: S704
        "data": Markup(script_json(data)),  # noqa: S704
    }


def _drawing_code() -> str:
    """Return vega, vega-lite and vega-embed, their addresses of editor and issues cut short."""
    import altair as alt
    import vl_convert

    version = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
    code: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    code = re.sub(r"https?://(?!www\.w3\.org/)", "", code)
    return code.replace("\r", "").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def script_json(data: object) -> str:
    r"""Return JSON that cannot end the script element it stands in.

    Examples
    --------
    >>> script_json({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _figure(chart: Chart) -> dict[str, Any]:
    return {
        "key": chart.key,
        "title": chart.title,
        "caption": chart.caption,
        "finding": chart.finding,
        "label": chart.label,
        "wide": chart.wide,
        "words": [quantity_words(name) for name in chart.quantities],
    }


def quantity_words(name: str) -> dict[str, Any]:
    """Return what the pages say of a quantity; ``<i>``, ``<sub>``, ``<sup>`` of its formula stay.

    Examples
    --------
    >>> sorted(quantity_words("dimension"))
    ['bounds', 'definition', 'formula', 'misleads', 'name', 'source', 'title']
    """
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


def dotted(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of all that nested mappings hold.

    Examples
    --------
    >>> list(dotted({"k": 30, "states": {"model": "gpt2"}}))
    [('k', '30'), ('states.model', 'gpt2')]
    """
    for name, value in mapping.items():
        key = f"{prefix}{visible(name, 80)}"
        if isinstance(value, Mapping):
            yield from dotted(value, f"{key}.")
        else:
            yield key, visible(value, 500)
