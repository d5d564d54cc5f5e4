"""What a forward pass found out besides the states, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import or_
from typing import Any

from layergeom.states.hidden import HiddenStates
from layergeom.written import counted


@dataclass(frozen=True)
class Findings:
    """What is told of states when they are complete.

    Attributes
    ----------
    broken : mapping of str to tuple of int
        Rows that are not finite, by layer.
    where : str
        In which precision, and in which module first; "" where all is finite.
    split : int
        Batches that were halved because the memory of the device did not suffice.
    """

    broken: Mapping[str, tuple[int, ...]]
    where: str = ""
    split: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """The same as plain JSON."""
        broken = {layer: list(rows) for layer, rows in self.broken.items()}
        return {"broken": broken, "where": self.where, "split": self.split}

    @classmethod
    def together(cls, facts: Iterable[Mapping[str, Any]]) -> Findings:
        """Return what several shards found."""
        broken: dict[str, set[int]] = {}
        where, split = "", 0
        for each in facts:
            for layer, rows in each["broken"].items():
                broken.setdefault(layer, set()).update(rows)
            where, split = where or each["where"], split + each["split"]
        return cls({layer: tuple(sorted(rows)) for layer, rows in broken.items()}, where, split)

    def told_of(self, hidden: HiddenStates) -> HiddenStates:
        """Return the states with what was found as ``provenance["invalid"]`` and warnings.

        What overflowed in a layer counts in those behind it too: a norm may hide it there.
        """
        found = (frozenset(self.broken.get(layer, ())) for layer in hidden.layers)
        overflowed: Iterator[frozenset[int]] = accumulate(found, or_)
        invalid = {
            layer: f"{_some(len(rows), hidden.n)} not finite in {self.where}; extract in float32 "
            "or bfloat16"
            for layer, rows in zip(hidden.layers, overflowed, strict=True)
            if rows
        }
        return replace(
            hidden,
            provenance={**hidden.provenance, "invalid": invalid},
            warnings=(*hidden.warnings, *self._warnings(invalid)),
        )

    def _warnings(self, invalid: Mapping[str, str]) -> Iterator[str]:
        if self.split:
            yield (
                f"{counted(self.split, 'batch was', 'batches were')} halved because the memory of "
                "the device did not suffice; the rows equal those of whole batches up to rounding "
                "(1e-5)."
            )
        yield from (f"Layer {layer}: {reason}." for layer, reason in invalid.items())


def _some(rows: int, of: int) -> str:
    return counted(rows, f"of {of:,} rows is", f"of {of:,} rows are")
