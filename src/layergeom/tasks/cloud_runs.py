"""Clouds of all sequences, kept as they are finished: in this process, or by workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from layergeom.errors import StoreError
from layergeom.measure import Progress
from layergeom.states.content import content_key
from layergeom.states.feeds import Feed
from layergeom.states.inputs import Samples
from layergeom.states.settings import Extraction
from layergeom.tasks.cloud_networks import CloudNetwork
from layergeom.tasks.cloud_pieces import (
    CloudPieces,
    cloud_job,
    feeding_order,
    measure_by,
    named,
    ranges,
)
from layergeom.tasks.cloud_quantities import Cloud
from layergeom.tasks.finished_lines import FinishedLines
from layergeom.workers import Workers, shared_folder

PIECES = "cloud-pieces"  # folder beside the file, while workers measure
_SCHEMA = 3


def clouds(
    network: CloudNetwork,
    samples: Samples,
    settings: Extraction,
    rank: int,
    k: int,
    file: Path | None = None,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> tuple[tuple[str, ...], tuple[Cloud, ...], tuple[str, ...]]:
    """Measure the cloud of every sequence.

    Parameters
    ----------
    network : CloudNetwork
    samples : Samples
    settings : Extraction
        With ``pool="token"``.
    rank, k : int
        n1 of Gride, and neighbours compared by the overlap.
    file : Path, optional
        Keeps every finished sequence; the same call goes on behind the last one.
    progress : callable(done, total, what), optional
        Called after each sequence, or each range of sequences of a worker.
    workers : Workers, optional
        Each takes one range of sequences after the other; they must see the folder of ``file``.

    Returns
    -------
    tuple
        Layer keys, clouds in the data's order, and what was cut or left out.

    Raises
    ------
    InputError
        If ``file`` is of another call; for workers without a file, or with a loaded module.
    WorkerError
        If a worker was lost for good: its range is measured again by the same call, and no other.

    Notes
    -----
    A sequence is fed alone, so its numbers have the same bits whoever measures it, with as many
    threads. Each thread that works loads the network once, and keeps it.
    """
    place = None if file is None else file.parent
    place = place if workers is None else shared_folder(place)
    feed = network.feed(samples, settings)
    key = content_key(
        "clouds", _SCHEMA, network.source.identity, samples.fingerprint, settings.content, rank, k
    )
    lines = None if file is None else FinishedLines(file, key)
    pieces = None if place is None else CloudPieces(place / PIECES, key)
    run = _Run(feed, samples, {}, lines, pieces, progress)
    run.take_up()
    if workers is not None and pieces is not None and (left := run.left):
        pieces.put_down(feed.sequences, run.order)
        job = cloud_job(pieces, network, settings, rank, k)
        measure_by(workers, job, left, lambda done, of: run.tell(done, of, "ranges measured"))
        run.collect(left)
    run.take(network.measured(feed, rank, k, frozenset(run.found)))
    layers = tuple(name.key for name in feed.plan.names)
    return layers, run.clouds, feed.warnings


@dataclass(frozen=True, eq=False)
class _Run:
    """One call: its sequences, and what is finished of them."""

    feed: Feed
    samples: Samples
    found: dict[int, Cloud]
    lines: FinishedLines | None
    pieces: CloudPieces | None
    progress: Progress | None

    @cached_property
    def order(self) -> list[int]:
        """Numbers of the sequences, as they are fed."""
        return feeding_order(self.feed.sequences)

    @cached_property
    def cut(self) -> list[tuple[int, int]]:
        """Ranges of that order."""
        return ranges([len(self.feed.sequences.counted[at]) for at in self.order])

    @property
    def left(self) -> list[tuple[int, int]]:
        """Ranges that are not finished."""
        return [one for one in self.cut if any(at not in self.found for at in self._numbers(one))]

    @property
    def clouds(self) -> tuple[Cloud, ...]:
        """What is finished, in the data's order."""
        return tuple(self.found[at] for at in sorted(self.found))

    def take_up(self) -> None:
        """Find what earlier calls have finished, and what their workers have left in pieces."""
        if self.lines is not None:
            self.found.update(map(_cloud, self.lines.read()))
        if self.pieces is not None and self.pieces.folder.is_dir():
            there = [one for one in self.left if self.pieces.clouds(*one) is not None]
            self._keep_ranges(self.pieces, there)

    def take(self, measured: Iterator[tuple[int, Cloud]]) -> None:
        """Keep clouds as they come; at the end, pieces have served."""
        for at, cloud in measured:
            self._keep(at, cloud)
            self.tell(len(self.found), len(self.feed.sequences.ids), "sequences measured")
        if self.pieces is not None:
            self.pieces.forget()

    def collect(self, ranges_measured: Sequence[tuple[int, int]]) -> None:
        """Keep what workers have measured, in the order in which it was fed."""
        if self.pieces is not None:
            self._keep_ranges(self.pieces, ranges_measured)

    def _keep_ranges(self, pieces: CloudPieces, some: Sequence[tuple[int, int]]) -> None:
        for one in some:
            clouds = pieces.clouds(*one)
            if clouds is None:
                raise StoreError(
                    f"{named(*one)} are not to be seen in {pieces.folder}; give a folder that all "
                    "workers see."
                )
            for at, cloud in zip(self._numbers(one), clouds, strict=True):
                if at not in self.found:
                    self._keep(at, cloud)

    def _numbers(self, one: tuple[int, int]) -> list[int]:
        return self.order[slice(*one)]

    def _keep(self, at: int, cloud: Cloud) -> None:
        self.found[at] = replace(cloud, id=self.samples.ids[self.feed.sequences.rows[at]])
        if self.lines is not None:
            self.lines.add({"at": at, **asdict(self.found[at])})

    def tell(self, done: int, total: int, what: str) -> None:
        """Report how far it is."""
        if self.progress is not None:
            self.progress(done, total, what)


def _cloud(line: Mapping[str, Any]) -> tuple[int, Cloud]:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in line.items()}
    at = int(values.pop("at"))
    return at, Cloud(**values)
