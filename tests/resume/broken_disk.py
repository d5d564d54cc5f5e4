"""Disks that fail at the n-th call, and disks that lose power: what a process sees of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

GROWS = {"open", "posix_fallocate", "write", "write_bytes", "mkdir", "ftruncate"}
CALLS = ("open", "posix_fallocate", "write", "mkdir", "ftruncate", "fsync", "replace", "unlink")


@dataclass
class Failing:
    """Lets the n-th call that changes the disk fail, or all that need space from it on.

    Attributes
    ----------
    at : int
        Number of the call, from 0.
    full : bool
        Whether the disk stays full: later calls that need space fail too.
    done : list of str
        The calls that came.
    """

    at: int = -1
    full: bool = False
    done: list[str] = field(default_factory=list)

    def check(self, name: str) -> None:
        number, self.done = len(self.done), [*self.done, name]
        grows = name in GROWS
        if number == self.at or (self.full and grows and number > self.at >= 0):
            code = errno.ENOSPC if grows else errno.EIO
            raise OSError(code, os.strerror(code))

    def write_bytes(self, path: Path, data: bytes) -> int:
        try:
            self.check("write_bytes")
        except OSError:
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
            raise
        with path.open("wb") as file:
            return file.write(data)


@contextmanager
def failing(at: int = -1, full: bool = False) -> Iterator[Failing]:
    """Put such a disk under the block; nothing is really synced, which would take its time."""
    disk, own = Failing(at, full), {name: getattr(os, name) for name in CALLS}

    def checked(name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                disk.check(name)
            return None if name == "fsync" else own[name](*arguments, **options)

        return call

    def write_bytes(path: Path, data: bytes) -> int:
        return disk.write_bytes(path, data)

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, checked(name))
        patch.setattr(Path, "write_bytes", write_bytes)
        yield disk


Names = dict[Path, dict[str, int]]  # by folder, what lies in it under which number


@dataclass(frozen=True)
class Moment:
    """What the process sees after one call, and since when it is surely on the disk.

    Attributes
    ----------
    names : mapping
        By folder, the numbers of its files.
    data : mapping
        Their content, by number.
    folders : mapping
        By folder, the moment at which its names were last synced.
    synced : mapping
        By number, the content that was last synced.
    """

    names: Names
    data: dict[int, bytes]
    folders: dict[Path, int]
    synced: dict[int, bytes]


class Recorded:
    """Every moment of a folder while a block runs; the first is that before it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names, data = self._seen()
        self.moments = [Moment(names, data, dict.fromkeys(names, 0), data)]
        self._held: dict[int, bytes] = dict(data)

    def note(self, synced: int | None = None) -> None:
        """Add a moment, behind the syncing of a file or folder of this number."""
        names, data = self._seen()
        self._held |= data
        last, now = self.moments[-1], len(self.moments)
        folders = {f: now if f.stat().st_ino == synced else last.folders.get(f, 0) for f in names}
        known = last.synced | ({synced: data[synced]} if synced in data else {})
        self.moments.append(Moment(names, dict(self._held), folders, known))

    def _seen(self) -> tuple[Names, dict[int, bytes]]:
        names: Names = {}
        data: dict[int, bytes] = {}
        for folder in [self.root, *(p for p in self.root.rglob("*") if p.is_dir())]:
            names[folder] = {p.name: p.stat().st_ino for p in folder.iterdir() if p.is_file()}
            data |= {number: (folder / name).read_bytes() for name, number in names[folder].items()}
        return names, data

    def after_power_loss(self, at: int, back: int, kind: str, place: Path) -> None:
        """Make the folder anew as it may be found when power fails behind a call.

        Parameters
        ----------
        at : int
            Number of the moment.
        back : int
            Names are those of so many moments earlier, but not earlier than they were synced.
        kind : {"synced", "zeros", "half", "all"}
            What is left of data that were not synced.
        place : Path
            The new folder.
        """
        moment = self.moments[at]
        for folder, since in moment.folders.items():
            new = place / folder.relative_to(self.root)
            new.mkdir(parents=True, exist_ok=True)
            names = self.moments[max(since, at - back)].names.get(folder, {})
            for name, number in names.items():
                (new / name).write_bytes(
                    _left(moment.data[number], moment.synced.get(number), kind)
                )


def _left(data: bytes, synced: bytes | None, kind: str) -> bytes:
    if data == synced or kind == "all":
        return data
    kinds = {"synced": synced or b"", "zeros": bytes(len(data)), "half": data[: len(data) // 2]}
    return kinds[kind]


@contextmanager
def recorded(root: Path) -> Iterator[Recorded]:
    """Record what happens below a folder in the block."""
    disk, own = Recorded(root), {name: getattr(os, name) for name in CALLS}
    held: list[int] = []  # open files, so that no number is given twice

    def noted(name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "fsync":
                disk.note(os.fstat(arguments[0]).st_ino)
                return None
            done = own[name](*arguments, **options)
            if name != "open":
                disk.note()
            elif arguments[1] & os.O_CREAT and root in Path(arguments[0]).parents:
                held.append(own["open"](arguments[0], os.O_RDONLY))
                disk.note()
            return done

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, noted(name))
        yield disk
    for descriptor in held:
        os.close(descriptor)
