"""Warnings gathered by what they say: one line for each kind, the other layers behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from layergeom.show.cells import visible

_NUMBER = re.compile(r"\d[\d,.]*( ?%)?")
_PLACE = re.compile(r"(?:[^:]{1,60}: )+")  # of a run, of layers
_LISTED = 8


@dataclass(frozen=True)
class WarningGroup:
    """Warnings that differ in their layers and numbers only.

    Attributes
    ----------
    first : str
        The first of them, in full.
    others : tuple of str
        The rest, in full.
    where : tuple of str
        The layers of the rest, as far as they begin with one.
    """

    first: str
    others: tuple[str, ...]
    where: tuple[str, ...]

    @property
    def rest(self) -> str:
        """Of what else the same is said: the places if they are few, else how many; "" of none."""
        if not self.others:
            return ""
        listed = len(self.where) == len(self.others) <= _LISTED
        return f"Likewise {', '.join(self.where) if listed else f'{len(self.others)} more'}"

    @property
    def line(self) -> str:
        """The first, and of what else the same is said."""
        return f"{self.first} ({self.rest}.)" if self.others else self.first


def warning_groups(warnings: Iterable[str]) -> tuple[WarningGroup, ...]:
    """Gather warnings that say the same of different layers, in their first order.

    Examples
    --------
    >>> told = ["block_1: 2.0 % are twins.", "3 rows were cut.", "block_2: 1.5 % are twins."]
    >>> [group.line for group in warning_groups(told)]
    ['block_1: 2.0 % are twins. (Likewise block_2.)', '3 rows were cut.']
    """
    gathered: dict[str, list[str]] = {}
    for warning in warnings:
        text = visible(warning)
        gathered.setdefault(_kind(text), []).append(text)
    return tuple(
        WarningGroup(texts[0], tuple(texts[1:]), tuple(filter(None, map(_place, texts[1:]))))
        for texts in gathered.values()
    )


def _kind(text: str) -> str:
    return _NUMBER.sub("#", text.removeprefix(_place(text)))


def _place(text: str) -> str:
    """Return the run and the layers that a warning begins with, "" without any."""
    found = _PLACE.match(text)
    return found[0].removesuffix(": ") if found else ""
