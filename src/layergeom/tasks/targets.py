"""What is read off the rows: classes, a number, or several labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from layergeom import arrays
from layergeom.arrays import BoolArray, FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry.label_sets import label_table
from layergeom.states.label_kinds import LabelSets, Numbers

BINS = 10  # quantiles of the numbers of which every fold gets equal shares, of ten rows or more


class Target(Protocol):
    """What is read off the rows, besides their classes."""

    def only(self, keep: BoolArray) -> Target:
        """Return that of the rows that are kept."""

    def strata(self, codes: IntArray) -> IntArray:
        """Return of what every fold gets equal shares, given the classes: (m,), from 0."""


class ClassTarget:
    """Classes: nothing besides the codes of the rows."""

    def only(self, keep: BoolArray) -> ClassTarget:  # noqa: ARG002 - as the others
        """Return itself."""
        return self

    def strata(self, codes: IntArray) -> IntArray:
        """Return the classes, numbered anew."""
        return np.unique(codes, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True, eq=False)
class NumberTarget:
    """A number for each row: (m,)."""

    values: FloatArray

    def only(self, keep: BoolArray) -> NumberTarget:
        """Return those that are kept."""
        return NumberTarget(self.values[keep])

    def strata(self, codes: IntArray) -> IntArray:  # noqa: ARG002 - as the others
        """Return the tenth of the numbers that a row is in; equal numbers stay together."""
        bins = max(1, min(BINS, len(self.values) // BINS))
        if bins == 1:
            return np.zeros(len(self.values), dtype=np.int64)
        inner = np.quantile(self.values, np.arange(1, bins) / bins)
        at = np.searchsorted(inner, self.values, side="right")
        return np.unique(at, return_inverse=True)[1].reshape(-1)


@dataclass(frozen=True, eq=False)
class SetTarget:
    """Which row has which label, (m, L), and the labels."""

    table: sp.csr_array
    names: tuple[str, ...]

    def only(self, keep: BoolArray) -> SetTarget:
        """Return the rows that are kept."""
        return replace(self, table=self.table[np.flatnonzero(keep)])

    def frequent(self, fewest: int, most: int) -> SetTarget:
        """Return the labels that so many rows have, and of these the most frequent."""
        sizes = np.asarray(self.table.sum(axis=0)).reshape(-1)
        order = np.argsort(-sizes, kind="stable")[:most]
        kept = np.sort(order[sizes[order] >= fewest])
        return SetTarget(self.table[:, kept], tuple(self.names[at] for at in kept))

    def strata(self, codes: IntArray) -> IntArray:
        """Return one stratum: labels overlap, so rows are dealt at random."""
        return np.zeros(len(codes), dtype=np.int64)


def target_of(labels: object, n: int) -> tuple[Target, IntArray]:
    """Return what is read off ``n`` rows, and a code for each that is -1 where it has no label.

    Raises
    ------
    InputError
        If there are not n labels, or classes are real numbers.
    """
    if isinstance(labels, (Numbers, LabelSets)) and len(labels) != n:
        raise InputError(f"labels have length {len(labels)} but there are {n} rows.")
    if isinstance(labels, Numbers):
        values = np.array(labels, dtype=np.float64)
        return NumberTarget(values), np.where(np.isnan(values), -1, 0)
    if isinstance(labels, LabelSets):
        table, names = label_table(labels, n)
        return SetTarget(table, names), np.where(np.diff(table.indptr) > 0, 0, -1)
    return ClassTarget(), arrays.labels(labels, n)
