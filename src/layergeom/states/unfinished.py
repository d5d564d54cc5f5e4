"""Pieces of a store that are written together, part by part, and outlive their process.

The pieces grow in draft files; a journal beside them says which parts are done, with the SHA-256
of their rows. A later run takes up what is there, finds the parts that are damaged, and writes the
others. The drafts become pieces when the last part is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from layergeom.arrays import IntArray
from layergeom.errors import StoreError, StoreWarning
from layergeom.states import durable
from layergeom.states.content import content_key
from layergeom.states.locks import locked
from layergeom.states.manifest import encoded
from layergeom.states.store import DRAFT, PieceWriter, Store
from layergeom.states.tensorfile import AnyArray

LOCK = ".lock-drafts"
FORMAT = "layergeom journal 1"

Shapes = Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]]


@dataclass(frozen=True)
class Done:
    """What the journal keeps of a part: the SHA-256 of its rows in every piece, and facts."""

    sums: Mapping[str, str]
    facts: Mapping[str, Any]


class Unfinished:
    """Writes pieces part by part; a context manager that holds the lock of the folder.

    Parameters
    ----------
    store : Store
        Gets the pieces when all parts are done.
    key : str
        Content key of the pieces.
    pieces : mapping of str to shapes
        By piece the shapes and dtypes of its arrays; the first axis of each are the rows.
    parts : sequence of index arrays
        The rows of each part.
    plan : mapping
        How the parts are made, as plain JSON: what was done by another plan is not gone on with
        (see `plan_of`).

    Attributes
    ----------
    done : dict of int to Done
        Parts that are written and sound.
    arrays : dict of str to dict of str to array
        Writable maps of the drafts, by piece and array; zero where nothing was written yet.
    resumed : bool
        Whether drafts of an earlier run are gone on with; its last part may be half written.

    Notes
    -----
    A single part is not journalled, and nothing of it is kept: it costs what writing the pieces
    alone does. Otherwise each part is forced to the disk and hashed when it is done.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        pieces: Mapping[str, Shapes],
        parts: Sequence[IntArray],
        plan: Mapping[str, Any],
    ) -> None:
        self._plan = dict(plan)
        self.done: dict[int, Done] = {}
        self.arrays: dict[str, dict[str, AnyArray]] = {}
        self.resumed = False
        self._store = store
        self._key = key
        self._pieces = pieces
        self._parts = parts
        self._writers: dict[str, PieceWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Unfinished:
        with durable.explained(self._store.folder), ExitStack() as opening:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            opening.enter_context(locked(self._store.folder / LOCK))
            known = self._journal()
            self.resumed = bool(known)
            opening.push(self._tidied)  # behind the writers, before the lock is freed
            self._remove(but="" if not known else self._mark)
            for name, shapes in self._pieces.items():
                draft = self._draft(name)
                lost = bool(known) and not (self._store.folder / draft).exists()
                if lost:
                    self._store.take_back(name, draft)
                writer = self._store.open(name, shapes, self._key, draft=draft)
                self._writers[name] = opening.enter_context(writer)
                self.arrays[name] = {label: writer[label] for label in shapes}
                if lost:
                    self._fill(name)
            self.done = {part: done for part, done in known.items() if self._sound(part, done)}
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.arrays.clear()
        self._stack.__exit__(kind, error, trace)  # publishes the pieces, or leaves their drafts

    def _fill(self, name: str) -> None:
        """Copy a piece whose draft was published before the run was killed."""
        piece = self._store.get(name, self._key, discard=True) or {}
        for label, array in piece.items():
            self.arrays[name][label][...] = array

    def _tidied(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove what no later run can go on with."""
        if kind is None or not (self._kept and (self.done or self.resumed)):
            with contextlib.suppress(OSError):  # the next run does it
                self._remove()

    @property
    def _kept(self) -> bool:
        return len(self._parts) > 1

    def complete(self, part: int, facts: Mapping[str, Any]) -> None:
        """Record that a part is written; what is recorded survives the process and the machine."""
        sums: dict[str, str] = {}
        if self._kept:
            for writer in self._writers.values():
                writer.sync()
            sums = self._sums(part)
        self.done[part] = Done(sums, dict(facts))
        if self._kept:
            self._write_journal()

    def clear(self, part: int) -> None:
        """Set the rows of a part to zero."""
        rows = self._parts[part]
        for arrays in self.arrays.values():
            for array in arrays.values():
                array[rows] = 0

    def _sums(self, part: int) -> dict[str, str]:
        rows = self._parts[part]
        return {name: _digest(arrays, rows) for name, arrays in self.arrays.items()}

    def _sound(self, part: int, done: Done) -> bool:
        known = 0 <= part < len(self._parts)
        if known and self._sums(part).items() <= done.sums.items():  # of whole pieces none is left
            return True
        warnings.warn(
            f"part {part + 1} of the unfinished states in {self._store.folder} is damaged. It is "
            "computed anew.",
            StoreWarning,
            stacklevel=4,
        )
        return False

    @property
    def _mark(self) -> str:
        return f"{DRAFT}{self._key[:16]}"

    def _draft(self, name: str) -> str:
        return f"{self._mark}-{encoded(name)}"

    @property
    def _journal_path(self) -> Path:
        return _journal_of(self._store, self._key)

    def _journal(self) -> dict[int, Done]:
        """Return the parts that an earlier run has done; its plan becomes that of this run."""
        found = read_journal(self._journal_path) if self._kept else None
        expected = {"key": self._key, "plan": self._plan, "parts_in_all": len(self._parts)}
        if found is None or any(found[name] != value for name, value in expected.items()):
            return {}
        return {int(part): Done(**entry) for part, entry in found["parts"].items()}

    def _write_journal(self) -> None:
        content = {
            "format": FORMAT,
            "key": self._key,
            "plan": self._plan,
            "parts_in_all": len(self._parts),
            "parts": {
                str(part): {"sums": dict(done.sums), "facts": dict(done.facts)}
                for part, done in sorted(self.done.items())
            },
        }
        data = json.dumps({**content, "sha256": content_key(content)}, indent=1).encode()
        with durable.explained(self._store.folder):
            durable.write(self._journal_path, data)

    def _remove(self, but: str = "") -> None:
        """Remove drafts and journals, but for those whose names begin so."""
        for path in self._store.folder.glob(f"{DRAFT}*"):
            if not but or not path.name.startswith(but):
                path.unlink(missing_ok=True)


def sweep(store: Store, key: str) -> None:
    """Remove what a run that was killed at its very end has left of pieces that are complete."""
    left = list(store.folder.glob(f"{DRAFT}{key[:16]}*"))
    lock = store.folder / LOCK
    if left or lock.exists():
        with contextlib.suppress(OSError, StoreError), locked(lock):
            for path in left:
                path.unlink(missing_ok=True)


def plan_of(store: Store, key: str) -> dict[str, Any] | None:
    """Return the plan of the run that was broken off in a store; None if there is none."""
    found = read_journal(_journal_of(store, key))
    return None if found is None or found["key"] != key else found["plan"]


def _journal_of(store: Store, key: str) -> Path:
    return store.folder / f"{DRAFT}{key[:16]}.json"


def read_journal(path: Path) -> dict[str, Any] | None:
    """Return what a journal holds; None if there is none, or it is damaged or of another kind."""
    try:
        content = json.loads(path.read_bytes())
        told = content.pop("sha256")
        return content if content["format"] == FORMAT and told == content_key(content) else None
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None


def _digest(arrays: Mapping[str, AnyArray], rows: IntArray) -> str:
    digest = hashlib.sha256()
    for label in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[label][rows]).tobytes())
    return digest.hexdigest()
