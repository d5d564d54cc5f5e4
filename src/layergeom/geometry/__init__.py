"""The mathematics: arrays in, frozen results out; no files, no figures, no model library.

One neighbour search per layer (:func:`neighbor_graph`) feeds dimension and overlaps; one Gram
matrix (:func:`spectrum`) feeds anisotropy and its relatives; one rule gives every error
(:mod:`layergeom.geometry.uncertainty`).
"""

from __future__ import annotations

from layergeom.geometry._search import has_kernel, neighbor_way
from layergeom.geometry.dimension import DimensionEstimate, gride, twonn
from layergeom.geometry.neighbors import NeighborGraph, neighbor_graph
from layergeom.geometry.overlap import (
    OverlapEstimate,
    label_overlap,
    neighborhood_overlap,
    overlap_matrix,
)
from layergeom.geometry.scales import Decimation, ScaleAnalysis, decimation, scale_analysis
from layergeom.geometry.spectra import Spectrum, anisotropy, spectrum
from layergeom.geometry.uncertainty import Estimate

__all__ = [
    "Decimation",
    "DimensionEstimate",
    "Estimate",
    "NeighborGraph",
    "OverlapEstimate",
    "ScaleAnalysis",
    "Spectrum",
    "anisotropy",
    "decimation",
    "gride",
    "has_kernel",
    "label_overlap",
    "neighbor_graph",
    "neighbor_way",
    "neighborhood_overlap",
    "overlap_matrix",
    "scale_analysis",
    "spectrum",
    "twonn",
]
