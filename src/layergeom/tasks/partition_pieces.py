"""Partitions measured by workers: each takes one after the other, of states mapped from a store.

What a worker finds is a piece under a content key: one that is there is not made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.errors import StoreError
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.manifest import MANIFEST
from layergeom.states.store import Store
from layergeom.tasks.partition_curves import PartitionCurves, partition_curves
from layergeom.workers import Workers

FOLDER = "partition-pieces"  # beside the states, until the partitions are in one file
SCHEMA = 1


@dataclass(frozen=True)
class PartitionJob:
    """The partitions of one corpus, as workers find them.

    Attributes
    ----------
    states : Path or None
        Folder of the store of their states: rows of one partition behind the other. None if they
        are not kept, so that there are no pieces and no other process.
    key : str
        Content key of the states.
    rows : int
        Of each partition.
    k, queries, seed
        As of :func:`layergeom.tasks.partition_curves.partition_curves`.
    """

    states: Path | None
    key: str
    rows: int
    k: int
    queries: int | None
    seed: int

    @property
    def _store(self) -> Store | None:
        return None if self.states is None else Store(self.states.parent / FOLDER)

    def kept(self, at: int) -> PartitionCurves | None:
        """Return the curves of a partition that are there and sound."""
        found = None if self._store is None else self._store.get(*self._piece(at), discard=True)
        if found is None:
            return None
        fields = {name: _frozen(np.asarray(array).tolist()) for name, array in found.items()}
        return PartitionCurves(**fields)

    def keep(self, at: int, curves: PartitionCurves) -> None:
        """Store the curves of a partition."""
        name, key = self._piece(at)
        arrays = {field: np.array(value) for field, value in asdict(curves).items()}
        if self._store is not None:
            self._store.put(name, arrays, key)

    def measured(self, hidden: HiddenStates, at: int) -> PartitionCurves:
        """Return the curves of a partition: those that are there, or measured now."""
        rows = np.arange(at * self.rows, (at + 1) * self.rows)
        return self.kept(at) or partition_curves(hidden, rows, self.k, self.queries, self.seed)

    def _piece(self, at: int) -> tuple[str, str]:
        sizes = (self.rows, self.k, self.queries, self.seed)
        return f"partition/{at}", content_key("partition", SCHEMA, self.key, *sizes, at)

    def forget(self) -> None:
        """Remove what workers have left, and not something else of that name."""
        if self._store is not None and (self._store.folder / MANIFEST).is_file():
            shutil.rmtree(self._store.folder)


def measure_partition(job: PartitionJob, at: int) -> None:
    """Measure one partition, and store it: what a worker does."""
    if job.kept(at) is not None:
        return
    hidden = None if job.states is None else open_states(Store(job.states), job.key)
    if hidden is None:
        raise StoreError(
            f"{job.states} does not hold the states; give a folder that all workers see."
        )
    job.keep(at, job.measured(hidden, at))


def measure_by(
    workers: Workers,
    job: PartitionJob,
    numbers: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Have workers measure partitions, which the job then holds."""
    workers.each(measure_partition, [(job, at) for at in numbers], _named, progress)


def _named(_job: PartitionJob, at: int) -> str:
    return f"partition {at + 1}"


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
