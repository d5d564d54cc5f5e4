"""Refuses a run that this machine cannot hold, before the model is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.states.forward import Target
from layergeom.states.room import free_disk, gigabytes, machine_memory
from layergeom.states.store import DRAFT
from layergeom.tasks.geometry_sizes import GeometrySizes


def check_room(settings: Settings, targets: Sequence[Target]) -> None:
    """Refuse a run whose states, neighbour lists or search cannot fit.

    Parameters
    ----------
    settings : Settings
        Of the geometry.
    targets : sequence of Target
        What is about to be written: rows and layers of every view.

    Raises
    ------
    InputError
        With what is needed, what is there, and what to do.

    Notes
    -----
    The numbers of :func:`layergeom.tasks.plan.plan`, against the free disk (drafts of these states
    that are there already are not needed again) and the memory that the machine or the job has in
    all: how much of it is free changes while a run goes on. The network is not counted: it is
    refused where it is read (:func:`layergeom.states.room.check_weights`).
    """
    needs = [_geometry(settings, target) for target in targets]
    _check_disk(targets, sum(need.states + need.lists for need in needs))
    for need in needs:
        _check_memory(need, machine_memory())


def check_series(settings: Settings, left: int, stay: bool, targets: Sequence[Target]) -> None:
    """Refuse a checkpoint of a series if it, or what stays of all that are to come, cannot fit.

    Parameters
    ----------
    settings, targets
        As of :func:`check_room`.
    left : int
        Checkpoints that are not measured yet, this one among them.
    stay : bool
        Whether the states of each stay.

    Raises
    ------
    InputError
        As :func:`check_room`.
    """
    [need] = [_geometry(settings, target) for target in targets]
    working = need.states + need.lists
    _check_disk(targets, working + left * need.kept + (left - 1) * working * stay)
    _check_memory(need, machine_memory())


def check_states(of: int, targets: Sequence[Target]) -> None:
    """Refuse one of ``of`` shares of an extraction whose states do not fit the disk.

    Raises
    ------
    InputError
        As :func:`check_room`.
    """
    whole = sum(_geometry(Settings(), target).states for target in targets)
    _check_disk(targets, whole // of)


def _geometry(settings: Settings, target: Target) -> GeometrySizes:
    widths = [layer.width for layer in target.plan.layers]
    return GeometrySizes(target.n, len(widths), max(widths), settings)


def _check_disk(targets: Sequence[Target], needed: int) -> None:
    place, free = free_disk(targets[0].store.folder)  # the views of a run lie side by side
    more = needed - sum(_held(target.store.folder) for target in targets)
    if more > free:
        raise InputError(
            f"{place} has {gigabytes(free)} free but states and neighbour lists take "
            f"{gigabytes(more)} more; free space, choose another folder, or give fewer rows "
            "(--max-samples)."
        )


def _check_memory(geometry: GeometrySizes, memory: int | None) -> None:
    if memory is not None and geometry.memory > memory:
        raise InputError(
            f"this machine, or this job, has {gigabytes(memory)} of memory but the neighbour "
            f"search of {geometry.rows:,} rows takes {gigabytes(geometry.memory)}; give fewer "
            "rows (--max-samples) or more memory."
        )


def _held(folder: Path) -> int:
    """Bytes of the drafts of a run that is gone on with."""
    return sum(path.stat().st_size for path in folder.glob(f"{DRAFT}*"))
