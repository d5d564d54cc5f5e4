"""Profiles by the recipe of a paper; what departs from it is recorded in the provenance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from layergeom.layer import Settings
from layergeom.measure import Progress, check_rows, measure_once
from layergeom.profiles import FILE, Profile
from layergeom.states.extract import extract
from layergeom.states.inputs import Samples
from layergeom.states.store import Store
from layergeom.tasks.dynamics import Dynamics, dynamics, rows_kept
from layergeom.tasks.protocol_data import chosen_samples
from layergeom.tasks.protocols import Protocol, options, protocol

STATES = "states"  # the store inside the folder of a run
_DATA = ("labels", "exclude", "groups", "split", "text_column", "max_samples", "seed")
_SETTINGS = tuple(f.name for f in fields(Settings) if f.name != "seed")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A protocol meets data: what the model is run on, how, and what is recorded of it."""

    samples: Samples
    settings: Settings
    extraction: dict[str, Any]
    record: dict[str, Any]


def prepared(recipe: Protocol | str, data: Any, **given: Any) -> Prepared:
    """Read and choose the data as a protocol does, and settle every option.

    Parameters
    ----------
    recipe : Protocol or str
    data
        As of :func:`layergeom.tasks.protocol_data.chosen_samples`.
    **given
        Its ``labels``, ``exclude``, ``groups``, ``split``, ``text_column``, ``max_samples`` and
        ``seed``; and options in place of the protocol's, recorded as departures. None is not
        given.

    Raises
    ------
    InputError
        For an unknown protocol, or data that cannot be read.
    """
    recipe = protocol(recipe) if isinstance(recipe, str) else recipe
    given = {name: value for name, value in given.items() if value is not None}
    of_data = {name: given.pop(name) for name in _DATA if name in given}
    samples = chosen_samples(recipe, data, **of_data)
    used = options(recipe) | given
    settings = {name: used.pop(name) for name in _SETTINGS if name in used}
    departures = _departures(recipe, given) | _departures_of_data(recipe, of_data)
    record = {"name": recipe.name, "recipe": asdict(recipe), "departures": departures}
    plain = json.loads(json.dumps(record, default=str))  # equal to what a saved profile holds
    return Prepared(samples, Settings(seed=of_data.get("seed", 0), **settings), used, plain)


def _departures(recipe: Protocol, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Options that are not the protocol's."""
    fixed = options(recipe)
    return {
        name: {"recipe": fixed[name], "given": value}
        for name, value in given.items()
        if name in fixed and value != fixed[name]
    }


def _departures_of_data(recipe: Protocol, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Fewer rows than all, rows that belong together, and neighbours that the paper leaves out."""
    usual = recipe.chunks[0] if recipe.chunks else "all"
    asked = given.get("max_samples", "all")
    found = {} if asked in ("all", usual) else {"max_samples": {"recipe": usual, "given": asked}}
    if "groups" in given:
        found["groups"] = {"recipe": None, "given": given["groups"]}
    if "labels" in given and "exclude" not in given and recipe.exclude is not None:
        found["exclude"] = {"recipe": recipe.exclude, "given": None}
    return found


def profile_by(
    recipe: Protocol | str,
    model: Any,
    data: Any,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> Profile:
    """Profile a model on data by the recipe of a paper.

    Parameters
    ----------
    recipe : Protocol or str
    model, data
        As of :func:`layergeom.profile`.
    folder : Path, optional
        Keeps states, neighbour lists and the profile.
    progress : callable(done, total, what), optional
        Called along the way.
    **given
        How data are read (see :func:`prepared`); and what departs from the recipe: fields of
        :class:`layergeom.layer.Settings` and options of
        :func:`layergeom.states.extract.extract`.

    Returns
    -------
    Profile
        With the curve ``dimension_protocol``, and the recipe and its departures in
        ``provenance["protocol"]``.

    Raises
    ------
    InputError
        For an unknown protocol, or data and options that cannot be used.
    """
    plan = prepared(recipe, data, **given)
    if plan.extraction["pool"] != "token":
        check_rows(len(plan.samples), plan.settings)
    store = None if folder is None else Store(folder / STATES)
    hidden = extract(model, plan.samples, store=store, progress=progress, **plan.extraction)
    kept = rows_kept(plan.samples, hidden)
    device = plan.extraction.get("device")
    found = measure_once(
        hidden,
        kept.labels,
        kept.exclude,
        plan.settings,
        folder,
        progress,
        None if device == "auto" else device,
    )
    return _recorded(found, plan, folder)


def dynamics_by(
    recipe: Protocol | str,
    model: str | Path,
    data: Any,
    revisions: str | Sequence[str] | None = None,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> Dynamics:
    """Profile the checkpoints of a training run by the recipe of a paper.

    Parameters
    ----------
    recipe, data, progress, **given
        As of :func:`profile_by`.
    model, revisions, folder
        As of :func:`layergeom.tasks.dynamics.dynamics`.
    """
    plan = prepared(recipe, data, **given)
    found = dynamics(
        model,
        plan.samples,
        revisions,
        settings=plan.settings,
        folder=folder,
        progress=progress,
        **plan.extraction,
    )
    places = [None if folder is None else folder / name for name in found.checkpoints]
    pairs = zip(found.profiles, places, strict=True)
    return replace(found, profiles=tuple(_recorded(p, plan, place) for p, place in pairs))


def _recorded(profile: Profile, plan: Prepared, folder: Path | None) -> Profile:
    """Add the protocol to the provenance, also of the profile that the folder holds."""
    if profile.provenance.get("protocol") == plan.record:
        return profile
    told = replace(profile, provenance={**profile.provenance, "protocol": plan.record})
    if folder is not None and (folder / FILE).is_file():
        told.save(folder)
    return told
