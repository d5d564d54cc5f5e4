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
    from layergeom.api import dynamics, extract, load, profile, profile_views
    from layergeom.geometry import (
        DimensionEstimate,
        NeighborGraph,
        Neighbors,
        anisotropy,
        decimation,
        dimension_at,
        gride,
        information_imbalance,
        label_overlap,
        label_overlaps,
        linear_cka,
        local_dimension,
        local_homogeneity,
        nearest_points,
        neighbor_graph,
        neighborhood_overlap,
        outliers,
        overlap_matrices,
        overlap_matrix,
        permutation_level,
        scale_analysis,
        search_memory,
        spectrum,
        twonn,
    )
    from layergeom.geometry.label_agreement import label_agreement
    from layergeom.geometry.label_sets import neighbor_jaccard
    from layergeom.geometry.levina_bickel import levina_bickel
    from layergeom.geometry.linearity import linearity
    from layergeom.geometry.matrix_entropy import matrix_entropy, rankme
    from layergeom.geometry.mutual_neighbors import mutual_knn
    from layergeom.profile_result import ProfileResult
    from layergeom.profiles import Profile
    from layergeom.reading import Recommendation
    from layergeom.states.hidden import HiddenStates
    from layergeom.tasks.compare import Comparison, compare
    from layergeom.tasks.dynamics import Dynamics
    from layergeom.tasks.embed import Embeddings, embed
    from layergeom.tasks.evaluate import Evaluation, evaluate
    from layergeom.tasks.graded_clouds import GradedClouds, graded_clouds
    from layergeom.tasks.partition_runs import partitions
    from layergeom.tasks.partitions import Partitions
    from layergeom.tasks.retrieval import evaluate_retrieval, evaluate_retrieval_states
    from layergeom.tasks.retrieval_limit import LayerWithinLimit, layer_within_limit
    from layergeom.tasks.retrieval_result import RetrievalEvaluation, load_retrieval
    from layergeom.tasks.token_clouds import TokenClouds, token_clouds
    from layergeom.tasks.truncate import Truncation, truncate
    from layergeom.workers import Workers

__version__ = VERSION

_HOMES = {
    "layergeom.api": (
        "dynamics",
        "extract",
        "load",
        "profile",
        "profile_views",
    ),
    "layergeom.geometry": (
        "DimensionEstimate",
        "NeighborGraph",
        "Neighbors",
        "anisotropy",
        "decimation",
        "dimension_at",
        "gride",
        "information_imbalance",
        "label_overlap",
        "label_overlaps",
        "linear_cka",
        "local_dimension",
        "local_homogeneity",
        "nearest_points",
        "neighbor_graph",
        "neighborhood_overlap",
        "outliers",
        "overlap_matrices",
        "overlap_matrix",
        "permutation_level",
        "scale_analysis",
        "search_memory",
        "spectrum",
        "twonn",
    ),
    "layergeom.geometry.levina_bickel": ("levina_bickel",),
    "layergeom.geometry.linearity": ("linearity",),
    "layergeom.geometry.matrix_entropy": ("matrix_entropy", "rankme"),
    "layergeom.geometry.mutual_neighbors": ("mutual_knn",),
    "layergeom.profile_result": ("ProfileResult",),
    "layergeom.profiles": ("Profile",),
    "layergeom.reading": ("Recommendation",),
    "layergeom.states.hidden": ("HiddenStates",),
    "layergeom.tasks.compare": ("Comparison", "compare"),
    "layergeom.tasks.dynamics": ("Dynamics",),
    "layergeom.tasks.embed": ("Embeddings", "embed"),
    "layergeom.tasks.evaluate": ("Evaluation", "evaluate"),
    "layergeom.tasks.token_clouds": ("TokenClouds", "token_clouds"),
    "layergeom.tasks.truncate": ("Truncation", "truncate"),
    "layergeom.tasks.retrieval": ("evaluate_retrieval", "evaluate_retrieval_states"),
    "layergeom.tasks.retrieval_limit": ("LayerWithinLimit", "layer_within_limit"),
    "layergeom.tasks.retrieval_result": ("RetrievalEvaluation", "load_retrieval"),
    "layergeom.tasks.partition_runs": ("partitions",),
    "layergeom.tasks.partitions": ("Partitions",),
    "layergeom.tasks.graded_clouds": ("GradedClouds", "graded_clouds"),
    "layergeom.geometry.label_agreement": ("label_agreement",),
    "layergeom.geometry.label_sets": ("neighbor_jaccard",),
    "layergeom.workers": ("Workers",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Comparison",
    "DimensionEstimate",
    "Dynamics",
    "Embeddings",
    "Evaluation",
    "GradedClouds",
    "HiddenStates",
    "LayerWithinLimit",
    "NeighborGraph",
    "Neighbors",
    "Partitions",
    "Profile",
    "ProfileResult",
    "Recommendation",
    "RetrievalEvaluation",
    "TokenClouds",
    "Truncation",
    "Workers",
    "__version__",
    "anisotropy",
    "compare",
    "decimation",
    "dimension_at",
    "dynamics",
    "embed",
    "evaluate",
    "evaluate_retrieval",
    "evaluate_retrieval_states",
    "extract",
    "graded_clouds",
    "gride",
    "information_imbalance",
    "label_agreement",
    "label_overlap",
    "label_overlaps",
    "layer_within_limit",
    "levina_bickel",
    "linear_cka",
    "linearity",
    "load",
    "load_retrieval",
    "local_dimension",
    "local_homogeneity",
    "matrix_entropy",
    "mutual_knn",
    "nearest_points",
    "neighbor_graph",
    "neighbor_jaccard",
    "neighborhood_overlap",
    "outliers",
    "overlap_matrices",
    "overlap_matrix",
    "partitions",
    "permutation_level",
    "profile",
    "profile_views",
    "rankme",
    "scale_analysis",
    "search_memory",
    "spectrum",
    "token_clouds",
    "truncate",
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
