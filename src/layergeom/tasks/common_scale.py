"""One scale for all layers: where the dimension of most of them is level over distance."""

from __future__ import annotations

import numpy as np

from layergeom.arrays import FloatArray
from layergeom.errors import DegenerateError
from layergeom.geometry.plateaus import plateau


def common_scale(values: FloatArray) -> tuple[int, int]:
    """Return the scale that lies on the plateaus of most layers, and of how many.

    Parameters
    ----------
    values : ndarray, shape (L, s)
        Dimension of every layer at doubling ranks; nan where there is none.

    Returns
    -------
    (int, int)
        Place of the scale, the smallest distance of equally good ones, and the layers whose
        plateau (see :func:`layergeom.geometry.plateaus.plateau`) covers it. Where no layer has a
        plateau, 0 layers, and the scale at which the median layer changes least from the scale
        before it to the one behind.

    Raises
    ------
    DegenerateError
        If there are fewer than three scales, or none between two others at which a layer is known.

    Notes
    -----
    Cheng et al. 2025 take one scale per model by eye; the rule is this package's.

    Examples
    --------
    >>> common_scale(np.array([[9, 5, 5, 5, 5], [9, 8, 7.5, 7.4, 3.0], [9, 4, 2, 1, 0.5]]))
    (1, 2)
    """
    levels = [found for row in values if (found := plateau(row)) is not None]
    covering = np.zeros(values.shape[1], dtype=np.int64)
    for first, last in levels:
        covering[first : last + 1] += 1
    if levels:
        at = int(covering.argmax())
        return at, int(covering[at])
    return _flattest(values), 0


def _flattest(values: FloatArray) -> int:
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.abs(np.log(values[:, 2:] / values[:, :-2]))
    known = np.isfinite(changes)
    if not known.any():
        raise DegenerateError(
            "no layer has a dimension at three neighbouring scales; give more sequences, or a rank."
        )
    medians = [
        np.median(c[k]) if k.any() else np.inf for c, k in zip(changes.T, known.T, strict=True)
    ]
    return 1 + int(np.argmin(medians))
