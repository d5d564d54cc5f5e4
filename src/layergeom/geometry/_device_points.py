"""Points at the door of an accelerator: where they go, whether they fit, how failures are named."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from layergeom import arrays
from layergeom.arrays import Points
from layergeom.errors import InputError

KINDS = ("cpu", "cuda", "mps")
WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
ROOM = {"cuda": 1 << 30, "mps": 1 << 28, "cpu": 1 << 26}  # bytes of one block


class DeviceError(Exception):
    """The accelerator could not finish; the message says why."""


def named(device: str) -> torch.device:
    """Return a device with its number.

    Raises
    ------
    InputError
        If it is of another kind, or not here.
    """
    if device.split(":")[0] not in KINDS:
        raise InputError(f"device must be cpu, cuda, cuda:N or mps but is {device!r}.")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device={device!r} cannot be used here ({first_line(error)}); leave device out to "
            "search on the CPU."
        ) from error


def points(X: object, device: torch.device) -> Tensor:
    """Return checked points where float64 is at hand: on the device, for mps on the CPU.

    Raises
    ------
    InputError
        As :func:`layergeom.arrays.points`.
    DeviceError
        If they do not fit.
    """
    place = torch.device("cpu") if device.type == "mps" else device
    with failures():
        if isinstance(X, Tensor) and X.device == place and _clean(X):
            return X.detach().to(WIDER.get(X.dtype, X.dtype)).contiguous()
    checked = arrays.points(X)
    with failures():
        uploaded = torch.empty(checked.shape, dtype=_dtype(checked), device=place)
        for rows in slices(len(checked), ROOM["cpu"] // checked[0].nbytes):
            uploaded[rows] = torch.tensor(np.ascontiguousarray(checked[rows]))
        return uploaded


def _clean(X: Tensor) -> bool:
    """Whether a tensor passes the check at the door as it is."""
    known = X.dtype in (*WIDER, torch.float32, torch.float64)
    if not known or X.ndim != 2 or len(X) < arrays.MIN_SAMPLES or X.shape[1] == 0:
        return False
    return math.isfinite(largest(X))


def _dtype(X: Points) -> torch.dtype:
    return torch.float32 if X.dtype == np.float32 else torch.float64


def largest(X: Tensor) -> float:
    """Return the largest absolute entry; nan where there is one."""
    return float(torch.stack(X.detach().aminmax()).abs().max())


def all_differ(X: Tensor) -> bool:
    """Return True only if no two rows are equal: rows of different checksums differ."""
    odd = np.random.default_rng(0).integers(1 << 62, size=X.shape[1]) * 2 + 1
    with failures():
        weights = torch.from_numpy(odd).to(X.device)
        word = torch.int32 if X.dtype == torch.float32 else torch.int64
        sums = torch.empty(len(X), dtype=torch.int64, device=X.device)
        for rows in slices(len(X), ROOM[X.device.type] // (16 * X.shape[1])):
            bits = (X[rows] + 0.0).view(word)  # -0.0 equals 0.0
            sums[rows] = (bits * weights).sum(1)  # modulo 2^64
        ordered = sums.sort().values
        return not bool((ordered[1:] == ordered[:-1]).any())


@contextmanager
def failures() -> Iterator[None]:
    """Name the failures of the device, and no others."""
    try:
        yield
    except RuntimeError as error:
        raise DeviceError(first_line(error)) from error


def first_line(error: BaseException) -> str:
    return str(error).split("\n", maxsplit=1)[0].split(". ")[0].removesuffix(".")


def room(device: torch.device) -> int:
    """Bytes of one block: a fixed bound, and a quarter of the free memory where it is known."""
    if device.type != "cuda":
        return ROOM[device.type]
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(ROOM["cuda"], (torch.cuda.mem_get_info(device)[0] + unused) // 4)


def slices(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, max(1, size)):
        yield slice(start, min(start + max(1, size), n))
