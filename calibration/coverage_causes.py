"""Why the coverage of a quantity is outside the band: one sentence for each known cause."""

from __future__ import annotations

from typing import NamedTuple

EQUAL = ("flat torus", "sphere", "ball", "normal", "Student", "repeated")  # principal variances
RANKS = ("effective rank", "spectral entropy rank", "participation ratio")
NEAR = ("overlap", "r1", "r2", "Levina–Bickel", "Gride")
UNKNOWN = "Cause not known."


class Cause(NamedTuple):
    """A sentence, and the rows that it explains: first words of quantities, words of sets."""

    quantities: tuple[str, ...]
    sets: tuple[str, ...]
    verdicts: tuple[str, ...]
    sentence: str


CAUSES = (
    Cause(
        ("anisotropy", *RANKS, "linear CKA"),
        ("3 degrees",),
        ("short",),
        "Fourth moments are infinite, so that variances have no standard error.",
    ),
    Cause(
        ("anisotropy",),
        EQUAL,
        ("wide",),
        "Principal variances are equal, and the largest of them varies less than each does.",
    ),
    Cause(
        RANKS,
        EQUAL,
        ("wide", "short"),
        "Principal variances are equal: at its maximum a rank has no error of first order.",
    ),
    Cause(
        ("r1", "r2"),
        ("groups",),
        ("short",),
        "Two groups depend as wholes where two of their rows are neighbours, but only these rows "
        "are joined.",
    ),
    Cause(
        ("r1", "r2"),
        ("power law", "d = 20"),
        ("short",),
        "Points that list the same neighbour depend on each other too, but are not joined.",
    ),
    Cause(
        ("homogeneity",),
        ("",),
        ("wide",),
        "Hardly a point fails, and the error is at least that of one.",
    ),
    Cause(
        ("TwoNN",),
        ("half",),
        ("wide",),
        "Neighbours are of one part, alike in their ratios without depending on each other; the "
        "double sum takes likeness for dependence.",
    ),
    Cause(
        ("linear CKA",),
        ("repeated",),
        ("short",),
        "Repeats of a row count as independent rows.",
    ),
    Cause(
        ("label overlap",),
        ("",),
        ("wide",),
        "Neighbours have labels alike without depending on each other; the double sum takes "
        "likeness for dependence.",
    ),
    Cause(
        NEAR,
        ("",),
        ("wide",),
        "Neighbours lie in places alike without depending on each other; the double sum takes "
        "likeness for dependence.",
    ),
    Cause(
        ("homogeneity",),
        ("",),
        ("short",),
        "The dimension that the test takes varies too, and points fail together around outliers.",
    ),
)


def cause(quantity: str, name: str, verdict: str) -> str:
    """Return why the error of a quantity is too wide or too short on a set of points.

    Parameters
    ----------
    quantity, name : str
        Names of the quantity and of the set of points.
    verdict : {"wide", "short"}
        See :func:`calibration.coverage_page.verdict`.

    Examples
    --------
    >>> cause("anisotropy", "normal, d = 5", "wide")
    'Principal variances are equal, and the largest of them varies less than each does.'
    >>> cause("TwoNN", "normal, d = 5", "short") == UNKNOWN
    True
    """
    for each in CAUSES:
        if (
            quantity.startswith(each.quantities)
            and any(words in name for words in each.sets)
            and verdict in each.verdicts
        ):
            return each.sentence
    return UNKNOWN
