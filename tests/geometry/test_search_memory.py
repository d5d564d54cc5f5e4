"""The memory of a search, of mapped files too, against what is said beforehand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_queries import WITHOUT_KERNEL, needs_kernel

from layergeom.geometry import _compiled, search_memory

ROOT = Path(__file__).resolve().parents[2]
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak of the memory cannot be read here"
)

MEASURED = """
import sys, tempfile
import numpy as np
from benchmarks.timing import measured
from layergeom.geometry import _search, nearest_points, neighbor_graph
n, width, k, q = map(int, sys.argv[1:5])
def mapped(rows, name):
    file = np.memmap(f"{folder}/{name}", np.dtype(sys.argv[5]), "w+", shape=(rows, width))
    for start in range(0, rows, 1000):
        part = file[start : start + 1000]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32)
    file.flush()
    return np.memmap(f"{folder}/{name}", np.dtype(sys.argv[5]), "r", shape=(rows, width))
with tempfile.TemporaryDirectory() as folder:
    rng = np.random.default_rng(0)
    points, queries = mapped(n, "points"), mapped(max(q, 1), "queries")
    _search.search(np.array(points[:1000]), 3, None)
    points.max(), queries.max()  # pages of the file count as in use before
    ways = {
        "search": lambda: _search.search(points, k, None),
        "graph": lambda: neighbor_graph(points, k),
        "queries": lambda: nearest_points(queries, points, k),
    }
    print(measured(ways[sys.argv[6]])[1].peak_mib * 2**20)
"""


def peak(n, width, k, queries, dtype, way, before=""):
    """Bytes in use at the peak beyond those before, by a search of a mapped read-only file."""
    numbers = map(str, (n, width, k, queries))
    command = [sys.executable, "-c", before + MEASURED, *numbers, dtype, way]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


@needs_proc
@needs_kernel
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_memory_of_a_search_is_known_beforehand(dtype):
    used, said = peak(20_000, 256, 10, 0, dtype, "search"), search_memory(20_000, 256, 10)
    assert used <= said <= 2 * used


@needs_proc
@needs_kernel
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_mapped_points_are_not_copied(dtype):
    used = peak(20_000, 1024, 5, 300, dtype, "queries")
    said = search_memory(20_000, 1024, 5, 300)
    assert used <= said <= 2 * used
    assert used < 20_000 * 1024 * np.dtype(dtype).itemsize


@needs_proc
def test_memory_of_the_plain_way(monkeypatch):
    monkeypatch.setattr(_compiled, "kernel", lambda: None)
    used = peak(20_000, 256, 10, 1000, "f4", "queries", WITHOUT_KERNEL)
    said = search_memory(20_000, 256, 10, 1000)
    assert used <= said <= 2 * used


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("before", ["", WITHOUT_KERNEL], ids=["compiled", "plain"])
def test_a_graph_of_a_mapped_file_stays_within_the_bound(dtype, before):
    n, width, k = 60_000, 512, 5
    allowed = 2 * 4 * n * width + 100 * k * n  # of the float32 input, whatever the type
    assert peak(n, width, k, 0, dtype, "graph", before) <= allowed
