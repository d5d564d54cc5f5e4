"""Which quantities share a figure, and how each is drawn: the same wherever it appears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layergeom.profiles import BY_LABELS
from layergeom.show.cells import UNKNOWN
from layergeom.show.layer_axis import BLUE, GREEN, ORANGE, PURPLE, RED
from layergeom.show.quantities import quantity
from layergeom.show.table import added_names, curve_names

if TYPE_CHECKING:
    from layergeom.profiles import Profile

_MOST = 5  # lines in one figure


@dataclass(frozen=True)
class Look:
    """How a line is drawn: apart by colour, by strokes and by marker.

    Attributes
    ----------
    colour : str
    dash : tuple of float
        Lengths of strokes and gaps; empty for an unbroken line.
    shape, marker : str
        Of the points, in vega's words and in matplotlib's.
    """

    colour: str
    dash: tuple[float, ...]
    shape: str
    marker: str


LOOKS = (
    Look(BLUE, (), "circle", "o"),
    Look(ORANGE, (7, 3), "square", "s"),
    Look(GREEN, (2, 2), "triangle-up", "^"),
    Look(PURPLE, (7, 2, 2, 2), "diamond", "D"),
    Look(RED, (4, 2), "triangle-down", "v"),
)


def look_of(place: int) -> Look:
    """Return the look of one of many: 25 different ones, the first five those of ``LOOKS``."""
    colour = LOOKS[place % len(LOOKS)].colour
    form = LOOKS[(place + place // len(LOOKS)) % len(LOOKS)]
    return Look(colour, form.dash, form.shape, form.marker)


@dataclass(frozen=True)
class Group:
    """Quantities of one unit that are drawn into one figure.

    Attributes
    ----------
    key, title, caption : str
    names : tuple of str
        The quantities; the place of each gives its look.
    """

    key: str
    title: str
    caption: str
    names: tuple[str, ...]

    def held(self, profile: Profile) -> dict[str, Look]:
        """Return the looks of those quantities that a profile holds."""
        looks = zip(self.names, LOOKS, strict=False)
        return {name: look for name, look in looks if name in profile.curves}


OVERLAPS = Group(
    "overlaps",
    "Neighbourhood overlap",
    "Overlap with the next layer and with the labels; chance is dashed.",
    ("overlap_next", *BY_LABELS),
)
ANISOTROPY = Group(
    "anisotropy",
    "Anisotropy",
    "Three quantities that are all called anisotropy, each by its own name.",
    ("anisotropy", "anisotropy_uncentered", "mean_cosine"),
)
RANK = Group(
    "rank",
    "Linear dimension",
    "The number of directions in use, counted in three ways.",
    ("effective_rank", "spectral_entropy_rank", "participation_ratio"),
)
_NAMED = (OVERLAPS, ANISOTROPY, RANK)
_UNITS = {
    "dimensions": "Other readings of the dimension",
    "share": "Further shares",
    "directions": "Further counts of directions",
    "units of the hidden state": "Distances and norms",
}


def line_groups(profile: Profile) -> tuple[Group, ...]:
    """Return the named groups, then each quantity that was asked for in a figure of its own."""
    added = [
        Group(f"added_{name}", quantity(name).title, "As asked for.", (name,))
        for name in added_names(profile)
    ]
    return tuple(group for group in (*_NAMED, *added) if group.held(profile))


def further_groups(profile: Profile) -> tuple[Group, ...]:
    """Return figures of all the other curves but the dimension, by their unit, at most five each.

    A quantity that is new to the table of quantities is in one of them.
    """
    drawn = {"dimension", *(name for group in line_groups(profile) for name in group.names)}
    units: dict[str, list[str]] = {}
    for name in (name for name in curve_names(profile) if name not in drawn):
        unit = quantity(name).bounds.partition(",")[0]
        units.setdefault(name if unit == UNKNOWN else unit, []).append(name)
    return tuple(
        _unit_group(unit, found[at : at + _MOST])
        for unit, found in units.items()
        for at in range(0, len(found), _MOST)
    )


def _unit_group(unit: str, names: list[str]) -> Group:
    alone = quantity(names[0]).title
    title = alone if len(names) == 1 else _UNITS.get(unit, unit.capitalize())
    return Group(f"further_{names[0]}", title, "", tuple(names))
