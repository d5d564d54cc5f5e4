"""What the geometry of a run takes, on the disk and in memory."""

from __future__ import annotations

from dataclasses import dataclass

from layergeom.geometry import search_memory
from layergeom.layer import Settings

_ROW_BYTES = 8  # token norms of a row at a layer
_GRAPH = 56  # bytes that a listed neighbour takes while all layers are compared


@dataclass(frozen=True)
class GeometrySizes:
    """What the geometry of so many rows takes, in bytes."""

    rows: int
    layers: int
    width: int
    settings: Settings

    @property
    def listed(self) -> int:
        """Neighbours of a row in the lists."""
        return max(min(max(self.settings.k, self.settings.ranks), self.rows - 1), 1)

    @property
    def states(self) -> int:
        """On disk, of the hidden states."""
        return self.rows * (4 * self.width + _ROW_BYTES) * self.layers

    @property
    def lists(self) -> int:
        """On disk, of the neighbour lists."""
        return self.rows * (16 * self.listed + 8) * self.layers

    @property
    def kept(self) -> int:
        """On disk, of what outlives the states."""
        return self.rows * (5 * self.settings.k + 20) * self.layers

    @property
    def memory(self) -> int:
        """One layer, its search, and the lists of all layers while they are compared."""
        compared = _GRAPH * self.rows * self.layers * self.settings.k
        search = search_memory(max(self.rows, 2), self.width, self.listed)
        return 4 * self.rows * self.width + search + compared
