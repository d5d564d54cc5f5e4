"""Which way an exact search goes: on an accelerator if asked, compiled if quicker, else plain."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

from layergeom import arrays
from layergeom.arrays import IntArray, Points
from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry import _compiled, _plain
from layergeom.geometry._found import Found, Progress

WAYS = {
    "cuda": "exact, cuda (float16 candidates, float64 distances)",
    "mps": "exact, mps (float32 candidates, float64 distances on the CPU; untested)",
}


def search(
    X: Points,
    k: int,
    groups: IntArray | None,
    progress: Progress | None = None,
    asked: Points | None = None,
    asked_groups: IntArray | None = None,
) -> Found:
    """Return the exact ``k`` nearest other rows of every row of ``X``, found on the CPU.

    Both ways give the same neighbours, distances equal to rounding (1e-15 relative), and ties
    complete and listed by lower index. With ``groups``, rows of one group are not neighbours. With
    ``asked``, of the same type, the ``k`` nearest rows of ``X`` to each of these queries.
    """
    if not _compiled.serves(X, k, asked):
        return _plain.search(X, k, groups, progress, None, asked, asked_groups)
    found, left = _compiled.search(X, k, groups, progress, asked, asked_groups)
    if len(left):
        _plain.settle(X, groups, left, found, None, asked, asked_groups)
    return found


def memory(n: int, width: int, k: int, queries: int = 0) -> int:
    """Return the bytes that a search takes beyond its rows and lists, at most."""
    asked = (queries,) if queries else ()
    if not _compiled.suits(n, *asked, k=k):
        return _plain.memory(n, width, queries)
    return _compiled.memory(n, width, k, queries)


class Cloud:
    """Checked points in the place where they are searched.

    ``rows`` is an array, or a tensor and ``device`` the accelerator that searches it.
    """

    def __init__(self, rows: Any, device: Any = None) -> None:
        self.rows, self.device = rows, device

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def host(self) -> Points:
        """The points on the CPU: (n, D)."""
        found: Points = self.rows if self.device is None else self.rows.cpu().numpy()
        return found

    @cached_property
    def largest(self) -> float:
        """The largest absolute entry."""
        return max(abs(float(self.rows.min())), abs(float(self.rows.max())))

    def take(self, rows: IntArray) -> Cloud:
        """Return the cloud of some rows, ascending; itself if they are all."""
        return self if len(rows) == len(self) else Cloud(self.rows[rows], self.device)

    def all_differ(self) -> bool:
        """Return True only if no two rows are equal, where an accelerator can tell."""
        if self.device is None:
            return False
        from layergeom.geometry import _device_points

        try:
            return _device_points.all_differ(self.rows)
        except _device_points.DeviceError:
            return False  # the search will say why it leaves the device

    def search(self, k: int, groups: IntArray | None, progress: Progress | None = None) -> Found:
        """Return the same lists as :func:`search`; a device that fails is left with a warning."""
        if self.device is None:
            return search(self.host, k, groups, progress)
        from layergeom.geometry import _device, _device_points

        try:
            found, left = _device.search(self.rows, k, groups, progress, self.device)
        except _device_points.DeviceError as reason:
            _warn_left(self.device, reason)
            return search(self.host, k, groups, progress)
        if 2 * len(left) > len(self):
            warnings.warn(
                f"the neighbours of {len(left)} of {len(self)} rows could not be told apart on "
                f"{self.device} and were finished on the CPU: same answers, more time.",
                GeometryWarning,
                stacklevel=2,
            )
        if len(left):
            _plain.settle(self.host, groups, left, found, None)
        return found


def cloud(X: object, device: str | None) -> Cloud:
    """Return checked points where they are to be searched (see :func:`place`)."""
    if isinstance(X, Cloud):
        return X
    there = place(X, device)
    if there is None:
        return Cloud(arrays.points(X))
    from layergeom.geometry import _device_points

    try:
        return Cloud(_device_points.points(X, there), there)
    except _device_points.DeviceError as reason:
        _warn_left(there, reason)
        return Cloud(arrays.points(X))


def _warn_left(device: object, reason: Exception) -> None:
    warnings.warn(
        f"neighbours were searched on the CPU, not on {device} ({reason}): same answers, more "
        "time.",
        GeometryWarning,
        stacklevel=3,
    )


def place(X: object, device: str | None) -> Any:
    """Return the accelerator that is asked for, or that ``X`` lies on; None for the CPU.

    Raises
    ------
    InputError
        If ``device`` is none that is known, or not here.
    """
    if device is None:
        own = getattr(X, "device", None)
        return own if getattr(own, "type", None) in WAYS else None
    if str(device) == "cpu":
        return None
    from layergeom.geometry import _device_points

    return _device_points.named(str(device))


def has_device(device: str) -> bool:
    """Return whether neighbours can be searched on a device here."""
    try:
        place(None, device)
    except InputError:
        return False
    return True


def neighbor_way(n: int, device: str | None = None) -> str:
    """Name the way that a search among ``n`` ordinary rows goes, for provenance."""
    there = place(None, device)
    if there is not None:
        return WAYS[there.type]
    if _compiled.kernel() is None:
        return "exact, plain path (no kernel)"
    return "exact, compiled kernel" if n >= _compiled.FEWEST_ROWS else "exact, plain path"


def has_kernel() -> bool:
    """Return whether the compiled kernel is built and this processor runs it."""
    return _compiled.kernel() is not None
