"""One extraction carried out by several workers: a share of the rows each, then put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layergeom.errors import InputError
from layergeom.measure import Progress
from layergeom.profiles import STATES
from layergeom.states.shards import FOLDER
from layergeom.tasks.shards import extract_share, merge_shards
from layergeom.workers import Workers


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
    if folder is None:
        raise InputError("workers need a folder that all of them see; give folder= (-o).")
    if not isinstance(model, (str, Path)):
        raise InputError(
            f"workers load the model themselves, but it is a {type(model).__name__}; give a hub "
            "id or a folder."
        )
    call = (str(model), data, str(folder), given)
    pieces = [(*call, f"{number}/{workers.number}") for number in range(1, workers.number + 1)]
    told = None if progress is None else lambda done, all_: progress(done, all_, "shards of states")
    workers.each(read_share, pieces, _named, told)
    if (Path(folder) / STATES / FOLDER).exists():
        merge_shards(folder)


def read_share(model: str, data: Any, folder: str, given: dict[str, Any], shard: str) -> int:
    """Read one share: what a worker does."""
    return extract_share(model, data, shard, folder, **given).rows


def _named(*piece: Any) -> str:
    return f"shard {piece[-1]} of the states"
