"""One quantity over layer and checkpoint, as figures, charts and tables show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.profiles import BY_LABELS
from layergeom.show.quantities import quantity
from layergeom.show.training_axis import TrainingAxis, training_axis

if TYPE_CHECKING:
    from layergeom.tasks.dynamics import Dynamics

TO_FINAL = "overlap_to_final"
_DRAWN = ("dimension", *BY_LABELS, "anisotropy", "effective_rank", TO_FINAL)


def dynamics_values(dynamics: Dynamics, name: str) -> FloatArray:
    """Return the (checkpoint, layer) values of ``name``."""
    return dynamics.maps[name].values


def dynamics_errors(dynamics: Dynamics, name: str) -> FloatArray:
    """Return their standard errors; nan where one is not known."""
    return dynamics.maps[name].errors


def dynamics_chance(dynamics: Dynamics, name: str) -> float | None:
    """Return the level that chance reaches in the map of ``name``; None if there is none."""
    chance = dynamics.maps[name].chance
    if chance is None or not np.isfinite(chance).any():
        return None
    return float(np.nanmean(chance))


def dynamics_names(dynamics: Dynamics) -> list[str]:
    """Return the quantities of which a map over the checkpoints is drawn."""
    return [name for name in _DRAWN if name in dynamics.maps]


def dynamics_title(name: str) -> str:
    """Return the heading of the map of ``name``."""
    return "Overlap with the last checkpoint" if name == TO_FINAL else quantity(name).title


def dynamics_axis(dynamics: Dynamics) -> TrainingAxis:
    """Return where the checkpoints stand."""
    steps = [float(step) for step in dynamics.steps]
    return training_axis(dynamics.checkpoints, steps, dynamics.axis)


def peak_places(dynamics: Dynamics, axis: TrainingAxis) -> tuple[float, float] | None:
    """Return the places between which the maximum of the mean dimension lies, None without one."""
    peak = dynamics.peak
    if peak is None or peak.kind == "none":
        return None
    steps = dynamics.steps.tolist()
    return axis.places[steps.index(peak.low)], axis.places[steps.index(peak.high)]
