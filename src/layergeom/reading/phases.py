"""The phases of a dimension profile, each with its evidence.

Expansion, peak, compression, minimum or plateau, second peak, final ascent (Valeriani et al. 2023,
section 3.1); a phase is stated only where the change exceeds its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from layergeom.arrays import FloatArray
from layergeom.reading.turns import Differences, Turn, ties
from layergeom.written import minus

PhaseKind: TypeAlias = Literal[
    "expansion",
    "peak",
    "compression",
    "minimum",
    "plateau",
    "rise",
    "second peak",
    "final ascent",
    "flat",
]


@dataclass(frozen=True)
class Phase:
    """A stretch of layers with one behaviour.

    Attributes
    ----------
    kind : str
        What the dimension does.
    first, last : str
        Layer keys, inclusive.
    evidence : str
        A sentence with the numbers.
    """

    kind: PhaseKind
    first: str
    last: str
    evidence: str


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve over the depth as the reading sees it: keys, values, which differences count."""

    keys: tuple[str, ...]
    values: FloatArray
    errors: FloatArray
    differ: Differences
    turns: tuple[Turn, ...]


def phases(curve: Curve) -> tuple[Phase, ...]:
    """Return the phases of a dimension curve from the first layer to the last."""
    if not curve.turns:
        return (_flat(curve),)
    found: list[Phase] = []
    peaks = 0
    for place, turn in enumerate(curve.turns):
        if place:
            found.append(_leg(curve, place, peaks))
        interior = 0 < place < len(curve.turns) - 1
        if interior and turn.kind == "max":
            peaks += 1
            found.append(_peak(curve, place, peaks))
        elif interior:
            found.append(_floor(curve, place))
    return tuple(found)


def number(curve: Curve, at: int) -> str:
    """Return a value with its standard error, as text."""
    return f"{curve.values[at]:.2f} ± {curve.errors[at]:.2f}"


def _flat(curve: Curve) -> Phase:
    low, high = float(curve.values.min()), float(curve.values.max())
    return Phase(
        "flat",
        curve.keys[0],
        curve.keys[-1],
        f"all layers lie between {low:.2f} and {high:.2f} and none differs beyond error",
    )


def _leg(curve: Curve, place: int, peaks: int) -> Phase:
    a, b = curve.turns[place - 1].at, curve.turns[place].at
    change = curve.values[b] - curve.values[a]
    error = curve.differ.errors[a, b]
    evidence = (
        f"dimension goes from {number(curve, a)} at {curve.keys[a]} to {number(curve, b)} at "
        f"{curve.keys[b]}: a change of {minus(f'{change:+.2f}')} ± {error:.2f}, where "
        f"{curve.differ.needed(curve.values, a, b):.2f} is needed"
    )
    return Phase(_leg_kind(curve, place, peaks), curve.keys[a], curve.keys[b], evidence)


def _leg_kind(curve: Curve, place: int, peaks: int) -> PhaseKind:
    if curve.turns[place].kind == "min":
        return "compression"
    if place == 1:
        return "expansion"
    last = place == len(curve.turns) - 1
    return "final ascent" if last and peaks else "rise"


def _peak(curve: Curve, place: int, peaks: int) -> Phase:
    tied = ties(curve.values, curve.differ, curve.turns, place)
    at = curve.turns[place].at
    kind: PhaseKind = "peak" if peaks == 1 else "second peak"
    evidence = f"the dimension is highest at {curve.keys[at]}, {number(curve, at)}"
    return Phase(kind, curve.keys[tied[0]], curve.keys[tied[-1]], evidence)


def _floor(curve: Curve, place: int) -> Phase:
    tied = ties(curve.values, curve.differ, curve.turns, place)
    at = curve.turns[place].at
    kind: PhaseKind = "minimum" if len(tied) == 1 else "plateau"
    evidence = f"the dimension is lowest at {curve.keys[at]}, {number(curve, at)}"
    if len(tied) > 1:
        evidence += f"; {len(tied)} layers cannot be told apart from it"
    return Phase(kind, curve.keys[tied[0]], curve.keys[tied[-1]], evidence)
