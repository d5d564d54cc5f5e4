"""Ranges of sequences measured as clouds by workers, through a folder that all of them see.

Token ids are put down once, in the order in which they are fed; a worker maps its range of them,
and stores the clouds as a piece under a content key: a piece that is there is not made again.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.errors import InputError, StoreError
from layergeom.states.batches import planned
from layergeom.states.content import content_key
from layergeom.states.feeds import Feed
from layergeom.states.manifest import MANIFEST
from layergeom.states.plans import Plan
from layergeom.states.sequences import Sequences
from layergeom.states.settings import Extraction
from layergeom.states.sources import Source, identify
from layergeom.states.store import Store
from layergeom.states.tensorfile import AnyArray
from layergeom.states.tokenization import Limits, Wording
from layergeom.tasks.cloud_networks import CloudNetwork, cloud_network
from layergeom.tasks.cloud_quantities import QUANTITIES, Cloud
from layergeom.workers import Workers

PIECE_TOKENS = 1 << 14  # of a piece at most, but for a longer sequence: what a lost worker costs
PIECES = 64  # at least, where there are so many sequences, so that all workers have some
SCHEMA = 1
_FED = "fed"  # the piece that says what is measured


@dataclass(frozen=True)
class CloudPieces:
    """What is fed, and the clouds of ranges of it, in a folder.

    Attributes
    ----------
    folder : Path
        Where pieces lie until the clouds are in one file.
    key : str
        Content key of the call.
    """

    folder: Path
    key: str

    @property
    def _store(self) -> Store:
        return Store(self.folder)

    def clouds(self, start: int, stop: int) -> list[Cloud] | None:
        """Return the clouds of a range that are there and sound; without names."""
        found = self._store.get(*self._piece(start, stop), discard=True)
        if found is None:
            return None
        columns = [np.asarray(found[name]).tolist() for name in ("tokens", "loss", *QUANTITIES)]
        rows = zip(*columns, strict=True)
        return [Cloud("", tokens, loss, *map(tuple, values)) for tokens, loss, *values in rows]

    def keep(self, start: int, stop: int, clouds: Sequence[Cloud]) -> None:
        """Store the clouds of a range."""
        columns = ("tokens", "loss", *QUANTITIES)
        arrays = {name: np.array([getattr(cloud, name) for cloud in clouds]) for name in columns}
        name, key = self._piece(start, stop)
        self._store.put(name, arrays, key)

    def _piece(self, start: int, stop: int) -> tuple[str, str]:
        return f"clouds/{start}", content_key("clouds", SCHEMA, self.key, start, stop)

    def put_down(self, sequences: Sequences, order: Sequence[int]) -> None:
        """Store what is fed, in this order, unless it is there."""
        if self._store.key(_FED) == self.key:
            return
        ids, counted = sequences.ids, [sequences.counted[at] for at in order]
        flat = np.concatenate(counted)
        ends = np.cumsum([len(mask) for mask in counted])
        layout = {"ids": (flat.shape, ids[order[0]].dtype), "counted": (flat.shape, flat.dtype)}
        layout["ends"] = (ends.shape, ends.dtype)
        with self._store.open(_FED, layout, self.key) as writer:
            writer.fill("counted", flat)
            writer.fill("ends", ends)
            for at, mask, end in zip(order, counted, ends, strict=True):
                writer["ids"][end - len(mask) : end] = ids[at]

    def sequences(self, start: int, stop: int) -> Sequences:
        """Return the sequences of a range; of what is mapped, no more is read."""
        fed = self._store.get(_FED, self.key)
        if fed is None:
            raise StoreError(
                f"{self.folder} does not hold what is to be measured; give a folder that all "
                "workers see."
            )
        ids = _cut(fed["ids"], fed["ends"], start, stop)
        counted = _cut(fed["counted"], fed["ends"], start, stop)
        return Sequences(tuple(ids), tuple(counted), tuple(range(stop - start)))

    def forget(self) -> None:
        """Remove what workers have left, and not something else of that name."""
        if (self.folder / MANIFEST).is_file():
            shutil.rmtree(self.folder)


def _cut(flat: AnyArray, ends: AnyArray, start: int, stop: int) -> Iterator[Any]:
    begins = [0, *ends.tolist()]
    return (np.array(flat[begins[at] : begins[at + 1]]) for at in range(start, stop))


@dataclass(frozen=True)
class CloudJob:
    """Clouds of one network, as workers find it.

    Attributes
    ----------
    pieces : CloudPieces
        What is fed, and where clouds go.
    model, revision, dtype, device, identity
        What workers load, and the content that it must have.
    settings : Extraction
    rank, k : int
        As of :meth:`layergeom.tasks.cloud_networks.CloudNetwork.measured`.
    """

    pieces: CloudPieces
    model: str
    revision: str | None
    dtype: str
    device: str
    identity: str
    settings: Extraction
    rank: int
    k: int


def cloud_job(
    pieces: CloudPieces, network: CloudNetwork, settings: Extraction, rank: int, k: int
) -> CloudJob:
    """Return a job for workers.

    Raises
    ------
    InputError
        If the network is a loaded module, which no other process sees.
    """
    source = network.source
    if source.kind == "module":
        raise InputError(
            f"workers load the model themselves, but it is a {source.name}; give a hub id or a "
            "folder."
        )
    place, identity = _place(source)
    of_network = (place, source.commit, network.dtype, network.device, identity)
    return CloudJob(pieces, *of_network, settings, rank, k)


def _place(source: Source) -> tuple[str, str]:
    """Where workers read a network, and its identity without a tokenizer that was given."""
    place = str(Path(source.location).absolute()) if source.kind == "folder" else source.location
    return place, identify(place, revision=source.commit).identity


def feeding_order(sequences: Sequences) -> list[int]:
    """Return the numbers of sequences in the order in which they are fed, longest first."""
    return [int(rows[0]) for rows in planned(sequences, budget=1, batch_size=1)]


def ranges(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Cut sequences of these lengths into ranges of about as many tokens.

    Examples
    --------
    >>> ranges([3, 2])
    [(0, 1), (1, 2)]
    >>> len(ranges([100] * 1000)), ranges([100] * 1000)[0]
    (64, (0, 16))
    """
    ends = np.cumsum(lengths)
    limit = max(1, min(PIECE_TOKENS, int(ends[-1]) // PIECES))
    number = (ends - np.asarray(lengths)) // limit
    cuts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(ends)]
    return list(pairwise(cuts))


def measure_piece(job: CloudJob, start: int, stop: int) -> None:
    """Measure one range of sequences, and store it: what a worker does."""
    if job.pieces.clouds(start, stop) is not None:
        return
    sequences = job.pieces.sequences(start, stop)
    read = (Wording(), Limits(None, "error", 1.0), sequences)
    with _one_at_a_time:
        network = _network(job)
        plan = Plan(network.loaded, (), None, job.settings.hook_point, job.settings.layers)
        feed = Feed(job.settings, plan, *read, None, ())
        found = dict(network.measured(feed, job.rank, job.k))
    job.pieces.keep(start, stop, [found[at] for at in range(stop - start)])


# threads of one worker share the network, whose hooks would mix; reading two at once fails
_one_at_a_time = threading.Lock()
_held: dict[tuple[str, str, str], CloudNetwork] = {}


def _network(job: CloudJob) -> CloudNetwork:
    """Return the network of a job, which the process keeps for the next piece."""
    asked = (job.identity, job.dtype, job.device)
    if asked not in _held:
        _held.clear()
        network = cloud_network(
            job.model, "tokens", revision=job.revision, dtype=job.dtype, device=job.device
        )
        if network.source.identity != job.identity:
            raise InputError(
                f"a worker sees another model at {job.model} than the run does; give a hub id, or "
                "a folder that all workers see."
            )
        _held[asked] = network
    return _held[asked]


def measure_by(
    workers: Workers,
    job: CloudJob,
    cut: Sequence[tuple[int, int]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Have workers measure ranges of sequences, whose clouds the pieces then hold."""
    workers.each(measure_piece, [(job, *piece) for piece in cut], _named, progress)


def _named(_job: CloudJob, start: int, stop: int) -> str:
    return named(start, stop)


def named(start: int, stop: int) -> str:
    """Say in words which range it is."""
    return f"the clouds of sequences {start + 1} to {stop}, longest first,"
