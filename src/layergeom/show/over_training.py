"""One quantity over layer and checkpoint, as figures, charts and tables show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.show.quantities import quantity

if TYPE_CHECKING:
    from layergeom.tasks.dynamics import Dynamics


def dynamics_values(dynamics: Dynamics, name: str) -> FloatArray:
    """Return the (checkpoint, layer) values of ``name``."""
    if name == "overlap_to_final":
        return np.asarray(dynamics.overlap_to_final, dtype=np.float64)
    return np.array([p.curves[name].values for p in dynamics.profiles], dtype=np.float64)


def dynamics_names(dynamics: Dynamics) -> list[str]:
    """Return the quantities of which a map over the checkpoints is drawn."""
    wanted = ("dimension", "label_overlap", "anisotropy", "effective_rank")
    known = [n for n in wanted if all(n in p.curves for p in dynamics.profiles)]
    return [*known, "overlap_to_final"]


def dynamics_title(name: str) -> str:
    """Return the heading of the map of ``name``."""
    return (
        "Overlap with the last checkpoint" if name == "overlap_to_final" else quantity(name).title
    )
