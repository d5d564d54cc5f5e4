"""What is said of one quantity."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """One quantity in words.

    Attributes
    ----------
    name : str
        Key in ``Profile.curves`` and ``Profile.maps``, and column of ``profile.csv``.
    title, symbol : str
        As in headings and on axes.
    bounds : str
        Unit and range.
    formula : str
        With ``<i>``, ``<sub>`` and ``<sup>`` as the only markup.
    definition, misleads : str
        One sentence each.
    source : str
        Paper and equation.
    """

    name: str
    title: str
    symbol: str
    bounds: str
    formula: str
    definition: str
    misleads: str
    source: str

    @property
    def plain_formula(self) -> str:
        """The formula without markup: subscripts as ``_x``, superscripts as ``^x``."""
        text = re.sub(r"<sub>(.*?)</sub>", _marked("_"), self.formula)
        text = re.sub(r"<sup>(.*?)</sup>", _marked("^"), text)
        return re.sub(r"</?i>", "", text).replace("&lt;", "<").replace("&gt;", ">")


def _marked(mark: str) -> str:
    return mark + r"\1"
