"""One thin adapter per peer: points and k in, (distances, indices) without self out.

An adapter whose library is missing raises ``Absent`` with the reason when it is prepared.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.answers import Answer

Cloud = npt.NDArray[np.float32]
Search = Callable[[Cloud, int], Answer | None]

ELSEWHERE = "LAYERGEOM_PEERS_PYTHON"  # interpreter with DADApy and scikit-dimension
CHUNK = 2_000_000  # distances of one chunk in the torch and chunked adapters
FLOAT32 = 1e-4  # tolerance for peers that work in float32
FLOAT64 = 1e-6  # for peers that expand |x|² + |y|² - 2 x·y in float64
EXACT = 1e-12  # for direct differences in float64


class Absent(Exception):  # noqa: N818 - it is a state, not a fault
    """The peer cannot run here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """A library under measurement."""

    name: str
    package: str  # distribution whose version is recorded; "" for plain numpy
    module: str  # what has to be importable
    tolerance: float
    search: Search | None  # None: runs in its own environment and times itself

    def prepare(self) -> None:
        """Import the library, so that no import is timed.

        Raises
        ------
        Absent
            If it is not installed, or does not load.
        """
        if self.search is None:
            _other_python(self.module)
            return
        try:
            importlib.import_module(self.module)
        except Exception as error:  # a broken binary raises anything
            raise Absent(f"{self.module} does not load: {error}") from error


def _layergeom(X: Cloud, k: int) -> Answer:
    from layergeom import neighbor_graph

    graph = neighbor_graph(X, k)
    return graph.distances, graph.indices


def sgemm(X: Cloud, _: int) -> None:
    """The product that a dense search cannot avoid: N × D × N in float32, by row blocks.

    Neither ``X @ X.T`` nor a fresh N × N matrix: for the former numpy takes the symmetric routine
    and mirrors the result, the latter can cost as much in page faults as the product itself.
    """
    other = X.copy().T
    rows = max(1, 10_000_000 // len(X))
    block = np.empty((rows, len(X)), dtype=np.float32)
    for start in range(0, len(X), rows):
        part = X[start : start + rows]
        np.matmul(part, other, out=block[: len(part)])


def without_self(distances: npt.NDArray[Any], indices: npt.NDArray[Any], k: int) -> Answer:
    """Drop each row's own number, wherever it stands; the last place where it is not listed."""
    own = indices == np.arange(len(indices))[:, None]
    own[~own.any(axis=1), -1] = True
    return distances[~own].reshape(-1, k), indices[~own].reshape(-1, k)


def _faiss(X: Cloud, k: int) -> Answer:
    import faiss

    index = faiss.IndexFlatL2(X.shape[1])
    index.add(X)
    squared, indices = index.search(X, k + 1)
    return without_self(np.sqrt(np.maximum(squared, 0)), indices, k)


def _sklearn(X: Cloud, k: int) -> Answer:
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=-1).fit(X).kneighbors()
    return found[0], found[1]


def _torch(X: Cloud, k: int) -> Answer:
    import torch

    cloud = torch.from_numpy(X)
    step = max(1, CHUNK // len(X))
    parts = []
    for start in range(0, len(X), step):
        block = torch.cdist(cloud[start : start + step], cloud)
        here = torch.arange(len(block))
        block[here, start + here] = torch.inf
        parts.append(torch.topk(block, k, largest=False))
    return torch.cat([p.values for p in parts]).numpy(), torch.cat(
        [p.indices for p in parts]
    ).numpy()


RANGE = 2_050  # neighbours that the chunked method keeps and sorts


def _chunked(X: Cloud, k: int) -> Answer:
    """Whole distance rows by chunks, the nearest 2,050 partitioned off and sorted."""
    keep = min(max(RANGE, k + 1), len(X) - 1)
    norms = np.einsum("ij,ij->i", X, X)
    step = max(1, CHUNK // len(X))
    distances, indices = [], []
    for start in range(0, len(X), step):
        block = norms[start : start + step, None] + norms - 2 * (X[start : start + step] @ X.T)
        block = np.sqrt(np.maximum(block, 0))
        nearest = np.argpartition(block, keep, axis=1)[:, : keep + 1]
        lengths = np.take_along_axis(block, nearest, axis=1)
        order = np.argsort(lengths, axis=1)[:, : k + 1]
        distances.append(np.take_along_axis(lengths, order, axis=1))
        indices.append(np.take_along_axis(nearest, order, axis=1))
    return without_self(np.concatenate(distances), np.concatenate(indices), k)


def _pynndescent(X: Cloud, k: int) -> Answer:
    from pynndescent import NNDescent

    indices, distances = NNDescent(X, n_neighbors=k + 1, random_state=0).neighbor_graph
    return without_self(distances, indices, k)


# ── peers in their own environment ────────────────────────────────────────────────────────────


def _other_python(module: str) -> str:
    python = os.environ.get(ELSEWHERE, "")
    if not python:
        raise Absent(f"{ELSEWHERE} names no interpreter with {module}")
    probe = subprocess.run(
        [python, "-c", f"import {module}"], check=False, capture_output=True, text=True
    )
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["it failed silently"])[-1]
        raise Absent(f"{module} does not load in its own environment: {last}")
    return python


def run_elsewhere(name: str, X: Cloud, k: int) -> tuple[Answer, dict[str, Any]]:
    """Search in the other environment; return the answer and the times taken there."""
    script = Path(__file__).with_name("elsewhere.py")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "points.npy", X)
        command = [os.environ[ELSEWHERE], str(script), name, str(k), folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
        measured = json.loads((Path(folder) / "measured.json").read_text(encoding="utf-8"))
        distances = np.load(Path(folder) / "distances.npy", allow_pickle=False)
        indices = np.load(Path(folder) / "indices.npy", allow_pickle=False)
    return without_self(distances, indices, k), measured


PEERS: tuple[Peer, ...] = (
    Peer("sgemm", "numpy", "numpy", FLOAT32, sgemm),
    Peer("layergeom", "layergeom", "layergeom", EXACT, _layergeom),
    Peer("faiss", "faiss-cpu", "faiss", FLOAT32, _faiss),
    Peer("sklearn", "scikit-learn", "sklearn.neighbors", FLOAT32, _sklearn),
    Peer("torch", "torch", "torch", FLOAT32, _torch),
    Peer("chunked", "numpy", "numpy", FLOAT32, _chunked),
    Peer("pynndescent", "pynndescent", "pynndescent", FLOAT32, _pynndescent),
    Peer("dadapy", "dadapy", "dadapy", FLOAT64, None),
    Peer("skdim", "scikit-dimension", "skdim", FLOAT64, None),
)
