"""The states that are evaluated, what is known of their rows, and the layers to be judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from layergeom import profiles
from layergeom.errors import DegenerateError, InputError
from layergeom.layer import Settings
from layergeom.measure import Progress, measure
from layergeom.profiles import Profile
from layergeom.reading import read
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.labels import Labels, labels_of_rows
from layergeom.states.manifest import MANIFEST
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.dynamics import rows_kept

STORE = "states"  # inside a run's folder


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


@dataclass(frozen=True, eq=False)
class EvaluatedStates:
    """States with what is known of their rows, and the run's folder where they come from one."""

    states: HiddenStates
    facts: RowFacts
    run: Path | None = None

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
        except DegenerateError as error:
            return None, (f"No layer is recommended: {error}",)
        found = read(profile).recommendation
        if found.found:
            return found.layer, ()
        told = f"The geometry recommends no layer ({found.failed}), so there is no regret of it."
        return None, (told,)

    def _profile(self, progress: Progress | None) -> Profile:
        """Return the run's own profile, or one that is made now without labels."""
        if self.run is not None and (self.run / profiles.FILE).is_file():
            profile = profiles.load(self.run)
            if profile.provenance["states"].get("key") == self.states.key:
                return profile
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
        As given: columns, files or sequences.
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
        If a run's folder holds no states, or options of a model come with states.
    """
    if data is None:
        given = {"text_column": reading.text_column, "max_samples": reading.max_samples, **options}
        return _stored(model, facts, [name for name in given if given[name] is not None])
    samples = read_samples(
        data,
        text_column=reading.text_column,
        labels=facts.labels,
        exclude=facts.exclude,
        groups=facts.groups,
        max_samples=reading.max_samples,
        seed=reading.seed,
    )
    store = Store.temporary() if folder is None else Store(Path(folder) / STORE)
    hidden = extract(model, samples, store=store, progress=progress, **options)
    kept = rows_kept(samples, hidden)
    groups = None if facts.groups is None else hidden.groups
    split = None if facts.split is None else _split(data, reading, facts.split, kept)
    return EvaluatedStates(hidden, RowFacts(kept.labels, groups, kept.exclude, split))


def _stored(source: Any, facts: RowFacts, beyond: list[str]) -> EvaluatedStates:
    if beyond:
        raise InputError(
            f"{beyond[0]} says how data are read and a model is run, but there are no data; give "
            "evaluate(model, data, …), or leave it out for states that exist."
        )
    run, states = _opened(source)
    if states.store is None:  # neighbours that the profile needs are not searched again
        states = replace(states, store=Store.temporary())
    roles = zip(facts._fields, facts, strict=True)
    found = {role: labels_of_rows(given, states.ids, role) for role, given in roles}
    notes = tuple(note for column in found.values() for note in column.notes)
    states = replace(states, warnings=(*states.warnings, *notes))
    return EvaluatedStates(
        states, RowFacts(**{role: column.labels for role, column in found.items()}), run
    )


def _opened(source: Any) -> tuple[Path | None, HiddenStates]:
    if not isinstance(source, (str, Path)):
        return None, stored_states(source)
    path = Path(source)
    if (path / STORE / MANIFEST).is_file():
        return path, stored_states(path / STORE)
    if (path / profiles.FILE).is_file():
        raise InputError(
            f"The run {path} keeps no states; give the states it was made of in its place, or the "
            "model and its data."
        )
    return None, stored_states(path)


def _split(data: Any, reading: Reading, split: Any, kept: Samples) -> Labels:
    """Return the side of each row that was kept; of sampled data by their ids."""
    whole = read_samples(data, text_column=reading.text_column, labels=split, max_samples="all")
    sides = whole.labels or ()
    if whole.ids == kept.ids:
        return sides
    if len(set(whole.ids)) < len(whole.ids):
        raise InputError(
            "split cannot be brought to sampled rows whose ids repeat; give max_samples='all', or "
            "ids of their own."
        )
    known = dict(zip(whole.ids, sides, strict=True))
    return tuple(known[name] for name in kept.ids)
