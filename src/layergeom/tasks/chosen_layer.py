"""The layer that a user names, or that a run recommends."""

from __future__ import annotations

from pathlib import Path

from layergeom.errors import InputError
from layergeom.profiles import Profile, load
from layergeom.reading import read

RECOMMENDED = "recommended"


def chosen_layer(layer: str | int, run: Path | str | None) -> str | int:
    """Return the layer that is meant.

    Parameters
    ----------
    layer : str or int
        A layer key or number, which is returned; or "recommended".
    run : path, optional
        The folder of a run (or its ``profile.json``), whose recommendation is meant.

    Returns
    -------
    str or int

    Raises
    ------
    InputError
        If "recommended" comes without a run, a run without "recommended", or the reading of the run
        found no layer: the message says which conditions failed.

    Examples
    --------
    >>> chosen_layer("block_3", None)
    'block_3'
    """
    if layer != RECOMMENDED:
        if run is not None:
            raise InputError(
                f"run is read for layer='recommended' only, but layer is {layer!r}; leave one out."
            )
        return layer
    if run is None:
        raise InputError(
            "layer='recommended' needs the run whose recommendation is meant; give run=FOLDER, or "
            "name a layer."
        )
    return _recommended(load(run), run)


def _recommended(profile: Profile, run: Path | str) -> str:
    found = read(profile).recommendation
    if not found.found:
        best = f", by its labels {found.best_by_labels}" if found.best_by_labels else ""
        raise InputError(
            f"The run {run} recommends no layer ({found.failed}); name one yourself, such as "
            f"{found.layer}, which its makers use{best}."
        )
    return found.layer
