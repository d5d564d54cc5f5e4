"""What tells rows apart by what they were made of: a digest of each text, sequence or image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from layergeom.states.items import TEXTS, Items, contents, items_of
from layergeom.states.tables import Table

BYTES = 16  # of a digest


@dataclass(frozen=True, eq=False)
class RowContents:
    """Digests of the rows' texts, tokens or images, made when they are asked for.

    Attributes
    ----------
    columns : tuple of str
        The columns of the data that the rows were made of.
    read : callable
        Returns one digest per row.
    """

    columns: tuple[str, ...]
    read: Callable[[], tuple[str, ...]]

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """One per row; equal digests are the same input."""
        return self.read()

    @classmethod
    def of(cls, items: Items, columns: tuple[str, ...]) -> RowContents:
        """Return those of texts, tokens or images."""
        return cls(columns, lambda: digests(items))

    def take(self, rows: Sequence[int]) -> RowContents:
        """Return those of some rows; images of the others are not read again for it."""
        return RowContents(self.columns, lambda: tuple(self.digests[row] for row in rows))


def digests(items: Items) -> tuple[str, ...]:
    """Return a digest of each text, row of tokens or image.

    Examples
    --------
    >>> found = digests(("a cat", "a dog", "a cat"))
    >>> found[0] == found[2] != found[1]
    True
    """
    found = []
    for item in contents(items):
        data = item if isinstance(item, bytes) else str(item).encode("utf-8", "surrogatepass")
        found.append(hashlib.blake2b(data, digest_size=BYTES).hexdigest())
    return tuple(found)


def text_columns(table: Table, known: RowContents | None) -> tuple[str, ...]:
    """Return the columns of a table that hold texts or sequences; () where none does.

    Those that the rows were made of, if they are all there; else what data are read from unasked.
    """
    if known is not None and known.columns and set(known.columns) <= set(table.columns):
        return known.columns
    return tuple(name for name in TEXTS if name in table.columns)[:1]


def contents_of(table: Table, columns: tuple[str, ...]) -> RowContents:
    """Return the digests of a table's rows, whose texts are read as data are."""
    return RowContents(columns, lambda: digests(items_of(table, columns)[1]))
