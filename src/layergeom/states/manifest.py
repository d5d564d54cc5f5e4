"""The manifest of a store: which pieces exist, under which keys, with which SHA-256."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.errors import InputTypeError, StoreError
from layergeom.states.content import content_key

MANIFEST = "manifest.json"
FORMAT = "layergeom store"
SCHEMA = 1
MAX_BYTES = 1 << 26  # of a manifest; one of a hundred layers has some 100 kB
MAX_NAME = 180  # bytes of an encoded name; file systems allow 255 for the whole file name


@dataclass(frozen=True)
class Piece:
    """One line of the manifest."""

    file: str
    size: int
    sha256: str
    key: str
    facts: Mapping[str, Any]


def encoded(name: str) -> str:
    """Return a file name for any name, reversibly and inside its folder on every file system.

    All but ``a-z 0-9 _ -`` becomes percent and two digits per UTF-8 byte; capitals too, which
    some file systems do not tell from small letters.

    Examples
    --------
    >>> encoded("layers/block_1"), encoded("../x")
    ('layers%2fblock_1', '%2e%2e%2fx')
    """
    data = name.encode("utf-8", "surrogatepass")
    return "".join(chr(b) if re.match(rb"[a-z0-9_-]", bytes([b])) else f"%{b:02x}" for b in data)


def decoded(stem: str) -> str:
    """Return the name that `encoded` made ``stem`` of."""
    data = re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), stem.encode())
    return data.decode("utf-8", "surrogatepass")


def file_of(name: str, sha256: str) -> str:
    """Return the file name of a piece.

    Raises
    ------
    StoreError
        If the name is empty or too long for a file name.
    """
    stem = encoded(name)
    if not 0 < len(stem) <= MAX_NAME:
        raise StoreError(
            f"The name {name[:40]!r} is {len(stem)} bytes long as a file name; 1 to {MAX_NAME} are "
            "possible."
        )
    return f"{stem}.{sha256[:16]}.safetensors"


def is_piece_file(name: str) -> bool:
    """Whether `file_of` gives such names.

    Examples
    --------
    >>> is_piece_file("states.0123456789abcdef.safetensors"), is_piece_file("x.safetensors")
    (True, False)
    """
    return re.fullmatch(r"[a-z0-9_%-]+\.[0-9a-f]{16}\.safetensors", name) is not None


def plain_facts(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return facts as JSON gives them back (tuples as lists, numpy numbers as plain ones).

    Raises
    ------
    InputTypeError
        If JSON has no form for them; NaN and infinity have none.
    """
    try:
        text = json.dumps(facts, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"The facts of {name!r} cannot be stored as JSON ({error}).") from None
    plain: dict[str, Any] = json.loads(text)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def serialized(pieces: Mapping[str, Piece]) -> bytes:
    """Return the manifest's bytes; its own SHA-256 covers every line."""
    lines = {name: asdict(pieces[name]) for name in sorted(pieces)}
    head = {"format": FORMAT, "schema": SCHEMA, "sha256": content_key(lines), "pieces": lines}
    data = json.dumps(head, indent=1, allow_nan=False).encode()
    if len(data) > MAX_BYTES:
        raise StoreError(
            f"The facts of {len(pieces)} pieces take {len(data):,} bytes of JSON; a manifest holds "
            f"{MAX_BYTES:,}, so keep large facts as arrays."
        )
    return data


def parsed(data: bytes, path: Path) -> dict[str, Piece]:
    """Return the pieces that a manifest lists.

    Raises
    ------
    StoreError
        If it is damaged, foreign, or written by a newer version.
    """
    try:
        head = json.loads(data)
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise StoreError(f"{path} is foreign: it is not the manifest of a layergeom store.")
    schema = head.get("schema")
    if type(schema) is not int or schema < 1:
        raise _damaged(path)
    if schema > SCHEMA:
        raise StoreError(
            f"{path} has schema {schema} but this version reads up to {SCHEMA}; update layergeom."
        )
    return _pieces(head, path)


def _pieces(head: Mapping[str, Any], path: Path) -> dict[str, Piece]:
    lines = head.get("pieces")
    if not isinstance(lines, dict) or not all(map(_is_line, lines.values())):
        raise _damaged(path)
    try:
        whole = head.get("sha256") == content_key(lines)
    except RecursionError:
        whole = False
    if not whole:
        raise _damaged(path)
    pieces = {name: Piece(**line) for name, line in lines.items()}
    foreign = [name for name, p in pieces.items() if p.file != file_of(name, p.sha256)]
    if foreign:
        raise StoreError(f"{path} is foreign: {foreign[0]!r} names a file that is not its own.")
    return pieces


def _is_line(line: Any) -> bool:
    kinds = {"file": str, "size": int, "sha256": str, "key": str, "facts": dict}
    return isinstance(line, dict) and {name: type(value) for name, value in line.items()} == kinds


def _damaged(path: Path) -> StoreError:
    return StoreError(
        f"{path} is damaged; delete it, and the pieces that it listed are computed anew."
    )
