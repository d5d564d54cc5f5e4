"""Runs carried out by several workers: shares of the rows, then parts of the neighbour searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.layer import Settings, layer_graph
from layergeom.measure import Progress, sampling_groups
from layergeom.profiles import STATES
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.shards import FOLDER
from layergeom.states.store import Store
from layergeom.tasks.protocol_runs import prepared
from layergeom.tasks.protocols import Protocol
from layergeom.tasks.shards import extract_share, merge_shards
from layergeom.workers import Workers, shared_folder


def prepare_by(
    workers: Workers,
    recipe: Protocol | str | None,
    model: Any,
    data: Any,
    folder: Path | str | None,
    progress: Progress | None = None,
    **given: Any,
) -> None:
    """Have workers read the states of a run and search its neighbours, so that it finds both.

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
    search_by(workers, hidden, plan.settings, progress=progress)


def search_by(
    workers: Workers,
    hidden: HiddenStates,
    settings: Settings,
    groups: object = None,
    progress: Progress | None = None,
) -> None:
    """Have workers search the neighbours of every layer, which the store of the states keeps.

    Parameters
    ----------
    workers : Workers
        Each takes a part of the pairs of one layer after the other.
    hidden : HiddenStates
        With a store on a file system that all workers see.
    settings, groups
        As of :func:`layergeom.measure.measure`.
    progress : callable(done, total, what), optional
        Called when layers are done.

    Notes
    -----
    The lists have the bits of a search in one process. Memory of each worker: the layer, and what
    :func:`layergeom.search_memory` says. Layers that cannot be searched are passed over: the
    profile says why. Cost: each worker prepares the whole layer, and meets its share of the pairs.
    """
    codes = sampling_groups(hidden, settings, groups)
    for done, key in enumerate(hidden.layers):
        try:
            layer_graph(hidden, key, hidden[key], settings, groups=codes, workers=workers)
        except StoreError:
            raise
        except (InputError, DegenerateError):
            pass
        if progress is not None:
            progress(done + 1, len(hidden.layers), "layers searched")


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
    told = None if progress is None else lambda done, all_: progress(done, all_, "shards of states")
    workers.each(read_share, pieces, _named, told)
    if (place / STATES / FOLDER).exists():
        merge_shards(place)


def read_share(model: str, data: Any, folder: str, given: dict[str, Any], shard: str) -> int:
    """Read one share: what a worker does."""
    return extract_share(model, data, shard, folder, **given).rows


def _named(*piece: Any) -> str:
    return f"shard {piece[-1]} of the states"
