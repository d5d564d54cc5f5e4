"""One layer: its neighbour lists, its numbers, and what they are made with."""

from layergeom.layer.graphs import layer_graph, listed_groups, search_device
from layergeom.layer.kept_layers import forget_layers, is_kept, keep_layer
from layergeom.layer.label_kinds import GivenLabels, Labels, given_labels
from layergeom.layer.measured import MeasuredLayer
from layergeom.layer.measuring import layer_alone, measured_layer
from layergeom.layer.settings import Settings

SCHEMA = 4  # raised whenever the same states would give another profile

__all__ = [
    "SCHEMA",
    "GivenLabels",
    "Labels",
    "MeasuredLayer",
    "Settings",
    "forget_layers",
    "given_labels",
    "is_kept",
    "keep_layer",
    "layer_alone",
    "layer_graph",
    "listed_groups",
    "measured_layer",
    "search_device",
]
