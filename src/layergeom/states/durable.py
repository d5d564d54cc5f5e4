"""Files written whole or not at all: temporary file beside the target, fsync, rename, fsync."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from layergeom.errors import StoreError

UNFINISHED = ".unfinished-"
_ZEROS = bytes(1 << 20)


def create(folder: Path, name: str = "") -> Path:
    """Return a new empty file in ``folder``, by default with a name of its own.

    No link is followed; a file that has the name makes it fail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{UNFINISHED}{secrets.token_hex(8)}")
    # not mkstemp: its mode 0600 would hide a shared store from the group that the umask allows
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    return path


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
    path = create(target.parent)
    try:
        path.write_bytes(data)
        publish(path, target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


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
