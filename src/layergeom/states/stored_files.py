"""Files of hidden states: which layers each holds, their claims checked before anything is read."""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from layergeom.errors import InputError, InputTypeError
from layergeom.states import tensorfile
from layergeom.states.tensorfile import AnyArray

MAX_EXPANSION = 100  # of a compressed member; hidden states stay below 2, zeros reach 1,000
FREE_EXPANSION = 1 << 24  # bytes that any member, and all of a file together, may expand to
_PLAIN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes


@dataclass(frozen=True)
class StoredLayer:
    """One array of a source: its name, its shape, and how to read it."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Any]


def file_layers(path: Path) -> list[StoredLayer]:
    """Return the arrays that a file claims to hold; none is read yet, save those of ``.pt``.

    Raises
    ------
    InputError
        For a file of unknown kind, damaged, holding Python objects, or claiming more than it has.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is of no known kind; states are read from {', '.join(READERS)}.")
    with readable(path):
        layers = reader(path)
    if not layers:
        raise InputError(f"{path} holds no arrays.")
    return layers


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a format's own library raises into one sentence about the file.

    The libraries promise no common error: a mutated file reaches zlib, struct, the parser of
    headers and more.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; check the name and the folder.") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} cannot be read: it is damaged or holds more than numbers ({reason}); save "
            "arrays, best as .safetensors."
        ) from error


def natural(name: str) -> tuple[Any, ...]:
    """Return a sort key by which ``layer_2`` stands before ``layer_10``."""
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts)


def slices(name: str, shape: tuple[int, ...], read: Callable[[], Any]) -> list[StoredLayer]:
    """Return a two-dimensional array as one layer, a three-dimensional one as its slices.

    Raises
    ------
    InputError
        If there are more layers than samples: the axes are in another order.
    """
    if len(shape) != 3:
        return [StoredLayer(name, shape, read)]
    if shape[0] > shape[1]:
        raise InputError(
            f"{name} has shape {shape}: {shape[0]} layers of {shape[1]} samples; the axes must be "
            "(layers, samples, features)."
        )
    return [StoredLayer(f"layer_{i}", shape[1:], partial(_slice, read, i)) for i in range(shape[0])]


def _slice(read: Callable[[], Any], i: int) -> Any:
    return read()[i]


def _sorted(layers: Iterable[StoredLayer]) -> list[StoredLayer]:
    return sorted(layers, key=lambda layer: natural(layer.name))


def _npy(path: Path) -> list[StoredLayer]:
    array = _mapped(path)
    return slices(path.stem, array.shape, partial(_mapped, path))


def _mapped(path: Path) -> AnyArray:
    """Return the memory map of a .npy file; numpy refuses shapes beyond the file, and objects."""
    with readable(path):
        array: AnyArray = np.lib.format.open_memmap(path, mode="r")
    return array


def npz_arrays(path: Path) -> list[StoredLayer]:
    """Return the arrays that an .npz file claims to hold, each as it is; none is read yet.

    Raises
    ------
    InputError
        As :func:`file_layers`.
    """
    with readable(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_sizes(members, path)
        if len({m.filename for m in members}) < len(members):
            raise InputError(f"{path} is damaged: two of its members have the same name.")
        shapes = {m.filename: _member_shape(archive, m, path) for m in members}
    return [
        StoredLayer(name.removesuffix(".npy"), shape, partial(_member, path, name))
        for name, shape in shapes.items()
    ]


def _npz(path: Path) -> list[StoredLayer]:
    layers = npz_arrays(path)
    if len(layers) == 1:
        return slices(layers[0].name, layers[0].shape, layers[0].read)
    return layers


def _check_sizes(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse members that overlap in the file, or expand beyond what hidden states can."""
    size, expanded = path.stat().st_size, sum(m.file_size for m in members)
    if sum(m.compress_size for m in members) > size:
        raise InputError(f"{path} is damaged: its members claim more bytes than the file has.")
    if any(m.compress_type not in _PLAIN_ZIP for m in members):
        raise InputError(f"{path} is refused: it is not compressed as numpy does it; save it anew.")
    for member in members:
        if member.file_size > max(FREE_EXPANSION, MAX_EXPANSION * member.compress_size):
            raise InputError(
                f"{path} is refused: {member.filename!r} expands from {member.compress_size} to "
                f"{member.file_size} bytes, more than {MAX_EXPANSION} times; save it uncompressed "
                "if that is right."
            )
    if expanded > max(FREE_EXPANSION, MAX_EXPANSION * size):
        raise InputError(
            f"{path} is refused: its members expand from {size} to {expanded} bytes, more than "
            f"{MAX_EXPANSION} times; save it uncompressed if that is right."
        )


def _member_shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> tuple[int, ...]:
    with archive.open(member) as file:
        shape, dtype = _npy_header(file, f"{path}, {member.filename!r}")
        claimed = file.tell() + math.prod(shape) * dtype.itemsize
    if claimed != member.file_size:
        raise InputError(
            f"{path}, {member.filename!r} claims {claimed} bytes but has {member.file_size}."
        )
    return shape


def _npy_header(file: IO[bytes], place: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise InputError(f"{place} has the .npy version {version}, which plain arrays never have.")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise InputTypeError(f"{place} holds Python objects, not numbers; save it as float32.")
    return shape, dtype


def _member(path: Path, name: str) -> AnyArray:
    with readable(path), zipfile.ZipFile(path) as archive, archive.open(name) as file:
        array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _safetensors(path: Path) -> list[StoredLayer]:
    layers = [
        StoredLayer(name, tensor.shape, partial(tensorfile.read, path, tensor))
        for name, tensor in tensorfile.layout(path).items()
    ]
    if len(layers) == 1:
        return slices(layers[0].name, layers[0].shape, layers[0].read)
    return _sorted(layers)


def _torch(path: Path) -> list[StoredLayer]:
    held = torch_object(path)
    _check_tensors(held, path)
    layers = object_layers(held, path.stem)
    size = path.stat().st_size
    for layer in layers:  # a stride of 0 repeats one stored number without end
        check_claim(f"{path}, {layer.name!r}", layer.shape, size)
    return layers


def torch_object(path: Path) -> Any:
    """Return what ``torch.save`` wrote, tensors still on disk; no code in it is run.

    Raises
    ------
    InputError
        For a file that is damaged or could fill the memory; PyTorch's own errors for one that
        holds more than tensors, numbers and texts.
    """
    import torch

    _check_pickle(path)
    if zipfile.is_zipfile(path):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    with _bytes_of(path) as raw:  # which reads no more than there is, whatever a length says
        return torch.load(raw, map_location="cpu", weights_only=True)


@contextlib.contextmanager
def _bytes_of(path: Path) -> Iterator[Any]:
    """Give a file as a memory map."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        yield raw


def _check_pickle(path: Path) -> None:
    """Refuse what makes PyTorch's restricted reader, which runs no code, fill the memory."""
    with _bytes_of(path) as raw:
        if raw.find(b"bytearray") >= 0:  # the one constructor that takes a mere size
            raise InputError(f"{path} is refused: it holds a bytearray, which is no tensor.")
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(m.compress_type != zipfile.ZIP_STORED for m in archive.infolist()):
            raise InputError(f"{path} is refused: it is compressed, which torch.save is not.")
        if damaged := archive.testzip():  # PyTorch itself does not look at the checksums
            raise InputError(f"{path} is damaged: {damaged!r} has not its checksum; save it anew.")


def _check_tensors(held: Any, path: Path) -> None:
    """Refuse lists of numbers: one that holds another ten times grows tenfold at each depth."""
    named = held if isinstance(held, Mapping) else {}
    values = named.values() if named else held if isinstance(held, (list, tuple)) else ()
    if not all(isinstance(key, (str, int)) for key in named):
        raise InputTypeError(f"{path} names a layer by neither a text nor a number.")
    for value in values:
        if not hasattr(value, "shape"):
            raise InputTypeError(
                f"{path} holds a {type(value).__name__} where a tensor is needed; save tensors."
            )


def check_claim(place: str, shape: tuple[int, ...], stored: int) -> None:
    """Refuse an array whose entries, at a byte each, could not come from the bytes stored."""
    if math.prod(shape) > max(FREE_EXPANSION, MAX_EXPANSION * stored):
        raise InputError(
            f"{place} claims the shape {shape} but is stored in {stored} bytes; it is refused."
        )


def object_layers(held: Any, name: str) -> list[StoredLayer]:
    """Return the layers of a mapping, a list, or one array of two or three dimensions.

    Raises
    ------
    InputTypeError
        If it is none of these.
    """
    if isinstance(held, Mapping):
        named = {_key(key): value for key, value in held.items()}
        if len(named) < len(held):
            raise InputError(f"Two layers of {name} have the same name as text.")
        return [_in_memory(key, value) for key, value in named.items()]
    if isinstance(held, (list, tuple)):
        return [_in_memory(f"layer_{i}", value) for i, value in enumerate(held)]
    if not hasattr(held, "shape"):
        raise InputTypeError(
            f"Hidden states cannot be read from {type(held).__name__}; pass arrays by layer, a "
            "file or a folder of them."
        )
    return slices(name, tuple(held.shape), lambda: held)


def _key(key: Any) -> str:
    return key if isinstance(key, str) else f"layer_{key}"


def _in_memory(name: str, value: Any) -> StoredLayer:
    try:
        array = value if hasattr(value, "shape") else np.asarray(value)
    except ValueError as error:
        raise InputTypeError(f"Layer {name} is no rectangular array ({error}).") from None
    return StoredLayer(name, tuple(array.shape), lambda: array)


def _hdf5(path: Path) -> list[StoredLayer]:
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} needs h5py: pip install 'layergeom[hdf5]'.") from None
    found: dict[str, tuple[int, ...]] = {}
    size = path.stat().st_size

    def note(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        place, found[name] = f"{path}, {name!r}", tuple(item.shape or ())
        if item.external or item.is_virtual:
            raise InputError(f"{place} lies in another file; store the numbers themselves.")
        check_claim(place, found[name], size)
        check_claim(f"{place}, a chunk", item.chunks or (), size)

    with h5py.File(path, "r") as file:
        file.visititems(note)
    return _grouped(found, partial(_hdf5_array, path))


def _hdf5_array(path: Path, name: str) -> Any:
    import h5py

    with readable(path), h5py.File(path, "r") as file:
        return file[name][()]


def _zarr(path: Path) -> list[StoredLayer]:
    files = [file for file in path.rglob("*") if file.is_file()]
    _check_codecs(path, files)
    try:
        import zarr
    except ImportError:
        raise InputError(f"{path} needs zarr: pip install 'layergeom[zarr]'.") from None
    root = zarr.open(str(path), mode="r")
    stored = sum(file.stat().st_size for file in files)
    arrays = dict(root.arrays()) if hasattr(root, "arrays") else {"": root}
    for name, array in arrays.items():
        place = f"{path}, {name!r}" if name else str(path)
        check_claim(place, tuple(array.shape), stored)
        check_claim(f"{place}, a chunk", tuple(array.chunks), stored)
    if "" in arrays:
        return slices(path.stem, tuple(root.shape), partial(_zarr_array, path, root))
    shapes = {name: tuple(array.shape) for name, array in arrays.items()}
    return _grouped(shapes, lambda name: _zarr_array(path, arrays[name]))


def _check_codecs(path: Path, files: Iterable[Path]) -> None:
    """Refuse the codec by which older versions of zarr's library unpickle, hence run, a chunk."""
    for file in files:
        if file.name in _ZARR_FACTS and "pickle" in json.dumps(json.loads(file.read_bytes())):
            raise InputError(f"{path} is refused: {file.name} names pickle, which runs code.")


def _zarr_array(path: Path, array: Any) -> AnyArray:
    with readable(path):
        return np.asarray(array[...])


def _grouped(
    shapes: Mapping[str, tuple[int, ...]], read: Callable[[str], Any]
) -> list[StoredLayer]:
    layers = [StoredLayer(name, shape, partial(read, name)) for name, shape in shapes.items()]
    if len(layers) == 1:
        return slices(layers[0].name, layers[0].shape, layers[0].read)
    return _sorted(layers)


_ZARR_FACTS = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")
READERS: dict[str, Callable[[Path], list[StoredLayer]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".zarr": _zarr,
}
