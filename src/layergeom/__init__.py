"""layergeom: the geometry of every layer of a transformer, and the layer to use.

::

    model + inputs                              labels
         |  states: one forward pass, every layer, pooled on the fly
         v                                         |
     HiddenStates   one array per layer, on disk   |
         |  geometry.neighbor_graph: the only pass over distances
         v                                         |
     NeighborGraph --> twonn, gride                |
         |       `--> neighborhood_overlap, label_overlap <-'
         |  points --> spectrum: anisotropy, effective rank
         v  measure
      Profile --> reading: phases, recommendation --> show: figures, report

Public names are loaded on first use, so that ``import layergeom`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from layergeom.version import VERSION

if TYPE_CHECKING:
    from layergeom.api import ProfileResult, dynamics, extract, load, profile
    from layergeom.geometry import (
        DimensionEstimate,
        NeighborGraph,
        Neighbors,
        anisotropy,
        decimation,
        gride,
        information_imbalance,
        label_overlap,
        label_overlaps,
        nearest_points,
        neighbor_graph,
        neighborhood_overlap,
        overlap_matrices,
        overlap_matrix,
        scale_analysis,
        search_memory,
        spectrum,
        twonn,
    )
    from layergeom.profiles import Profile
    from layergeom.reading import Recommendation
    from layergeom.states.hidden import HiddenStates
    from layergeom.tasks.dynamics import Dynamics

__version__ = VERSION

_HOMES = {
    "layergeom.api": ("ProfileResult", "dynamics", "extract", "load", "profile"),
    "layergeom.geometry": (
        "DimensionEstimate",
        "NeighborGraph",
        "Neighbors",
        "anisotropy",
        "decimation",
        "gride",
        "information_imbalance",
        "label_overlap",
        "label_overlaps",
        "nearest_points",
        "neighbor_graph",
        "neighborhood_overlap",
        "overlap_matrices",
        "overlap_matrix",
        "scale_analysis",
        "search_memory",
        "spectrum",
        "twonn",
    ),
    "layergeom.profiles": ("Profile",),
    "layergeom.reading": ("Recommendation",),
    "layergeom.states.hidden": ("HiddenStates",),
    "layergeom.tasks.dynamics": ("Dynamics",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DimensionEstimate",
    "Dynamics",
    "HiddenStates",
    "NeighborGraph",
    "Neighbors",
    "Profile",
    "ProfileResult",
    "Recommendation",
    "__version__",
    "anisotropy",
    "decimation",
    "dynamics",
    "extract",
    "gride",
    "information_imbalance",
    "label_overlap",
    "label_overlaps",
    "load",
    "nearest_points",
    "neighbor_graph",
    "neighborhood_overlap",
    "overlap_matrices",
    "overlap_matrix",
    "profile",
    "scale_analysis",
    "search_memory",
    "spectrum",
    "twonn",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'layergeom' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
