"""Mutations of a file's bytes, the same for the same seed."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

Change = Callable[[bytes, np.random.Generator], bytes]
# What a number or text of JSON, or a cell of a table, is replaced by.
VALUES = (
    *(b"-1", b"0", b"1e999", b"-1e999", b"NaN", b"Infinity", b"null", b"true", b'"x"', b"[]"),
    *(b"{}", b"9" * 30, b"1" * 5000, b"1.5", b'""', b'"../../x"', b"[" * 5000 + b"]" * 5000),
    *(b'{"a":' * 400 + b"1" + b"}" * 400, b'"\\ud800"', b"\xff\xfe", b"\x00", b'"\x1b[31m"'),
)
SIZES = (2**31 - 1, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null')


def place(data: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(max(1, len(data))))


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        found[place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(found)


def early_byte(data: bytes, rng: np.random.Generator) -> bytes:
    """Change a byte among the first hundred, where headers stand."""
    at = int(rng.integers(min(100, len(data))))
    return data[:at] + bytes([int(rng.integers(256))]) + data[at + 1 :]


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: place(data, rng)]


def zeroed(data: bytes, rng: np.random.Generator) -> bytes:
    at, length = place(data, rng), int(rng.integers(1, 64))
    return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]


def inserted(data: bytes, rng: np.random.Generator) -> bytes:
    at = place(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:]


def dropped(data: bytes, rng: np.random.Generator) -> bytes:
    at = place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 40)) :]


def doubled(data: bytes, rng: np.random.Generator) -> bytes:
    at = place(data, rng)
    return data[: at + int(rng.integers(1, 100))] + data[at:]


def huge_size(data: bytes, rng: np.random.Generator) -> bytes:
    """Write a large integer where a size may stand."""
    at = int(rng.integers(max(1, min(len(data) - 8, 400))))
    size = SIZES[int(rng.integers(len(SIZES)))]
    return data[:at] + size.to_bytes(8, "little") + data[at + 8 :]


def lines_swapped(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.integers(len(lines), size=2)
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def line_doubled(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    at = int(rng.integers(len(lines)))
    return b"\n".join([*lines[: at + 1], *lines[at:]])


def line_dropped(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    del lines[int(rng.integers(len(lines)))]
    return b"\n".join(lines)


def value_replaced(data: bytes, rng: np.random.Generator) -> bytes:
    """Put another value in the place of a number or text."""
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return flipped(data, rng)
    token = tokens[int(rng.integers(len(tokens)))]
    value = VALUES[int(rng.integers(len(VALUES)))]
    return data[: token.start()] + value + data[token.end() :]


def not_utf8(data: bytes, rng: np.random.Generator) -> bytes:
    at = place(data, rng)
    return data[:at] + b"\xc3\x28\xff" + data[at:]


BINARY: tuple[Change, ...] = (
    flipped, early_byte, cut, zeroed, inserted, dropped, doubled, huge_size, value_replaced,
)  # fmt: skip
TEXT: tuple[Change, ...] = (
    flipped, cut, zeroed, inserted, dropped, doubled, lines_swapped, line_doubled, line_dropped,
    value_replaced, value_replaced, value_replaced, not_utf8,
)  # fmt: skip


def mutated(data: bytes, seed: int, changes: tuple[Change, ...]) -> tuple[str, bytes]:
    """Return the name of a mutation, each in its turn, and the bytes that it made."""
    rng = np.random.default_rng([seed, 20260])
    change = changes[seed % len(changes)]
    found = change(data, rng)
    if seed % 5 == 4:  # and one more
        found = changes[int(rng.integers(len(changes)))](found or b"x", rng)
    return change.__name__, found
