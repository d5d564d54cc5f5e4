"""How much room there is, in memory and on the disk, and whether a network fits it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from layergeom.errors import InputError
from layergeom.states.sources import Source, read_json, weight_files

CGROUPS = (  # limits of a container, or of a scheduler's job
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
INDEX = "*.index.json"  # of weights in several files; says how large they are
BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}  # of a number


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


def device_memory(device: str) -> int | None:
    """Return the bytes of a device's memory; None where they are not known."""
    import torch

    if torch.device(device).type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine_memory()


def free_disk(folder: Path) -> tuple[Path, int]:
    """Return the folder, or the one in which it will be made, and the bytes that are free there."""
    whole = folder.absolute()
    place = next(place for place in (whole, *whole.parents) if place.is_dir())
    return place, shutil.disk_usage(place)[2]


def check_weights(source: Source, dtype: str, device: str) -> None:
    """Refuse a network whose weights alone do not fit, before they are read.

    Parameters
    ----------
    source : Source
        Of a folder or hub id.
    dtype : str
        That the weights will have; ``auto`` is their own.
    device : str
        Where they will lie.

    Raises
    ------
    InputError
        With what is needed, what is there, and what to do.

    Notes
    -----
    Sizes are those of the weight files, or of their index, in the dtype that the configuration
    names; where neither is known nothing is refused.
    """
    needed, there = weight_bytes(source, dtype), device_memory(device)
    if there is not None and needed is not None and needed > there:
        raise InputError(
            f"the weights of {source.name!r} take {gigabytes(needed)} in {dtype} but the memory of "
            f"{device} is {gigabytes(there)}; give dtype='bfloat16', device_map='auto' (several "
            "devices and the disk), or a larger machine."
        )


def weight_bytes(source: Source, dtype: str) -> int | None:
    """Return the bytes of a network's weights in some dtype; None if nothing tells."""
    stored = None if source.folder is None else _stored_bytes(source.folder)
    if stored is None or source.folder is None:
        return None
    config = read_json(source.folder / "config.json")
    own = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return stored * BYTES.get(dtype, BYTES.get(own, 4)) // BYTES.get(own, 4)


def _stored_bytes(folder: Path) -> int | None:
    if files := weight_files(folder):
        return sum(path.stat().st_size for path in files)
    for index in sorted(folder.glob(INDEX)):
        facts: Any = read_json(index).get("metadata", {})
        if isinstance(size := facts.get("total_size"), int):
            return size
    return None


def gigabytes(size: int) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> gigabytes(26_000_000_000)
    '26 GB'
    """
    return f"{size / 1e9:.3g} GB"
