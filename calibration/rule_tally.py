"""The records of one cell put together: rates, ties, repeatability reported and actual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from benchmarks.records import Record
from layergeom.arrays import FloatArray

JOB = "rule"
Found: TypeAlias = Sequence[
    float
]  # first and last tie, minimum, repeatability, that of the minimum


@dataclass(frozen=True)
class Tally:
    """All repetitions of a cell.

    Attributes
    ----------
    case : mapping
        The cell, as recorded.
    parts : tuple of records
        Runs of disjoint repetitions.
    """

    case: dict[str, Any]
    parts: tuple[Record, ...]

    @property
    def repetitions(self) -> int:
        """Stacks drawn."""
        return sum(part["repetitions"] for part in self.parts)

    @cached_property
    def found(self) -> list[Found]:
        """What was found, one for each stack in which a minimum was found."""
        return [each for part in self.parts for each in part["found"] if each is not None]

    @property
    def moves(self) -> int:
        """Stacks in which any two layers differ beyond error."""
        return sum(part["moves"] for part in self.parts)

    @property
    def holding(self) -> int:
        """Stacks in which the layer of the true minimum is among the ties."""
        return sum(low <= self.case["minimum"] <= high for low, high, *_ in self.found)

    @property
    def exact(self) -> int:
        """Stacks in which that very layer, the shallowest of the ties, is chosen."""
        return sum(each[0] == self.case["minimum"] for each in self.found)

    @property
    def repeatabilities(self) -> FloatArray:
        """Of every stack in which a minimum was found, two shares: (found, 2).

        The repeatability reported, and the share of the other stacks whose minimum is one of its
        ties.
        """
        found = np.array(self.found, dtype=float).reshape(-1, 4)
        low, high, others = found[:, [0]], found[:, [1]], max(self.repetitions - 1, 1)
        within = (low <= found[:, 2]) & (found[:, 2] <= high)
        return np.stack([found[:, 3], (within.sum(axis=1) - 1) / others], axis=1)

    def mean(self, key: str) -> FloatArray:
        """Mean of a recorded quantity over the repetitions."""
        weights = [part["repetitions"] for part in self.parts]
        return np.asarray(np.average([part[key] for part in self.parts], axis=0, weights=weights))

    @property
    def honesty(self) -> float:
        """Errors reported over the scatter of the estimates, in the mean over the layers."""
        free = [part["repetitions"] - 1 for part in self.parts]
        spread = np.average(
            [np.square(part["spread"]) for part in self.parts], axis=0, weights=free
        )
        return float(np.sqrt(np.mean(np.square(self.mean("error"))) / np.mean(spread)))


def tallies(found: Iterable[Record]) -> list[Tally]:
    """Put the records of each cell together; where repetitions were run again, the newer count."""
    of_cell: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        if record["job"] == JOB:
            of_cell[record["case"]["name"]].append(record)
    return [Tally(parts[-1]["case"], tuple(_disjoint(parts))) for parts in of_cell.values()]


def _disjoint(parts: Sequence[Record]) -> Iterator[Record]:
    taken: set[int] = set()
    for part in reversed(parts):
        numbers = set(range(part["first"], part["first"] + part["repetitions"]))
        if not numbers & taken:
            taken |= numbers
            yield part


def counted(kept: Sequence[Tally]) -> tuple[int, int]:
    """Return in how many stacks of several cells a minimum was found, and of how many."""
    return sum(len(each.found) for each in kept), sum(each.repetitions for each in kept)
