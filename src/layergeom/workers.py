"""Independent pieces of work, handed to whoever carries them out: processes, or a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from layergeom.errors import InputError, LayergeomError, WorkerError

Result = TypeVar("Result")
LOOK = 1.0  # seconds between two looks at what the workers do
_ALONE = threading.Lock()  # of the piece that this process carries out


@dataclass(frozen=True, eq=False)
class Workers:
    """Who carries out pieces of work, and into how many pieces work is cut.

    Attributes
    ----------
    executor : concurrent.futures.Executor
        Processes of this machine (``ProcessPoolExecutor``), or of a cluster
        (``dask.distributed.Client.get_executor()``). They must see the run's folder.
    number : int
        Of workers.
    idle : int
        Threads of a worker's process that have nothing to do, as it carries out one piece at a
        time.
    """

    executor: Executor
    number: int
    idle: int = 0

    @classmethod
    def of(cls, executor: Executor | Workers, number: int | None = None) -> Workers:
        """Return workers by an executor; how many there are is read off it where it can be.

        Raises
        ------
        InputError
            If it does not say, and ``number`` is not given.
        """
        if isinstance(executor, Workers):
            return executor
        known = number or getattr(executor, "_max_workers", None) or _of_cluster(executor)
        if not known:
            raise InputError(
                f"how many workers a {type(executor).__name__} has is not known; give "
                "executor=layergeom.Workers(executor, number)."
            )
        return cls(executor, int(known))

    def each(
        self,
        work: Callable[..., Result],
        pieces: Sequence[tuple[Any, ...]],
        named: Callable[..., str],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Result]:
        """Carry out ``work(*piece)`` for every piece, and return the results in their order.

        Parameters
        ----------
        work : callable
            Of a module, so that other processes find it. A process carries out one piece at a
            time, however many threads its executor has: models are loaded and warnings are
            collected for the whole process.
        pieces : sequence of tuple
            Small: data go by their path.
        named : callable
            Says in words what ``work(*piece)`` was to do, for messages.
        progress : callable(done, total), optional
            Called when pieces are done, and every second.

        Raises
        ------
        WorkerError
            If a worker was lost for good, at once, naming the piece; what the others have written
            stays, and the same call goes on.
        Exception
            What ``work`` raised, with the piece in a note.
        """
        futures = {
            self.executor.submit(_alone, work, *piece): at for at, piece in enumerate(pieces)
        }
        try:
            for done in _finished(futures):
                if done is not None:
                    self._check(done, named(*pieces[futures[done]]))
                if progress is not None:
                    progress(sum(future.done() for future in futures), len(futures))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return [future.result() for future in futures]

    def _check(self, done: Future[Any], what: str) -> None:
        error = done.exception()
        if error is None:
            return
        if isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker":
            raise WorkerError(
                f"a worker was lost during {what} ({error}); what is finished is kept: run the "
                "same command again, with more memory for each worker if it was short of it."
            ) from error
        if isinstance(error, LayergeomError):
            error.add_note(f"In {what}.")
        raise error


def _alone(work: Callable[..., Result], *piece: Any) -> Result:
    with _ALONE:
        return work(*piece)


def _finished(futures: dict[Future[Any], int]) -> Iterator[Future[Any] | None]:
    """Yield futures as they are done; None when a second has passed without one."""
    left = set(futures)
    while left:
        done, left = wait(left, timeout=LOOK, return_when=FIRST_COMPLETED)
        yield from done or (None,)


def _of_cluster(executor: Executor) -> int:
    """Workers of a dask cluster; 0 for another executor."""
    client = getattr(executor, "_client", None)
    return len(client.nthreads()) if client is not None else 0


@contextmanager
def cluster(address: str, number: int | None = None, patience: float = 60.0) -> Iterator[Workers]:
    """Connect to a dask scheduler, for as long as the block lasts.

    Parameters
    ----------
    address : str
        As ``tcp://host:8786``, or the path of a scheduler file.
    number : int, optional
        Of workers that are expected: those that come late take what is left. By default those that
        are there with the first.
    patience : float
        Seconds to wait for a scheduler file, for the scheduler, and for the first worker.

    Raises
    ------
    InputError
        If dask.distributed is not installed, nobody answers, or there is no worker.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--cluster needs the package distributed; install layergeom[cluster]."
        ) from None
    known = {"address": address}
    if address.endswith(".json"):
        known = {"scheduler_file": address}
        if not _within(patience, Path(address).is_file):  # the client itself would wait for ever
            raise InputError(
                f"there is no scheduler file {address!r}; give the path at which `dask scheduler "
                "--scheduler-file` writes it."
            )
    try:
        client = Client(**known, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {address!r} ({error}); give the address that `dask "
            "scheduler` prints."
        ) from None
    with client:
        if not _within(patience, lambda: bool(client.nthreads())):
            raise InputError(
                f"the dask scheduler at {address!r} has no worker; start some (`dask worker "
                f"{address}`)."
            )
        threads = client.nthreads().values()
        yield Workers(client.get_executor(pure=False), number or len(threads), max(threads) - 1)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Wait until something holds, at most so long; return whether it does."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.1)
    return holds()


def shared_folder(folder: Path | str | None) -> Path:
    """Return the folder of a run that workers share; none is an InputError."""
    if folder is None:
        raise InputError("workers need a folder that all of them see; give folder= (-o).")
    return Path(folder).absolute()
