"""The neighbour search of a layer by several workers, through the store that all of them see.

A worker reads the layer from the store, meets its share of the pairs, and stores what it found as
a piece under a content key: a piece that is there is not made again, so a lost worker costs one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layergeom.arrays import Points
from layergeom.errors import StoreError
from layergeom.geometry.search_parts import Part, Progress, SharedPoints, Wanted, search_part
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.store import Store
from layergeom.states.tensorfile import AnyArray
from layergeom.version import VERSION
from layergeom.workers import Workers

FOLDER = "search"  # of a store: what workers leave until the lists of a layer are whole
SCHEMA = 2
_ASKED = "asked"  # the piece that says what is searched


@dataclass(frozen=True)
class Search:
    """One search among some rows of a stored layer, as workers find it."""

    folder: Path
    states: str  # content key
    layer: str
    k: int
    of: int
    key: str
    version: str = VERSION  # of the package that cuts it into parts

    @property
    def scratch(self) -> Store:
        """Where its parts are kept."""
        return Store(self.folder / FOLDER / self.key[:16])

    def part(self, number: int) -> Part | None:
        """Return a part that is there and sound."""
        found = self.scratch.get(_piece(number), self.key, discard=True)
        return None if found is None else Part(**found)


def search_share(search: Search, number: int) -> None:
    """Carry out one part of a search, and store it: what a worker does."""
    if search.part(number) is not None:
        return
    if search.version != VERSION:
        raise StoreError(
            f"a worker has layergeom {VERSION}, the run {search.version}; install one version."
        )
    told = search.scratch.get(_ASKED, search.key)
    X = None if told is None else _points(search, told)
    if told is None or X is None:
        raise StoreError(
            f"{search.folder} does not hold what is to be searched; give a folder that all "
            "workers see."
        )
    arrays = {name: np.asarray(told[name]) for name in ("groups", "order") if name in told}
    wanted = Wanted(search.k, arrays.get("groups"), arrays.get("order"))
    found = search_part(X, wanted, number, search.of)
    search.scratch.put(_piece(number), vars(found), search.key)


def _points(search: Search, told: Mapping[str, AnyArray]) -> Points | None:
    """Return what is searched: some rows of the stored layer, or what was put down for it."""
    if "points" in told:
        return np.asarray(told["points"])
    hidden = open_states(Store(search.folder), search.states)
    if hidden is None:
        return None
    X = hidden[search.layer]
    return X[np.asarray(told["rows"])] if "rows" in told else X


@contextmanager
def shared_points(
    states: HiddenStates, layer: str, X: Points, workers: Workers
) -> Iterator[SharedPoints]:
    """Hold a layer's points in the hands of workers; what these have left goes when it succeeds.

    Parameters
    ----------
    states : HiddenStates
        In a store on a file system that all workers see.
    layer : str
        Its key.
    X : ndarray, shape (n, D)
        The layer.
    workers : Workers
        Who searches.
    """
    folder = Path() if states.store is None else states.store.folder.absolute()

    def parts(wanted: Wanted, progress: Progress | None) -> list[Part]:
        content = (SCHEMA, states.key, layer, workers.number, *vars(wanted).values())
        key = content_key("search", *content)
        search = Search(folder, states.key, layer, wanted.k, workers.number, key)
        asked = {"groups": wanted.groups, "order": wanted.order, "rows": wanted.chosen}
        if states.load is not None:  # the layer lies elsewhere, maybe where workers do not see it
            del asked["rows"]
            asked["points"] = X if wanted.chosen is None else X[wanted.chosen]
        told = {name: array for name, array in asked.items() if array is not None}
        search.scratch.put(_ASKED, told, search.key)
        pieces = [(search, number) for number in range(search.of)]
        workers.each(search_share, pieces, _named, progress)
        return [_found(search, number) for number in range(search.of)]

    yield SharedPoints(X, parts)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _found(search: Search, number: int) -> Part:
    found = search.part(number)
    if found is None:
        raise StoreError(
            f"{_named(search, number)} is not to be seen in {search.folder}; give a folder that "
            "all workers see."
        )
    return found


def _piece(number: int) -> str:
    return f"part/{number}"


def _named(search: Search, number: int) -> str:
    return f"part {number + 1} of {search.of} of the neighbour search of {search.layer}"
