"""Hidden states that are there already: checked against options that make no sense for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from layergeom.errors import InputError
from layergeom.profiles import STATES
from layergeom.states.hidden import HiddenStates
from layergeom.states.own_labels import with_labels
from layergeom.states.store import Store
from layergeom.states.stored import stored_states

Rows = tuple[Sequence[Any] | None, Sequence[Any] | None]  # labels, and finer groups


def given_states(
    states: Any,
    protocol: str | None,
    reading: dict[str, Any],
    place: Path | None,
    options: dict[str, Any],
) -> tuple[HiddenStates, Rows]:
    """Return stored states with their groups, and the labels and finer groups of their rows.

    Parameters
    ----------
    states : object
        As of :func:`layergeom.states.stored.stored_states`.
    protocol, options
        Refused: they say how a model is run.
    reading : dict
        ``labels``, ``label_type``, ``exclude`` and ``groups``; the rest says how data are read, and
        is refused.
    place : Path, optional
        Folder of the run.

    Raises
    ------
    InputError
        If anything is given that needs data, or rows and labels do not fit.
    """
    of_data = {n: reading[n] for n in ("text_column", "max_samples", "split")}
    of_data |= {"protocol": protocol}
    refused = [*options, *(name for name, value in of_data.items() if value is not None)]
    if refused:
        raise InputError(
            f"{refused[0]} says how data are read and a model is run, but there are no "
            "data; give profile(model, data, …), or leave it out for stored states."
        )
    store = None if place is None else Store(place / STATES)
    hidden = stored_states(states, store)
    names = ("labels", "exclude", "groups", "label_type")
    return with_labels(hidden, *(reading.get(name) for name in names))
