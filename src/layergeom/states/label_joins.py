"""The rows of a file of labels brought to the samples: by ids, by texts, or by their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from layergeom.errors import InputError
from layergeom.states.classifications import is_term
from layergeom.states.label_kinds import LabelType
from layergeom.states.label_values import says_nothing, separator_of, several
from layergeom.states.lines import listed, shown
from layergeom.states.row_contents import RowContents, contents_of
from layergeom.states.tables import Table
from layergeom.written import counted


class Rows(NamedTuple):
    """What samples are joined by: their ids, and what they were made of, where that is known."""

    ids: Sequence[str]
    contents: RowContents | None = None


class Joined(NamedTuple):
    """A value per sample, None where the file has none; what is said of it, and how it was done."""

    values: Sequence[Any]
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    way: str


@dataclass(frozen=True, eq=False)
class LabelColumn:
    """A column of labels, and what stands beside it to join its rows by.

    Attributes
    ----------
    table : Table
        The file.
    values : sequence
        Its labels.
    role : str
        For messages.
    ids : str or None
        The column of the ids.
    named : bool
        Whether it is called so; else it is the first column.
    texts : tuple of str
        The columns of the texts, none if there are none.
    label_type : {"class", "number", "multi"} or None
        Whether an id may stand in several rows.
    """

    table: Table
    values: Sequence[Any]
    role: str
    ids: str | None
    named: bool
    texts: tuple[str, ...]
    label_type: LabelType | None

    def joined(self, rows: Rows) -> Joined:
        """Return the label of each sample.

        By a column of ids, if one fits; else by the texts: in the order of the rows where these
        agree one by one, or wherever they stand; else by the first column as ids. In the order of
        the rows where nobody knows the samples' texts, but there are as many.

        Raises
        ------
        InputError
            If nothing fits, or an id or text has two labels.
        """
        ways = (
            self._by_ids if self.named else None,
            self._by_texts if self.texts else None,
            None if self.named else self._by_ids,
            self._by_order if self.texts and self.ids is None else None,
        )
        for way in ways:
            if way is not None and (found := way(rows)) is not None:
                return found
        raise InputError(self._nothing(rows))

    def _by_ids(self, rows: Rows) -> Joined | None:
        if self.ids is None:
            return None
        names = [str(name).strip() for name in self.table.columns[self.ids]]
        known = self._by_name(names, lambda row: f"the id {shown(names[row])}")
        keys = [next((part for part in parts(name) if part in known), None) for name in rows.ids]
        if not any(key is not None for key in keys):
            return None
        way = "their ids" if self.named else f"their ids, its column {shown(self.ids)}"
        return self._found(rows, keys, known, way, "id")

    def _by_texts(self, rows: Rows) -> Joined | None:
        if rows.contents is None:
            return None
        own, wanted = contents_of(self.table, self.texts).digests, rows.contents.digests
        places = _places(rows.ids, len(own))
        if places is not None and [own[at] for at in places] == list(wanted):
            values = [self.values[at] for at in places]
            way = f"their order: the texts agree in all {len(wanted):,}"
            notes = (*self.table.notes, self._told(way), *self._missing(rows.ids, values))
            return Joined(values, notes, {}, way)
        if not set(own).intersection(wanted):
            return None
        known = self._by_name(own, lambda row: f"the text {self._text(row)}")
        keys = [name if name in known else None for name in wanted]
        found = self._found(rows, keys, known, f"their texts, its {self._columns}", "text")
        return found._replace(notes=(self._told(found.way), *found.notes))

    def _by_order(self, rows: Rows) -> Joined | None:
        n = len(rows.ids)
        own_numbers = list(rows.ids) == list(map(str, range(n)))
        if rows.contents is not None or self.table.n != n or not own_numbers:
            return None
        way = f"their order alone: both have {n:,}, and the samples' texts are not known"
        notes = (*self.table.notes, self._told(way), *self._missing(rows.ids, self.values))
        return Joined(self.values, notes, {}, way)

    def _found(
        self, rows: Rows, keys: Sequence[str | None], known: Mapping[str, Any], way: str, what: str
    ) -> Joined:
        values = [None if key is None else known[key] for key in keys]
        used = set(keys)
        unused = [name for name in known if name not in used]
        notes = (*self.table.notes, *self._missing(rows.ids, values))
        if what == "id":
            notes += tuple(self._partly(rows.ids, keys))
        if unused:
            which = f": {listed(unused)}" if what == "id" else ""
            of_file = f"of {self.table.source}"
            count = counted(len(unused), f"{what} {of_file} is", f"{what}s {of_file} are")
            notes += (f"{count} no sample's{which}.",)
        return Joined(values, notes, {f"{self.role}_unused": len(unused)}, way)

    def _by_name(self, names: Sequence[str], place: Callable[[int], str]) -> dict[str, Any]:
        """Return the value of each name; where one has several, a list of those of every name."""
        by_name: dict[str, list[Any]] = {}
        second: list[int] = []
        for row, (name, value) in enumerate(zip(names, self.values, strict=True)):
            own = by_name.setdefault(name, [])
            if value not in own:
                own.append(value)
                second += [row] if len(own) > 1 else []
        if not second:
            return {name: own[0] for name, own in by_name.items()}
        if not self._may_repeat:
            where = f"{self.table.place(second[0])} gives {place(second[0])}"
            hint = "" if self.label_type == "class" else "; label_type=multi reads several"
            raise InputError(f"{where} a second, other label{hint}.")
        separator = separator_of(
            v for v in self.values if isinstance(v, str) and not says_nothing(v)
        )
        lists = {
            name: [label for v in own for label in several(v, separator, self.table.source) or ()]
            for name, own in by_name.items()
        }
        return {name: labels or None for name, labels in lists.items()}

    @property
    def _may_repeat(self) -> bool:
        if self.label_type is not None:
            return self.label_type == "multi"
        known = [value for value in self.values if not says_nothing(value)]
        return all(isinstance(value, str) and is_term(value.strip()) for value in known)

    @property
    def _columns(self) -> str:
        names = " and ".join(map(shown, self.texts))
        return f"column{'s' if len(self.texts) > 1 else ''} {names}"

    def _text(self, row: int) -> str:
        return shown(" ".join(str(self.table.columns[name][row]) for name in self.texts))

    def _told(self, way: str) -> str:
        return f"The rows of {self.table.source} were matched to the samples by {way}."

    def _missing(self, ids: Sequence[str], values: Sequence[Any]) -> Iterator[str]:
        without = [name for name, value in zip(ids, values, strict=True) if value in (None, "")]
        if without:
            of_all = f"of {len(ids):,} samples"
            count = counted(len(without), f"{of_all} has", f"{of_all} have")
            yield f"{count} no {self.role} in {self.table.source}: {listed(without)}."

    def _partly(self, ids: Sequence[str], keys: Sequence[str | None]) -> Iterator[str]:
        pairs = zip(ids, keys, strict=True)
        found = [f"{name} as {key}" for name, key in pairs if key is not None and key != name]
        if found:
            of_all = f"of {len(ids):,} ids"
            count = counted(len(found), f"{of_all} was", f"{of_all} were")
            yield f"{count} found by a part in {self.table.source}: {listed(found)}."

    def _nothing(self, rows: Rows) -> str:
        """Say why no sample gets a label."""
        source, n = self.table.source, len(rows.ids)
        told = f"{source} labels none of the {n:,} samples: "
        if self.ids is not None:
            names = [str(name).strip() for name in self.table.columns[self.ids]]
            own = list(dict.fromkeys(names))
            other = ", and its texts are none of theirs" if self.texts else ""
            return f"{told}its ids are {listed(own)}, theirs {listed(rows.ids)}{other}."
        if rows.contents is not None:
            return (
                f"{told}it has no column 'id', and no text of its {self._columns} is one of theirs "
                f"(its first is {self._text(0)}); give a table with the columns 'id' and 'label'."
            )
        return (
            f"{told}it has no column 'id' and {counted(self.table.n, 'row', 'rows')}, and the "
            "samples' texts are not known; make the run again, which computes nothing anew and "
            f"keeps the texts' digests, or give a table with their ids ({listed(rows.ids)})."
        )


def parts(name: str) -> list[str]:
    """Return an id and the names within it: sp|P69905|HBA_HUMAN, cath|4_3_0|12asA00/4-330."""
    if "|" not in name:
        return [name]
    return [name, *(part.partition("/")[0] for part in name.split("|") if part)]


def _places(ids: Sequence[str], n: int) -> Sequence[int] | None:
    """Return the rows of a file that samples are by their number, or by their order."""
    if all(name.isascii() and name.isdigit() for name in ids):
        numbers = [int(name) for name in ids]
        if max(numbers) < n:
            return numbers
    return range(n) if len(ids) == n else None
