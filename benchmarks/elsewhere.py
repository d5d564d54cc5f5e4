"""Run a peer of another environment: ``python elsewhere.py NAME K FOLDER``.

Reads points.npy, writes distances.npy and indices.npy (self included) and measured.json. Imports
nothing of this project, so that it runs wherever the peer does.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

import json
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np


def dadapy(X: Any, k: int) -> tuple[Any, Any]:
    from dadapy import Data

    data = Data(X, verbose=False)
    data.compute_distances(maxk=k)
    return data.distances, data.dist_indices


def skdim(X: Any, k: int) -> tuple[Any, Any]:
    from skdim._commonfuncs import get_nn

    distances, indices = get_nn(X, k, n_jobs=-1)
    return distances, indices


def with_self(distances: Any, indices: Any, k: int) -> tuple[Any, Any]:
    if distances.shape[1] > k:
        return distances[:, : k + 1], indices[:, : k + 1]
    own = np.arange(len(indices))[:, None]
    return np.hstack([np.zeros(own.shape), distances]), np.hstack([own, indices])


def memory(field: str) -> float | None:
    """MiB of this process, the peak forgotten when VmRSS is asked; None where Linux is not."""
    try:
        if field == "VmRSS":
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    return int(status.split(field + ":")[1].split()[0]) / 1024


def main(name: str, k: int, place: str) -> None:
    folder = Path(place)
    X = np.load(folder / "points.npy", allow_pickle=False)
    search = {"dadapy": dadapy, "skdim": skdim}[name]
    search(X[: 4 * k], k)  # imports and compilation are not the search
    before = memory("VmRSS")
    cpu, wall = time.process_time(), time.perf_counter()
    distances, indices = search(X, k)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = None if before is None else round((memory("VmHWM") or before) - before, 1)
    distances, indices = with_self(np.asarray(distances), np.asarray(indices), k)
    np.save(folder / "distances.npy", distances)
    np.save(folder / "indices.npy", indices)
    version = metadata.version({"dadapy": "dadapy", "skdim": "scikit-dimension"}[name])
    measured = {"cpu_s": cpu, "wall_s": wall, "peak_mib": peak, "version": version}
    (folder / "measured.json").write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
