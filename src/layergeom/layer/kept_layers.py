"""Measured layers in the store of their states: what workers leave for the run that asked them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy.sparse as sp

from layergeom.arrays import IntArray
from layergeom.errors import StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.audit import Audit
from layergeom.geometry.uncertainty import Joined
from layergeom.layer.measured import MeasuredLayer
from layergeom.layer.settings import Settings
from layergeom.profiles import ScaleCurve, number_lists, plain
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates
from layergeom.states.store import Store
from layergeom.states.tensorfile import AnyArray
from layergeom.version import VERSION

FOLDER = "measured"  # of a store, until the profile is made
SCHEMA = 1
PAIRS = ("data", "indices", "indptr")  # of the matrix that joins rows


def keep_layer(
    states: HiddenStates,
    key: str,
    settings: Settings,
    groups: IntArray | None,
    layer: MeasuredLayer,
) -> None:
    """Keep a layer that was measured without labels; its graph lies in the store already.

    Raises
    ------
    StoreError
        If the states have no store, or it cannot be written.
    """
    if states.store is None:
        raise StoreError("measured layers are kept beside states that lie in a store.")
    facts: dict[str, Any] = {
        "numbers": layer.numbers,
        "scale": layer.scale,
        "decimation": layer.decimation,
        "audit": None if layer.audit is None else asdict(layer.audit),
        "undefined": layer.undefined,
        "notes": layer.notes,
        "graph": layer.graph is not None,
    }
    arrays = {f"influence/{name}": values for name, values in layer.influence.items()}
    for name, joined in layer.joined.items():
        if name != "overlap":  # the graph tells
            arrays |= _packed(f"joined/{name}", joined)
    content = _content(states, key, settings, groups)
    _scratch(states.store).put(key, arrays, content, plain(facts))


def kept_layer(
    states: HiddenStates,
    key: str,
    settings: Settings,
    groups: IntArray | None,
    graph: Callable[[], NeighborGraph],
) -> MeasuredLayer | None:
    """Return what :func:`keep_layer` has kept of a layer; None if it has not, or it is damaged.

    ``graph`` returns the neighbour graph.
    """
    if states.store is None or not (states.store.folder / FOLDER).is_dir():
        return None
    scratch, content = _scratch(states.store), _content(states, key, settings, groups)
    facts = scratch.facts(key, content)
    arrays = scratch.get(key, content, discard=True)
    if facts is None or arrays is None:
        return None
    layer = MeasuredLayer(
        numbers={name: _pair(values) for name, values in facts["numbers"].items()},
        influence=_named(arrays, "influence"),
        scale=None if facts["scale"] is None else ScaleCurve.of(facts["scale"]),
        decimation=None if facts["decimation"] is None else number_lists(facts["decimation"]),
        audit=None if facts["audit"] is None else Audit(**facts["audit"]),
        undefined=facts["undefined"],
        notes=facts["notes"],
    )
    for name in {label.rsplit("/", 1)[0] for label in _named(arrays, "joined")}:
        layer.joined[name] = _unpacked(_named(arrays, f"joined/{name}"))
    if facts["graph"]:
        layer.hold(graph(), settings.k)
    return layer


def is_kept(states: HiddenStates, key: str, settings: Settings, groups: IntArray | None) -> bool:
    """Return whether :func:`keep_layer` has kept a layer, and it is sound."""
    if states.store is None:
        return False
    content = _content(states, key, settings, groups)
    return _scratch(states.store).get(key, content, discard=True) is not None


def forget_layers(states: HiddenStates) -> None:
    """Remove what is kept of measured layers: the profile has it."""
    if states.store is not None:
        shutil.rmtree(states.store.folder / FOLDER, ignore_errors=True)


def _scratch(store: Store) -> Store:
    return Store(store.folder / FOLDER)


def _content(states: HiddenStates, key: str, settings: Settings, groups: IntArray | None) -> str:
    """Return the content key; another version may measure otherwise."""
    return content_key("measured", SCHEMA, VERSION, states.key, key, settings.content, groups)


def _packed(name: str, joined: Joined) -> dict[str, AnyArray]:
    parts = {part: getattr(joined.pairs, part) for part in PAIRS}
    if joined.units is not None:
        parts["units"] = joined.units
    return {f"{name}/{part}": array for part, array in parts.items()}


def _unpacked(parts: dict[str, AnyArray]) -> Joined:
    size = len(parts["indptr"]) - 1
    pairs = sp.csr_array(tuple(parts[part] for part in PAIRS), shape=(size, size))
    return Joined(pairs, parts.get("units"))


def _named(arrays: dict[str, AnyArray], kind: str) -> dict[str, AnyArray]:
    """Return the arrays of one kind by what follows it, in memory: matrices may be written to."""
    start = f"{kind}/"
    return {
        label.removeprefix(start): np.array(array)
        for label, array in arrays.items()
        if label.startswith(start)
    }


def _pair(values: list[float | None]) -> tuple[float, float]:
    value, error = (float("nan") if x is None else x for x in values)
    return value, error
