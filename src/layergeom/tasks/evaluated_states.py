"""The states that are evaluated, what is known of their rows, and the layers to be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from layergeom import arrays, profiles
from layergeom.arrays import IntArray
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry.groups import group_codes, own_where_missing
from layergeom.layer import Settings
from layergeom.measure import Progress, measure
from layergeom.profiles import CHECKPOINTS, STATES, Profile
from layergeom.reading import read
from layergeom.states.extract import extract
from layergeom.states.hidden import STATES as PIECE
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.label_kinds import Labels, LabelType
from layergeom.states.labels import LabelSource
from layergeom.states.lines import listed
from layergeom.states.manifest import MANIFEST
from layergeom.states.own_labels import excluded_names, labels_of_states, only_labels
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.checkpoint_run import rows_kept
from layergeom.tasks.measured_groups import with_groups_of


class RowFacts(NamedTuple):
    """One value per row, None where it is missing; or None if nothing was given."""

    labels: Any
    groups: Any
    exclude: Any
    split: Any


class Reading(NamedTuple):
    """How data are read."""

    text_column: Any
    max_samples: int | Literal["all"] | None
    seed: int
    label_type: LabelType | None = None


@dataclass(frozen=True, eq=False)
class EvaluatedStates:
    """States with what is known of their rows, and the run's folder where they come from one.

    ``sources`` says what the labels, groups, … are called, and where they come from.
    """

    states: HiddenStates
    facts: RowFacts
    run: Path | None = None
    sources: Mapping[str, LabelSource] = field(default_factory=dict)

    def choices(
        self, layer: str | None, progress: Progress | None
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the layers whose regret is taken by the names of the choices, and warnings."""
        names = [name for name in self.states.names if name.key != "final"]
        middle = min(names, key=lambda name: abs(name.depth - 0.5))
        fixed = {
            "last": self.states.layers[-1],
            "middle": middle.key,
            "embedding": self.states.layers[0],
        }
        if layer is not None:
            if layer not in self.states.layers:
                raise InputError(
                    f"There is no layer {layer!r}; the layers are {', '.join(self.states.layers)}."
                )
            return {"chosen": layer, **fixed}, ()
        found, told = self._recommended(progress)
        return ({"recommended": found} if found else {}) | fixed, told

    def _recommended(self, progress: Progress | None) -> tuple[str | None, tuple[str, ...]]:
        try:
            profile = self._profile(progress)
        except (DegenerateError, InputError) as error:  # of the groups, too
            return None, (f"No layer is recommended: {error}",)
        found = read(profile).recommendation
        if found.found:
            return found.layer, ()
        told = f"The geometry recommends no layer ({found.failed}), so there is no regret of it."
        return None, (told,)

    def _profile(self, progress: Progress | None) -> Profile:
        """Return the run's own profile, or one that is made now without labels."""
        kept = None if self.run is None else _profile_of(self.run, self.states)
        if kept is not None:
            return kept
        k = min(Settings().k, self.states.n - 1)
        return measure(self.states, settings=Settings(k=k), progress=progress)


def evaluated_states(
    model: Any, data: Any, facts: RowFacts, reading: Reading, folder: Any, options: dict[str, Any],
    progress: Progress | None,
) -> EvaluatedStates:  # fmt: skip
    """Run the model, or open the states that exist, and bring the facts to their rows.

    Parameters
    ----------
    model, data : object
        Model and data, or states and None.
    facts : RowFacts
        As given: columns, files or sequences; of states without labels their run's only ones.
    reading : Reading
        How data are read; of no concern to states.
    folder : path or None
        Where the states of a model are kept.
    options : mapping
        Of the extraction.
    progress : callable or None
        Called after each batch.

    Raises
    ------
    InputError
        If a run's folder holds no states, options of a model come with states, or there are no
        labels, or several to choose from.
    """
    if data is None:
        given = {"text_column": reading.text_column, "max_samples": reading.max_samples, **options}
        beyond = [name for name in given if given[name] is not None]
        return _stored(model, facts, beyond, reading.label_type)
    _check_model(model)
    if facts.labels is None:
        raise InputError(
            "labels are missing: name a column of the data, or a file (--labels, labels=…)."
        )
    samples = read_samples(
        data,
        text_column=reading.text_column,
        labels=facts.labels,
        label_type=reading.label_type,
        exclude=facts.exclude,
        groups=facts.groups,
        max_samples=reading.max_samples,
        seed=reading.seed,
    )
    store = Store.temporary() if folder is None else Store(Path(folder) / STATES)
    hidden = extract(model, samples, store=store, progress=progress, **options)
    kept = rows_kept(samples, hidden)
    split = None if facts.split is None else _split(data, reading, facts.split, kept)
    of_rows = RowFacts(kept.labels, None, kept.exclude, split)
    if facts.groups is None:
        return replace(_with_own_groups(hidden, of_rows), sources=samples.sources)
    whole = of_rows._replace(groups=hidden.groups)
    return EvaluatedStates(hidden, whole, sources=samples.sources)


def _check_model(model: Any) -> None:
    """Refuse a run's folder beside data."""
    if isinstance(model, (str, Path)) and (Path(model) / profiles.FILE).is_file():
        raise InputError(
            f"{model} is the folder of a run, whose states are of its own data; leave the data "
            "out, or give the model in its place."
        )


def _stored(
    source: Any, facts: RowFacts, beyond: list[str], label_type: LabelType | None
) -> EvaluatedStates:
    if beyond:
        raise InputError(
            f"{beyond[0]} says how data are read and a model is run, but there are no data; give "
            "evaluate(model, data, …), or leave it out for states that exist."
        )
    run, states = _opened(source)
    if states.store is None:  # neighbours that the profile needs are not searched again
        states = replace(states, store=Store.temporary())
    told: tuple[str, ...] = ()
    if facts.labels is None:
        facts, told = _with_only_labels(facts, states)
    roles = zip(facts._fields, facts, strict=True)
    found = {role: labels_of_states(given, states, role, label_type) for role, given in roles}
    notes = tuple(note for column in found.values() for note in column.notes)
    states = replace(states, warnings=(*states.warnings, *told, *notes))
    of_rows = RowFacts(**{role: column.labels for role, column in found.items()})
    sources = {role: one.source for role, one in found.items() if one.source is not None}
    return replace(_with_own_groups(states, of_rows, run), sources=sources)


def _with_only_labels(facts: RowFacts, states: HiddenStates) -> tuple[RowFacts, tuple[str, ...]]:
    """Take the labels that the run was made with, and say so."""
    name = only_labels(states)
    told = [f"No labels were given: those of the run, {name!r}, were taken."]
    excluded = excluded_names(states)
    if excluded and facts.exclude is None:
        told.append(_told_excluded(excluded))
    return facts._replace(labels=name), tuple(told)


def _told_excluded(names: Sequence[str]) -> str:
    return (
        f"The run leaves neighbours of one {listed(names)} out of its label quantities; these "
        f"scores count them unless exclude={names[0]!r} (--exclude {names[0]}) is given."
    )


def _with_own_groups(
    states: HiddenStates, facts: RowFacts, run: Path | None = None
) -> EvaluatedStates:
    """Take the groups that the states know where none are given, and say so."""
    own: Sequence[Any] | None = None if facts.groups is not None else states.groups
    codes = None if own is None else group_codes(own, states.n)
    if codes is None:
        return EvaluatedStates(states, facts, run)
    told = (
        f"Rows of one of the {codes.max() + 1:,} groups of the states are on one side of every "
        "split and no neighbours."
    )
    if facts.exclude is not None:
        classes = own_where_missing(arrays.labels(facts.exclude, states.n, "exclude"))
        own = _linked(codes, classes).tolist()
    warned = replace(states, warnings=(*states.warnings, told))
    return EvaluatedStates(warned, facts._replace(groups=own), run)


def _linked(a: IntArray, b: IntArray) -> IntArray:
    """Return the finest groups that cut no class of either partition.

    Examples
    --------
    >>> _linked(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist()
    [0, 0, 0, 1]
    """
    first = int(a.max()) + 1
    size = first + int(b.max()) + 1
    rows = sp.coo_array((np.ones(len(a)), (a, first + b)), shape=(size, size))
    return np.asarray(connected_components(rows, directed=False)[1][a], dtype=np.int64)


def _opened(source: Any) -> tuple[Path | None, HiddenStates]:
    if isinstance(source, Profile):
        source = _folder_of(source)
    if not isinstance(source, (str, Path)):
        return None, stored_states(source)
    path = Path(source)
    measured = (path / profiles.FILE).is_file()
    store = path / STATES if (path / STATES / MANIFEST).is_file() else None
    if store is not None and not (measured and Store(store).key(PIECE) is None):
        return path, _of_run(path)  # of arrays a run keeps lists of neighbours only
    if steps := sorted((path / CHECKPOINTS).glob(f"*/{STATES}")):
        raise InputError(
            f"{path} is a training run; evaluate a checkpoint of it, as {steps[-1].parent}."
        )
    if measured:
        raise InputError(
            f"The run {path} keeps no states; give the states it was made of in its place, or the "
            "model and its data."
        )
    return None, stored_states(path)


def _folder_of(profile: Profile) -> Path:
    folder: Path | None = getattr(profile, "folder", None)
    if folder is None:
        raise InputError(
            "a profile that was made without folder=… has kept no states; make it with one, or "
            "give states, or the model and its data, in its place."
        )
    return folder


def _of_run(path: Path) -> HiddenStates:
    states = stored_states(path / STATES)
    profile = _profile_of(path, states)
    return states if profile is None else with_groups_of(profile, states)


def _profile_of(run: Path, states: HiddenStates) -> Profile | None:
    """Return the profile that a run made of these states, None if it has none."""
    if not (run / profiles.FILE).is_file():
        return None
    profile = profiles.load(run)
    return profile if profile.provenance["states"].get("key") == states.key else None


def _split(data: Any, reading: Reading, split: Any, kept: Samples) -> Labels:
    """Return the side of each row that was kept; of sampled data by their ids."""
    whole = read_samples(
        data, text_column=reading.text_column, labels=split, label_type="class", max_samples="all"
    )
    sides = whole.classes or ()
    if whole.ids == kept.ids:
        return sides
    if len(set(whole.ids)) < len(whole.ids):
        raise InputError(
            "split cannot be brought to sampled rows whose ids repeat; give max_samples='all', or "
            "ids of their own."
        )
    known = dict(zip(whole.ids, sides, strict=True))
    return tuple(known[name] for name in kept.ids)
