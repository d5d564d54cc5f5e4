"""Where the checkpoints stand on an axis: logarithmic in steps, with a broken place for step 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from layergeom.show.cells import visible

MOST = 9  # ticks
_SHORT = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class TrainingAxis:
    """Places of the checkpoints.

    Attributes
    ----------
    places : tuple of float
        Of each checkpoint, ascending: log10 of its step; a step of 0, and checkpoints without a
        step, at places of their own beyond a break.
    edges : tuple of float
        Between the places and beyond both ends: one more than there are places.
    ticks : tuple of (float, str)
        Places and labels.
    breaks : tuple of float
        Where the axis is broken; beyond a break distances mean nothing.
    title : str
        What is counted.
    """

    places: tuple[float, ...]
    edges: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    breaks: tuple[float, ...]
    title: str


def training_axis(
    names: Sequence[str], steps: Sequence[float], counted: str = "step"
) -> TrainingAxis:
    """Place checkpoints by the logarithm of their steps; evenly where fewer than two have one.

    Parameters
    ----------
    names : sequence of str
        In the order of training.
    steps : sequence of float
        Ascending; nan, at the end, where a name holds none.
    counted : str
        What the steps are: "step" or "tokens".

    Examples
    --------
    >>> axis = training_axis(["step0", "step10", "step1000"], [0, 10, 1000])
    >>> axis.places, axis.breaks
    ((0.0, 1.0, 3.0), (0.5,))
    >>> axis.ticks
    ((0.0, '0'), (1.0, '10'), (3.0, '1k'))
    """
    positive = [i for i, step in enumerate(steps) if step > 0]
    if len(positive) < 2:
        return _even(names)
    logs = [math.log10(steps[i]) for i in positive]
    gap = _gap(logs)
    before = [logs[0] - gap] * positive[0]
    after = [logs[-1] + gap * (j + 1) for j in range(len(steps) - positive[-1] - 1)]
    places = [*before, *logs, *after]
    breaks = [(logs[0] + p) / 2 for p in before] + [(logs[-1] + p) / 2 for p in after[:1]]
    labels = ["0"] * len(before) + [short_count(steps[i]) for i in positive]
    labels += [visible(name, 14) for name in names[len(labels) :]]
    return TrainingAxis(
        tuple(places), _edges(places), _shown(places, labels), tuple(breaks),
        f"{'tokens' if counted == 'tokens' else 'step'} (logarithmic)",
    )  # fmt: skip


def short_count(value: float) -> str:
    """Write a number of steps or tokens with a unit.

    Examples
    --------
    >>> [short_count(x) for x in (16, 1000, 4096, 143000, 4e9, 2.5e12)]
    ['16', '1k', '4096', '143k', '4B', '2.5T']
    """
    if value < 1e4 and value % 100:
        return f"{value:.4g}"
    for size, unit in _SHORT:
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.4g}"


def _gap(logs: Sequence[float]) -> float:
    """Return how far what has no logarithm stands from the rest: seen, but no decade away."""
    span = logs[-1] - logs[0]
    return min(1.0, max(span / (len(logs) - 1), span / 20))


def _even(names: Sequence[str]) -> TrainingAxis:
    places = [float(i) for i in range(len(names))]
    labels = [visible(name, 14) for name in names]
    return TrainingAxis(tuple(places), _edges(places), _shown(places, labels), (), "checkpoint")


def _edges(places: Sequence[float]) -> tuple[float, ...]:
    if len(places) == 1:
        return (places[0] - 0.5, places[0] + 0.5)
    inner = [(a + b) / 2 for a, b in pairwise(places)]
    first, last = 2 * places[0] - inner[0], 2 * places[-1] - inner[-1]
    return (first, *inner, last)


def _shown(places: Sequence[float], labels: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """Choose ticks that do not run into each other: both ends, then what keeps its distance."""
    least = (places[-1] - places[0]) / MOST
    last = len(places) - 1
    chosen = [0] if places else []
    for i in range(1, last):
        if places[i] - places[chosen[-1]] >= least and places[last] - places[i] >= least:
            chosen.append(i)
    if last > 0:
        chosen.append(last)
    return tuple((places[i], labels[i]) for i in chosen)
