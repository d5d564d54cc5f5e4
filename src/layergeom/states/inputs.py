"""Samples of a model: texts, tokens or images, with their ids, labels and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from layergeom.errors import InputError, InputTypeError
from layergeom.states.content import content_key
from layergeom.states.datafiles import read_data
from layergeom.states.images import Images, as_images, image_notes
from layergeom.states.items import (
    Columns,
    Items,
    Kind,
    column_names,
    contents,
    item_columns,
    items_of,
)
from layergeom.states.label_kinds import (
    Labels,
    LabelSets,
    LabelType,
    Numbers,
    TypedLabels,
    labels_taken,
)
from layergeom.states.labels import OWN, LabelSource, row_labels
from layergeom.states.lines import listed
from layergeom.states.row_contents import RowContents
from layergeom.states.sampling import sampled_rows
from layergeom.states.splits import part_of_dataset, rows_of_split
from layergeom.states.tables import Table, from_columns, is_columnar

IDS = ("id", "sid")  # columns of the ids; sid is SCOPe's
ITEMS = {"text": "texts", "tokens": "token sequences", "image": "images"}

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Samples:
    """What a model is run on, in the data's order.

    Attributes
    ----------
    kind : {"text", "tokens", "image"}
        Whether ``items`` are texts, int64 arrays of token ids, or images.
    items : tuple, or Images
        One text, or one array of token ids, per row; images are opened when they are asked for.
    ids : tuple of str
        One per row: the data's column ``id`` or ``sid``, of a FASTA file the first words of the
        headers, of a folder of images their paths in it, otherwise row numbers from 0.
    labels : tuple of str or None, Numbers, LabelSets, or None
        Class, number or several labels of each row, None where they are missing; None if there are
        no labels.
    exclude : tuple of str or None, or None
        A finer group per row whose members do not count as neighbours (families within
        superfamilies).
    sampled_from : int
        Number of rows before sampling.
    notes : tuple of str
        One line each: what was assumed, sampled, converted, or found repeated.
    counts : mapping of str to int
        By name, over all rows before sampling: sequences that were changed or are unusual, ids
        that repeat, rows without labels, ids of label files that no row has; over the images that
        are used: those that were converted or turned.
    groups : tuple of str or None, or None
        Rows that are no independent samples of each other (a protein cluster, the document of a
        chunk); None of a row: it stands for itself.
    sources : mapping of str to LabelSource
        What ``labels``, ``exclude`` and ``groups`` are called, and where they come from.
    columns : tuple of str
        The columns of the data that ``items`` are.
    """

    kind: Kind
    items: Items
    ids: tuple[str, ...]
    labels: TypedLabels | None
    exclude: Labels | None
    sampled_from: int
    notes: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    groups: Labels | None = None
    sources: Mapping[str, LabelSource] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    @property
    def classes(self) -> Labels | None:
        """The labels, where they are classes."""
        return None if isinstance(self.labels, (Numbers, LabelSets)) else self.labels

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the items in their order; labels do not enter.

        Of images it is that of the files' bytes, or of the pixels where there are no files.
        """
        items = self.items.digests if isinstance(self.items, Images) else self.items
        return content_key(self.kind, items)

    def take(self, rows: Iterable[int]) -> Samples:
        """Return the samples of these row numbers, in their order."""
        kept = [int(row) for row in rows]
        return replace(
            self,
            items=_rows(self.items, kept),
            ids=tuple(self.ids[row] for row in kept),
            labels=None if self.labels is None else labels_taken(self.labels, kept),
            exclude=_taken(self.exclude, kept),
            groups=_taken(self.groups, kept),
        )


def read_samples(
    data: Any,
    *,
    text_column: Columns = None,
    labels: Any = None,
    label_type: LabelType | None = None,
    exclude: Any = None,
    groups: Any = None,
    split: str | None = None,
    max_samples: int | Literal["all"] | None = None,
    seed: int = 0,
) -> Samples:
    """Read texts, tokens or images with their labels, and sample them if there are too many.

    Parameters
    ----------
    data : path or object
        A file: ``.txt`` (a text per line), ``.jsonl``, ``.csv``, ``.tsv`` or ``.fasta``, each
        also as ``.gz``, or ``.npz`` (an array per column); a folder of images; a `datasets` object
        or a folder in which one was saved; a data frame or a mapping of columns; a list or series
        of texts; tokens: an integer array (n, T) or a list of sequences of integers; images: a
        uint8 array (n, H, W) or (n, H, W, C), or a list of Pillow images; or what this function
        returned.
    text_column : str, int or sequence of these, optional
        The column of the texts, tokens or images; several of texts ("title,text") are joined by a
        blank. By default ``text``, ``sequence``, ``tokens`` or ``input_ids``, the only column of
        images, or the only column. In a CSV or TSV file without a header: its number from 0
        ("1,2"), and digits say that there is none.
    labels, exclude, groups : str, int, path or sequence, optional
        A column of the data (``"topic"`` or ``":topic"``), a file (one label per line, or columns
        ``id`` and ``label``), a column of a file (``"table.tsv:topic"``), or one value per row. Of
        a folder of images ``"folder"`` is the first sub-folder of each. Where a column, a list of
        domains or a FASTA file's headers hold SCOPe's or CATH's codes, also a level of these:
        ``"superfamily"``, ``"dir.cla.txt:superfamily"``. Files with ids or the data's texts may
        label a part of the rows, and may be the clusters of MMseqs2; see
        :func:`layergeom.states.labels.row_labels`.
    label_type : {"class", "number", "multi"}, optional
        What the labels are: classes, real numbers, or several labels per row; inferred unless
        given, and said in the notes (see :func:`layergeom.states.label_kinds.inferred`).
    split : str, optional
        Only these rows: a value of the column ``split`` ("test"), or a column and its value
        ("fold:3"); of a dataset with several splits the name of one.
    max_samples : int or "all", optional
        At most so many rows; by default 20,000. A larger set is sampled, in equal numbers per
        label as far as the classes reach (but at random, where that were fewer than two), and
        keeps its order.
    seed : int
        Seed of the sampling.

    Returns
    -------
    Samples
        Its notes say what was assumed, sampled, converted and repeated.

    Raises
    ------
    InputError
        If a file cannot be read, a column or split does not exist, a text is empty, an image is
        damaged, or labels have another length than the data: the message names file and line.
    InputTypeError
        If the data are of a type that holds neither texts nor tokens nor images.

    Notes
    -----
    A file is read as a whole, also where few of its rows are used. Image files are read once here
    (for their hash, and to find damaged ones early) and once when the model is run; they are never
    all in memory.

    Examples
    --------
    >>> samples = read_samples(["a cat", "a dog", "a cat"], labels=[0, 1, 0])
    >>> samples.labels
    ('0', '1', '0')
    >>> samples.notes
    ('1 of 3 texts repeats an earlier one.',)
    """
    roles = {"labels": labels, "exclude": exclude, "groups": groups}
    if isinstance(data, Samples):
        more = {"text_column": text_column, "split": split, "max_samples": max_samples}
        more["label_type"] = label_type
        return _read_already(data, roles | more)
    table = _table(data, column_names(text_column), labels, split)
    kind, items, notes = items_of(table, text_column)
    ids, id_notes, repeated = _ids(table, items)
    columns = item_columns(table, text_column)
    made_of = RowContents.of(items, columns)
    found = {
        role: row_labels(given, table, ids, role, label_type, made_of)
        for role, given in roles.items()
    }
    of_labels = dict.fromkeys(note for of in found.values() for note in of.notes)  # once per file
    counts = {**table.counts, **repeated}
    for of_role in found.values():
        counts |= of_role.counts
    samples = Samples(
        kind,
        items,
        ids,
        found["labels"].labels,
        found["exclude"].labels,
        table.n,
        (*table.notes, *notes, *id_notes, *of_labels),
        counts,
        found["groups"].labels,
        {role: one.source for role, one in found.items() if one.source is not None},
        columns,
    )
    return _with_repeats(_with_images(_sampled(samples, max_samples, seed)))


def _read_already(samples: Samples, asked: dict[str, Any]) -> Samples:
    late = [name for name, value in asked.items() if value is not None]
    if late:
        raise InputError(f"The samples are read already; give {late[0]} where they are read.")
    return samples


def _rows(items: Items, rows: list[int]) -> Items:
    if isinstance(items, Images):
        return items.take(rows)
    taken: Any = tuple(items[row] for row in rows)
    return cast("Items", taken)


def _taken(values: Sequence[T] | None, rows: list[int]) -> tuple[T, ...] | None:
    return None if values is None else tuple(values[row] for row in rows)


def _table(data: Any, names: tuple[str, ...], labels: Any, split: str | None) -> Table:
    if isinstance(data, (str, Path)):
        numbers = [part for name in names for part in name.split(",")]
        if isinstance(labels, (str, int)):
            numbers.append(str(labels).removeprefix(OWN))
        return read_data(Path(data), lambda first: _has_header(first, names, numbers), split)
    data, split = part_of_dataset(data, split)
    table = from_columns(data, "data") if is_columnar(data) else _listed(data)
    return rows_of_split(table, split)


def _has_header(first: Sequence[str], names: tuple[str, ...], numbers: list[str]) -> bool:
    """No header where the texts' columns are numbers that the first row does not hold."""
    if not names or not all(part.strip().isdigit() for name in names for part in name.split(",")):
        return True
    return all(number in first for number in numbers)


def _listed(data: Any) -> Table:
    if hasattr(data, "detach") and hasattr(data, "cpu"):
        data = data.detach().cpu().numpy()
    if isinstance(data, (bytes, bytearray)) or not hasattr(data, "__len__"):
        raise InputTypeError(
            f"Samples cannot be read from {type(data).__name__}; pass a file, a dataset, a list "
            "of texts, an array of token ids or a uint8 array of images."
        )
    if not len(data):
        raise InputError("The data hold no rows; at least one sample is needed.")
    images = as_images(data, "data")
    if images is not None:
        return Table("data", {"image": images}, len(images))
    rows = list(data)
    return Table("data", {"text": rows}, len(rows))


def _ids(table: Table, items: Items) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, int]]:
    """Ids of the rows, and a note and counts if some repeat."""
    given = next((table.columns[name] for name in IDS if name in table.columns), None)
    if given is None:
        return tuple(str(table.number(row)) for row in range(table.n)), (), {}
    ids = tuple(
        str(table.number(row)) if value is None or value == "" or value != value else str(value)
        for row, value in enumerate(given)
    )
    repeated = len(ids) - len(set(ids))
    if not repeated:
        return ids, (), {}
    ambiguous = _ambiguous(ids, items)
    note = f"{repeated} of {len(ids)} ids of {table.source} repeat an earlier one"
    if ambiguous:
        note += (
            f"; {len(ambiguous)} stand for different rows, which share what a file gives the id: "
            f"{listed(ambiguous)}"
        )
    return ids, (f"{note}.",), {"ids_repeated": repeated, "ids_ambiguous": len(ambiguous)}


def _ambiguous(ids: Sequence[str], items: Items) -> list[str]:
    """Ids that stand for different items."""
    first: dict[str, Any] = {}
    pairs = zip(ids, contents(items), strict=True)
    return list(dict.fromkeys(name for name, key in pairs if first.setdefault(name, key) != key))


def _sampled(samples: Samples, asked: int | Literal["all"] | None, seed: int) -> Samples:
    rows, note = sampled_rows(len(samples), samples.classes, asked, seed)
    if rows is None:
        return samples
    return replace(samples.take(rows), notes=(*samples.notes, note))


def _with_images(samples: Samples) -> Samples:
    """Add what was done to the images that are used."""
    if not isinstance(samples.items, Images):
        return samples
    notes = image_notes(samples.items)
    counts = {**samples.counts, **samples.items.counts}
    return replace(samples, notes=(*samples.notes, *notes), counts=counts)


def _with_repeats(samples: Samples) -> Samples:
    repeats = sum(times - 1 for times in Counter(contents(samples.items)).values())
    if not repeats:
        return samples
    verb = "repeats" if repeats == 1 else "repeat"
    what = ITEMS[samples.kind]
    note = f"{repeats:,} of {len(samples):,} {what} {verb} an earlier one."
    return replace(samples, notes=(*samples.notes, note))
