"""Stored states at the door: arrays, files and folders of them become `HiddenStates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.arrays import points
from layergeom.errors import InputError, StoreError
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates, LayerName, block_number, open_states
from layergeom.states.manifest import MANIFEST
from layergeom.states.store import Store
from layergeom.states.stored_files import (
    READERS,
    StoredLayer,
    file_layers,
    natural,
    object_layers,
)
from layergeom.states.stored_sequences import extracted_sequences
from layergeom.states.tensorfile import AnyArray


def stored_states(
    source: Any, store: Store | None = None, ids: Sequence[Any] | None = None
) -> HiddenStates:
    """Return hidden states that exist already, each layer read when it is asked for.

    Parameters
    ----------
    source : object
        A mapping from layer name to array (n, D); a list of arrays; one array (n, D) or (layers,
        n, D); a file ``.npy``, ``.npz``, ``.safetensors``, ``.pt``, ``.pth``, ``.h5``, ``.hdf5``
        or ``.zarr``; a folder of such files, one per layer; a folder of ``esm-extract``, with one
        ``.pt`` per sequence; the folder of a store that extraction wrote; or HiddenStates, which
        are returned.
    store : Store, optional
        Where results about these states may be kept.
    ids : sequence, optional
        One per row of arrays; by default row numbers from 0, of ``esm-extract`` its labels.
        Extracted states have their own.

    Returns
    -------
    HiddenStates
        Layers named ``embedding``, ``block_i`` and ``final`` keep these names and stand in this
        order; if there are others they keep the user's, in the order given (in a folder, and in
        files that know no order, ``layer_2`` before ``layer_10``), and the depth is the position
        among them, l / (L - 1), or 1 for a single one. ``key`` is the hash of the names, dtypes
        and bytes of the arrays.

    Raises
    ------
    InputError
        If layers differ in their number of rows, an array is not (n, D), or a file is damaged,
        claims more than it holds, or expands beyond 100 times its size.
    InputTypeError
        If the source holds no arrays.

    Notes
    -----
    The hash reads every array once (about 1 GB/s); ``.npy``, ``.safetensors`` and ``.pt`` files
    are memory-mapped, the others read one array at a time. NaN and infinite entries are found
    when a layer is read. A three-dimensional array is never pooled: (n, tokens, D) with fewer
    samples than tokens would be read as layers.

    Examples
    --------
    >>> states = stored_states([[[0, 1], [1, 0], [2, 2]], [[0, 2], [1, 1], [3, 2]]])
    >>> states.layers, [name.depth for name in states.names]
    (('layer_0', 'layer_1'), [0.0, 1.0])
    """
    if isinstance(source, HiddenStates):
        return source
    if isinstance(source, (str, Path)):
        path = Path(source)
        if (path / MANIFEST).is_file():
            return _extracted(path)
        found = extracted_sequences(path) if path.is_dir() else None
        if found is not None:
            origin = {"source": path.name, "warnings": (found.note,)}
            return _assembled(found.layers, store, found.labels if ids is None else ids, origin)
        layers, warnings = _from_path(path)
        return _assembled(layers, store, ids, {"source": path.name, "warnings": warnings})
    return _assembled(object_layers(source, "layer_0"), store, ids, {"source": "arrays"})


def _extracted(folder: Path) -> HiddenStates:
    states = open_states(Store(folder))
    if states is None:
        raise StoreError(f"{folder} holds no complete hidden states; extract them again.")
    return states


def _from_path(path: Path) -> tuple[list[StoredLayer], tuple[str, ...]]:
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the name.")
    if path.is_dir() and path.suffix.lower() != ".zarr":
        return _from_folder(path)
    return file_layers(path), ()


def _from_folder(folder: Path) -> tuple[list[StoredLayer], tuple[str, ...]]:
    entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    files = sorted((p for p in entries if p.suffix.lower() in READERS), key=_file_order)
    if not files:
        raise InputError(f"{folder} holds no states; they are read from {', '.join(READERS)}.")
    ignored = len(entries) - len(files)
    notes = (f"{ignored} other entries of {folder.name} were left out.",) if ignored else ()
    if len(files) == 1:
        return file_layers(files[0]), notes
    return [_only_layer(file) for file in files], notes


def _file_order(path: Path) -> tuple[Any, ...]:
    return natural(path.stem)


def _only_layer(path: Path) -> StoredLayer:
    layers = file_layers(path)
    if len(layers) > 1:
        raise InputError(
            f"{path} holds {len(layers)} arrays; a folder must have one layer per file, or one "
            "file with all layers."
        )
    return StoredLayer(path.stem, layers[0].shape, layers[0].read)


def _assembled(
    layers: list[StoredLayer],
    store: Store | None,
    ids: Sequence[Any] | None,
    origin: Mapping[str, Any],
) -> HiddenStates:
    n = _rows(layers)
    ordered = _ordered(layers)
    readers = {layer.name: layer.read for layer in ordered}
    keys = tuple(readers)
    digests = [content_key(key, _plain(key, read())) for key, read in readers.items()]
    key = content_key(digests)
    return HiddenStates(
        layers=keys,
        names=_names(keys),
        n=n,
        key=key,
        provenance={"source": origin["source"], "fingerprint": key},
        ids=_row_ids(ids, n),
        inputs=None,
        counts={"rows": n},
        warnings=tuple(origin.get("warnings", ())),
        token_norms={},
        store=store,
        load=lambda name: readers[name](),
    )


def _plain(key: str, array: Any) -> AnyArray:
    """Return the array that is hashed: all its numbers, NaN and infinite ones among them."""
    if hasattr(array, "toarray"):
        array = array.toarray()
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = (array.float() if str(array.dtype) == "torch.bfloat16" else array).numpy()
    plain = np.asarray(array)
    if isinstance(array, np.ma.MaskedArray) or plain.dtype.kind not in "biuf":
        points(array, f"Layer {key}")  # raises, with the reason
    return plain


def _rows(layers: list[StoredLayer]) -> int:
    """Return the number of rows that all layers share."""
    if not layers:
        raise InputError("There are no layers; at least one array is needed.")
    _check_names([layer.name for layer in layers])
    for layer in layers:
        if len(layer.shape) != 2:
            hint = " Pool over the sequence positions first." if len(layer.shape) == 3 else ""
            raise InputError(
                f"Layer {layer.name} must have 2 dimensions (samples, features) but has shape "
                f"{layer.shape}.{hint}"
            )
    first = layers[0]
    for layer in layers:
        if layer.shape[0] != first.shape[0]:
            raise InputError(
                f"Layer {layer.name} has {layer.shape[0]} rows but layer {first.name} has "
                f"{first.shape[0]}; all layers must hold the same samples."
            )
    return first.shape[0]


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Two layers are named {twice[0]!r}; every layer needs its own name.")


def _ordered(layers: list[StoredLayer]) -> list[StoredLayer]:
    if not all(_is_standard(layer.name) for layer in layers):
        return layers
    return sorted(layers, key=lambda layer: _place(layer.name))


def _is_standard(key: str) -> bool:
    return key in {"embedding", "final"} or block_number(key) is not None


def _place(key: str) -> float:
    return {"embedding": 0.0, "final": float("inf")}.get(key, float(block_number(key) or 0))


def _names(keys: tuple[str, ...]) -> tuple[LayerName, ...]:
    depths = [position / max(1, len(keys) - 1) for position in range(len(keys))]
    if len(keys) == 1:
        depths = [1.0]
    if all(_is_standard(key) for key in keys):
        deepest = max([block_number(key) or 0 for key in keys])
        depths = [min(1.0, _place(key) / max(1, deepest)) for key in keys]
    return tuple(
        LayerName(key, depth, None, None, None, key == "final")
        for key, depth in zip(keys, depths, strict=True)
    )


def _row_ids(ids: Sequence[Any] | None, n: int) -> tuple[str, ...]:
    if ids is None:
        return tuple(str(row) for row in range(n))
    if len(ids) != n:
        raise InputError(f"ids have length {len(ids)} but the states have {n} rows.")
    return tuple(str(value) for value in ids)
