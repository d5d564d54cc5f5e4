"""One draw for the layer rule: a stack of layers, its profile, and what the rule says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry import neighbor_graph, twonn
from layergeom.geometry.uncertainty import adjacency, covariance
from layergeom.profiles import Curve, Profile
from layergeom.reading.recommend import dimension_curve, recommendation
from layergeom.reading.turns import minimum_after_peak
from layergeom.states.hidden import LayerName


@dataclass(frozen=True, eq=False)
class Answer:
    """What the rule says of one draw.

    Attributes
    ----------
    profile : Profile
        Dimension and covariance; nothing else is measured.
    moves : bool
        Whether any two layers differ beyond error.
    ties : tuple of (int, int), or None
        First and last layer that cannot be told apart from the minimum; None if none was found.
        The first is the layer chosen.
    repeatability : float
        As reported; nan if none was found.
    minimum : int or None
        The very layer of the minimum that was found, one of the ties.
    factor : float
        Standard errors that a difference of two layers must exceed.
    """

    profile: Profile
    moves: bool
    ties: tuple[int, int] | None
    repeatability: float
    minimum: int | None
    factor: float


def profile_of(
    layers: Iterable[FloatArray], groups: IntArray | None = None, shrink: float = 1.0
) -> Profile:
    """Measure the dimension of every layer and the covariance, as a whole profile does.

    ``shrink`` divides all errors, to see whether errors that are too small are noticed.
    """
    graphs = [neighbor_graph(X, 2, groups=groups) for X in layers]
    estimates = [twonn(graph) for graph in graphs]
    V = covariance([each.influence for each in estimates], [adjacency(g, 2) for g in graphs])
    V /= shrink**2
    values = np.array([each.value for each in estimates])
    return bare_profile(Curve("dimension", values, np.sqrt(np.diag(V))), V, graphs[0].n)


def bare_profile(dimension: Curve, V: FloatArray, rows: int) -> Profile:
    """Return a profile that holds a dimension and its covariance only."""
    size = len(dimension.values)
    keys = ("embedding", *(f"block_{i}" for i in range(1, size)))
    nothing: dict[str, Any] = {}
    return Profile(
        layers=keys,
        names=tuple(
            LayerName(key, at / (size - 1), None, None, None, False) for at, key in enumerate(keys)
        ),
        curves={"dimension": dimension},
        maps=nothing,
        scales=nothing,
        decimation=nothing,
        covariance={"dimension": V},
        undefined=nothing,
        counts={"rows": rows, "layers": size},
        warnings=(),
        provenance={"states": nothing},
    )


def answer(profile: Profile) -> Answer:
    """Put the rule to a profile in which three layers at least have a dimension."""
    curve = dimension_curve(profile)
    if curve is None:
        raise ValueError("fewer than three layers have a dimension")
    told = recommendation(profile, curve)
    tied = [profile.layers.index(key) for key in told.ties]
    place = minimum_after_peak(curve.turns)
    return Answer(
        profile,
        bool(curve.turns),
        (tied[0], tied[-1]) if tied else None,
        told.repeatability,
        None if place is None else curve.turns[place].at,
        curve.differ.factor,
    )


def correlation(profile: Profile, apart: int) -> float:
    """Return the mean correlation of the estimates of layers so many steps apart."""
    V = profile.covariance["dimension"]
    errors = np.sqrt(np.diag(V))
    return float(np.diag(V / np.outer(errors, errors), apart).mean())
