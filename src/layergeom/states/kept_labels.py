"""Labels that a run keeps beside its states, so that they are known by their names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from layergeom.errors import StoreError, StoreWarning
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates, as_bytes, from_bytes
from layergeom.states.label_kinds import LabelSets, LabelType, Numbers, TypedLabels
from layergeom.states.row_contents import RowContents
from layergeom.states.store import Store

PIECES = "labels/"  # begins the names of the pieces of a store that hold them
CONTENTS = "contents"  # the piece that tells the rows apart by what they were made of


@dataclass(frozen=True, eq=False)
class KeptLabels:
    """One label per row of some states, None where it is missing.

    Attributes
    ----------
    name : str
        What they are asked for by: of ``table.tsv:topic`` it is ``topic``.
    role : str
        What the run used them as: "labels", "exclude" or "groups".
    values : TypedLabels
    origin : str
        Where they come from, in words.
    """

    name: str
    role: str
    values: TypedLabels
    origin: str

    @property
    def kind(self) -> LabelType:
        """What they are."""
        if isinstance(self.values, Numbers):
            return "number"
        return "multi" if isinstance(self.values, LabelSets) else "class"


def keep_labels(
    hidden: HiddenStates,
    labels: Sequence[KeptLabels],
    contents: RowContents | None = None,
) -> None:
    """Write labels into the store of the states that they are of, each beside those there are.

    Parameters
    ----------
    hidden : HiddenStates
        States without a store keep nothing.
    labels : sequence of KeptLabels
        One value per row of ``hidden``; they replace labels of the same name and role.
    contents : RowContents, optional
        What the rows were made of, by which label files without ids are joined.

    Warns
    -----
    StoreWarning
        Where the store cannot be written to: no number depends on it.
    """
    store = hidden.store
    if store is None:
        return
    try:
        for one in labels:
            _keep(store, hidden.key, _piece(one.name, one.role), one.values, _facts(one))
        if contents is not None and store.get(CONTENTS, hidden.key, discard=True) is None:
            facts = {"columns": list(contents.columns)}
            _keep(store, hidden.key, CONTENTS, contents.digests, facts)
    except StoreError as error:
        warnings.warn(f"{error} Later commands do not know the labels.", StoreWarning, stacklevel=2)


def kept_labels(hidden: HiddenStates) -> tuple[KeptLabels, ...]:
    """Return the labels that are kept beside states; none where there is no store.

    Raises
    ------
    StoreError
        If they are damaged.
    """
    store = hidden.store
    if store is None:
        return ()
    found = []
    for piece in store.names():
        facts = store.facts(piece, hidden.key) if piece.startswith(PIECES) else None
        arrays = None if facts is None else store.get(piece, hidden.key)
        if facts is not None and arrays is not None:
            found.append(_read(hidden, facts, arrays))
    return tuple(found)


def kept_contents(hidden: HiddenStates) -> RowContents | None:
    """Return what the rows of states were made of, as far as it is kept beside them."""
    facts = None if hidden.store is None else hidden.store.facts(CONTENTS, hidden.key)
    if facts is None or hidden.store is None:
        return None
    arrays = hidden.store.get(CONTENTS, hidden.key) or {}
    return RowContents(tuple(facts["columns"]), lambda: tuple(from_bytes(arrays["values"])))


def _keep(
    store: Store, key: str, piece: str, values: Sequence[Any], facts: Mapping[str, Any]
) -> None:
    """Write a piece unless the store has just this: it may be one that cannot be written to."""
    facts = {**facts, "digest": content_key(list(values))}
    if store.facts(piece, key) != facts or store.get(piece, key, discard=True) is None:
        store.put(piece, {"values": as_bytes(tuple(values))}, key, facts)


def _piece(name: str, role: str) -> str:
    return f"{PIECES}{role}/{content_key(name)[:16]}"  # a column's name may be long, or anything


def _facts(one: KeptLabels) -> dict[str, str]:
    return {"name": one.name, "role": one.role, "kind": one.kind, "origin": one.origin}


def _read(hidden: HiddenStates, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> KeptLabels:
    try:
        values = _typed(facts["kind"], from_bytes(arrays["values"]))
        found = KeptLabels(facts["name"], facts["role"], values, facts["origin"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _foreign(hidden, str(error)) from None
    if len(values) != hidden.n or not isinstance(found.name, str):
        raise _foreign(hidden, f"{len(values)} labels for {hidden.n} rows")
    return found


def _typed(kind: str, values: list[Any]) -> TypedLabels:
    if kind == "number":
        return Numbers(values)
    if kind == "multi":
        return LabelSets(None if names is None else tuple(names) for names in values)
    return cast("tuple[str | None, ...]", tuple(values))


def _foreign(hidden: HiddenStates, reason: str) -> StoreError:
    place = "the store" if hidden.store is None else hidden.store.folder
    return StoreError(f"Labels in {place} are foreign ({reason}); run it again with its labels.")
