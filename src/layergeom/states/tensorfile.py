"""The safetensors format: a JSON header that is checked against the file, then raw arrays.

An eight-byte little-endian header length, the header, the data. Nothing is allocated before the
claimed shapes are known to fit the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from layergeom.errors import InputError, InputTypeError

AnyArray: TypeAlias = npt.NDArray[Any]
Layout: TypeAlias = "dict[str, Tensor]"

MAX_HEADER = 1 << 24  # bytes, some 100,000 arrays; once parsed it takes forty times as much
MAX_AXES = 32  # numpy's limit before its second version
_MAX_NUMBER = (1 << 63) - 1
WRITTEN = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
READ = WRITTEN | {
    "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "U64": np.dtype("<u8"),
    "BF16": np.dtype("<u2"),  # its bits; numpy has no such type
}


@dataclass(frozen=True)
class Tensor:
    """Where one array lies in a file: dtype name, shape and first and last byte + 1."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def header(arrays: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]]) -> tuple[bytes, Layout]:
    """Return the head of a file for arrays of these shapes and dtypes, and where each will lie.

    Raises
    ------
    InputTypeError
        If the format has no such dtype.
    """
    entries: dict[str, dict[str, Any]] = {}
    end = 0
    sized = sorted(arrays.items(), key=lambda item: (-np.dtype(item[1][1]).itemsize, item[0]))
    for name, (shape, dtype) in sized:  # widest first keeps every array aligned
        start, end = end, end + math.prod(shape) * np.dtype(dtype).itemsize
        label = _dtype_name(name, np.dtype(dtype))
        entries[name] = {"dtype": label, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    return head, {name: _tensor(entry, len(head)) for name, entry in entries.items()}


def layout(path: Path) -> Layout:
    """Return where each array of a safetensors file lies, every claim checked.

    Raises
    ------
    InputError
        If the file is no safetensors file, or claims more than it holds.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER):
            raise InputError(
                f"{path.name} is not a safetensors file: it has {size} bytes but its header "
                f"claims {length}."
            )
        entries = _entries(file.read(length), path)
    tensors = {name: _checked(name, entry, 8 + length, path) for name, entry in entries.items()}
    _check_contiguous(tensors, 8 + length, size, path)
    return tensors


def read(path: Path, tensor: Tensor) -> AnyArray:
    """Return one array of a file as a read-only memory map; bfloat16 is widened exactly."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    array = view(raw, tensor)
    if tensor.dtype == "BF16":
        return (array.astype("<u4") << 16).view("<f4")
    return array


def view(raw: AnyArray, tensor: Tensor) -> AnyArray:
    """Return the array that lies in the bytes ``raw`` of a whole file."""
    return raw[tensor.start : tensor.stop].view(READ[tensor.dtype]).reshape(tensor.shape)


def _dtype_name(name: str, dtype: np.dtype[Any]) -> str:
    for label, known in WRITTEN.items():
        if dtype == known:
            return label
    known_names = ", ".join(str(known) for known in WRITTEN.values())
    raise InputTypeError(f"{name} has dtype {dtype}; the store keeps {known_names}.")


def _tensor(entry: Mapping[str, Any], offset: int) -> Tensor:
    start, stop = entry["data_offsets"]
    return Tensor(entry["dtype"], tuple(entry["shape"]), offset + start, offset + stop)


def _entries(text: bytes, path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{path.name} is not a safetensors file: its header is no JSON.") from None
    if not isinstance(entries, dict):
        raise InputError(f"{path.name} is not a safetensors file: its header lists no arrays.")
    entries.pop("__metadata__", None)
    return entries


def _checked(name: str, entry: Any, offset: int, path: Path) -> Tensor:
    if not _well_formed(entry):
        raise InputError(f"{path.name} is damaged: its entry for {name!r} is malformed.")
    if entry["dtype"] not in READ:
        raise InputTypeError(
            f"{path.name} holds {name!r} as {entry['dtype']}, which is not read; store it as F32."
        )
    tensor = _tensor(entry, offset)
    claimed = math.prod(tensor.shape) * READ[tensor.dtype].itemsize
    if claimed != tensor.stop - tensor.start:
        raise InputError(
            f"{path.name} claims {claimed} bytes for {name!r} (shape {tensor.shape}) but gives it "
            f"{tensor.stop - tensor.start}."
        )
    return tensor


def _well_formed(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        return False
    shape, offsets = _whole(entry.get("shape")), _whole(entry.get("data_offsets"))
    return shape is not None and _addressable(shape) and _is_range(offsets)


def _addressable(shape: list[int]) -> bool:
    """Say whether numpy has a place for an array of this shape, however few numbers it holds."""
    return len(shape) <= MAX_AXES and 8 * math.prod(filter(None, shape)) <= _MAX_NUMBER


def _is_range(offsets: list[int] | None) -> bool:
    return offsets is not None and len(offsets) == 2 and offsets[0] <= offsets[1]


def _whole(values: Any) -> list[int] | None:
    if isinstance(values, list) and all(type(v) is int and 0 <= v <= _MAX_NUMBER for v in values):
        return values
    return None


def _check_contiguous(tensors: Layout, start: int, size: int, path: Path) -> None:
    for tensor in sorted(tensors.values(), key=lambda t: (t.start, t.stop)):
        if tensor.start != start:
            raise InputError(f"{path.name} is damaged: its arrays overlap or leave gaps.")
        start = tensor.stop
    if start != size:
        raise InputError(
            f"{path.name} has {size} bytes but its header accounts for {start}; it is cut short or "
            "damaged."
        )
