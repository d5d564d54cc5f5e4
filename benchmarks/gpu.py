"""Measure the search on a CUDA device: answers first, then paired times, then a record.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --cases low_id-20000x1024-k2 --rounds 20

The points lie on the device before the clock starts, but for "from the CPU"; the lists are on the
CPU when it stops. "product" is no search: it is the float16 product of all points with themselves,
summed in float32, by blocks into one buffer. Every round runs all peers, every other one reversed.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import answers, records, run
from benchmarks.cases import Case
from benchmarks.peers import EXACT, FLOAT32, Cloud, Peer
from benchmarks.records import Record
from benchmarks.run import Entry

BLOCK = 1 << 28  # entries of one block of products or distances
ROUNDS = 11
LIMIT = "product"
CASES = tuple(
    Case(f"{kind}-{n}x{d}-k{k}", kind, n, d, k)
    for kind in ("low_id", "gaussian", "clustered")
    for n, d, k in ((20_000, 1_024, 2), (20_000, 1_024, 30), (90_000, 512, 30))
)


def product(Y: torch.Tensor, _: Cloud, __: int) -> None:
    """The limit of dense methods: N × D × N, which nobody reads."""
    code = Y.half() if Y.is_cuda else Y
    step = max(1, BLOCK // len(Y))
    for start in range(0, len(Y), step):
        block = code[start : start + step]
        if Y.is_cuda:
            torch.mm(block, code.T, out_dtype=torch.float32)
        else:
            torch.mm(block, code.T)
    if Y.is_cuda:
        torch.cuda.synchronize()


def cdist(Y: torch.Tensor, _: Cloud, k: int) -> answers.Answer:
    """What one would write with torch alone."""
    parts = []
    step = max(1, BLOCK // len(Y))
    for start in range(0, len(Y), step):
        distances = torch.cdist(Y[start : start + step], Y)
        distances.diagonal(start).fill_(torch.inf)
        parts.append(torch.topk(distances, k, largest=False))
    values, indices = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
    return values.numpy(), indices.numpy()


def search_alone(Y: torch.Tensor, _: Cloud, k: int) -> answers.Answer:
    """The search without the check at the door, the repeated rows and the graph."""
    from layergeom.geometry import _device

    found, left = _device.search(Y, k, None, None, Y.device)
    if len(left):
        raise ValueError(f"{len(left)} rows are left to the CPU.")
    return found.distances, found.indices


def graph(Y: torch.Tensor, _: Cloud, k: int) -> answers.Answer:
    from layergeom import neighbor_graph

    found = neighbor_graph(Y, k)
    return found.distances, found.indices


def graph_and_twonn(Y: torch.Tensor, _: Cloud, k: int) -> answers.Answer:
    from layergeom import neighbor_graph, twonn

    found = neighbor_graph(Y, k)
    twonn(found)
    return found.distances, found.indices


def from_the_cpu(Y: torch.Tensor, X: Cloud, k: int) -> answers.Answer:
    from layergeom import neighbor_graph

    found = neighbor_graph(X, k, device=str(Y.device))
    return found.distances, found.indices


def competitors(Y: torch.Tensor) -> list[Peer]:
    """Return what is measured on points that lie on a device."""
    ours = {
        "layergeom, search alone": search_alone,
        "layergeom": graph,
        "layergeom with TwoNN": graph_and_twonn,
        "layergeom, from the CPU": from_the_cpu,
    }
    bound = functools.partial
    return [
        Peer(LIMIT, "torch", "torch", EXACT, bound(product, Y)),
        Peer("torch.cdist + topk", "torch", "torch", FLOAT32, bound(cdist, Y)),
        *(Peer(name, "layergeom", "layergeom", EXACT, bound(f, Y)) for name, f in ours.items()),
    ]


def measure(case: Case, device: str, rounds: int, path: Path) -> list[Entry]:
    """Judge, time and record every competitor on one case."""
    X = case.points()
    digest = hashlib.sha256(X.tobytes()).hexdigest()[:16]
    truth = answers.reference(X, case.k)
    entries, peaks = [], []
    for peer in competitors(torch.tensor(X, device=device)):
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        entries.append(run.judge(peer, X, case.k, truth))
        peaks.append(None if device == "cpu" else torch.cuda.max_memory_allocated() >> 20)
    run.time_all(entries, X, case.k, rounds)
    for entry, peak in zip(entries, peaks, strict=True):
        line = run.record(case, digest, entry, None)
        line["machine"] |= accelerator(line["machine"]["processor"], device)
        line["device_peak_mib"] = peak
        line["wall_to_product"] = to_product(entry, entries[0])
        records.append(path, line)
        print(told(line), flush=True)
    return entries


def accelerator(processor: str, device: str) -> Record:
    """Name the device beside the processor: the page keeps machines apart by that."""
    name = "torch on the CPU" if device == "cpu" else torch.cuda.get_device_name()
    return {"processor": f"{name}, with {processor}", "cuda": torch.version.cuda}


def to_product(entry: Entry, limit: Entry) -> float | None:
    """Median of the paired ratios of wall times to the product's."""
    if not entry.costs or not limit.costs:
        return None
    pairs = zip(entry.costs, limit.costs, strict=True)
    return round(statistics.median(mine.wall_s / its.wall_s for mine, its in pairs), 3)


def told(line: Record) -> str:
    start = f"{line['case']['name']:<28}{line['peer']:<26}{line['status']:<8}"
    if "wall_s" not in line:
        return f"{start} {line['reason']}"
    return f"{start}{1000 * line['wall_s']:10.2f} ms {line['wall_to_product']:8.2f} x product"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if the package itself was not exact in every case."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("--cases", nargs="+", choices=[case.name for case in CASES])
    line.add_argument("--rounds", type=int, default=ROUNDS, help="paired repetitions")
    line.add_argument("--records", type=Path, default=records.FOLDER / "gpu.jsonl")
    options = line.parse_args(arguments)
    if not torch.cuda.is_available():
        print("no CUDA device is here (or this torch is a CPU build): nothing was measured.")
        return 2
    chosen = [case for case in CASES if options.cases is None or case.name in options.cases]
    entries = [e for c in chosen for e in measure(c, "cuda", options.rounds, options.records)]
    own = [e.status for e in entries if e.peer.name.startswith("layergeom")]
    return 0 if all(status == "agrees" for status in own) else 1


if __name__ == "__main__":
    sys.exit(main())
