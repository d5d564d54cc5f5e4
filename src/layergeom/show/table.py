"""The profile as rows, as CSV and as a table in the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergeom.geometry.audit import Audit
from layergeom.show.atomic import replace_file
from layergeom.show.cells import UNKNOWN, number, sparkline, visible, with_error
from layergeom.show.quantities import QUANTITIES
from layergeom.written import counted, percent

if TYPE_CHECKING:
    from rich.table import Table

    from layergeom.profiles import Curve, Profile
    from layergeom.reading import Reading
    from layergeom.states.hidden import LayerName

MARK = "▶"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
_SHOWN = {
    "dimension": "ID",
    "overlap_next": "χ next",
    "label_overlap": "χ labels",
    "label_agreement": "A labels",
    "label_jaccard": "J labels",
    "anisotropy": "anisotropy",
    "effective_rank": "eff. rank",
}


def curve_names(profile: Profile) -> tuple[str, ...]:
    """Return the names of the profile's curves in the order of the table of quantities."""
    known = [name for name in QUANTITIES if name in profile.curves]
    return (*known, *sorted(set(profile.curves) - set(known)))


def added_names(profile: Profile) -> tuple[str, ...]:
    """Return the names of the curves that were asked for besides the usual ones."""
    asked = [str(facts["name"]) for facts in profile.provenance.get("quantities", ())]
    return tuple(name for name in asked if name in profile.curves)


def audit_line(profile: Profile) -> str:
    """Return in one line what the audit of the neighbour lists found; "" in older profiles.

    Returns
    -------
    str
        Rows per layer, and of all layers the largest deviation of a distance and the number of
        lists that differ.
    """
    audits = [Audit(**facts) for facts in profile.provenance.get("audit", {}).values()]
    if not audits:
        return ""
    fewest, most = min(a.rows for a in audits), max(a.rows for a in audits)
    rows = counted(most, "row", "rows") if fewest == most else f"{fewest} to {most} rows"
    deviation, differing = max(a.deviation for a in audits), sum(a.differing for a in audits)
    rows_of = counted(differing, "row", "rows")
    lists = f"the lists of {rows_of} differ" if differing else "no neighbour differs"
    return f"audit: {rows} per layer against float64: largest deviation {deviation:.0e}, {lists}"


def profile_rows(profile: Profile) -> list[dict[str, Any]]:
    """Return one row per layer: its names in each tool's words, then every number and its error.

    Returns
    -------
    list of dict
        Columns ``layer, depth, hidden_states, module, blocks, final_norm``; then those of
        ``Profile.rows``: for each curve ``<name>``, ``<name>_error`` and, where it is known,
        ``<name>_chance``; then ``undefined``, the reason why the layer has no dimension or "".
        Unknown numbers are nan.
    """
    return [_row(name, row) for name, row in zip(profile.names, profile.rows(), strict=True)]


def _row(name: LayerName, numbers: dict[str, Any]) -> dict[str, Any]:
    words = {
        "layer": name.key,
        "depth": float(name.depth),
        "hidden_states": name.hidden_states,
        "module": name.module,
        "blocks": name.blocks,
        "final_norm": bool(name.final_norm),
    }
    return words | {key: value for key, value in numbers.items() if key not in words}


def write_csv(path: str | Path, profile: Profile) -> Path:
    """Write ``profile_rows`` as UTF-8 CSV, numbers in full precision.

    Unknown numbers are written ``NaN`` and missing names as empty cells. A text cell that a
    spreadsheet would run as a formula (it starts with ``= + - @`` or a control character) gets
    a leading apostrophe.

    Returns
    -------
    Path
        The file.
    """
    return replace_file(Path(path), csv_text(profile_rows(profile), ["layer"]))


def write_points(folder: str | Path, layer: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write a table of :func:`layergeom.tasks.points.point_table` as ``points_<layer>.csv``.

    Returns
    -------
    Path
        The file; what a file name cannot hold has become ``_``.
    """
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in layer)
    return replace_file(Path(folder) / f"points_{name}.csv", csv_text(rows))


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    r"""Return rows as CSV, their cells as those of ``write_csv``.

    Parameters
    ----------
    rows : sequence of mapping
        Values by column; a column that a row lacks is empty there.
    columns : sequence of str
        The first columns, also where no row has them; the others follow as they come.

    Examples
    --------
    >>> csv_text([{"layer": "block_1"}, {"layer": "=1+1", "dimension": 2.5}])
    "layer,dimension\nblock_1,\n'=1+1,2.5\n"
    """
    head = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_csv_cell, head))
    writer.writerows([_csv_cell(row.get(name)) for name in head] for row in rows)
    return text.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(value)
    if isinstance(value, (bool, int)):
        return str(value)
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")  # a bare \r is not quoted
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def profile_table(profile: Profile, reading: Reading, width: int | None = None) -> Table:
    """Return the profile as a table for the terminal, a row per layer.

    Parameters
    ----------
    profile : Profile
    reading : Reading
        Its recommended layer is marked with ``▶``, layers tied with it with ``·``.
    width : int, optional
        Of the terminal; columns that find no room are left out. Without it all are shown.

    Returns
    -------
    rich.table.Table
        Values with one standard error; "–" where a number is unknown. What belongs under it:
        :func:`under_table`.
    """
    from rich.table import Table
    from rich.text import Text

    shown = _fitting(_columns(profile, reading), width)
    table = Table(header_style="bold", pad_edge=False, box=None)
    for place, head in enumerate(shown):
        table.add_column(head, justify="right" if place > 1 else "left", no_wrap=True)
    for layer, row in zip(profile.layers, zip(*shown.values(), strict=True), strict=True):
        chosen = layer == reading.recommendation.layer
        table.add_row(*map(Text, row), style="bold" if chosen else "")
    return table


def _columns(profile: Profile, reading: Reading) -> dict[str, list[str]]:
    """Return the cells of every column, by its heading."""
    columns = {"": [_mark(layer, reading) for layer in profile.layers]}
    columns["layer"] = [visible(layer, 40) for layer in profile.layers]
    for name, head in _SHOWN.items():
        if name in profile.curves:
            curve = profile.curves[name]
            columns[head] = [_cell(curve, place) for place in range(len(profile.layers))]
    return columns


def _fitting(columns: dict[str, list[str]], width: int | None) -> dict[str, list[str]]:
    """Return the columns from the left on that find room; the layer and one number always do."""
    if width is None:
        return columns
    shown: dict[str, list[str]] = {}
    taken = 0
    for head, cells in columns.items():
        taken += max(map(len, (head, *cells))) + 2
        if len(shown) < 3 or taken - 2 <= width:
            shown[head] = cells
    return shown


def added_table(profile: Profile) -> Table | None:
    """Return the quantities that were asked for as a table for the terminal; None without any."""
    from rich.table import Table
    from rich.text import Text

    names = added_names(profile)
    if not names:
        return None
    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("layer", no_wrap=True)
    for name in names:
        table.add_column(Text(visible(name)), justify="right", overflow="fold")
    for index, layer in enumerate(profile.layers):
        cells = [_cell(profile.curves[name], index) for name in names]
        table.add_row(*map(Text, (visible(layer, 40), *cells)))
    return table


def _mark(layer: str, reading: Reading) -> str:
    if layer == reading.recommendation.layer:
        return MARK
    return "·" if layer in reading.recommendation.ties else ""


def _cell(curve: Curve, index: int) -> str:
    value, error = float(curve.values[index]), float(curve.errors[index])
    if curve.name == "overlap_next" and math.isnan(error):
        return number(value)
    return with_error(value, error, 3).replace(" ± ", "±")  # eighty columns hold all of them


def under_table(profile: Profile, reading: Reading, width: int | None = None) -> list[str]:
    """Return the lines under ``profile_table``: a sparkline, what found no room, the audit."""
    lines = [f"± one standard error, {UNKNOWN} unknown."]
    if "dimension" in profile.curves:
        lines.insert(0, f"ID over the layers {sparkline(profile.curves['dimension'].values)}")
    columns = _columns(profile, reading)
    left_out = [head for head in columns if head not in _fitting(columns, width)]
    if left_out:
        lines.append(f"No room for {', '.join(left_out)}: see profile.csv.")
    return [line for line in (*lines, audit_line(profile)) if line]


def reading_lines(reading: Reading) -> list[str]:
    """Return the reading as lines of plain text: the answer first, then its evidence.

    Returns
    -------
    list of str
        Without control characters; found, repeatability and usefulness each on their own line.
    """
    advice = reading.recommendation
    lines = [reading.sentence, f"Use {advice.layer}: {advice.words}", f"Why: {advice.reason}"]
    lines += [f"{head}: {text}" for head, text in recommendation_facts(reading)]
    lines += [f"Phase {p.kind}, {_span(p.first, p.last)}: {p.evidence}" for p in reading.phases]
    lines += [f"Anisotropy: {reading.anisotropy}", *reading.statements]
    return [visible(line) for line in lines if line]


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def recommendation_facts(reading: Reading) -> list[tuple[str, str]]:
    """Return (heading, text) of what is known about the recommended layer.

    Whether a minimum was found, whether it repeats, and whether it is useful are three
    questions; a heading is left out only where it does not apply.
    """
    advice = reading.recommendation
    found = "yes, an interior minimum after a peak" if advice.found else "no"
    if advice.failed:
        found = f"{found}: {advice.failed}"
    facts = [
        ("Found", found),
        ("Repeatability", _repeatability(advice.repeatability)),
        ("Useful", advice.useful),
        ("Tied with", ", ".join(advice.ties)),
        ("Best by labels", advice.best_by_labels or ""),
        ("Another reading", f"{advice.other.layer}: {advice.other.reason}" if advice.other else ""),
        ("What would settle it", advice.settle or ""),
    ]
    return [(head, text) for head, text in facts if text]


def _repeatability(share: float) -> str:
    if math.isnan(share):
        return f"{UNKNOWN} (no minimum to repeat)"
    return f"{percent(share)} of draws from the errors have their minimum here or at its ties"
