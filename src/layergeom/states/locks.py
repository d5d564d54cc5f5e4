"""Locks on folders that die with their process."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from layergeom.errors import StoreError

WAIT = 0.02  # seconds between two tries
MOUNTS = Path("/proc/self/mountinfo")
LOCAL = {  # mount options that keep locks on one machine, by what a file system's name begins with
    "nfs": ("nolock", "local_lock=all", "local_lock=flock"),
    "lustre": ("localflock", "noflock"),
    "fuse.sshfs": ("",),
}


@contextlib.contextmanager
def locked(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path`` for the block.

    The system frees the lock of a process that dies, however it dies. The file says who holds it,
    and goes when the block ends.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    patience : float
        Seconds to wait for another holder.

    Raises
    ------
    StoreError
        If another process holds it (with its number, host and time), or the file system keeps
        locks on one machine only, or knows none.
    """
    descriptor = _taken(path, time.monotonic() + patience)
    try:
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(holder).encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is held: who waits for this file finds it gone and tries anew
        os.close(descriptor)


def _taken(path: Path, until: float) -> int:
    """Return a descriptor that holds the lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() > until:
                raise StoreError(_held(path)) from None
            time.sleep(WAIT)
        except OSError as error:
            os.close(descriptor)
            raise StoreError(_without_locks(path, error.strerror or str(error))) from error
        else:
            if _is_at(descriptor, path):
                if reason := lock_is_local(path):
                    os.close(descriptor)
                    raise StoreError(_without_locks(path, reason))
                return descriptor
            os.close(descriptor)  # its holder removed it in the meantime


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(errno.EAGAIN, str(error)) from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def lock_is_local(path: Path) -> str:
    """Return why a lock in this place would not be seen by other machines, "" if it would."""
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""  # no Linux: nothing is known
    place, found = str(path.absolute().parent.resolve()), ("", "", "")
    for line in lines:
        head, _, tail = line.partition(" - ")
        point, options = head.split()[4].encode().decode("unicode_escape"), tail.split()
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[0]):
            found = (point, options[0], f"{head.split()[5]},{options[-1]}")
    for kind, signs in LOCAL.items():
        if found[1].startswith(kind):
            for sign in signs:
                if sign in found[2].split(",") or not sign:
                    return f"{found[1]} at {found[0]} keeps locks on one machine"
    return ""


def _held(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes())
        who = f"process {holder['process']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"{path.parent} is being written by {who}; wait for it, or choose another folder."


def _without_locks(path: Path, reason: str) -> str:
    return (
        f"{path.parent} cannot be locked ({reason}), so two processes could spoil each other's "
        "work; choose a folder on a local disk."
    )
