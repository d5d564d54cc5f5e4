"""What a run takes of several machines: a model of time, memory, disk and traffic by its stages.

Its assumptions, each of which a run can show to be wrong:

- Workers are machines like this one, and none waits for another but at the end of a stage.
- A worker takes whole layers; of the layers left over all workers search each together, of which
  each prepares the whole and meets its share of the pairs.
- The time of a search is a row's cost times the rows and a pair's times the pairs, both measured
  here on points near a surface of dimension 10; all else of a layer grows with the rows.
- Files are written and read once at the pace of this machine's disk, which all workers share.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layergeom.errors import InputError
from layergeom.geometry import search_memory
from layergeom.layer import Settings
from layergeom.states.room import free_disk
from layergeom.states.store import Store
from layergeom.tasks.geometry_sizes import GeometrySizes
from layergeom.tasks.timing import row_seconds, search_cost, thinned

SHAPE = r"([0-9]{1,12})x([0-9]{1,4})x([0-9]{1,6})"
TRIED = 1 << 26  # bytes written and read to learn how quick the disk is


@dataclass(frozen=True)
class Pace:
    """How quick one machine is.

    Attributes
    ----------
    row, pair : float
        Seconds of the neighbour search for each row and each two rows of a layer.
    rest : float
        Seconds of all else of a layer but searches, for each row.
    comparison : float
        Seconds for each row and each two layers.
    forward : float
        Seconds of the forward pass for each row; nan where no model was run.
    written, read : float
        Bytes a second of the disk, verified.
    """

    row: float
    pair: float
    rest: float
    comparison: float
    forward: float
    written: float
    read: float


@dataclass(frozen=True)
class Stage:
    """One stage of a run by several machines.

    Attributes
    ----------
    name : str
        ``states``, ``merge``, ``layers`` or ``comparison``.
    seconds : float
        By the clock, for all checkpoints; nan where it is not known.
    memory : int
        Bytes of each worker (of the run itself in ``merge`` and ``comparison``).
    traffic : int
        Bytes written to and read from the shared disk, for all checkpoints.
    """

    name: str
    seconds: float
    memory: int
    traffic: int


@dataclass(frozen=True)
class ClusterPlan:
    """What a run takes of several machines.

    Attributes
    ----------
    rows, layers, width, checkpoints, workers : int
        Of the run.
    pace : Pace
        Of each machine.
    stages : tuple of Stage
        One after the other; with checkpoints, for each worker one checkpoint after the other.
    disk : int
        Bytes at most at a time.
    """

    rows: int
    layers: int
    width: int
    checkpoints: int
    workers: int
    pace: Pace
    stages: tuple[Stage, ...]
    disk: int

    @property
    def seconds(self) -> float:
        """By the clock, without stages that are not known."""
        return float(np.nansum([stage.seconds for stage in self.stages]))


def cluster_plan(
    sizes: GeometrySizes,
    pace: Pace,
    workers: int,
    checkpoints: int = 1,
    running: int = 0,
) -> ClusterPlan:
    """Return what a run by several machines takes.

    Parameters
    ----------
    sizes : GeometrySizes
        Rows, layers, features and settings.
    pace : Pace
        Of one machine.
    workers : int
        Machines.
    checkpoints : int
        More than one: each worker measures whole checkpoints, one after the other.
    running : int
        Bytes of memory of the network and a batch.

    Examples
    --------
    >>> pace = Pace(1e-5, 1e-10, 1e-4, 1e-6, float("nan"), 1e9, 1e9)
    >>> sizes = GeometrySizes(100_000, 32, 1024, Settings())
    >>> one, eight = (cluster_plan(sizes, pace, workers) for workers in (1, 8))
    >>> round(one.seconds / eight.seconds, 1)
    3.5
    """
    alone = checkpoints > 1 or workers == 1
    rounds = math.ceil(checkpoints / workers)
    hands = 1 if alone else workers
    states = Stage(
        "states",
        rounds * (sizes.rows * pace.forward / hands + sizes.states / pace.written),
        running,
        checkpoints * sizes.states,
    )
    merging = sizes.states * (1 / pace.read + 1 / pace.written)
    merge = [] if alone else [Stage("merge", merging, 0, 2 * sizes.states)]
    stages = (states, *merge, _layers(sizes, pace, hands, checkpoints, rounds))
    compared = sizes.rows * sizes.layers * (sizes.layers - 1) / 2
    comparison = Stage(
        "comparison",
        rounds * (compared * pace.comparison + sizes.lists / pace.read),
        sizes.memory,
        checkpoints * sizes.lists,
    )
    working = (1 if alone else 2) * sizes.states + sizes.lists
    together = min(workers, checkpoints) if checkpoints > 1 else 1
    kept = checkpoints * sizes.kept if checkpoints > 1 else 0
    return ClusterPlan(
        sizes.rows,
        sizes.layers,
        sizes.width,
        checkpoints,
        workers,
        pace,
        (*stages, comparison),
        together * working + kept,
    )


def _layers(sizes: GeometrySizes, pace: Pace, hands: int, checkpoints: int, rounds: int) -> Stage:
    """Whole layers by each worker, and the pairs of those left over by all."""
    whole, left = divmod(sizes.layers, hands)
    pairs = sizes.rows**2 / 2
    reading = sizes.states / sizes.layers / pace.read
    search = sizes.rows * pace.row + pairs * pace.pair
    rest = sizes.rows * pace.rest + (thinned(sizes.settings) - 1) * search
    rest += reading + sizes.lists / sizes.layers / pace.written
    shared = sizes.rows * pace.row + pairs * pace.pair / hands + hands * reading
    seconds = whole * (search + rest) + left * shared + (rest if left else 0.0)
    traffic = sizes.states * (1 + left * hands / sizes.layers) + sizes.lists * (1 + left)
    memory = 4 * sizes.rows * sizes.width + search_memory(sizes.rows, sizes.width, sizes.listed)
    return Stage("layers", rounds * seconds, memory, int(checkpoints * traffic))


def shape_plan(
    shape: str, workers: int, checkpoints: int = 1, k: int = Settings.k, folder: Path | str = "."
) -> ClusterPlan:
    """Return what layers of a shape take, whatever network they are from.

    Parameters
    ----------
    shape : str
        Rows, layers and features, as ``1000000x32x4096``.
    workers, checkpoints
        As of :func:`cluster_plan`.
    k : int
        Neighbours compared by the overlaps.
    folder : path
        On the disk that the run will use.

    Raises
    ------
    InputError
        If the shape is no such text, or has too few rows.
    """
    found = re.fullmatch(SHAPE, shape)
    rows, layers, width = map(int, found.groups()) if found else (0, 0, 0)
    if rows <= k or 0 in (layers, width):
        raise InputError(
            f"{shape!r} is no shape to plan for; give rows, layers and features, as in "
            f"1000000x32x4096, with more than {k} rows."
        )
    asked = GeometrySizes(rows, layers, width, Settings(k=k))
    return cluster_plan(asked, measured_pace(asked, Path(folder)), workers, checkpoints)


def measured_pace(sizes: GeometrySizes, folder: Path, forward: float = math.nan) -> Pace:
    """Return how quick this machine is at the pieces of a run.

    Parameters
    ----------
    sizes : GeometrySizes
        Of the run; the pieces are smaller.
    folder : path
        On the disk that the run will use.
    forward : float
        Seconds of the forward pass for each row, if they are known.

    Notes
    -----
    Takes seconds for layers of a hundred features and a minute or two for thousands.
    """
    size = (sizes.rows, sizes.width)
    row, pair = search_cost(*size, sizes.settings.ranks)
    rest, comparison = row_seconds(*size, sizes.settings)
    return Pace(row, pair, rest, comparison, forward, *_disk_pace(folder))


def _disk_pace(folder: Path) -> tuple[float, float]:
    """Return the bytes a second that a store writes and verifies."""
    data = np.frombuffer(np.random.default_rng(0).bytes(TRIED), dtype=np.uint8)
    with tempfile.TemporaryDirectory(dir=free_disk(folder)[0]) as place:
        start = time.perf_counter()
        Store(place).put("tried", {"data": data}, "tried")
        written = time.perf_counter() - start
        os.sync()
        start = time.perf_counter()
        found = Store(place).get("tried", "tried")
        read = time.perf_counter() - start if found is not None else math.nan
    return TRIED / written, TRIED / read
