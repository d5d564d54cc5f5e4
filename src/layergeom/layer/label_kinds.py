"""What is asked of labels: overlap of classes, agreement of numbers, Jaccard of sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from layergeom import arrays, geometry
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.label_agreement import label_agreement
from layergeom.geometry.label_pairs import lone_units
from layergeom.geometry.label_sets import neighbor_jaccard
from layergeom.geometry.overlap import OverlapEstimate
from layergeom.geometry.uncertainty import Joined, row_adjacency
from layergeom.layer.measured import with_gaps
from layergeom.states.label_kinds import LabelSets, Numbers


class GivenLabels(Protocol):
    """Labels of the rows, and what a layer's neighbours say of them.

    Attributes
    ----------
    quantity : str
        The curve that they give.
    """

    quantity: ClassVar[str]

    @property
    def exclude(self) -> IntArray | None:
        """Finer groups whose members are no neighbours; -1 stands for itself: (n,)."""

    @property
    def content(self) -> list[Any]:
        """All that determines the numbers, for the key of a profile."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the provenance records."""

    def overlap(self, graph: NeighborGraph, k: int) -> OverlapEstimate:
        """Return the quantity at a layer.

        Raises
        ------
        DegenerateError
            If no row counts.
        """

    def joined(self, graph: NeighborGraph, k: int) -> Joined:
        """Return which rows do not speak independently in it."""


@dataclass(frozen=True)
class Labels:
    """Class codes of the rows, and the finer groups whose members are no neighbours."""

    codes: IntArray
    exclude: IntArray | None = None
    quantity: ClassVar[str] = "label_overlap"

    @property
    def content(self) -> list[Any]:
        """Codes and groups."""
        return [self.codes, self.exclude]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Number of classes, and of rows with one."""
        return {
            "kind": "class",
            "classes": int(self.codes.max() + 1),
            "labelled": int((self.codes >= 0).sum()),
            **_excluded(self.exclude),
        }

    def overlap(self, graph: NeighborGraph, k: int) -> OverlapEstimate:
        """Share of neighbours with the row's class."""
        return geometry.label_overlap(
            graph, with_gaps(self.codes), k, exclude=with_gaps(self.exclude)
        )

    def joined(self, graph: NeighborGraph, k: int) -> Joined:
        """Rows that share neighbours."""
        return row_adjacency(graph, k)


@dataclass(frozen=True, eq=False)
class NumberLabels:
    """A number for each row, nan where it is missing."""

    values: FloatArray
    exclude: IntArray | None = None
    quantity: ClassVar[str] = "label_agreement"

    @property
    def content(self) -> list[Any]:
        """Numbers and groups."""
        return ["number", self.values, self.exclude]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Number of rows with a value, and the range."""
        known = self.values[~np.isnan(self.values)]
        ends = (float(known.min()), float(known.max())) if len(known) else (None, None)
        labelled = {"kind": "number", "labelled": len(known)}
        return {**labelled, "least": ends[0], "most": ends[1], **_excluded(self.exclude)}

    def overlap(self, graph: NeighborGraph, k: int) -> OverlapEstimate:
        """Neighbour agreement."""
        return label_agreement(graph, self.values, k, exclude=with_gaps(self.exclude))

    def joined(self, graph: NeighborGraph, k: int) -> Joined:  # noqa: ARG002 - as the others
        """Rows of one group, or of one point."""
        return lone_units(graph)


@dataclass(frozen=True, eq=False)
class SetLabels:
    """Several labels for each row, None where they are missing."""

    sets: LabelSets
    exclude: IntArray | None = None
    quantity: ClassVar[str] = "label_jaccard"

    @property
    def content(self) -> list[Any]:
        """Labels and groups."""
        return ["multi", self.sets, self.exclude]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Number of rows with labels, of labels, and of labels per row."""
        known = [names for names in self.sets if names is not None]
        return {
            "kind": "multi",
            "labelled": len(known),
            "labels": len({name for names in known for name in names}),
            "labels_per_row": sum(map(len, known)) / max(len(known), 1),
            **_excluded(self.exclude),
        }

    def overlap(self, graph: NeighborGraph, k: int) -> OverlapEstimate:
        """Neighbour Jaccard."""
        return neighbor_jaccard(graph, self.sets, k, exclude=with_gaps(self.exclude))

    def joined(self, graph: NeighborGraph, k: int) -> Joined:  # noqa: ARG002 - as the others
        """Rows of one group, or of one point."""
        return lone_units(graph)


def given_labels(labels: object, exclude: IntArray | None, n: int) -> GivenLabels:
    """Return labels of ``n`` rows as what they are.

    Parameters
    ----------
    labels : Numbers, LabelSets, or sequence of n classes
    exclude : ndarray, shape (n,), or None
    n : int

    Raises
    ------
    InputError
        If there are not n, or classes are real numbers (as :func:`layergeom.arrays.labels`).
    """
    if isinstance(labels, (Numbers, LabelSets)):
        _check_length(len(labels), n)
    if isinstance(labels, Numbers):
        return NumberLabels(np.array(labels, dtype=np.float64), exclude)
    if isinstance(labels, LabelSets):
        return SetLabels(labels, exclude)
    return Labels(arrays.labels(labels, n), exclude)


def _excluded(exclude: IntArray | None) -> dict[str, int | None]:
    return {"excluded_groups": None if exclude is None else int(exclude.max() + 1)}


def _check_length(length: int, n: int) -> None:
    if length != n:
        raise InputError(f"labels have length {length} but there are {n} rows.")
