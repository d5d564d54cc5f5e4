"""Files written whole or not at all: temporary file beside the target, fsync, rename, fsync."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from layergeom.errors import StoreError
from layergeom.states.locks import lock_is_local

UNFINISHED = ".unfinished-"
_ZEROS = bytes(1 << 20)


def create(folder: Path, name: str) -> Path:
    """Return a new empty file of this name in ``folder``.

    No link is followed; a file that has the name makes it fail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    os.close(_new(path))
    return path


def _new(path: Path) -> int:
    # not mkstemp: its mode 0600 would hide a shared store from the group that the umask allows
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """Hold a new empty file in ``folder`` for the block; it goes at the end, unless renamed.

    A lock that dies with its process tells it from what a killed one left (see `sweep`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        path = folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        descriptor = _new(path)
        if _mine(descriptor) and path.exists():
            break
        os.close(descriptor)  # a sweep came between, and has removed it
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # a sweep does it
            path.unlink(missing_ok=True)
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what killed processes have left unfinished in a folder, where locks tell them."""
    left = list(folder.glob(f"{UNFINISHED}*"))
    if not left or sys.platform == "win32" or lock_is_local(left[0]):
        return  # Windows cannot rename a file that is locked, so none is
    for path in left:
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _claimed(descriptor):
                    path.unlink()
            finally:
                os.close(descriptor)


def _mine(descriptor: int) -> bool:
    try:
        return sys.platform == "win32" or _claimed(descriptor)
    except OSError:
        return True  # no locks on this file system, and no sweeps


def _claimed(descriptor: int) -> bool:
    """Lock a file unless another process has."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def reserve(path: Path, size: int) -> None:
    """Give the file ``size`` bytes on the disk itself.

    A sparse file would meet a full disk only when its memory map is written, as a bus error that
    ends the process.
    """
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for start in range(0, size, len(_ZEROS)):
            file.write(_ZEROS[: size - start])


def publish(path: Path, target: Path) -> None:
    """Make the finished file ``path`` the file ``target``; a link there is replaced itself."""
    sync(path)
    path.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target``: afterwards it holds the old bytes or the new ones."""
    sweep(target.parent)
    with temporary(target.parent) as path:
        path.write_bytes(data)
        publish(path, target)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, streamed (about 1 GB/s)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn an OSError while writing into a StoreError that names the target and the remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"{target} cannot be written ({reason}); free space there or choose another folder."
        ) from error
