"""Files of embeddings: one vector per id, with where they come from, written whole or not at all.

==============  ==========================================================================
``.npz``        arrays ``ids`` (texts), ``embeddings`` (n, D), ``provenance`` (JSON)
``.h5``         one dataset (D,) per id, as in UniProt's per-protein files and bio_embeddings;
                the id also as its attribute ``original_id``, provenance as the file's attribute
``.parquet``    columns ``id`` and ``embedding`` (lists of D), provenance in the schema's metadata
``.safetensors``  tensor ``embeddings`` (n, D); ``ids`` and ``provenance`` as JSON in the metadata
==============  ==========================================================================
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from layergeom.arrays import Float32Array
from layergeom.errors import InputError
from layergeom.states import durable

Format: TypeAlias = Literal["npz", "h5", "parquet", "safetensors"]

_SUFFIXES: dict[str, Format] = {f".{name}": name for name in get_args(Format)} | {".hdf5": "h5"}
_LIBRARIES = {"h5": ("h5py", "'layergeom[hdf5]'"), "parquet": ("pyarrow", "'layergeom[parquet]'")}
_HEADER = 90_000_000  # bytes of ids: safetensors reads headers up to 100 MB


def file_format(path: Path, asked: str | None = None) -> Format:
    """Return the format of a file by its suffix, or the one asked for.

    Raises
    ------
    InputError
        For another format, or one whose library is not installed: known before any model is run.

    Examples
    --------
    >>> file_format(Path("proteins.npz"))
    'npz'
    """
    known = {name: name for name in get_args(Format)} if asked is not None else _SUFFIXES
    name = path.suffix.lower() if asked is None else asked
    if name not in known:
        raise InputError(
            f"Embeddings are written as {', '.join(_SUFFIXES)}, not as {name!r}; name {path.name} "
            "otherwise or give format."
        )
    library, package = _LIBRARIES.get(known[name], ("numpy", ""))
    if find_spec(library) is None:
        raise InputError(f"{known[name]} files need {library}: pip install {package}.")
    return known[name]


def check_ids(ids: Sequence[str], kind: Format) -> None:
    """Refuse ids that a format cannot tell apart, before any model is run.

    Raises
    ------
    InputError
        For HDF5, whose datasets need a name each: repeated ids, ids that are equal once "/" is
        replaced by "_", and "", "." or "..". The other formats keep rows, whatever their ids.
    """
    if kind != "h5":
        return
    for name, times in Counter(map(_dataset, ids)).items():
        if times > 1 or name in ("", ".", ".."):
            what = f"stands for {times} rows" if times > 1 else "names no dataset"
            raise InputError(
                f"The id {name!r} {what} (a '/' counts as '_'), but HDF5 needs a name of its own "
                "for every row; make the ids distinct, or write .npz, .parquet or .safetensors."
            )


def write_embeddings(
    path: Path,
    ids: Sequence[str],
    array: Float32Array,
    provenance: Mapping[str, Any],
    kind: Format,
) -> None:
    """Write one vector per id.

    Parameters
    ----------
    path : Path
        Replaced if it exists; its folder is made.
    ids : sequence of n str
        In the order of the rows.
    array : float32 array, shape (n, D)
        The vectors.
    provenance : mapping
        Plain JSON.
    kind : str
        One of `Format`.

    Raises
    ------
    InputError
        As `check_ids`; or if ids of 90 MB are to become safetensors.
    StoreError
        If the file cannot be written; a former one is then intact.

    Notes
    -----
    HDF5 with one dataset per id writes some ten thousand rows per second and adds about 0.5 kB
    each; for millions of rows take ``.npz``, ``.parquet`` or ``.safetensors``.
    """
    check_ids(ids, kind)
    with _replacing(path) as unfinished:
        _WRITERS[kind](unfinished, ids, array, json.dumps(provenance, ensure_ascii=False))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a file beside ``path`` that takes its place at the end, or is removed after an error."""
    with durable.explained(path):
        # not a temporary: HDF5 locks its files itself
        unfinished = durable.create(path.parent, f".{path.name}.{secrets.token_hex(8)}.part")
        try:
            yield unfinished
            durable.publish(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _npz(path: Path, ids: Sequence[str], array: Float32Array, provenance: str) -> None:
    with path.open("wb") as file:  # given a name, numpy would add a suffix
        np.savez(file, ids=np.array(ids, dtype=np.str_), embeddings=array, provenance=provenance)


def _h5(path: Path, ids: Sequence[str], array: Float32Array, provenance: str) -> None:
    import h5py

    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["provenance"] = provenance
        for name, row in zip(ids, array, strict=True):
            file.create_dataset(_dataset(name), data=row).attrs["original_id"] = name


def _dataset(name: str) -> str:
    return name.replace("/", "_")  # which would make groups


def _parquet(path: Path, ids: Sequence[str], array: Float32Array, provenance: str) -> None:
    import pyarrow as pa  # type: ignore[import-not-found,unused-ignore]
    from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]

    lists = pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
    table = pa.table({"id": pa.array(list(ids), pa.string()), "embedding": lists})
    parquet.write_table(table.replace_schema_metadata({"provenance": provenance}), path)


def _safetensors(path: Path, ids: Sequence[str], array: Float32Array, provenance: str) -> None:
    from safetensors.numpy import save_file

    names = json.dumps(list(ids), ensure_ascii=False)
    if len(names.encode()) > _HEADER:
        raise InputError("The ids take more than safetensors' header holds; write .npz instead.")
    save_file({"embeddings": array}, path, {"ids": names, "provenance": provenance})


_WRITERS: dict[Format, Callable[[Path, Sequence[str], Float32Array, str], None]] = {
    "npz": _npz,
    "h5": _h5,
    "parquet": _parquet,
    "safetensors": _safetensors,
}
