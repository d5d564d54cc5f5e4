"""Lines of a text file, plain or gzipped, with every fault named by file and line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import TypeAlias

from layergeom.errors import InputError

Line: TypeAlias = tuple[int, str]

MAX_LINE = 1 << 26  # bytes; more is no line of text
MAX_EXPANSION = 200  # of a gzip file; text stays below 30
FREE_EXPANSION = 1 << 26  # bytes that any gzip file may expand to


def suffix(path: Path) -> str:
    """Return the file's kind as its lower-case suffix, without a final ``.gz``."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return plain.suffix.lower()


def listed(names: Sequence[str], most: int = 3) -> str:
    """Name the first few: ``'a', 'b', 'c' …``."""
    return ", ".join(map(shown, names[:most])) + (" …" if len(names) > most else "")


def shown(cell: object, most: int = 60) -> str:
    """Return a cell as messages show it: quoted, a long one by its beginning.

    Examples
    --------
    >>> shown("a text"), shown("a long text", most=7), shown(1.5)
    ("'a text'", "'a long…'", '1.5')
    """
    text = cell if isinstance(cell, str) else repr(cell)
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return repr(cut) if isinstance(cell, str) else cut


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the number (from 1) and text of each line, with its line break.

    Raises
    ------
    InputError
        For a missing file, a folder, text that is not UTF-8, a damaged or bomb-like gzip file,
        or a line above 64 MiB.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; a file is needed.")
    try:
        with path.open("rb") as raw:
            yield from _decoded(_unpacked(raw, path), path)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; check the name and the folder.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is a damaged gzip file ({error}).") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None


def _unpacked(raw: BufferedReader, path: Path) -> BufferedIOBase:
    """Unpack a gzip file, also one whose name does not say that it is one."""
    packed = path.suffix.lower() == ".gz" or raw.peek(2).startswith(b"\x1f\x8b")
    return gzip.GzipFile(fileobj=raw) if packed else raw


def _decoded(file: BufferedIOBase, path: Path) -> Iterator[Line]:
    limit = max(FREE_EXPANSION, MAX_EXPANSION * path.stat().st_size)
    total = number = 0
    while data := file.readline(MAX_LINE):
        number += 1
        total += len(data)
        _check_size(len(data), total, limit, f"{path}, line {number}")
        try:
            text = data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(
                f"{path}, line {number} is not UTF-8; convert the file to UTF-8."
            ) from None
        if text:
            yield number, text


def _check_size(length: int, total: int, limit: int, place: str) -> None:
    if length >= MAX_LINE:
        raise InputError(f"{place} is longer than {MAX_LINE >> 20} MiB; this is no text file.")
    if total > limit:
        raise InputError(
            f"{place}: the file expands to more than {MAX_EXPANSION} times its size; unpack it "
            "first if that is right."
        )
