"""The mathematics: arrays in, frozen results out; no files, no figures, no model library.

One neighbour search per layer (:func:`neighbor_graph`) feeds dimension and overlaps; one Gram
matrix (:func:`spectrum`) feeds anisotropy and its relatives; one rule gives every error
(:mod:`layergeom.geometry.uncertainty`).
"""

from __future__ import annotations

from layergeom.geometry._search import has_kernel, neighbor_way
from layergeom.geometry.alignment import (
    PermutationLevel,
    Similarity,
    linear_cka,
    permutation_level,
)
from layergeom.geometry.decimations import Decimation, decimation
from layergeom.geometry.dimension import DimensionEstimate, gride, twonn
from layergeom.geometry.homogeneity import Homogeneity, local_homogeneity
from layergeom.geometry.imbalance import ImbalanceEstimate, information_imbalance
from layergeom.geometry.label_matches import label_overlap, label_overlaps
from layergeom.geometry.local_dimensions import LocalDimension, Outlier, local_dimension, outliers
from layergeom.geometry.neighbors import NeighborGraph, neighbor_graph
from layergeom.geometry.overlap import (
    OverlapEstimate,
    neighborhood_overlap,
    overlap_matrices,
    overlap_matrix,
)
from layergeom.geometry.queries import Neighbors, nearest_points, search_memory
from layergeom.geometry.scale_names import dimension_at
from layergeom.geometry.scales import ScaleAnalysis, scale_analysis
from layergeom.geometry.spectra import Spectrum, anisotropy, spectrum
from layergeom.geometry.uncertainty import Estimate

__all__ = [
    "Decimation",
    "DimensionEstimate",
    "Estimate",
    "Homogeneity",
    "ImbalanceEstimate",
    "LocalDimension",
    "NeighborGraph",
    "Neighbors",
    "Outlier",
    "OverlapEstimate",
    "PermutationLevel",
    "ScaleAnalysis",
    "Similarity",
    "Spectrum",
    "anisotropy",
    "decimation",
    "dimension_at",
    "gride",
    "has_kernel",
    "information_imbalance",
    "label_overlap",
    "label_overlaps",
    "linear_cka",
    "local_dimension",
    "local_homogeneity",
    "nearest_points",
    "neighbor_graph",
    "neighbor_way",
    "neighborhood_overlap",
    "outliers",
    "overlap_matrices",
    "overlap_matrix",
    "permutation_level",
    "scale_analysis",
    "search_memory",
    "spectrum",
    "twonn",
]
