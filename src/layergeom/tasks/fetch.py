"""Bring a hub model, or the checkpoints of a training run, to where there is no network."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from layergeom.errors import InputError
from layergeom.measure import Progress
from layergeom.states.checkpoints import Axis, Checkpoint, checkpoints
from layergeom.states.hub import Needed, Remote, needed_files, remote
from layergeom.states.manifest import encoded
from layergeom.states.sources import SMALL_FILES

OFFLINE = "HF_HUB_OFFLINE=1"
WHOLE = ""  # the name of a model that was fetched without revisions


@dataclass(frozen=True)
class Fetched:
    """What was brought, and how to use it without a network.

    Attributes
    ----------
    model : str
        The hub id.
    revisions : tuple of str
        Names of the checkpoints in the order of training; empty for the model itself.
    folders : tuple of Path
        Where each lies: snapshots of the hub's cache, or sub-folders of the folder asked for.
    bytes : int
        Size of all files, those that were there already among them.
    warnings : tuple of str
        What is not as it should be, such as weights without safetensors.
    command : str
        What to run where there is no network, with ``DATA`` for the data.
    """

    model: str
    revisions: tuple[str, ...]
    folders: tuple[Path, ...]
    bytes: int
    warnings: tuple[str, ...]
    command: str


def fetch(
    model: str,
    revisions: str | Sequence[str] | None = None,
    folder: Path | str | None = None,
    *,
    axis: Axis = "step",
    max_checkpoints: int | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Download what a run needs of a hub model, and nothing else.

    Configuration, tokenizer, processor and pipeline, and the weights that are read: safetensors
    where there are any, else PyTorch's ``.bin``, with a warning; no other format.

    Parameters
    ----------
    model : str
        The hub id.
    revisions : str or sequence of str, optional
        Branches and tags, or patterns such as ``"step*"``; the main branch by default.
    folder : path, optional
        Where to; by default the local cache of the hub, where every run finds it. With revisions,
        one sub-folder each.
    axis, max_checkpoints
        As in :func:`layergeom.states.checkpoints.checkpoints`.
    progress : callable(done, total, what), optional
        Called as each checkpoint is done.

    Returns
    -------
    Fetched

    Raises
    ------
    InputError
        If ``model`` is a local folder, is not on the hub, has no weights that can be read, or the
        hub is out of reach.

    Notes
    -----
    Nothing that was fetched is run or unpickled: ``.bin`` files are read later through PyTorch's
    restricted reader.
    """
    if Path(model).is_dir():
        raise InputError(f"{model!r} is a local folder: it needs no fetching.")
    place = None if folder is None else Path(folder)
    wanted = _wanted(model, revisions, axis, max_checkpoints)
    folders, sizes, warnings = [], 0, []
    for done, checkpoint in enumerate(wanted):
        there, needed = _needed(checkpoint)
        if needed.pickled:
            warnings.append(_pickled_line(checkpoint))
        folders.append(_downloaded(checkpoint, needed, place))
        sizes += sum(there.sizes[name] for name in (*needed.small, *needed.weights))
        if progress is not None:
            progress(done + 1, len(wanted), "checkpoints fetched")
    names = tuple(c.name for c in wanted if c.name != WHOLE)
    command = offline_command(model, names, place)
    return Fetched(model, names, tuple(folders), sizes, tuple(warnings), command)


def _wanted(
    model: str, revisions: str | Sequence[str] | None, axis: Axis, max_checkpoints: int | None
) -> tuple[Checkpoint, ...]:
    if revisions is None:
        return (Checkpoint(WHOLE, float("nan"), model, None),)
    return checkpoints(model, revisions, axis=axis, max_checkpoints=max_checkpoints)


def _needed(checkpoint: Checkpoint) -> tuple[Remote, Needed]:
    there = remote(checkpoint.source, checkpoint.revision)
    needed = needed_files(there.sizes)
    if not needed.weights:
        raise InputError(
            f"{_title(checkpoint)} has neither model.safetensors nor pytorch_model.bin; choose "
            "another model or revision."
        )
    return there, needed


def _downloaded(checkpoint: Checkpoint, needed: Needed, place: Path | None) -> Path:
    from huggingface_hub import snapshot_download

    target = place
    if place is not None and checkpoint.name != WHOLE:
        target = place / encoded(checkpoint.name)
    patterns = [*SMALL_FILES, *needed.weights]  # the same small files as every run looks for
    try:
        return Path(
            snapshot_download(
                checkpoint.source,
                revision=checkpoint.revision,
                allow_patterns=patterns,
                local_dir=target,
            )
        )
    except OSError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{_title(checkpoint)} could not be fetched ({reason}); the same command goes on "
            "where it stopped."
        ) from error


def _pickled_line(checkpoint: Checkpoint) -> str:
    return (
        f"{_title(checkpoint)} has no safetensors: PyTorch's .bin weights were fetched, which are "
        "read without unpickling."
    )


def _title(checkpoint: Checkpoint) -> str:
    at = f" at revision {checkpoint.name!r}" if checkpoint.name != WHOLE else ""
    return f"Model {checkpoint.source!r}{at}"


def offline_command(model: str, names: Sequence[str], place: Path | None) -> str:
    """Return the command that uses what was fetched, where there is no network.

    Examples
    --------
    >>> offline_command("own/model", ["step0", "step8"], None)
    'HF_HUB_OFFLINE=1 layergeom dynamics own/model DATA --revisions step0,step8'
    """
    source = shlex.quote(model if place is None else str(place))
    if not names:
        return f"{OFFLINE} layergeom run {source} DATA"
    chosen = "" if place is not None else f" --revisions {shlex.quote(','.join(names))}"
    return f"{OFFLINE} layergeom dynamics {source} DATA{chosen}"
