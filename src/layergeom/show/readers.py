"""The markers of a page: what a slider moves through all figures, and the numbers it reads out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.profiles import BY_LABELS
from layergeom.show.cells import UNKNOWN, visible, with_error
from layergeom.show.over_training import dynamics_errors, dynamics_names, dynamics_values
from layergeom.show.quantities import quantity
from layergeom.show.table import curve_names

if TYPE_CHECKING:
    from layergeom.profiles import Curve, Profile
    from layergeom.tasks.compare import Comparison
    from layergeom.tasks.dynamics import Dynamics

_MAIN = ("dimension", "overlap_next", *BY_LABELS, "anisotropy", "effective_rank")


@dataclass(frozen=True)
class Reader:
    """A marker: a slider, and a line of numbers for each of its places.

    Attributes
    ----------
    signal : str
        The parameter of the charts that it sets, in order of places from 0.
    title : str
        What a place is: a layer, a checkpoint, a depth.
    start : int
        The place at first.
    heads, titles : tuple of str
        Symbols and full names of the numbers; the first ``main`` stand in the line.
    names : tuple of str
        The places.
    numbers : tuple of tuple of str
        By place.
    main : int
    """

    signal: str
    title: str
    start: int
    heads: tuple[str, ...]
    titles: tuple[str, ...]
    names: tuple[str, ...]
    numbers: tuple[tuple[str, ...], ...]
    main: int

    def data(self) -> dict[str, Any]:
        """Return what the page's script needs of it."""
        names = ("heads", "titles", "names", "numbers", "main")
        return {name: getattr(self, name) for name in names}


def layer_reader(profile: Profile, start: int) -> Reader:
    """Return the marker of a layer, with every curve of the profile."""
    main = [name for name in _MAIN if name in profile.curves]
    names = [*main, *(name for name in curve_names(profile) if name not in main)]
    curves = [profile.curves[name] for name in names]
    return Reader(
        signal="hovered",
        title="Layer",
        start=start,
        heads=tuple(quantity(name).symbol for name in names),
        titles=tuple(quantity(name).title for name in names),
        names=tuple(visible(layer, 40) for layer in profile.layers),
        numbers=_numbers(curves, len(profile.layers)),
        main=len(main),
    )


def _numbers(curves: Sequence[Curve], places: int) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(with_error(float(c.values[i]), float(c.errors[i])) for c in curves)
        for i in range(places)
    )


def step_reader(dynamics: Dynamics) -> Reader:
    """Return the marker of a checkpoint, with the means over the layers of what is mapped."""
    names = dynamics_names(dynamics)
    means = dynamics.mean_dimension
    rows = []
    for at in range(len(dynamics.checkpoints)):
        cells = [with_error(float(means.values[at]), float(means.errors[at]))]
        cells += [_range(dynamics, name, at) for name in names]
        rows.append(tuple(cells))
    titles = ["Layer-mean dimension", *(f"{quantity(name).title}, layer range" for name in names)]
    return Reader(
        signal="stepped",
        title="Step",
        start=len(rows) - 1,
        heads=("mean ID", *(quantity(name).symbol for name in names)),
        titles=tuple(titles),
        names=tuple(visible(name, 40) for name in dynamics.checkpoints),
        numbers=tuple(rows),
        main=1,
    )


def _range(dynamics: Dynamics, name: str, at: int) -> str:
    values, errors = dynamics_values(dynamics, name)[at], dynamics_errors(dynamics, name)[at]
    if not np.isfinite(values).any():
        return UNKNOWN
    ends = (int(np.nanargmin(values)), int(np.nanargmax(values)))
    return " to ".join(with_error(float(values[i]), float(errors[i])) for i in ends)


def depths(comparison: Comparison) -> list[float]:
    """Return every relative depth at which one of the models has a layer, ascending."""
    return sorted({round(float(n.depth), 6) for p in comparison.profiles for n in p.names})


def depth_reader(comparison: Comparison) -> Reader:
    """Return the marker of a relative depth, with the nearest layer of every model."""
    places = depths(comparison)
    numbers = [tuple(_nearest(p, depth) for p in comparison.profiles) for depth in places]
    runs = tuple(visible(run, 40) for run in comparison.runs)
    return Reader(
        signal="hovered",
        title="Relative depth",
        start=len(places) // 2,
        heads=runs,
        titles=tuple(f"{run}: nearest layer, intrinsic dimension" for run in runs),
        names=tuple(f"depth {depth:.2f}" for depth in places),
        numbers=tuple(numbers),
        main=len(runs),
    )


def _nearest(profile: Profile, depth: float) -> str:
    at = min(range(len(profile.layers)), key=lambda i: abs(profile.names[i].depth - depth))
    layer = visible(profile.layers[at], 40)
    if "dimension" not in profile.curves:
        return layer
    curve = profile.curves["dimension"]
    return f"{layer}, ID {with_error(float(curve.values[at]), float(curve.errors[at]))}"
