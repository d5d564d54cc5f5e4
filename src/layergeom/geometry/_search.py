"""Which way an exact search goes: compiled where that is quicker, plain otherwise."""

from __future__ import annotations

from layergeom.arrays import IntArray, Points
from layergeom.geometry import _compiled, _plain
from layergeom.geometry._found import Found, Progress


def search(X: Points, k: int, groups: IntArray | None, progress: Progress | None = None) -> Found:
    """Return the exact ``k`` nearest other rows of every row of ``X``.

    Both ways give the same neighbours, distances equal to rounding (1e-15 relative), and ties
    complete and listed by lower index. With ``groups``, rows of one group are not neighbours.
    """
    if not _compiled.serves(X, k):
        return _plain.search(X, k, groups, progress)
    found, left = _compiled.search(X, k, groups, progress)
    _plain.settle(X, groups, left, found, None)
    return found


def neighbor_way(n: int) -> str:
    """Name the way that a search among ``n`` ordinary rows goes, for provenance."""
    if _compiled.kernel() is None:
        return "exact, plain path (no kernel)"
    return "exact, compiled kernel" if n >= _compiled.FEWEST_ROWS else "exact, plain path"


def has_kernel() -> bool:
    """Return whether the compiled kernel is built and this processor runs it."""
    return _compiled.kernel() is not None
