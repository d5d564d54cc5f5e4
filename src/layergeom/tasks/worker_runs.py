"""Runs carried out by several workers: shares of the rows, then layers, or parts of a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.layer import (
    Settings,
    is_kept,
    keep_layer,
    layer_alone,
    layer_graph,
    search_device,
)
from layergeom.measure import Progress, sampling_groups
from layergeom.profiles import STATES
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.shards import FOLDER, Shard
from layergeom.states.store import Store
from layergeom.tasks.protocol_runs import prepared
from layergeom.tasks.protocols import Protocol
from layergeom.tasks.shards import extract_share, merge_shards
from layergeom.tasks.signs import removed, rows_read, signing
from layergeom.workers import Workers, shared_folder

_Told: TypeAlias = Callable[[int, int], None]


def prepare_by(
    workers: Workers,
    recipe: Protocol | str | None,
    model: Any,
    data: Any,
    folder: Path | str | None,
    progress: Progress | None = None,
    **given: Any,
) -> None:
    """Have workers read the states of a run and measure its layers, so that it finds both.

    Parameters
    ----------
    workers, model, data, folder, progress
        As of :func:`extract_by`.
    recipe, **given
        As of :func:`layergeom.tasks.protocol_runs.profile_by`.

    Raises
    ------
    InputError, WorkerError
        As of :func:`extract_by`.
    """
    given = {name: value for name, value in given.items() if name not in ("quantities", "nulls")}
    extract_by(workers, model, data, folder, protocol=recipe, progress=progress, **given)
    plan, store = prepared(recipe, data, **given), Store(Path(str(folder)) / STATES)
    hidden = extract(model, plan.samples, store=store, **plan.extraction)
    measure_by(workers, hidden, plan.settings, progress)


def measure_by(
    workers: Workers, hidden: HiddenStates, settings: Settings, progress: Progress | None = None
) -> None:
    """Have workers measure the layers, which the store of the states keeps for the profile.

    Parameters
    ----------
    workers : Workers
        Each takes one layer after the other. Of the layers that are left when all have had equally
        many, each first searches a share of the pairs of rows.
    hidden : HiddenStates
        With a store on a file system that all workers see.
    settings : Settings
        Of the profile.
    progress : callable(done, total, what), optional
        Called when searches and layers are done.

    Notes
    -----
    The numbers have the bits of one process with as many threads. What takes labels or further
    quantities, and the comparison of layers, is left to the profile. Layers of stored arrays, which
    workers may not see, are shared out as searches only. Memory of each worker: as of
    :func:`layergeom.measure.measure`, for one layer.
    """
    whole = hidden.load is None
    left = len(hidden.layers) % workers.number if whole else len(hidden.layers)
    _search(workers, hidden, hidden.layers[len(hidden.layers) - left :], settings, progress)
    if whole and hidden.store is not None:
        place = str(hidden.store.folder.absolute())
        pieces = [(place, hidden.key, layer, settings) for layer in hidden.layers]
        told = None if progress is None else lambda done, all_: progress(done, all_, "layers")
        workers.each(measure_layer, pieces, _layer_named, told)


def _search(
    workers: Workers,
    hidden: HiddenStates,
    layers: Sequence[str],
    settings: Settings,
    progress: Progress | None,
) -> None:
    """Search by pairs of rows; what cannot be searched is passed over: the profile says why."""
    codes = sampling_groups(hidden, settings)
    for done, key in enumerate(layers):
        try:
            layer_graph(hidden, key, hidden[key], settings, groups=codes, workers=workers)
        except StoreError:
            raise
        except (InputError, DegenerateError):
            pass
        if progress is not None:
            progress(done + 1, len(layers), "layers searched")


def measure_layer(folder: str, states: str, layer: str, settings: Settings) -> None:
    """Measure one layer and keep it: what a worker does."""
    hidden = open_states(Store(folder), states)
    if hidden is None:
        raise StoreError(
            f"{folder} does not hold the states of the run; give a folder that all workers see."
        )
    codes = sampling_groups(hidden, settings)
    if is_kept(hidden, layer, settings, codes):
        return
    measured = layer_alone(hidden, layer, settings, search_device(hidden, None), codes)
    keep_layer(hidden, layer, settings, codes, measured)


def extract_by(
    workers: Workers,
    model: Any,
    data: Any,
    folder: Path | str | None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> None:
    """Have workers read the states of a run, so that the run itself finds them.

    Parameters
    ----------
    workers : Workers
        Who reads; each takes every n-th batch (see :func:`layergeom.tasks.shards.extract_share`).
    model : str or Path
        Hub id, or a folder that all workers see.
    data : object
        As of :func:`layergeom.profile`; best a path that all workers see.
    folder : path
        Of the run, on a file system that all workers see.
    progress : callable(done, total, what), optional
        Called when shares are done.
    **given
        As of :func:`layergeom.tasks.shards.extract_share`.

    Raises
    ------
    InputError
        As :func:`layergeom.profile`; for a loaded module or without a folder, which no other
        process sees.
    WorkerError
        If a worker was lost for good; the same call goes on.
    """
    place = shared_folder(folder)
    if not isinstance(model, (str, Path)):
        raise InputError(
            f"workers load the model themselves, but it is a {type(model).__name__}; give a hub "
            "id or a folder."
        )
    call = (str(model), data, str(place), given)
    pieces = [(*call, f"{number}/{workers.number}") for number in range(1, workers.number + 1)]
    workers.each(read_share, pieces, _named, _rows_told(place, workers.number, progress))
    removed(place)
    if (place / STATES / FOLDER).exists():
        merge_shards(place)


def _rows_told(place: Path, shares: int, progress: Progress | None) -> _Told | None:
    """Return what tells the rows that all workers have read, off the signs that they give."""
    if progress is None:
        return None

    def told(done: int, all_: int) -> None:
        rows, of, known = rows_read(place)
        if done == all_:
            progress(done, all_, "shards of states")
        elif of:
            progress(rows, of, f"rows of {known} of {shares} shards")

    return told


def read_share(model: str, data: Any, folder: str, given: dict[str, Any], shard: str) -> int:
    """Read one share: what a worker does."""
    with signing(Path(folder), Shard.of_text(shard)) as sign:
        return extract_share(model, data, shard, folder, progress=sign, **given).rows


def _layer_named(*piece: Any) -> str:
    return f"the geometry of {piece[2]}"


def _named(*piece: Any) -> str:
    return f"shard {piece[-1]} of the states"
