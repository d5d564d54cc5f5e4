"""What a training did to the geometry, in a few sentences: first in the report, first printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from layergeom.show.cells import visible

if TYPE_CHECKING:
    from layergeom.profiles import Profile
    from layergeom.tasks.dynamics import Dynamics
    from layergeom.tasks.training_course import TrainingCourse

_LISTED = 12  # checkpoints; of more only the ends are named


def training_sentences(dynamics: Dynamics) -> tuple[str, str]:
    """Return how the layer-mean dimension moved, and since when the layer to use is the same.

    Both say only what exceeds the errors, and say so where nothing does. Without control
    characters.
    """
    return visible(_moved(dynamics)), visible(_chosen(dynamics.checkpoints, dynamics.course))


def training_facts(dynamics: Dynamics) -> list[tuple[str, str]]:
    """Return (heading, text): where the mean dimension is largest, and the checkpoints."""
    names, peak = dynamics.checkpoints, dynamics.peak
    listed = ", ".join(names) if len(names) <= _LISTED else f"{names[0]} to {names[-1]}"
    facts = [("Checkpoints", f"{len(names)}: {listed}")]
    if peak is not None:
        facts.insert(0, ("Mean dimension", f"{peak}"))
    return [(head, visible(text)) for head, text in facts]


def training_lines(dynamics: Dynamics) -> list[str]:
    """Return the answer about a training as lines of plain text."""
    facts = [f"{head}: {text}" for head, text in training_facts(dynamics)]
    return [*training_sentences(dynamics), *facts]


def training_warnings(dynamics: Dynamics, last: Profile) -> tuple[str, ...]:
    """Return the warnings of a training: its own, those of all checkpoints, those of some.

    Parameters
    ----------
    dynamics : Dynamics
    last : Profile
        That of the last checkpoint.

    Returns
    -------
    tuple of str
        What every checkpoint says is said once; the rest begins with the checkpoint's name.
    """
    profiles = (*dynamics.profiles[:-1], last)
    shared = [text for text in last.warnings if all(text in p.warnings for p in profiles)]
    named = zip(dynamics.checkpoints, profiles, strict=True)
    some = [f"{name}: {text}" for name, p in named for text in p.warnings if text not in shared]
    return (*dynamics.warnings, *shared, *some)


def _moved(dynamics: Dynamics) -> str:
    course, said = dynamics.course, dynamics.turning_point
    if course.turns is None:
        return "Whether the layer-mean dimension moves cannot be told: its errors are not known."
    if not course.moves:
        return f"Neither expansion nor compression: {said}"
    moves = ", then ".join(course.moves)
    if len(course.moves) == 1:
        other = "compression" if "expansion" in course.moves else "expansion"
        moves += f", no {other} beyond error and 5 %"
    return f"{moves.capitalize()}: {said.removesuffix('.')}{_stillness(dynamics)}."


def _stillness(dynamics: Dynamics) -> str:
    since, names = dynamics.course.still_from, dynamics.checkpoints
    if since is not None:
        return f"; from {names[since]} on it no longer changes beyond error and 5 %"
    return f"; it still changes from {names[-2]} to {names[-1]}" if len(names) > 2 else ""


def _chosen(names: Sequence[str], course: TrainingCourse) -> str:
    layer, since, last = course.layers[-1], course.layer_from, len(names) - 1
    if layer is None or since is None:
        return _none_at_the_last(names, course)
    if since == 0:
        return f"The layer to use is {layer}, or tied with it, at every checkpoint."
    if since < last:
        return f"The layer to use is {layer}, or tied with it, from {names[since]} on."
    before = course.layers[-2]
    if before is None:
        at = f"at {names[-1]}, {layer}, but none at {names[-2]}"
        return f"A layer to use stands out beyond error {at}."
    return f"The layer to use still moves: {before} at {names[-2]}, {layer} at {names[-1]}."


def _none_at_the_last(names: Sequence[str], course: TrainingCourse) -> str:
    found = [
        f"{layer} at {name}" for name, layer in zip(names, course.layers, strict=True) if layer
    ]
    if not found:
        return "No layer stands out beyond error at any checkpoint."
    listed = ", ".join(found) if len(found) <= 3 else f"one does at {len(found)} checkpoints"
    return f"No layer stands out beyond error at the last checkpoint; before it: {listed}."
