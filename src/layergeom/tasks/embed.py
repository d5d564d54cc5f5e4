"""One layer as embeddings: a vector per row, keyed by the user's ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layergeom.arrays import Float32Array, finite
from layergeom.errors import InputError
from layergeom.profiles import load
from layergeom.states.extract import extract
from layergeom.states.forward import Progress
from layergeom.states.hidden import HiddenStates, layer_piece
from layergeom.states.inputs import read_samples
from layergeom.states.pooling import Pooling
from layergeom.states.store import Store
from layergeom.tasks.chosen_layer import chosen_layer
from layergeom.tasks.embedding_files import check_ids, file_format, write_embeddings
from layergeom.tasks.preflight import check_states
from layergeom.version import VERSION

_OF_ALL_LAYERS = ("invalid", "skipped")  # said in the warnings


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One vector per row of the data, at one layer.

    Attributes
    ----------
    ids : tuple of n str
        The data's ids, or row numbers from 0, in the data's order.
    array : float32 array, shape (n, D)
        The vectors, as pooled: neither centred nor normalised.
    layer : str
        The layer's key.
    provenance : mapping
        Model, revision, layer, pooling, settings, versions: plain JSON.
    warnings : tuple of str
        What was assumed, cut or left out.
    """

    ids: tuple[str, ...]
    array: Float32Array
    layer: str
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def save(self, path: Path | str, format: str | None = None) -> Path:  # noqa: A002
        """Write the vectors; see :mod:`layergeom.tasks.embedding_files` for the formats.

        Raises
        ------
        InputError
            For an unknown format, a library that is missing, or ids that the format cannot tell
            apart.
        StoreError
            If the file cannot be written.
        """
        place = Path(path)
        write_embeddings(place, self.ids, self.array, self.provenance, file_format(place, format))
        return place


def embed(
    model: Any,
    data: Any,
    *,
    layer: str | int,
    run: Path | str | None = None,
    output: Path | str | None = None,
    format: str | None = None,  # noqa: A002
    pool: Pooling = "auto",
    text_column: Any = None,
    max_samples: int | Literal["all"] | None = "all",
    seed: int = 0,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Embeddings:
    """Return the pooled states of one layer for every row; later blocks are not run.

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        Hub id, local folder or loaded module.
    data : path, list or dataset
        Texts or token ids.
    layer : str or int
        A layer key (``embedding``, ``block_l``, ``final``) or l; "recommended" with ``run``.
    run : path, optional
        Folder of a run whose recommendation is meant.
    output : path, optional
        A file to write: ``.npz``, ``.h5``, ``.parquet`` or ``.safetensors``.
    format : str, optional
        Of ``output``, where its suffix does not say.
    pool : str
        How tokens become one vector, as in the run that chose the layer.
    text_column, max_samples, seed
        How the data are read; all rows by default.
    folder : path, optional
        Keeps the states, so that the same call is answered from there.
    progress : callable(done, total, what), optional
        Called after each batch.
    **options
        Of :func:`layergeom.states.extract.extract`: ``max_length``, ``long``, ``batch_size``,
        ``device``, ``dtype``, ``hook_point``, ``special_tokens``, ``revision``, …

    Returns
    -------
    Embeddings
        Rows left out by ``long="skip"`` are absent from ``ids`` too.

    Raises
    ------
    InputError
        If there is no such layer, its states are not finite, the run recommends none, or the file
        cannot hold the ids; what can be known before is said before the model is run.
    StoreError
        If the file cannot be written.

    Notes
    -----
    Cost: the forward pass up to the layer, and n · D · 8 bytes (4 of them on the disk). When it
    misleads: a layer was chosen under one pooling; under another the choice says nothing, and with
    ``run`` a difference of model or pooling is among the warnings.
    """
    asked = layer_key(chosen_layer(layer, run))
    kind = None if output is None else file_format(Path(output), format)
    samples = read_samples(data, text_column=text_column, max_samples=max_samples, seed=seed)
    if kind is not None:
        check_ids(samples.ids, kind)
    store = Store.temporary() if folder is None else Store(folder)
    options |= {"pool": pool, "layers": [asked], "ready": partial(check_states, 1)}
    hidden = extract(model, samples, store=store, progress=progress, **options)
    found = _embeddings(hidden, asked, run)
    if output is not None:
        found.save(output, kind)
    return found


def layer_key(layer: str | int) -> str:
    """Return the key of a layer that may be given by its number.

    Examples
    --------
    >>> layer_key(0), layer_key(3), layer_key("final")
    ('embedding', 'block_3', 'final')
    """
    if isinstance(layer, str):
        return layer
    if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)) or layer < 0:
        raise InputError(f"layer must be a key such as 'block_3' or a number but is {layer!r}.")
    return f"block_{layer}" if layer else "embedding"


def _embeddings(hidden: HiddenStates, layer: str, run: Path | str | None) -> Embeddings:
    if reason := hidden.provenance["invalid"].get(layer):
        raise InputError(f"Layer {layer} cannot be embedded: {reason}.")
    facts = {k: v for k, v in hidden.provenance.items() if k not in _OF_ALL_LAYERS}
    versions = {**facts.get("versions", {}), "layergeom": VERSION, "numpy": np.__version__}
    return Embeddings(
        ids=hidden.ids,
        array=_vectors(hidden, layer),
        layer=layer,
        provenance={**facts, "layer": layer, "rows": hidden.n, "versions": versions},
        warnings=(*hidden.warnings, *_other_than(run, hidden)),
    )


def _vectors(hidden: HiddenStates, layer: str) -> Float32Array:
    """Return the stored layer as it is: few rows are no fault here, unlike in geometry."""
    pieces = None
    if hidden.store is not None:
        pieces = hidden.store.get(layer_piece(layer), hidden.key)
    if pieces is None:
        raise InputError(f"Layer {layer} is missing from the states; embed again.")
    array: Float32Array = np.array(pieces["states"], dtype=np.float32)
    finite(array, f"Layer {layer}")
    return array


def _other_than(run: Path | str | None, hidden: HiddenStates) -> list[str]:
    """Say what differs from the run whose recommendation was taken."""
    if run is None:
        return []
    of_run = load(run).provenance.get("states", {})
    told = {"model_hash": "another model", "pooling": "another pooling", "dtype": "another dtype"}
    return [
        f"The layer was recommended for {what}: {of_run.get(name)} there, "
        f"{hidden.provenance.get(name)} here."
        for name, what in told.items()
        if of_run.get(name) != hidden.provenance.get(name)
    ]
