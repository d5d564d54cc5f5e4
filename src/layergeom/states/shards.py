"""Shares of one extraction, each by a process of its own, put together afterwards.

A shard reads every n-th batch of the plan of the whole and writes to a store of its own, so that
processes on many machines never write one file. The first of them settles the plan of all.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layergeom.arrays import IntArray
from layergeom.errors import InputError, StoreError
from layergeom.states import durable
from layergeom.states.findings import Findings
from layergeom.states.hidden import HiddenStates, layer_piece, open_states, write_facts
from layergeom.states.locks import locked
from layergeom.states.store import Store
from layergeom.states.tensorfile import AnyArray
from layergeom.states.unfinished import LOCK

FOLDER = "shards"
PLAN = "plan.json"
SHARD = "shard"  # the piece of a shard's store that says which rows it holds
PATIENCE = 600.0  # seconds to wait for a process that is putting a finished shard away
_NAME = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True)
class Shard:
    """One share of an extraction: ``number`` of ``of``, counted from 1."""

    number: int
    of: int

    @classmethod
    def of_text(cls, text: str) -> Shard:
        """Read ``i/n``.

        Raises
        ------
        InputError
            If it is none, or i is beyond n.

        Examples
        --------
        >>> Shard.of_text("2/4")
        Shard(number=2, of=4)
        """
        match = _NAME.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise InputError(f"shard is {text!r}; give i/n with 1 <= i <= n, such as 2/4.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def store(self, whole: Store) -> Store:
        """Return the store of this shard, inside that of the whole."""
        return Store(whole.folder / FOLDER / f"{self.number}-of-{self.of}")


@dataclass(frozen=True)
class HeldShard:
    """What is there after a shard was asked for.

    Attributes
    ----------
    rows : int
        Of the shard, none where there are fewer batches than shards; or of the whole.
    whole : bool
        Whether the whole is there already, so that no shard is needed.
    """

    rows: int
    whole: bool = False


def common_plan(whole: Store, key: str, shard: Shard, own: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of all shards: that of the first, wherever it runs.

    Raises
    ------
    InputError
        If the shards that are there are of another number, or of other states.
    """
    path = whole.folder / FOLDER / PLAN
    content = {"key": key, "of": shard.of, "plan": own}
    with durable.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _first(path, content)
    if found["key"] != key:
        raise InputError(
            f"{path.parent} holds shards of other states; delete it, or choose another folder (-o)."
        )
    if found["of"] != shard.of:
        raise InputError(
            f"{path.parent} holds shards of {found['of']} in all but shard {shard.number} of "
            f"{shard.of} is asked for; give all shards one number, or delete the folder."
        )
    plan: dict[str, Any] = found["plan"]
    return plan


def _first(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Write the file if it is not there; return what it holds."""
    with durable.temporary(path.parent) as draft:
        draft.write_text(json.dumps(content), encoding="utf-8")
        durable.sync(draft)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(draft, path)
            durable.sync(path.parent)
    try:
        found = json.loads(path.read_bytes())
        if set(found) != set(content):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise StoreError(
            f"{path} is damaged; delete {path.parent} and start the shards anew."
        ) from None
    return dict(found)


def write_shard(store: Store, hidden: HiddenStates, rows: IntArray, facts: dict[str, Any]) -> None:
    """Record which rows a shard holds, what it found, and what the whole is."""
    write_facts(store, hidden)
    store.put(SHARD, {"rows": rows}, hidden.key, facts)


def write_empty_shard(store: Store, hidden: HiddenStates, widths: Sequence[int]) -> None:
    """Record a shard that has nothing to do: there are fewer batches than shards."""
    for layer, width in zip(hidden.layers, widths, strict=True):
        none = {"states": (0, width), "token_norms": (0, 2)}
        arrays = {label: np.empty(shape, dtype=np.float32) for label, shape in none.items()}
        store.put(layer_piece(layer), arrays, hidden.key)
    facts = {**Findings({}).facts, "held": 0}
    write_shard(store, hidden, np.empty(0, dtype=np.int64), facts)


def shards_of(whole: Store) -> list[Store]:
    """Return the stores of the shards, in their order.

    Raises
    ------
    InputError
        If there are none, or one of them is not finished; naming those that are missing.
    """
    if missing := unfinished_shards(whole):
        raise InputError(
            f"{whole.folder / FOLDER} lacks {', '.join(missing)}; run the same command with "
            f"--shard {missing[0]}, then merge again."
        )
    return [shard.store(whole) for shard in _shards(whole)]


def unfinished_shards(whole: Store) -> tuple[str, ...]:
    """Return which shards are not finished, as ``i/n``.

    Raises
    ------
    InputError
        If there are no shards at all.
    """
    left = [shard for shard in _shards(whole) if not _finished(shard.store(whole))]
    return tuple(map(str, left))


def _finished(store: Store) -> bool:
    """Whether a shard is there; its rows are recorded before its layers are."""
    return store.key(SHARD) is not None and open_states(store) is not None


def _shards(whole: Store) -> list[Shard]:
    folder = whole.folder / FOLDER
    try:
        of = int(json.loads((folder / PLAN).read_bytes())["of"])
    except FileNotFoundError:
        raise InputError(f"{folder} has no shards; run with --shard i/n first.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreError(f"{folder / PLAN} is damaged; delete {folder}, start anew.") from None
    return [Shard(number, of) for number in range(1, of + 1)]


def merge(whole: Store) -> HiddenStates:
    """Put the shards of a store together: the same pieces as one process would have written.

    Where windows of one row lie in several shards their shares are added in another order, so
    that these rows agree to 1e-6; all others bit for bit.

    Raises
    ------
    InputError
        If a shard is missing, or they are of different states.
    StoreError
        If a shard is damaged.
    """
    stores = shards_of(whole)
    with ExitStack() as stack:
        for store in stores:  # a process that has just finished one still holds it
            stack.enter_context(locked(store.folder / LOCK, PATIENCE))
        return _merged(whole, stores)


def _merged(whole: Store, stores: Sequence[Store]) -> HiddenStates:
    opened = [hidden for store in stores if (hidden := open_states(store)) is not None]
    if len({hidden.key for hidden in opened}) != 1 or len(opened) != len(stores):
        raise InputError(
            f"the shards in {whole.folder / FOLDER} are of different states; delete those of the "
            "older run."
        )
    first = opened[0]
    rows = [_rows(store, first.key) for store in stores]
    _check_rows(whole, rows, first.n)
    for layer in first.layers:
        _merge_layer(whole, stores, rows, first, layer)
    facts = [store.facts(SHARD, first.key) or {} for store in stores]
    write_facts(whole, Findings.together(facts).told_of(first))
    merged = open_states(whole, first.key)
    if merged is None:
        raise StoreError(f"{whole.folder} was changed by another process; merge again.")
    shutil.rmtree(whole.folder / FOLDER)
    return merged


def _rows(store: Store, key: str) -> IntArray:
    arrays = store.get(SHARD, key)
    if arrays is None:
        raise StoreError(f"{store.folder} holds other states than its neighbours; run it again.")
    return np.asarray(arrays["rows"], dtype=np.int64)


def _check_rows(whole: Store, rows: Sequence[IntArray], n: int) -> None:
    held = np.unique(np.concatenate(rows))
    if len(held) != n or held[-1] != n - 1:
        raise StoreError(
            f"the shards in {whole.folder / FOLDER} hold {len(held)} of {n} rows; delete the "
            "folder and run them again."
        )


def _merge_layer(
    whole: Store,
    stores: Sequence[Store],
    rows: Sequence[IntArray],
    states: HiddenStates,
    layer: str,
) -> None:
    name, parts = layer_piece(layer), [_arrays(store, states.key, layer) for store in stores]
    shapes = {
        label: ((states.n, *array.shape[1:]), array.dtype) for label, array in parts[0].items()
    }
    seen = np.zeros(states.n, dtype=bool)
    with ExitStack() as stack:
        writer = stack.enter_context(whole.open(name, shapes, states.key))
        for at, arrays in zip(rows, parts, strict=True):
            again = seen[at]  # windows of a row that another shard has begun
            for label, array in arrays.items():
                held = writer[label]
                held[at[~again]] = array[~again]
                if again.any():
                    _add(held, label, at[again], array[again])
            seen[at] = True


def _add(held: AnyArray, label: str, at: IntArray, more: AnyArray) -> None:
    if label == "states":
        held[at] += more
    else:  # mean and largest token norm
        held[at, 0] += more[:, 0]
        held[at, 1] = np.maximum(held[at, 1], more[:, 1])


def _arrays(store: Store, key: str, layer: str) -> dict[str, AnyArray]:
    arrays = store.get(layer_piece(layer), key)
    if arrays is None:
        raise StoreError(f"{store.folder} lacks {layer}; run its shard again.")
    return arrays
