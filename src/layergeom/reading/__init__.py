"""Profile in, statements with evidence out: phases, the layer to use, the course of anisotropy.

Pure: no files, no figures, no model; the same profile always gives the same reading.
"""

from __future__ import annotations

from dataclasses import dataclass

from layergeom.profiles import Profile
from layergeom.reading.anisotropy import anisotropy_course
from layergeom.reading.nulls import null_statements
from layergeom.reading.phases import Phase, phases
from layergeom.reading.recommend import (
    REPEATABLE,
    Recommendation,
    by_labels,
    dimension_curve,
    recommendation,
    standing,
)
from layergeom.reading.scales import scale_statements
from layergeom.written import percent

__all__ = ["Phase", "Reading", "Recommendation", "read"]


@dataclass(frozen=True)
class Reading:
    """What a profile says.

    Attributes
    ----------
    sentence : str
        The answer in a sentence: the layer; found, repeatable, useful or not tested.
    phases : tuple of Phase
        From the first layer to the last.
    recommendation : Recommendation
        The layer to use.
    anisotropy : str
        Where anisotropy is largest, and whether its course is a bell.
    statements : tuple of str
        Further statements, each with its numbers.
    """

    sentence: str
    phases: tuple[Phase, ...]
    recommendation: Recommendation
    anisotropy: str
    statements: tuple[str, ...]


def read(profile: Profile) -> Reading:
    """Read a profile: phases, recommendation, anisotropy and further statements.

    Notes
    -----
    Differences count at a simultaneous 95 % level over all pairs of layers and above 5 % of the
    value; thresholds stand in :mod:`layergeom.reading.turns`.
    """
    curve = dimension_curve(profile)
    choice = recommendation(profile, curve)
    return Reading(
        sentence=_sentence(choice, profile),
        phases=() if curve is None else phases(curve),
        recommendation=choice,
        anisotropy=anisotropy_course(profile),
        statements=_statements(profile),
    )


def _sentence(choice: Recommendation, profile: Profile) -> str:
    if not choice.found:
        best = choice.best_by_labels
        served = "" if best is None else f"; {by_labels(profile, choice.layer, best)}"
        return (
            f"No layer stands out by geometry: use {choice.layer} meanwhile, "
            f"{standing(profile, choice.layer)}{served}."
        )
    repeatable = "repeatable" if choice.repeatability >= REPEATABLE else "not repeatable"
    return (
        f"Use {choice.layer}: found beyond error, {repeatable} ({percent(choice.repeatability)} of "
        f"draws), usefulness {_usefulness(choice)}."
    )


def _usefulness(choice: Recommendation) -> str:
    if choice.useful.startswith("not tested"):
        return choice.useful
    return f"tested: {choice.useful}"


def _statements(profile: Profile) -> tuple[str, ...]:
    said = []
    if profile.undefined:
        count = len(profile.undefined)
        who = "1 layer has" if count == 1 else f"{count} layers have"
        said.append(f"{who} no dimension: {', '.join(profile.undefined)}.")
    said += scale_statements(profile)
    return (*said, *null_statements(profile))
