"""The store: a folder of safetensors pieces with a manifest, verified when read.

A piece's file carries the first digits of its SHA-256 in its name, so a rewritten piece never
touches the old one: the manifest, replaced last and in one step, says which of the two counts.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from layergeom.errors import InputError, StoreError, StoreWarning
from layergeom.states import durable, tensorfile
from layergeom.states.content import content_key
from layergeom.states.durable import file_digest
from layergeom.states.locks import locked
from layergeom.states.manifest import (
    MANIFEST,
    MAX_BYTES,
    Piece,
    encoded,
    file_of,
    is_piece_file,
    parsed,
    plain_facts,
    serialized,
)
from layergeom.states.tensorfile import AnyArray

__all__ = ["PieceWriter", "Store", "content_key"]

LOCK = ".lock-manifest"
DRAFT = ".draft-"  # begins the names of drafts and journals
PATIENCE = 60.0  # seconds to wait for another process that rewrites the manifest


class Store:
    """A folder of safetensors pieces with a manifest.

    Every piece is written whole or not at all, and verified when it is read.

    Parameters
    ----------
    folder : path
        Created on the first write; an absent folder reads as an empty store.

    Attributes
    ----------
    folder : Path
        Where the pieces lie. It may be moved: nothing inside says where it is.

    Notes
    -----
    Each piece is named by its caller and carries a key, the content hash of what determined it:
    asked for with another key, it does not exist. The SHA-256 of a file is computed once per
    object as long as size, modification time and inode stay the same. Several processes may write
    one store: the manifest is rewritten under a lock that dies with its process.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._verified: dict[str, tuple[int, int, int]] = {}

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    @classmethod
    def temporary(cls) -> Store:
        """Return a store in a temporary folder that is removed with the object."""
        folder = tempfile.mkdtemp(prefix="layergeom-")
        store = cls(folder)
        weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
        return store

    def get(self, name: str, key: str, *, discard: bool = False) -> dict[str, AnyArray] | None:
        """Return the arrays of a piece as read-only memory maps.

        Parameters
        ----------
        name, key : str
            Which piece, and the content hash it must have been stored under.
        discard : bool
            Warn about a damaged piece and return None, so that it alone is computed anew.

        Returns
        -------
        dict of str to ndarray, or None
            None if there is no such piece or its key differs.

        Raises
        ------
        StoreError
            If the piece is damaged (its size or SHA-256 differs) or the manifest is.
        """
        piece = self._piece(name, key)
        if piece is None:
            return None
        try:
            return self._arrays(piece)
        except StoreError as error:
            if not discard:
                raise
            warnings.warn(f"{error} It is computed anew.", StoreWarning, stacklevel=2)
            return None

    def put(
        self,
        name: str,
        arrays: Mapping[str, AnyArray],
        key: str,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Store arrays and a small JSON as one piece, in place of any earlier one of that name.

        Raises
        ------
        StoreError
            If it cannot be written; what was there before is intact.
        InputTypeError
            If a dtype has no place in safetensors, or the facts none in JSON.
        """
        held = {label: np.asarray(array) for label, array in arrays.items()}
        shapes = {label: (array.shape, array.dtype) for label, array in held.items()}
        with self.open(name, shapes, key, facts) as writer:
            for label, array in held.items():
                writer.fill(label, array)

    def open(
        self,
        name: str,
        arrays: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]],
        key: str,
        facts: Mapping[str, Any] | None = None,
        draft: str = "",
    ) -> PieceWriter:
        """Return a context manager that writes a piece of these shapes and dtypes part by part.

        ``writer["states"][rows] = ...`` writes to the disk through a memory map, so the whole is
        never held in memory. The piece exists once the block ends without an error; a map kept
        beyond the block must not be written to.

        With ``draft``, the name of a file in the store's folder, what was written is in that file
        and stays there if the block ends with an error; a later writer with the same draft and
        shapes goes on with it.
        """
        return PieceWriter(self, name, arrays, key, facts, draft)

    def facts(self, name: str, key: str) -> dict[str, Any] | None:
        """Return the small JSON stored with a piece; None if there is no such piece."""
        piece = self._piece(name, key)
        return None if piece is None else dict(piece.facts)

    def key(self, name: str) -> str | None:
        """Return the key that a piece was stored under; None if there is no such piece."""
        piece = self._pieces().get(name)
        return None if piece is None else piece.key

    def names(self) -> tuple[str, ...]:
        """Return the names of all pieces, sorted."""
        return tuple(sorted(self._pieces()))

    def check(self) -> tuple[str, ...]:
        """Verify every piece; one sentence for each that is damaged, foreign or unfinished."""
        return (*self.damaged(), *map(_stranger, self.strangers()))

    def damaged(self) -> tuple[str, ...]:
        """Verify every piece; one sentence for each that is damaged, or for the manifest."""
        try:
            pieces = self._pieces()
        except StoreError as error:
            return (str(error),)
        self._verified.clear()
        return tuple(found for piece in pieces.values() if (found := self._damage(piece)))

    def strangers(self) -> tuple[Path, ...]:
        """Return the files that the manifest does not list; none if it cannot be read."""
        try:
            known = {piece.file for piece in self._pieces().values()} | {MANIFEST}
        except StoreError:
            return ()
        there = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return tuple(path for path in there if path.name not in known and not path.is_dir())

    def tidy(self) -> None:
        """Remove what killed processes have left: pieces without a line, files half written.

        Nothing is done, and nothing said, where another process writes or nothing may be written.
        """
        left = (durable.UNFINISHED, LOCK)
        if any(is_piece_file(p.name) or p.name.startswith(left) for p in self.strangers()):
            with contextlib.suppress(OSError, StoreError), locked(self.folder / LOCK):
                self._sweep()

    def _sweep(self) -> None:
        """Remove what `tidy` does; the caller holds the lock, under which pieces get a line."""
        durable.sweep(self.folder)
        if any(self.folder.glob(f"{DRAFT}*.json")):
            return  # a run that goes on takes them back
        for path in self.strangers():
            if is_piece_file(path.name):
                path.unlink(missing_ok=True)

    def take_back(self, name: str, draft: str) -> None:
        """Make a draft again of a piece that a killed process has renamed, but not listed."""
        with locked(self.folder / LOCK, PATIENCE):
            for path in self.strangers():
                if is_piece_file(path.name) and path.name.startswith(f"{encoded(name)}."):
                    path.replace(self.folder / draft)

    def _damage(self, piece: Piece) -> str | None:
        try:
            self._arrays(piece)
        except StoreError as error:
            return str(error)
        return None

    def _piece(self, name: str, key: str) -> Piece | None:
        piece = self._pieces().get(name)
        return piece if piece is not None and piece.key == key else None

    def _pieces(self) -> dict[str, Piece]:
        path = self.folder / MANIFEST
        try:
            data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read ({error.strerror}); mend its permissions or choose another "
                "folder."
            ) from None
        return parsed(data, path)

    def _arrays(self, piece: Piece) -> dict[str, AnyArray]:
        path = self.folder / piece.file
        try:
            self._verify(path, piece)
            tensors = tensorfile.layout(path)
            return {label: tensorfile.read(path, tensor) for label, tensor in tensors.items()}
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read ({error.strerror}); mend its permissions, or delete it to "
                "have it computed anew."
            ) from None
        except StoreError:
            raise
        except InputError as error:
            raise StoreError(f"{path} is foreign: {error}") from None

    def _verify(self, path: Path, piece: Piece) -> None:
        status = path.stat()
        mark = (status.st_size, status.st_mtime_ns, status.st_ino)
        if self._verified.get(piece.file) == mark:
            return
        if status.st_size != piece.size:
            raise StoreError(
                f"{path} is damaged: it has {status.st_size} bytes instead of {piece.size}."
            )
        if file_digest(path) != piece.sha256:
            raise StoreError(f"{path} is damaged: its content does not have the recorded SHA-256.")
        self._verified[piece.file] = mark

    def _record(self, name: str, piece: Piece, path: Path) -> None:
        """Name the piece in the manifest; only now does it exist, and the old one no more."""
        with locked(self.folder / LOCK, PATIENCE):
            former = self._pieces()
            durable.publish(path, self.folder / piece.file)
            durable.write(self.folder / MANIFEST, serialized({**former, name: piece}))
            if name in former and former[name].file != piece.file:
                (self.folder / former[name].file).unlink(missing_ok=True)
            self._sweep()


class PieceWriter:
    """Write one piece of a store through memory maps; see `Store.open`."""

    def __init__(
        self,
        store: Store,
        name: str,
        arrays: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]],
        key: str,
        facts: Mapping[str, Any] | None,
        draft: str = "",
    ) -> None:
        self._store = store
        self._draft = draft
        self._name = name
        self._key = key
        self._facts = plain_facts(facts or {}, name)
        self._head, self._layout = tensorfile.header(arrays)
        self._path: Path | None = None
        self._stack = contextlib.ExitStack()
        self._maps: dict[str, AnyArray] = {}
        file_of(name, "")  # a name that cannot be stored is refused before anything is written

    def __enter__(self) -> PieceWriter:
        self._store._pieces()  # a damaged or newer manifest is found before the work, not after
        with durable.explained(self._store.folder), contextlib.ExitStack() as opening:
            if self._draft:
                self._path = self._drafted()
            else:
                self._path = opening.enter_context(durable.temporary(self._store.folder))
                self._prepare(self._path)
            self._stack = opening.pop_all()
        return self

    def __getitem__(self, array: str) -> AnyArray:
        """Return the writable memory map of one array."""
        return self._maps[array]

    def fill(self, label: str, array: AnyArray) -> None:
        """Write a whole array; through its map every page would be a fault."""
        if self._path is not None:
            with durable.explained(self._store.folder), self._path.open("r+b") as file:
                file.seek(self._layout[label].start)
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._maps.clear()  # unmaps, unless the caller kept a view; publishing syncs either way
        with durable.explained(self._store.folder), self._stack:
            if kind is None:
                self._commit()

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self._path is not None:
            with durable.explained(self._store.folder):
                durable.sync(self._path)

    @property
    def _size(self) -> int:
        return max([len(self._head), *(tensor.stop for tensor in self._layout.values())])

    def _fits(self, draft: Path) -> bool:
        """Whether a draft of these shapes is there; one of others is removed."""
        try:
            with draft.open("rb") as file:
                fits = file.read(len(self._head)) == self._head
            if fits and draft.stat().st_size == self._size and not draft.is_symlink():
                return True
            draft.unlink()
        except FileNotFoundError:
            pass
        return False

    def _drafted(self) -> Path:
        path = self._store.folder / self._draft
        if self._fits(path):
            self._map(path)
            return path
        durable.create(self._store.folder, self._draft)
        try:
            self._prepare(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _prepare(self, path: Path) -> None:
        durable.reserve(path, self._size)
        with path.open("r+b") as file:
            file.write(self._head)
        self._map(path)

    def _map(self, path: Path) -> None:
        raw = np.memmap(path, dtype=np.uint8, mode="r+")
        self._maps = {label: tensorfile.view(raw, tensor) for label, tensor in self._layout.items()}

    def _commit(self) -> None:
        path = self._path
        if path is None:
            raise StoreError(f"{self._name!r} was never opened; use the writer in a with block.")
        size, sha256 = path.stat().st_size, file_digest(path)
        piece = Piece(file_of(self._name, sha256), size, sha256, self._key, self._facts)
        self._store._record(self._name, piece, path)


def _stranger(path: Path) -> str:
    if path.name.startswith((durable.UNFINISHED, DRAFT, ".lock-")):
        return f"{path} is unfinished: a run writes here, or was killed; the next one goes on."
    if path.suffix == ".safetensors":
        return f"{path} is an orphan: the manifest does not list it; it can be deleted."
    return f"{path} is foreign: it is no part of the store."
