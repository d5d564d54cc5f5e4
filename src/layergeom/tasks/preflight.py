"""Refuses a run that this machine cannot hold, before the model is run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.states.forward import Target
from layergeom.states.store import DRAFT
from layergeom.tasks.plan import Geometry

CGROUPS = (  # limits of a container, or of a scheduler's job
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


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
    all: how much of it is free changes while a run goes on. The network is not counted.
    """
    needs = [(target.store.folder, _geometry(settings, target)) for target in targets]
    _check_disk([(place, need.states + need.lists - _held(place)) for place, need in needs])
    for _, need in needs:
        _check_memory(need, machine_memory())


def _geometry(settings: Settings, target: Target) -> Geometry:
    widths = [layer.width for layer in target.plan.layers]
    return Geometry(target.n, len(widths), max(widths), settings)


def _check_disk(needs: Sequence[tuple[Path, int]]) -> None:
    place = _there(needs[0][0])  # the views of a run lie side by side
    needed, free = sum(need for _, need in needs), shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"{place} has {_gigabytes(free)} free but states and neighbour lists take "
            f"{_gigabytes(needed)} more; free space, choose another folder, or give fewer rows "
            "(--max-samples)."
        )


def _check_memory(geometry: Geometry, memory: int | None) -> None:
    if memory is not None and geometry.memory > memory:
        raise InputError(
            f"this machine, or this job, has {_gigabytes(memory)} of memory but the neighbour "
            f"search of {geometry.rows:,} rows takes {_gigabytes(geometry.memory)}; give fewer "
            "rows (--max-samples) or more memory."
        )


def machine_memory() -> int | None:
    """Return the bytes of memory that this process may take in all; None if nothing tells."""
    found = []
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in CGROUPS:
        try:
            found.append(int(limit.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
    return min(found, default=None)


def _held(folder: Path) -> int:
    """Bytes of the drafts of a run that is gone on with."""
    return sum(path.stat().st_size for path in folder.glob(f"{DRAFT}*"))


def _there(folder: Path) -> Path:
    """Return the folder, or the one in which it will be made."""
    whole = folder.absolute()
    return next(place for place in (whole, *whole.parents) if place.is_dir())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
