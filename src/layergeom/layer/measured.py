"""What a layer is measured with besides its states, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.geometry import NeighborGraph
from layergeom.geometry.audit import Audit
from layergeom.geometry.uncertainty import Joined, row_adjacency
from layergeom.profiles import ScaleCurve


@dataclass(eq=False)
class MeasuredLayer:
    """What one layer leaves behind when its states are dropped."""

    numbers: dict[str, tuple[float, float]] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    influence: dict[str, FloatArray] = field(default_factory=dict)
    joined: dict[str, Joined] = field(default_factory=dict)
    graph: NeighborGraph | None = None
    scale: ScaleCurve | None = None
    decimation: dict[str, list[float]] | None = None
    audit: Audit | None = None
    undefined: str = ""
    notes: list[str] = field(default_factory=list)

    def hold(self, graph: NeighborGraph, k: int) -> None:
        """Hold a graph and whom it joins, which every estimate asks for."""
        self.graph = graph
        self.joined["overlap"] = row_adjacency(graph, k)


def with_gaps(codes: IntArray | None) -> FloatArray | None:
    """Return class codes with nan for rows without a class."""
    return None if codes is None else np.where(codes >= 0, codes, np.nan)
