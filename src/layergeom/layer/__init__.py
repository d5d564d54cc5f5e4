"""One layer: its neighbour lists, its numbers, and what they are made with."""

from layergeom.layer.graphs import layer_graph, listed_groups
from layergeom.layer.measured import Labels, MeasuredLayer
from layergeom.layer.measuring import measured_layer
from layergeom.layer.settings import Settings

SCHEMA = 4  # raised whenever the same states would give another profile

__all__ = [
    "SCHEMA",
    "Labels",
    "MeasuredLayer",
    "Settings",
    "layer_graph",
    "listed_groups",
    "measured_layer",
]
