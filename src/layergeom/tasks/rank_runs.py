"""Shares of a run that are read at the same time, by processes that were started together.

Their meeting place is the folder of the run: each reads its share, and the first waits for the
others and puts all together. No process talks to another.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layergeom.errors import WorkerError
from layergeom.measure import Progress
from layergeom.profiles import STATES
from layergeom.states.shards import HeldShard, Shard, merge, unfinished_shards
from layergeom.states.store import Store
from layergeom.tasks.shards import held_share
from layergeom.tasks.signs import Sign, removed, rows_read, signing, signs

LOOK = 1.0  # seconds between two looks at the other shares
PATIENCE = 1800.0  # seconds without a row from anybody after which the others count as lost


def extract_together(
    model: Any,
    data: Any,
    shard: str,
    folder: Path | str,
    *,
    patience: float = PATIENCE,
    progress: Progress | None = None,
    **given: Any,
) -> HeldShard:
    """Read one of several shares that are read at the same time; the first puts them together.

    Parameters
    ----------
    model, data, folder, **given
        As of :func:`layergeom.tasks.shards.extract_share`.
    shard : str
        ``i/n``. A process with i = 1 returns when all shares are read and merged; the others when
        theirs is read.
    patience : float
        Seconds for which the first waits without a sign from any share: for longer than it takes
        to load the model, to read some batches, and to put the states of a share away.
    progress : callable(done, total, what), optional
        Called with the rows of all shares.

    Returns
    -------
    HeldShard
        Of this process.

    Raises
    ------
    InputError
        As :func:`layergeom.tasks.shards.extract_share`.
    WorkerError
        In the first process, if another one has failed, naming it and why; or if nothing has been
        heard of them for longer than ``patience``, naming who is missing. The same call goes on.

    Notes
    -----
    A process whose share was read before takes no time. Waiting costs one look at small files a
    second.
    """
    run, own = Path(folder), Shard.of_text(shard)
    before = signs(run)  # of processes that have ended
    overview = _Overview(run, own, progress)
    with signing(run, own) as sign:

        def told(done: int, total: int, what: str) -> None:
            sign(done, total, what)
            overview.tell()

        held = held_share(model, data, own, run, progress=told, **given)
    if own.number == 1:
        if not held.whole:
            _await_others(run, before, patience, overview)
            merge(Store(run / STATES))
        removed(run)
    return held


@dataclass
class _Overview:
    """Tells the rows of all shares, from their signs, once a second at most."""

    run: Path
    own: Shard
    progress: Progress | None
    last: float = 0.0

    def tell(self) -> None:
        now = time.monotonic()
        if self.progress is None or now - self.last < LOOK:
            return
        self.last, (rows, of, known) = now, rows_read(self.run)
        self.progress(rows, of, f"rows of {known} of {self.own.of} shares")


def _await_others(
    run: Path, before: Mapping[str, Sign], patience: float, overview: _Overview
) -> None:
    """Wait until every share is there."""
    whole, seen, since = Store(run / STATES), signs(run), time.monotonic()
    while missing := unfinished_shards(whole):
        now = signs(run)
        _check(now, before, missing)
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            raise WorkerError(
                f"nothing was heard of shards {', '.join(missing)} for {patience / 60:.3g} minutes "
                f"and {whole.folder} lacks them; what is finished is kept: start all processes "
                "again with the same command."
            )
        overview.tell()
        time.sleep(LOOK)


def _check(now: Mapping[str, Sign], before: Mapping[str, Sign], missing: tuple[str, ...]) -> None:
    """Raise what another process has died of, unless it was before this one was started."""
    for shard in missing:
        sign = now.get(shard)
        if sign is not None and sign.failed and sign != before.get(shard):
            raise WorkerError(
                f"the process of shard {shard} has failed ({sign.failed}); what is finished is "
                "kept: start all processes again with the same command."
            )
