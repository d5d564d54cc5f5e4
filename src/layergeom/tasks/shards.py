"""One extraction by many processes: each reads a share of the rows, then they are merged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from layergeom.measure import Progress
from layergeom.profiles import STATES
from layergeom.states.extract import extract_shard
from layergeom.states.shards import HeldShard, Shard, merge, unfinished_shards
from layergeom.states.store import Store
from layergeom.tasks.preflight import check_states
from layergeom.tasks.protocol_runs import prepared
from layergeom.tasks.protocols import Protocol


@dataclass(frozen=True)
class ShardDone:
    """One share of an extraction that is done.

    Attributes
    ----------
    shard : str
        As ``i/n``.
    rows : int
        Rows that it holds: none where there are fewer batches than shares.
    missing : tuple of str
        Shares that are not done yet.
    """

    shard: str
    rows: int
    missing: tuple[str, ...]


def extract_share(
    model: Any,
    data: Any,
    shard: str,
    folder: Path | str,
    *,
    protocol: Protocol | str | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> ShardDone:
    """Read a share of the rows off a model, in a store of its own below ``folder``.

    Parameters
    ----------
    model, data, protocol, **given
        As of :func:`layergeom.profile`, the same for all shares but for ``device``.
    shard : str
        ``i/n``: which share of how many. Every n-th batch of the plan of the whole; the first
        process that starts settles the plan.
    folder : path
        Of the run, the same for all shares; on a file system that all processes see.
    progress : callable(done, total, what), optional
        Called after each batch.

    Returns
    -------
    ShardDone
        A share that is there is not read again, and one that was broken off goes on.

    Raises
    ------
    InputError
        As :func:`layergeom.profile`; if the shares that are there are of another number or of
        other states.
    """
    held = held_share(
        model, data, Shard.of_text(shard), folder, protocol=protocol, progress=progress, **given
    )
    missing = () if held.whole else unfinished_shards(Store(Path(folder) / STATES))
    return ShardDone(shard, held.rows, missing)


def held_share(
    model: Any,
    data: Any,
    share: Shard,
    folder: Path | str,
    *,
    protocol: Protocol | str | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> HeldShard:
    """Do what :func:`extract_share` does, whatever becomes of the other shares meanwhile."""
    plan, store = prepared(protocol, data, **given), Store(Path(folder) / STATES)
    ready = partial(check_states, share.of)
    extraction = {**plan.extraction, "progress": progress, "ready": ready}
    return extract_shard(model, plan.samples, share, store, **extraction)


def merge_shards(folder: Path | str) -> int:
    """Put the shares of a run together, and return how many rows there are.

    The states are then those of one process, bit by bit (rows read in windows: to 1e-6), and
    :func:`layergeom.profile` goes on with them without reading anything again.

    Raises
    ------
    InputError
        If there are no shares, or one is missing; naming it.
    StoreError
        If one is damaged.
    """
    return merge(Store(Path(folder) / STATES)).n
