"""Append-only records: one JSON line per case and peer, never rewritten."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import benchmarks

Record = dict[str, Any]
FOLDER = Path(__file__).parent / "records"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def append(path: Path, record: Record) -> None:
    """Add one line; what is there stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False, allow_nan=True) + "\n")


def read(paths: Iterable[Path]) -> list[Record]:
    """Return the records of several files in the order of time.

    Raises
    ------
    ValueError
        If a line is not a record; the message says where.
    """
    found: list[Record] = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                record = json.loads(line)
                record["time"], record["job"] if "job" in record else _of_case(record)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path.name}, line {number} is not a record: {error}") from error
            found.append(record)
    return sorted(found, key=lambda r: str(r["time"]))


def _of_case(record: Record) -> tuple[object, ...]:
    return record["case"]["name"], record["peer"], record["status"]


def now() -> str:
    """Return the time of a record, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def version(package: str) -> str | None:
    """Return the version of an installed distribution."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine() -> Record:
    """Describe the machine without naming it: processor, cores, memory, load, settings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "features": _features(),
        "cores": cores,
        "siblings": _siblings(),
        "memory_gib": _memory(),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "settings": {name: os.environ.get(name) for name in (*benchmarks.QUIET, *THREADS)},
        "settings_in_time": benchmarks.IN_TIME,
    }


def versions() -> Record:
    """Return the versions under which everything ran."""
    names = ("layergeom", "numpy", "scipy", "scikit-learn", "torch", "faiss-cpu", "pynndescent")
    return {
        "python": sys.version.split()[0],
        **{name: version(name) for name in names},
        "layergeom_code": _code("layergeom"),
    }


def _code(package: str) -> str | None:
    """Fingerprint of the geometry that ran, compiled parts included."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    digest = hashlib.sha256()
    for file in sorted((Path(spec.origin).parent / "geometry").rglob("*")):
        if file.suffix in (".py", ".so", ".pyd", ".cpp", ".h", ".hpp"):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _line(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith(key)), "")


def _processor() -> str:
    return _line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _features() -> list[str]:
    flags = _line("/proc/cpuinfo", "flags").split()
    return [f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni") if f in flags]


def _siblings() -> str | None:
    """Which logical processors share the first core: CPU times grow where all of them work."""
    file = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _memory() -> float | None:
    kilobytes = _line("/proc/meminfo", "MemTotal").split()
    return round(int(kilobytes[0]) / 2**20, 1) if kilobytes else None
