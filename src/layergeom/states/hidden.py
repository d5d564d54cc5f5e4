"""Hidden states of a set of samples at every layer, read one layer at a time."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from layergeom.arrays import BoolArray, FloatArray, Points, points
from layergeom.errors import InputError, InputTypeError, StoreError
from layergeom.states.store import Store
from layergeom.states.tensorfile import AnyArray

STATES = "states"  # the piece of a store that says what its layers are
ROWS = ("ids", "inputs", "rows", "groups")  # what is kept of the rows besides their states
PLAN = {"budget", "batch_size", "even"}  # of batches


HEAD = " (modules.json)"  # behind the names of a sentence encoder's steps, in place of a path


@dataclass(frozen=True)
class LayerName:
    """One layer in each tool's words.

    Attributes
    ----------
    key : str
        "embedding", "block_1" … "block_L", "final"; for stored arrays the user's own name.
    depth : float
        Relative depth l / L in [0, 1]; 1 for "final".
    hidden_states : int or None
        Index into Hugging Face's ``hidden_states`` whose tensor equals this layer; None if none
        does, and for stored arrays.
    module : str or None
        Dotted path of the module whose output this is; of a sentence encoder's own output the
        steps behind the blocks (``Pooling, Normalize (modules.json)``); None for stored arrays.
    blocks : int or None
        Number of blocks that a truncated model needs; None for stored arrays.
    final_norm : bool
        True if the final norm is applied.
    """

    key: str
    depth: float
    hidden_states: int | None
    module: str | None
    blocks: int | None
    final_norm: bool


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """Hidden states of n samples at every layer, read one layer at a time.

    Attributes
    ----------
    layers : tuple of str
        Layer keys from the input to the output.
    names : tuple of LayerName
        The same layers in each tool's words.
    n : int
        Number of samples, the rows of every layer.
    key : str
        Content hash of all that determines the numbers.
    provenance : mapping
        Model, revision, data fingerprint, dtype, pooling, versions: plain JSON.
    ids : tuple of str
        One per row.
    inputs : tuple of str, or None
        Hash of each row's input; equal hashes are the same input. None if unknown.
    counts : mapping of str to int
        Such as rows, truncated, sampled_from.
    warnings : tuple of str
        What was assumed or changed on the way.
    token_norms : mapping of str to (n, 2) array
        Mean and maximum token norm of each row by layer; empty for stored arrays.
    store : Store or None
        Where results about these states may be kept.
    rows : tuple of int, or None
        The sample in the data that each row was made from, counted from 0; None for stored arrays.
    groups : tuple of str, or None
        Rows of one group are no independent samples: tokens of one sequence, sequences of one
        cluster. None if every row stands for itself.
    load : callable, optional
        Returns the array of a layer key; by default the piece ``layers/<key>`` of the store.

    Examples
    --------
    >>> from layergeom.states.stored import stored_states
    >>> states = stored_states({"embedding": [[0, 1], [1, 0], [2, 2]]})
    >>> states["embedding"].shape, states.n
    ((3, 2), 3)
    """

    layers: tuple[str, ...]
    names: tuple[LayerName, ...]
    n: int
    key: str
    provenance: Mapping[str, Any]
    ids: tuple[str, ...]
    inputs: tuple[str, ...] | None
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    token_norms: Mapping[str, FloatArray]
    store: Store | None
    load: Callable[[str], Any] | None = field(default=None, repr=False)
    rows: tuple[int, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __getitem__(self, layer: str | int) -> Points:
        """Return one layer as a finite (n, D) array of float32 or float64.

        Parameters
        ----------
        layer : str or int
            A layer key, or l for ``embedding`` (0) and ``block_l``; among arrays with names of
            their own, the position. ``final`` goes by its key only.

        Raises
        ------
        InputError
            If there is no such layer, or it holds NaN or infinite entries.
        """
        key = self._layer_key(layer)
        array = self.load(key) if self.load is not None else _stored_layer(self, key)
        return points(array, f"Layer {key}")

    def _layer_key(self, layer: str | int) -> str:
        key = layer if isinstance(layer, str) else self._numbered(layer)
        if key not in self.layers:
            raise InputError(
                f"There is no layer {layer!r}; the layers are {', '.join(self.layers)}."
            )
        return key

    def _numbered(self, layer: int) -> str:
        if isinstance(layer, bool):
            raise InputTypeError(f"A layer is a name or a number but this is {layer!r}.")
        try:
            number = operator.index(layer)
        except TypeError:
            raise InputTypeError(f"A layer is a name or a number but this is {layer!r}.") from None
        if any(key == "embedding" or block_number(key) for key in self.layers):
            return "embedding" if number == 0 else f"block_{number}"
        return self.layers[number] if 0 <= number < len(self.layers) else ""


def first_tokens(states: HiddenStates) -> BoolArray | None:
    """Return which rows are the first tokens of their samples, (n,); None if rows are no tokens."""
    if states.provenance.get("settings", {}).get("pool") != "token":
        return None
    return np.array([name.rpartition(":")[2] == "0" for name in states.ids])


def block_number(key: str) -> int | None:
    """Return i of the layer key ``block_i`` (i ≥ 1), None for any other key."""
    head, _, number = key.partition("block_")
    is_block = head == "" and number.isascii() and number.isdigit() and number[0] != "0"
    return int(number) if is_block else None


class StoredNorms(Mapping[str, FloatArray]):
    """Token norms of stored layers, each read when it is asked for."""

    def __init__(self, store: Store, key: str, layers: tuple[str, ...]) -> None:
        self._store = store
        self._key = key
        self._layers = layers

    def __getitem__(self, layer: str) -> FloatArray:
        if layer not in self._layers:
            raise KeyError(layer)
        arrays = _layer_piece(self._store, self._key, layer)
        return np.asarray(arrays["token_norms"], dtype=np.float64)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def layer_piece(layer: str) -> str:
    """Return the name of the piece that holds a layer's ``states`` and ``token_norms``."""
    return f"layers/{layer}"


def write_facts(store: Store, hidden: HiddenStates) -> None:
    """Store all of ``hidden`` but its arrays as the piece ``states``, under its key.

    The layers are the pieces ``layers/<key>`` under the same key, with the arrays ``states`` (n, D)
    and ``token_norms`` (n, 2); the states are complete when this piece and all of them are there.
    """
    facts = {
        "layers": hidden.layers,
        "names": [asdict(name) for name in hidden.names],
        "n": hidden.n,
        "provenance": hidden.provenance,
        "counts": hidden.counts,
        "warnings": hidden.warnings,
        "token_norms": list(hidden.token_norms),
    }
    rows = {name: as_bytes(getattr(hidden, name)) for name in ROWS}
    store.put(STATES, rows, hidden.key, facts)


def open_states(
    store: Store, key: str | None = None, *, discard: bool = False
) -> HiddenStates | None:
    """Return the hidden states that a store holds.

    Parameters
    ----------
    store : Store
        Where `write_facts` wrote.
    key : str, optional
        The content key that they must have; any by default.
    discard : bool
        Verify every layer now, and warn and return None if one is damaged.

    Returns
    -------
    HiddenStates or None
        None if there are none, they are incomplete, or have another key.

    Raises
    ------
    StoreError
        If the piece ``states`` is damaged; a damaged layer raises when it is read.
    """
    key = store.key(STATES) if key is None else key
    facts = None if key is None else store.facts(STATES, key)
    if key is None or facts is None:
        return None
    rows = store.get(STATES, key, discard=discard)
    try:
        if rows is None or not _complete(store, key, facts["layers"], discard):
            return None
        return _opened(store, key, facts, rows)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"The piece {STATES!r} of {store.folder} is foreign ({error}); extract them again."
        ) from None


def _complete(store: Store, key: str, layers: list[str], discard: bool) -> bool:
    if discard:  # each is verified, so that each is warned of
        return None not in [store.get(layer_piece(x), key, discard=True) for x in layers]
    return all(store.key(layer_piece(layer)) == key for layer in layers)


def lost_layers(store: Store, key: str) -> tuple[str, ...]:
    """Return the layers that are damaged or missing, where all else of the states is whole.

    Empty where nothing is lost, and where everything has to be made anew.
    """
    try:
        facts = None if store.get(STATES, key) is None else store.facts(STATES, key)
    except StoreError:
        return ()
    layers = [] if facts is None else [str(layer) for layer in facts.get("layers", ())]
    lost = tuple(layer for layer in layers if not _sound(store, key, layer))
    return lost if len(lost) < len(layers) else ()


def _sound(store: Store, key: str, layer: str) -> bool:
    try:
        return store.get(layer_piece(layer), key) is not None
    except StoreError:
        return False


def batches_of(store: Store, key: str) -> dict[str, Any] | None:
    """Return the plan of the batches by which states of this key were made; None if unknown."""
    told = (store.facts(STATES, key) or {}).get("provenance")
    plan = told.get("batches") if isinstance(told, dict) else None
    return plan if isinstance(plan, dict) and plan.keys() == PLAN else None  # else it is foreign


def _opened(
    store: Store, key: str, facts: Mapping[str, Any], rows: Mapping[str, AnyArray]
) -> HiddenStates:
    of_rows: dict[str, Any] = {name: from_bytes(rows[name]) for name in ROWS if name in rows}
    hidden = HiddenStates(
        layers=tuple(facts["layers"]),
        names=tuple(LayerName(**name) for name in facts["names"]),
        n=facts["n"],
        key=key,
        provenance=facts["provenance"],
        counts=facts["counts"],
        warnings=tuple(facts["warnings"]),
        token_norms=StoredNorms(store, key, tuple(facts["token_norms"])),
        store=store,
        **{name: _tuple(value) for name, value in of_rows.items()},
    )
    _check_opened(hidden)
    return hidden


def _check_opened(hidden: HiddenStates) -> None:
    """Refuse facts that a whole manifest may hold all the same, if another tool wrote it."""
    if type(hidden.n) is not int or not all(isinstance(key, str) for key in hidden.layers):
        raise TypeError("n is a number and layers are texts")
    if tuple(name.key for name in hidden.names) != hidden.layers:
        raise ValueError("names and layers differ")
    for name in ROWS:
        values = getattr(hidden, name)
        if values is not None and len(values) != hidden.n:
            raise ValueError(f"{len(values)} {name} for {hidden.n} rows")
    if not (isinstance(hidden.provenance, dict) and isinstance(hidden.counts, dict)):
        raise TypeError("provenance and counts are mappings")


def _tuple(values: Any) -> Any:
    return None if values is None else tuple(values)


def _stored_layer(hidden: HiddenStates, layer: str) -> AnyArray:
    if hidden.store is None:
        raise InputError(f"Layer {layer} cannot be read: these states have neither file nor store.")
    states = _layer_piece(hidden.store, hidden.key, layer).get("states")
    if states is None or states.shape[:1] != (hidden.n,):
        raise StoreError(
            f"Layer {layer} of {hidden.store.folder} is foreign: it holds no states of {hidden.n} "
            "rows; extract them again."
        )
    return states


def _layer_piece(store: Store, key: str, layer: str) -> dict[str, AnyArray]:
    arrays = store.get(layer_piece(layer), key)
    if arrays is None:
        raise InputError(f"Layer {layer} is missing from {store.folder}; extract the states again.")
    return arrays


def as_bytes(values: tuple[Any, ...] | None) -> AnyArray:
    """Return one value per row as JSON in UTF-8: safetensors holds numbers only."""
    return np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)


def from_bytes(array: AnyArray) -> Any:
    """Return what :func:`as_bytes` was given, a list for a tuple."""
    return json.loads(array.tobytes())
