"""Where the layers stand on an axis: one place per layer, phases as spans between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layergeom.show.cells import short_layer

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.reading import Phase, Reading

# Okabe and Ito's palette, dark enough for lines on white, apart for every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, RED, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#AA4499",
    "#882255",
    "#6B7280",
)
TINTS = {
    "expansion": "#FBE3CF",
    "peak": "#F3B98A",
    "second peak": "#F3B98A",
    "compression": "#DCE9F5",
    "minimum": "#8FD0B5",
    "plateau": "#D3EEE2",
    "rise": "#F2E6F2",
    "final ascent": "#EBD3E6",
    "flat": "#E9ECEF",
}


@dataclass(frozen=True)
class Span:
    """A phase on the layer axis.

    Attributes
    ----------
    kind, first, last, evidence : str
        As in the phase.
    start, stop : float
        Half a place beyond the first and the last layer.
    narrow : bool
        True for a phase of one layer, whose name needs a line of its own.
    """

    kind: str
    first: str
    last: str
    evidence: str
    start: float
    stop: float
    narrow: bool

    @property
    def tint(self) -> str:
        """Background colour."""
        return TINTS.get(self.kind, TINTS["flat"])


def spans(profile: Profile, phases: Sequence[Phase]) -> tuple[Span, ...]:
    """Return the phases whose layers are in the profile, broad ones first."""
    found = [_span(profile.layers, phase) for phase in phases if _present(profile, phase)]
    return tuple(sorted(found, key=lambda span: span.start - span.stop))


def _present(profile: Profile, phase: Phase) -> bool:
    return phase.first in profile.layers and phase.last in profile.layers


def _span(layers: tuple[str, ...], phase: Phase) -> Span:
    first, last = layers.index(phase.first), layers.index(phase.last)
    return Span(
        kind=phase.kind,
        first=phase.first,
        last=phase.last,
        evidence=phase.evidence,
        start=first - 0.5,
        stop=last + 0.5,
        narrow=first == last,
    )


def ticks(count: int, most: int = 14) -> list[int]:
    """Return at most about ``most`` evenly spaced places of ``count``, with both ends.

    Examples
    --------
    >>> ticks(13), ticks(34, most=8)
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [0, 5, 10, 15, 20, 25, 33])
    """
    step = max(1, -(-count // most))
    places = list(range(0, count, step))
    last = count - 1
    if places and places[-1] != last:
        if last - places[-1] < step:
            places.pop()
        places.append(last)
    return places


def tick_labels(profile: Profile) -> list[str]:
    """Return the short name of every layer."""
    return [short_layer(key) for key in profile.layers]


def recommended_place(profile: Profile, reading: Reading | None) -> int | None:
    """Return the place of the recommended layer, None where there is none."""
    if reading is None or reading.recommendation.layer not in profile.layers:
        return None
    return profile.layers.index(reading.recommendation.layer)
