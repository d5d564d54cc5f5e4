"""Measure cases against peers: answers first, then paired times, then a record.

    python -m benchmarks.run --small --peers sgemm layergeom faiss
    python -m benchmarks.run --cases low_id-10000x384-k30
    python -m benchmarks.run --states states.npz --key layer_3 --k 30

Every round runs all peers of a case, every other round in reversed order.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import answers, cases, peers, records, timing
from benchmarks.cases import Case, Cloud
from benchmarks.peers import Peer
from benchmarks.records import Record
from benchmarks.timing import Cost

LIMIT = "sgemm"
ROUNDS = 5


@dataclass
class Entry:
    """What is known about one peer on one case."""

    peer: Peer
    status: str  # agrees, differs, limit, absent, failed
    agreement: Record | None = None
    reason: str = ""
    version: str | None = None
    peak_mib: float | None = None
    costs: list[Cost] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        """Whether the peer gave an answer, so that it may be timed."""
        return self.status in ("agrees", "differs", "limit")


def search(peer: Peer, X: Cloud, k: int) -> tuple[answers.Answer | None, Cost, str | None]:
    """Run a peer once: answer, cost, and its version where it lives elsewhere."""
    if peer.search is not None:
        answer, cost = timing.measured(functools.partial(peer.search, X, k))
        return answer, cost, records.version(peer.package)
    answer, told = peers.run_elsewhere(peer.name, X, k)
    return answer, Cost(told["cpu_s"], told["wall_s"], told["peak_mib"]), told["version"]


def judge(peer: Peer, X: Cloud, k: int, truth: answers.Truth) -> Entry:
    """Run a peer untimed and compare its answer: nothing is timed before this."""
    try:
        peer.prepare()
        answer, cost, version = search(peer, X, k)
        if answer is None:
            return Entry(peer, "limit", None, "", version, cost.peak_mib)
        agreement = answers.compare(truth, answer, peer.tolerance)
    except peers.Absent as reason:
        return Entry(peer, "absent", reason=str(reason))
    except Exception as error:  # noqa: BLE001 - a peer's failure is a result
        return Entry(peer, "failed", reason=f"{type(error).__name__}: {error}")
    status = "agrees" if agreement.agrees else "differs"
    return Entry(peer, status, agreement.record(), "", version, cost.peak_mib)


def time_all(entries: Sequence[Entry], X: Cloud, k: int, rounds: int) -> None:
    """Time the peers that answered, paired in rounds of alternating order."""
    running = [entry for entry in entries if entry.runs]
    for number in range(rounds):
        for entry in running if number % 2 == 0 else reversed(running):
            entry.costs.append(search(entry.peer, X, k)[1])


def record(case: Case, digest: str, entry: Entry, limit: Entry | None) -> Record:
    """Return the line that is kept."""
    line: Record = {
        "time": records.now(),
        "machine": records.machine(),
        "versions": records.versions(),
        "case": {
            "name": case.name,
            "kind": case.kind,
            "n": case.n,
            "d": case.d,
            "k": case.k,
            "sha256": digest,
        },
        "peer": entry.peer.name,
        "peer_version": entry.version,
        "status": entry.status,
        "reason": entry.reason,
        "agreement": entry.agreement,
    }
    if entry.costs:
        line |= _times(entry, limit)
    return line


def _times(entry: Entry, limit: Entry | None) -> Record:
    cpu = [cost.cpu_s for cost in entry.costs]
    wall = [cost.wall_s for cost in entry.costs]
    ratio = None
    if limit is not None and limit.costs:
        pairs = zip(cpu, limit.costs, strict=True)
        ratio = statistics.median(mine / max(its.cpu_s, 1e-9) for mine, its in pairs)
    return {
        "cpu_s": round(statistics.median(cpu), 5),
        "wall_s": round(statistics.median(wall), 5),
        "ratio_to_sgemm": None if ratio is None else round(ratio, 3),
        "peak_mib": entry.peak_mib,
        "cpu_each": [round(x, 5) for x in cpu],
        "wall_each": [round(x, 5) for x in wall],
    }


def measure(case: Case, chosen: Sequence[Peer], rounds: int, path: Path) -> list[Entry]:
    """Judge, time and record every peer on one case."""
    X = case.points()
    digest = hashlib.sha256(X.tobytes()).hexdigest()[:16]
    truth = answers.reference(X, case.k)
    entries = [judge(peer, X, case.k, truth) for peer in chosen]
    time_all(entries, X, case.k, rounds)
    limit = next((e for e in entries if e.peer.name == LIMIT and e.costs), None)
    for entry in entries:
        line = record(case, digest, entry, limit)
        records.append(path, line)
        print(_told(line), flush=True)
    return entries


def _told(line: Record) -> str:
    start = f"{line['case']['name']:<28}{line['peer']:<12}{line['status']:<8}"
    if "cpu_s" not in line:
        return f"{start} {line['reason']}"
    ratio = "" if line["ratio_to_sgemm"] is None else f"{line['ratio_to_sgemm']:7.2f} x sgemm"
    end = f"{line['cpu_s']:9.3f} CPU-s {line['wall_s']:9.3f} s {ratio}"
    if line["status"] == "differs":
        told = line["agreement"]
        end += f"  {told['other_neighbors']} of {told['rows']} rows other, "
        end += f"recall {told['recall']:.6f}, worst distance {told['worst_distance']:.1e}"
    return start + end


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Return the cases that the command line asks for."""
    if options.states:
        if not options.key:
            raise ValueError("--states needs --key: the arrays of the file to measure.")
        return [cases.from_file(options.states, key, options.k) for key in options.key]
    if options.cases:
        known = {case.name: case for case in cases.GRID}
        unknown = [name for name in options.cases if name not in known]
        if unknown:
            raise ValueError(f"no case {unknown[0]}; --list names them.")
        return [known[name] for name in options.cases]
    return list(cases.SMALL if options.small else cases.GRID)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    names = [peer.name for peer in peers.PEERS]
    line = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("--cases", nargs="+", help="names of cases of the grid")
    line.add_argument("--small", action="store_true", help="N up to 10,000 and k = 30 only")
    line.add_argument("--states", help="an .npz file of real states")
    line.add_argument("--key", nargs="+", help="its arrays, (N, D) each")
    line.add_argument("--k", type=int, default=30, help="neighbours, with --states")
    line.add_argument("--peers", nargs="+", choices=names, default=names)
    line.add_argument("--rounds", type=int, default=ROUNDS, help="paired repetitions")
    line.add_argument("--records", type=Path, default=records.FOLDER / "cpu.jsonl")
    line.add_argument("--peers-python", help="interpreter with DADApy and scikit-dimension")
    line.add_argument("--list", action="store_true", help="name the cases and stop")
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1 if the package itself was not exact in every case."""
    options = parser().parse_args(arguments)
    if options.peers_python:
        os.environ[peers.ELSEWHERE] = options.peers_python
    try:
        todo = chosen_cases(options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(case.name for case in todo))
        return 0
    chosen = [peer for peer in peers.PEERS if peer.name in options.peers]
    entries = [e for case in todo for e in measure(case, chosen, options.rounds, options.records)]
    own = [entry.status for entry in entries if entry.peer.name == "layergeom"]
    return 0 if all(status == "agrees" for status in own) else 1


if __name__ == "__main__":
    sys.exit(main())
