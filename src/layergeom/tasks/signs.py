"""What the shares of a run say of themselves while they are read: one small file for each.

Processes on other machines see the run's folder and nothing else of each other. A share writes how
many of its rows it has read, or why it has failed; the files are all in one place, ``signs`` in
the folder of the run.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from layergeom.measure import Progress
from layergeom.states import durable
from layergeom.states.shards import Shard

FOLDER = "signs"
PACE = 5.0  # seconds between two signs of one share: disks of clusters are slow


@dataclass(frozen=True)
class Sign:
    """The last word of one share.

    Attributes
    ----------
    rows : int
        That were read.
    of : int
        Rows to read; 0 until the model is loaded.
    failed : str
        Why it has failed; "" if it has not.
    at : float
        When it was written, in seconds of its own machine's clock.
    """

    rows: int = 0
    of: int = 0
    failed: str = ""
    at: float = 0.0


@contextmanager
def signing(run: Path, shard: Shard) -> Iterator[Progress]:
    """Hold the sign of a share that this process reads.

    Yields
    ------
    callable(done, total, what)
        To be called after each batch; writes every five seconds, and at the end.

    Notes
    -----
    An error that ends the block is in the last sign, and raised. A share that is broken off leaves
    its sign until :func:`removed` is called, or until it is read again.
    """
    place = _place(run, shard)
    last = replace(_read(place) or Sign(), failed="", at=time.time())
    _write(place, last)

    def told(done: int, total: int, _what: str) -> None:
        nonlocal last
        if done == total or time.time() - last.at > PACE:
            last = Sign(done, total, at=time.time())
            _write(place, last)

    try:
        yield told
    except BaseException as error:
        _write(place, replace(last, failed=_why(error), at=time.time()))
        raise


def signs(run: Path) -> dict[str, Sign]:
    """Return the signs of all shares that have given one, by ``i/n``."""
    found = {path: _read(path) for path in sorted((run / FOLDER).glob("*-of-*.json"))}
    return {
        path.stem.replace("-of-", "/"): sign for path, sign in found.items() if sign is not None
    }


def rows_read(run: Path) -> tuple[int, int, int]:
    """Return the rows that all shares have read, those they are to read, and how many shares know.

    A share knows how many rows it has once its model is loaded.
    """
    known = [sign for sign in signs(run).values() if sign.of]
    return sum(sign.rows for sign in known), sum(sign.of for sign in known), len(known)


def removed(run: Path) -> None:
    """Remove all signs of a run."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def _place(run: Path, shard: Shard) -> Path:
    return run / FOLDER / f"{shard.number}-of-{shard.of}.json"


def _write(place: Path, sign: Sign) -> None:
    with durable.explained(place):
        durable.write(place, json.dumps(asdict(sign)).encode())


def _read(place: Path) -> Sign | None:
    try:
        return Sign(**json.loads(place.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None  # none yet, or none of ours


def _why(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
