"""Hidden states to profile with all that is asked for, also what needs two layers at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layergeom.added_quantities import LINEARITY, listed
from layergeom.layer import Settings
from layergeom.measure import Progress, measure_once
from layergeom.profiles import Profile
from layergeom.states.hidden import HiddenStates
from layergeom.tasks.layer_pairs import with_linearity


def measured_states(
    hidden: HiddenStates,
    rows: tuple[Sequence[Any] | None, Sequence[Any] | None],
    settings: Settings,
    folder: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    quantities: object = None,
) -> Profile:
    """Return the profile of states with further quantities, from ``folder`` if it is there.

    Parameters
    ----------
    hidden, settings, folder, progress, device
        As of :func:`layergeom.measure.measure_once`.
    rows : pair
        Labels of the rows, and finer groups.
    quantities : optional
        As of :func:`layergeom.profile`.
    """
    asked = listed(quantities)
    own = [quantity for quantity in asked if not _is_linearity(quantity)]
    found = measure_once(hidden, *rows, settings, folder, progress, device, quantities=own)
    if len(own) == len(asked):
        return found
    return with_linearity(found, hidden, settings, folder, progress)


def _is_linearity(quantity: object) -> bool:
    return isinstance(quantity, str) and quantity == LINEARITY
