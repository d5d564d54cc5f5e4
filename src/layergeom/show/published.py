"""Published curves, drawn behind one's own by the same code: what was measured before, and where.

Curves come from the user, as a mapping or as a JSON file; none are part of this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.errors import InputError, StoreError
from layergeom.show.depth_figures import ENDS, DepthCurve, along_depth, curve_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layergeom.profiles import Profile

QUANTITIES = ("dimension", "overlap_next", "label_overlap", *ENDS)
Named = Mapping[str, tuple[Any, Any, Any]]


@dataclass(frozen=True, eq=False)
class PublishedCurve:
    """A curve that others measured.

    Attributes
    ----------
    label : str
        What the legend calls it.
    quantity : {"dimension", "overlap_next", "label_overlap", "overlap_first", "overlap_last"}
        What was measured.
    source : str
        Where it was published; named in the legend.
    depth : ndarray, shape (L,)
        Relative depth of each layer, in [0, 1], ascending.
    values : ndarray, shape (L,)
    errors : ndarray, shape (L,), or None
        Standard errors; None where none were published.
    """

    label: str
    quantity: str
    source: str
    depth: FloatArray
    values: FloatArray
    errors: FloatArray | None

    @property
    def drawn(self) -> DepthCurve:
        """The same as figures draw it."""
        errors = np.full(len(self.values), np.nan) if self.errors is None else self.errors
        words = f"{self.label} ({self.source})" if self.source != self.label else self.label
        return DepthCurve(words, self.depth, self.values, errors)


def published_curve(
    values: object,
    depth: object,
    *,
    quantity: str,
    source: str,
    label: str | None = None,
    errors: object = None,
) -> PublishedCurve:
    """Return a published curve, checked.

    Raises
    ------
    InputError
        If lengths differ, a depth lies outside [0, 1] or before an earlier one, an error is
        negative, the quantity is none of those that are drawn, or the source is not named.

    Examples
    --------
    >>> curve = published_curve([6, 20, 7], [0, 0.3, 1], quantity="dimension", source="a paper")
    >>> curve.label, curve.values.tolist()
    ('a paper', [6.0, 20.0, 7.0])
    """
    if quantity not in QUANTITIES:
        raise InputError(f"quantity is {quantity!r}; it must be one of {', '.join(QUANTITIES)}.")
    if not isinstance(source, str) or not source.strip():
        raise InputError(
            "a published curve needs its source: who measured it, and where it stands."
        )
    x, y = _column(depth, "depth"), _column(values, "values")
    bars = None if errors is None else _column(errors, "errors")
    if len(x) != len(y) or (bars is not None and len(bars) != len(y)):
        raise InputError(f"{source}: depth, values and errors must be equally long ({len(y)}).")
    if not ((x >= 0) & (x <= 1)).all() or (np.diff(x) < 0).any():
        raise InputError(f"{source}: depth must ascend from 0 (embedding) to 1 (last block).")
    if bars is not None and (bars < 0).any():
        raise InputError(f"{source}: an error is negative; give null where it is unknown.")
    return PublishedCurve(label or source, quantity, source, x, y, bars)


def _column(values: object, name: str) -> FloatArray:
    try:
        column = np.array(values, dtype=np.float64)  # None becomes nan
    except (TypeError, ValueError):
        column = np.empty((0, 0))
    if column.ndim != 1 or not len(column):
        raise InputError(f"{name} of a published curve must be a list of numbers.")
    return column


def read_published(path: Path | str) -> tuple[PublishedCurve, ...]:
    """Read published curves from a JSON file: one object, or a list of them.

    Each has ``source``, ``quantity``, ``depth`` and ``values``, and may have ``label`` and
    ``errors``.

    Raises
    ------
    InputError
        If there is no such file, or an entry is missing or wrong.
    StoreError
        If it is not JSON.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"there is no file {file} of published curves; check the name.") from None
    except ValueError as error:
        raise StoreError(f"{file} is not JSON ({error}).") from None
    entries = content if isinstance(content, list) else [content]
    return tuple(_entry(entry, file) for entry in entries)


def _entry(entry: object, file: Path) -> PublishedCurve:
    needed = ("source", "quantity", "depth", "values")
    if not isinstance(entry, dict) or not all(name in entry for name in needed):
        raise InputError(f"{file}: every curve is an object with {', '.join(needed)}.")
    known = {name: entry[name] for name in (*needed, "label", "errors") if name in entry}
    try:
        return published_curve(**known)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def beside_published(
    profile: Profile,
    published: Named | Iterable[PublishedCurve],
    quantity: str = "dimension",
    ax: Axes | None = None,
    label: str = "this run",
) -> Figure:
    """Draw a profile over the relative depth, with published curves behind it.

    Parameters
    ----------
    profile : Profile
    published : mapping from label to (depth, values, errors or None), or PublishedCurve
        The label is the source that the legend names; of a PublishedCurve, those of ``quantity``.
    quantity : {"dimension", "overlap_next", "label_overlap", "overlap_first", "overlap_last"}
    ax : matplotlib axes, optional
    label : str
        What the legend calls the profile.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the profile does not hold the quantity, or there is no curve of it.

    Notes
    -----
    Published curves were measured on other data, numbers of rows and estimators: their shape
    compares, their height only with care.
    """
    behind = curves_behind(published, quantity)
    if not behind:
        raise InputError(f"there is no published curve of {quantity} to draw.")
    return along_depth([curve_of(profile, quantity, label)], quantity, behind, ax)


def curves_behind(
    published: Named | Iterable[PublishedCurve], quantity: str
) -> Sequence[DepthCurve]:
    """Return the curves of a quantity as they are drawn."""
    if isinstance(published, Mapping):
        published = [
            published_curve(values, depth, quantity=quantity, source=label, errors=errors)
            for label, (depth, values, errors) in published.items()
        ]
    return [curve.drawn for curve in published if curve.quantity == quantity]
