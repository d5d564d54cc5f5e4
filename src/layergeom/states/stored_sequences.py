"""Folders with a file per sequence, as ``esm-extract`` writes them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.arrays import Float32Array
from layergeom.errors import InputError
from layergeom.states.stored_files import (
    StoredLayer,
    check_claim,
    natural,
    readable,
    torch_object,
)

MEAN, BOS, RESIDUES = "mean_representations", "bos_representations", "representations"
_POOLED = {  # what is read, in this order, and what a row then is
    MEAN: "the mean over the residues, as esm-extract wrote it",
    BOS: "the state of the start token; there are no means",
    RESIDUES: "the mean over the residues, made of the states of each",
}
_PICKLE = 1 << 20  # bytes of a file's small part, in which the names stand


@dataclass(frozen=True)
class Extracted:
    """A folder of sequences.

    Attributes
    ----------
    layers : list of StoredLayer
        ``layer_<l>`` by ESM's numbers, ascending.
    labels : tuple of str
        The sequence of each row.
    note : str
        What a row is.
    """

    layers: list[StoredLayer]
    labels: tuple[str, ...]
    note: str


def extracted_sequences(folder: Path) -> Extracted | None:
    """Return the layers of a folder that ``esm-extract`` wrote; None if it is none.

    Parameters
    ----------
    folder : Path
        With a ``.pt`` for each sequence, also in sub-folders (of labels with a slash): a mapping
        with ``label`` and ``mean_representations``, ``bos_representations`` or
        ``representations``, each from layer to tensor.

    Returns
    -------
    Extracted or None
        Rows in the natural order of the files' names (``seq2`` before ``seq10``).

    Raises
    ------
    InputError
        If a file is damaged, is of another kind, or lacks a layer that the first has.

    Notes
    -----
    Only the layer that is asked for is kept in memory; each time, every file is opened (some 0.3
    ms each, and its checksums are read).
    """
    files = sorted(folder.rglob("*.pt"), key=lambda path: natural(str(path.relative_to(folder))))
    if not files or not _names_representations(files[0]):
        return None
    first = _held(files[0])
    kind = next((kind for kind in _POOLED if isinstance(first.get(kind), Mapping)), None)
    if kind is None or not first[kind]:
        raise InputError(f"{files[0]} holds no representations; run esm-extract with --include.")
    numbers = sorted(first[kind])
    layers = [
        StoredLayer(
            f"layer_{number}",
            (len(files), _row(files[0], first, kind, number).size),
            partial(_layer, files, kind, number),
        )
        for number in numbers
    ]
    labels = tuple(str(_held(file)["label"]) for file in files)
    others = sum(path.is_file() for path in folder.rglob("*")) - len(files)
    left = f" {others} other files were left out." if others else ""
    note = f"Rows are {_POOLED[kind]}; layers have esm's numbers, the network's last is normed."
    return Extracted(layers, labels, note + left)


def _names_representations(path: Path) -> bool:
    if not zipfile.is_zipfile(path):  # before PyTorch 1.6
        with path.open("rb") as file:
            return RESIDUES.encode() in file.read(_PICKLE)
    with readable(path), zipfile.ZipFile(path) as archive:
        small = [name for name in archive.namelist() if name.endswith("data.pkl")]
        return any(RESIDUES.encode() in archive.open(name).read(_PICKLE) for name in small)


def _held(path: Path) -> Mapping[str, Any]:
    with readable(path):
        held = torch_object(path)
    if not isinstance(held, Mapping) or "label" not in held:
        raise InputError(f"{path} is not of esm-extract as the others are; remove it.")
    return held


def _layer(files: list[Path], kind: str, number: int) -> Float32Array:
    rows = [_row(path, _held(path), kind, number) for path in files]
    for path, row in zip(files, rows, strict=True):
        if row.size != rows[0].size:
            raise InputError(
                f"{path} has {row.size} features at layer {number} but {files[0].name} has "
                f"{rows[0].size}; the files are of different models."
            )
    return np.stack(rows)


def _row(path: Path, held: Mapping[str, Any], kind: str, number: int) -> Float32Array:
    found = held.get(kind)
    tensor: Any = found.get(number) if isinstance(found, Mapping) else None
    if not hasattr(tensor, "shape") or tensor.ndim != (2 if kind == RESIDUES else 1):
        raise InputError(f"{path} has no {kind} of layer {number}, which the first file has.")
    check_claim(f"{path}, layer {number}", tuple(tensor.shape), path.stat().st_size)
    row = tensor.float().mean(0) if kind == RESIDUES else tensor.float()
    array: Float32Array = row.numpy().copy()
    return array
