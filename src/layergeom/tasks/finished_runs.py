"""Finished runs to be compared: what they kept, what they must have in common, the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from layergeom import geometry, profiles
from layergeom.arrays import IntArray
from layergeom.errors import InputError, InputTypeError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.layer import Settings, layer_graph
from layergeom.measure import check_rows, measure
from layergeom.profiles import STATES, Profile
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.kept_labels import kept_labels
from layergeom.states.label_kinds import TypedLabels, labels_taken
from layergeom.states.manifest import MANIFEST
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.measured_groups import groups_of, with_groups_of

NO_ROWS = np.empty((0, 1))  # nothing to search: only what was kept can answer
REMEDY = {
    "data": "run all models on the same data, or give the rows ids (a column id)",
    "pooling": "run them with the same --pool",
    "hook_point": "run them with the same hook point",
    "estimators": "run them with the same --scale and one version of layergeom",
    "k": "run them with the same --k",
    "ranks": "run them with the same ranks",
}


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A profile with what was kept beside it.

    Attributes
    ----------
    name : str
        What figures and messages call it.
    profile : Profile
    states : HiddenStates or None
        None where they were not kept.
    lists : HiddenStates
        The same without arrays: whose neighbour lists the store holds.
    """

    name: str
    profile: Profile
    states: HiddenStates | None
    lists: HiddenStates

    @property
    def settings(self) -> Settings:
        """What the profile was made with."""
        return Settings(**self.profile.provenance["settings"])

    @cached_property
    def groups(self) -> IntArray | None:
        """The groups that the profile was measured with: (n,); None if rows stand alone."""
        return groups_of(self.profile, self.lists)

    @cached_property
    def labels(self) -> dict[str, TypedLabels]:
        """What the profile was measured with, by the roles "labels" and "exclude".

        Empty if nothing was, or if it is not known which of several kept ones it is.
        """
        if self.states is None or self.profile.provenance.get("labels") is None:
            return {}
        kept = kept_labels(self.states)
        roles = [one.role for one in kept if one.role in ("labels", "exclude")]
        told = "labels" in roles and len(set(roles)) == len(roles)
        return {one.role: one.values for one in kept if one.role in roles} if told else {}

    def width(self) -> float:
        """Return the number of coordinates of the first layer that can be read; nan if none can."""
        known = [key for key in self.profile.layers if key not in self.profile.undefined]
        if self.states is None or not known:
            return float("nan")
        return float(self.states[known[0]].shape[1])

    def graph(self, layer: str, k: int) -> NeighborGraph | None:
        """Return the k nearest neighbours at a layer; None if the layer has none.

        Raises
        ------
        InputError
            If neither enough neighbours nor the states were kept, or the groups are not known.
        """
        held = self._held(layer)
        if held is not None and held.k >= k:
            return held.nearest(k)
        if layer in self.profile.undefined:
            return None
        if self.states is None:
            have = "no neighbour lists" if held is None else f"{held.k} neighbours"
            raise InputError(
                f"{self.name} kept {have} of {layer} and no states, but k is {k}; run it again "
                "with folder=… (-o), or give its states."
            )
        return geometry.neighbor_graph(
            self.states[layer], k, inputs=self.states.inputs, groups=self.groups
        )

    def _held(self, layer: str) -> NeighborGraph | None:
        groups = self.groups
        try:
            return layer_graph(self.lists, layer, NO_ROWS, self.settings, groups=groups)
        except StoreError:
            raise
        except InputError:
            return None


def finished_runs(runs: Mapping[str, Any] | Sequence[Any], k: int) -> list[FinishedRun]:
    """Open at least two runs: folders, pairs of profile and states, or states (measured now)."""
    if isinstance(runs, (str, Path, Profile)) or not isinstance(runs, (Mapping, Sequence)):
        raise InputTypeError("give a list of runs, or a mapping from name to run.")
    named = runs if isinstance(runs, Mapping) else dict(zip(_names(runs), runs, strict=True))
    if len(named) < 2:
        raise InputError(f"a comparison needs at least two runs but there is {len(named)}.")
    return [_opened(str(name), source, k) for name, source in named.items()]


def _names(runs: Sequence[Any]) -> list[str]:
    """Name folders by their last parts, as many as tell them apart, and the others by number."""
    paths = [Path(run).resolve() if isinstance(run, (str, Path)) else None for run in runs]
    for depth in (1, 2, 3):
        names = [
            f"run {at}" if path is None else "/".join(path.parts[-depth:])
            for at, path in enumerate(paths, 1)
        ]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({at})" for at, name in enumerate(names, 1)]


def _opened(name: str, source: Any, k: int) -> FinishedRun:
    if isinstance(source, (str, Path)):
        return finished_run(source, name)
    if isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], Profile):
        return _from_pair(name, source[0], source[1])
    if isinstance(source, Profile):
        raise InputTypeError(
            f"{name} is a profile alone, which holds no neighbours; give its run folder, or the "
            "pair (profile, states)."
        )
    states = stored_states(source)
    if states.store is None:
        states = replace(states, store=Store.temporary())
    return FinishedRun(name, measure(states, settings=Settings(k=k)), states, states)


def finished_run(folder: Path | str, name: str = "the run") -> FinishedRun:
    """Open the folder of a run (or its ``profile.json``); messages call it ``name``."""
    folder = Path(folder)
    profile = profiles.load(folder)
    folder = folder if folder.is_dir() else folder.parent
    inside = folder / STATES  # the store of a checkpoint is the folder itself
    store = Store(inside if (inside / MANIFEST).is_file() else folder)
    kept = open_states(store, profile.provenance["states"]["key"])
    lists = with_groups_of(profile, _lists(profile, store) if kept is None else kept)
    return FinishedRun(name, profile, None if kept is None else lists, lists)


def _from_pair(name: str, profile: Profile, states: Any) -> FinishedRun:
    hidden = with_groups_of(profile, stored_states(states))
    if hidden.key != profile.provenance["states"]["key"]:
        raise InputError(f"{name}: these states are not those that the profile was made of.")
    return FinishedRun(name, profile, hidden, hidden)


def _lists(profile: Profile, store: Store) -> HiddenStates:
    facts = profile.provenance["states"]
    return HiddenStates(
        layers=profile.layers,
        names=profile.names,
        n=profile.counts["rows"],
        key=facts["key"],
        provenance=facts,
        ids=(),
        inputs=None,
        counts=profile.counts,
        warnings=(),
        token_norms={},
        store=store,
    )


def check_alike(runs: Sequence[FinishedRun], allow: Collection[str]) -> list[str]:
    """Refuse runs that differ in pooling, hook point, estimators or settings, unless allowed.

    Returns
    -------
    list of str
        A warning for each difference that was allowed, and each value that is not recorded.

    Raises
    ------
    InputError
        Naming what differs, each run's value, and the remedy.
    """
    if strange := sorted(set(allow) - set(REMEDY)):
        raise InputError(f"allow holds {strange[0]!r}; it may hold {', '.join(REMEDY)}.")
    notes = []
    for what, value_of in _FACTS.items():
        values = {run.name: value_of(run.profile.provenance) for run in runs}
        known = {name: value for name, value in values.items() if value is not None}
        if len(set(known.values())) > 1:
            notes.append(differing(what, known, allow))
        if known and len(known) < len(values):
            unknown = ", ".join(name for name in values if name not in known)
            notes.append(f"the {what} of {unknown} is not recorded; nothing says it is the same.")
    return notes


def differing(what: str, values: Mapping[str, Any], allow: Collection[str]) -> str:
    """Return the warning that runs differ, if that is allowed, else raise an InputError."""
    listed = "; ".join(f"{name}: {value}" for name, value in values.items())
    if what in allow:
        return f"the runs differ in {what} ({listed}) and were compared all the same."
    raise InputError(
        f"the runs differ in {what} ({listed}); {REMEDY[what]}, or allow {what!r} (--allow {what}) "
        "to compare them all the same."
    )


def _pooling(provenance: Mapping[str, Any]) -> Any:
    words = provenance["states"].get("pooling")
    return None if words is None else str(words).partition(" (pool=auto")[0]


def _estimators(provenance: Mapping[str, Any]) -> Any:
    known = provenance.get("estimators", {})
    return "; ".join(f"{known[name]}" for name in ("dimension", "errors") if name in known) or None


_FACTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "pooling": _pooling,
    "hook_point": lambda provenance: provenance["states"].get("settings", {}).get("hook_point"),
    "estimators": _estimators,
    "k": lambda provenance: provenance["settings"]["k"],
    "ranks": lambda provenance: provenance["settings"]["ranks"],
}


def same_rows(
    runs: Sequence[FinishedRun], allow: Collection[str]
) -> tuple[list[FinishedRun], list[str]]:
    """Return the runs on the rows that they share, and what was assumed or done for it.

    Runs whose rows are not all shared are measured again on those that are, from their states: a
    neighbour list cannot be thinned.

    Raises
    ------
    InputError
        If they have no rows in common, or states are needed that were not kept.
    """
    sizes = {run.name: run.profile.counts["rows"] for run in runs}
    one_size = len(set(sizes.values())) == 1
    prints = {run.name: _fingerprint(run) for run in runs}
    same = None not in prints.values() and len(set(prints.values())) == 1
    if one_size and same:
        return list(runs), _of_tokens(runs, allow)
    ids = _ids(runs, same)
    if ids is not None and (common := _common(ids)):
        return _on_common(runs, ids, common)
    known = {name: value[0][:12] for name, value in prints.items() if value is not None}
    if ids is not None:  # and no row has the same in all runs
        known = {
            run.name: f"ids such as {of_run[0]!r}" for run, of_run in zip(runs, ids, strict=True)
        }
    if not one_size:
        raise _unequal(runs, sizes)
    notes = []
    if len(set(known.values())) > 1:
        notes.append(differing("data", known, allow))
    if not notes:
        notes.append("the rows are taken to be the same, in the same order; nothing says so.")
    return list(runs), notes


def _unequal(runs: Sequence[FinishedRun], sizes: Mapping[str, int]) -> InputError:
    listed = "; ".join(f"{name}: {n:,}" for name, n in sizes.items())
    bare = [run.name for run in runs if run.states is None]
    if bare:
        return InputError(
            f"the runs have different numbers of rows ({listed}); neighbour lists cannot be "
            f"thinned, so the common rows are searched again in the states, which "
            f"{', '.join(bare)} did not keep: run it again on the same rows."
        )
    return InputError(
        f"the runs have different numbers of rows ({listed}) and no ids in common to join them "
        f"by; {REMEDY['data']}."
    )


def _fingerprint(run: FinishedRun) -> tuple[str, tuple[int, ...]] | None:
    """Return what says which rows there are: the data, and the samples left out."""
    facts = run.profile.provenance["states"]
    return None if "data" not in facts else (facts["data"], tuple(facts.get("skipped", ())))


def _of_tokens(runs: Sequence[FinishedRun], allow: Collection[str]) -> list[str]:
    """Refuse rows that are single tokens of different tokenizers."""
    single = any(str(_pooling(run.profile.provenance)).startswith("none") for run in runs)
    inputs = {run.states.inputs for run in runs if run.states is not None}
    if not single or len(inputs) < 2:
        return []
    return [differing("data", {run.name: "tokens of its own tokenizer" for run in runs}, allow)]


def _ids(runs: Sequence[FinishedRun], same: bool) -> list[tuple[str, ...]] | None:
    """Return the ids by which rows may be joined; None if one run has none.

    Row numbers join rows only of one file: of the ``same`` data, or where as many rows are known to
    have been in both.
    """
    ids = [run.states.ids for run in runs if run.states is not None]
    if len(ids) < len(runs):
        return None
    numbers = any(all(name.isdecimal() for name in of_run) for of_run in ids)
    drawn = {run.profile.counts.get("sampled_from") for run in runs}
    return None if numbers and not same and (None in drawn or len(drawn) > 1) else ids


def _common(ids: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the ids that stand for one row in every run, in the order of the first."""
    once = [{name for name, times in Counter(of_run).items() if times == 1} for of_run in ids]
    shared = set.intersection(*once)
    return [name for name in ids[0] if name in shared]


def _on_common(
    runs: Sequence[FinishedRun], ids: Sequence[tuple[str, ...]], common: list[str]
) -> tuple[list[FinishedRun], list[str]]:
    if all(of_run == ids[0] for of_run in ids):
        return list(runs), []
    found, again, bare = [], [], []
    for run, of_run in zip(runs, ids, strict=True):
        same = list(of_run) == common
        found.append(run if same else _on_rows(run, of_run, common))
        if not same:
            again.append(f"{run.name} ({len(of_run):,} rows)")
            bare += [run.name] if run.profile.provenance.get("labels") and not run.labels else []
    joined = f"{len(common):,} rows have their ids in all runs"
    notes = [f"{joined}; {', '.join(again)} measured again on these."]
    if bare:
        notes.append(
            f"{', '.join(bare)} kept several labels or none, so on the common rows no label "
            "overlap is measured; give it a folder of its own for each set of labels."
        )
    return found, notes


def _on_rows(run: FinishedRun, ids: tuple[str, ...], common: list[str]) -> FinishedRun:
    """Measure a run again on some of its rows, in another order if need be."""
    states, place = run.states, {name: row for row, name in enumerate(ids)}
    if states is None:
        raise InputError(f"{run.name} kept no states, so it cannot be measured on other rows.")
    check_rows(len(common), run.settings)
    rows: IntArray = np.array([place[name] for name in common])
    chosen = replace(
        states,
        n=len(rows),
        key=content_key("rows", states.key, rows),
        ids=tuple(common),
        inputs=_taken(states.inputs, rows),
        groups=_taken(states.groups, rows),
        rows=_taken(states.rows, rows),
        counts={**states.counts, "rows": len(rows)},
        token_norms={},
        store=Store.temporary(),
        load=lambda layer: states[layer][rows],
    )
    own = {role: labels_taken(values, rows.tolist()) for role, values in run.labels.items()}
    profile = measure(chosen, own.get("labels"), own.get("exclude"), run.settings)
    return FinishedRun(run.name, profile, chosen, chosen)


def _taken(values: tuple[Any, ...] | None, rows: IntArray) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values[row] for row in rows.tolist())
