"""What one search costs: CPU time of all threads, wall time, peak memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """Cost of one call."""

    cpu_s: float
    wall_s: float
    peak_mib: float | None  # above what was in use before; None where it cannot be known


def measured(call: Callable[[], T]) -> tuple[T, Cost]:
    """Call once and return the result with its cost."""
    before = _resident()
    cpu, wall = time.process_time(), time.perf_counter()
    result = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = None if before is None else round(max(0.0, _mebibytes("VmHWM") - before), 1)
    return result, Cost(cpu, wall, peak)


def anonymous_peak(call: Callable[[], object], every: float = 0.002) -> float:
    """Call once and return the most memory allocated meanwhile above the start, MiB.

    Pages of mapped files are left out. Sampled by a thread: allocations that live for less than
    ``every`` seconds may be missed.
    """
    before, seen, done = _mebibytes("RssAnon"), [0.0], threading.Event()

    def look() -> None:
        while not done.wait(every):
            seen[0] = max(seen[0], _mebibytes("RssAnon") - before)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return round(seen[0], 1)


def _resident() -> float | None:
    """Forget the peak so far and return the memory in use; None on systems without it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _mebibytes("VmRSS")
    except OSError:
        return None


def _mebibytes(field: str) -> float:
    return int(STATUS.read_text(encoding="ascii").split(f"{field}:")[1].split()[0]) / 1024
