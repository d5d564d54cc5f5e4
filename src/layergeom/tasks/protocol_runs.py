"""Models on data, by the recipe of a paper where one is named; departures are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.measure import Progress, check_samples
from layergeom.profiles import FILE, STATES, Profile
from layergeom.states.checkpoints import Axis
from layergeom.states.extract import extract, extract_views
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.pooling import Pooling
from layergeom.states.settings import MAX_TOKENS
from layergeom.states.store import Store
from layergeom.states.views import HookPoint, View
from layergeom.tasks.checkpoint_run import Keep, rows_kept
from layergeom.tasks.dynamics import Dynamics, dynamics
from layergeom.tasks.measured_states import measured_states
from layergeom.tasks.null_models import check_rows_have_tokens
from layergeom.tasks.null_runs import NullRuns
from layergeom.tasks.nulls import Measured, Null, checked_nulls, with_nulls
from layergeom.tasks.preflight import check_room
from layergeom.tasks.protocol_data import chosen_samples
from layergeom.tasks.protocols import Protocol, departing, options, protocol, record_of
from layergeom.workers import Workers

_DATA = ("labels", "label_type", "exclude", "groups", "split", "text_column", "max_samples", "seed")
_SETTINGS = tuple(f.name for f in fields(Settings) if f.name != "seed")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data and every option settled: what the model is run on, how, and what is recorded of it."""

    samples: Samples
    settings: Settings
    extraction: dict[str, Any]
    recipe: Protocol | None
    departures: dict[str, Any]
    quantities: Any = None
    nulls: tuple[Null, ...] = ()

    @property
    def record(self) -> dict[str, Any] | None:
        """The protocol in plain JSON, equal to what a saved profile holds; None without one."""
        return None if self.recipe is None else record_of(self.recipe, self.departures)

    @property
    def device(self) -> str | None:
        """Where neighbours are searched; None is where the model ran."""
        asked = self.extraction.get("device")
        return None if asked == "auto" else asked

    def at(self, view: View) -> Prepared:
        """Return the same for another pooling or hook point."""
        asked = {"pool": view.pool, "hook_point": view.hook_point}
        departures = self.departures | departing(self.recipe, asked)
        return replace(self, extraction=self.extraction | asked, departures=departures)


def prepared(recipe: Protocol | str | None, data: Any, **given: Any) -> Prepared:
    """Read and choose the data as a protocol does, and settle every option.

    Parameters
    ----------
    recipe : Protocol or str, optional
        Without one, data are read as :func:`layergeom.states.inputs.read_samples` does.
    data
        As of :func:`layergeom.tasks.protocol_data.chosen_samples`.
    **given
        Its ``labels``, ``exclude``, ``groups``, ``split``, ``text_column``, ``max_samples`` and
        ``seed``; ``quantities`` and ``nulls`` (see :func:`layergeom.profile`); and options in
        place of the protocol's, recorded as departures. None is not given.

    Raises
    ------
    InputError
        For an unknown protocol, one whose rows are clouds, or data that cannot be read.
    """
    recipe = protocol(recipe) if isinstance(recipe, str) else recipe
    if recipe is not None and recipe.verb == "clouds":
        raise InputError(
            f"{recipe.name} measures every prompt as a cloud of its own, which is no profile of "
            f"rows; use layergeom clouds MODEL DATA --protocol {recipe.name}."
        )
    given = {name: value for name, value in given.items() if value is not None}
    of_data = {name: given.pop(name) for name in _DATA if name in given}
    quantities, nulls = given.pop("quantities", None), checked_nulls(given.pop("nulls", ()))
    if recipe is None:
        samples, departures = read_samples(data, **of_data), {}
    else:
        samples = chosen_samples(recipe, data, **of_data)
        departures = departing(recipe, given) | _departures_of_data(recipe, of_data)
    used = ({} if recipe is None else options(recipe)) | given
    settings = {name: used.pop(name) for name in _SETTINGS if name in used}
    seed = of_data.get("seed", 0)
    chosen = Settings(seed=seed, **settings)
    for kind in {"shuffled", "length"}.intersection(nulls):
        check_rows_have_tokens(kind, samples, used.get("pool"))
    return Prepared(samples, chosen, used, recipe, departures, quantities, nulls)


def _departures_of_data(recipe: Protocol, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Fewer rows than all, rows that belong together, and neighbours that the paper leaves out."""
    usual = recipe.chunks[0] if recipe.chunks else recipe.partition_rows or "all"
    asked = given.get("max_samples", "all")
    found = {} if asked in ("all", usual) else {"max_samples": {"recipe": usual, "given": asked}}
    if "groups" in given:
        named = isinstance(given["groups"], (str, Path))
        found["groups"] = {"recipe": None, "given": given["groups"] if named else "one per row"}
    if "labels" in given and "exclude" not in given and recipe.exclude is not None:
        found["exclude"] = {"recipe": recipe.exclude, "given": None}
    return found


def profile_by(
    recipe: Protocol | str | None,
    model: Any,
    data: Any,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> Profile:
    """Profile a model on data, by the recipe of a paper where one is named.

    Parameters
    ----------
    recipe : Protocol or str, optional
    model, data
        As of :func:`layergeom.profile`.
    folder : Path, optional
        Keeps states, neighbour lists and the profile.
    progress : callable(done, total, what), optional
        Called along the way.
    **given
        How data are read (see :func:`prepared`); fields of :class:`layergeom.layer.Settings` and
        options of :func:`layergeom.states.extract.extract`. They depart from the recipe.

    Returns
    -------
    Profile
        By a recipe with the curve ``dimension_protocol``, and the recipe and its departures in
        ``provenance["protocol"]``.

    Raises
    ------
    InputError
        For an unknown protocol, or data and options that cannot be used.
    """
    plan = prepared(recipe, data, **given)
    _check_rows(plan, plan.extraction.get("pool"))
    store = None if folder is None else Store(folder / STATES)
    asked = {**plan.extraction, "ready": partial(check_room, plan.settings)}
    hidden = extract(model, plan.samples, store=store, progress=progress, **asked)
    return nulled(measured(plan, hidden, folder, progress), plan, model, hidden, folder, progress)


def profiles_by(
    recipe: Protocol | str | None,
    model: Any,
    data: Any,
    *,
    pools: Sequence[Pooling] | None = None,
    hook_points: Sequence[HookPoint] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    **given: Any,
) -> dict[View, Profile]:
    """Profile every pooling at every hook point, from one forward pass.

    Parameters
    ----------
    recipe, model, data, progress, **given
        As of :func:`profile_by`.
    pools, hook_points : sequence of str, optional
        See :class:`layergeom.states.views.View`; the recipe's or ``auto`` and ``residual``.
    folder : Path, optional
        Keeps one run folder per view, named by it; each is as that of :func:`profile_by`.

    Returns
    -------
    dict of View to Profile
        Each what :func:`profile_by` gives for it alone.

    Raises
    ------
    InputError
        As :func:`profile_by`, and if a view does not exist or the model has no such hook point.
    """
    plan = prepared(recipe, data, **given)
    asked = dict(plan.extraction)
    usual = View(asked.pop("pool", "auto"), asked.pop("hook_point", "residual"))
    pools, hook_points = pools or [usual.pool], hook_points or [usual.hook_point]
    for pool in pools:
        _check_rows(plan, pool)
    found = extract_views(
        model,
        plan.samples,
        pools=pools,
        hook_points=hook_points,
        store=None if folder is None else lambda view: Store(folder / view.name / STATES),
        progress=progress,
        ready=partial(check_room, plan.settings),
        **asked,
    )
    places = {view: None if folder is None else folder / view.name for view in found}
    measured_views = {
        view: measured(plan.at(view), hidden, places[view], progress)
        for view, hidden in found.items()
    }
    return {
        view: nulled(profile, plan.at(view), model, found[view], places[view], progress)
        for view, profile in measured_views.items()
    }


def _check_rows(plan: Prepared, pool: str | None) -> None:
    """Refuse too few samples before the model is run."""
    most = plan.extraction.get("max_tokens", MAX_TOKENS)
    check_samples(len(plan.samples), plan.settings, pool, most)


def measured(
    plan: Prepared,
    hidden: HiddenStates,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Measure states that were extracted as a plan says, and record its protocol.

    Parameters
    ----------
    plan : Prepared
    hidden : HiddenStates
        Of ``plan.samples``.
    folder, progress
        As of :func:`profile_by`.
    """
    kept = rows_kept(plan.samples, hidden)
    given = ((kept.labels, kept.exclude), plan.settings, folder, progress, plan.device)
    found = measured_states(hidden, *given, plan.quantities)
    return _recorded(found, plan, folder)


def nulled(
    profile: Profile,
    plan: Prepared,
    model: Any,
    hidden: HiddenStates,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Return a profile with the nulls that its plan asks for; see :mod:`layergeom.tasks.nulls`."""
    if not plan.nulls:
        return profile
    kept = rows_kept(plan.samples, hidden)
    own = Measured.of(hidden, plan.settings, kept.labels, kept.exclude, plan.device)
    profiled = partial(measured, plan)
    runs = NullRuns(model, plan.samples, plan.extraction, profiled, folder, progress)
    return with_nulls(profile, own, plan.nulls, runs.makers(profile, own), folder, progress)


def dynamics_by(
    recipe: Protocol | str | None,
    model: str | Path,
    data: Any,
    revisions: str | Sequence[str] | None = None,
    *,
    axis: Axis = "step",
    max_checkpoints: int | None = None,
    keep: Keep = "auto",
    folder: Path | None = None,
    progress: Progress | None = None,
    workers: Workers | None = None,
    **given: Any,
) -> Dynamics:
    """Profile the checkpoints of a training run, by the recipe of a paper where one is named.

    Parameters
    ----------
    recipe, data, progress, **given
        As of :func:`profile_by`.
    model, revisions, axis, max_checkpoints, keep, folder, workers
        As of :func:`layergeom.tasks.dynamics.dynamics`.
    """
    for name in ("quantities", "nulls"):
        if given.get(name) is not None:
            raise InputError(f"{name} belong to profile(); dynamics() measures the usual ones.")
    plan = prepared(recipe, data, **given)
    found = dynamics(
        model,
        plan.samples,
        revisions,
        axis=axis,
        max_checkpoints=max_checkpoints,
        settings=plan.settings,
        folder=folder,
        keep=keep,
        progress=progress,
        workers=workers,
        **plan.extraction,
    )
    places = [None if folder is None else folder / name for name in found.checkpoints]
    pairs = zip(found.profiles, places, strict=True)
    return replace(found, profiles=tuple(_recorded(p, plan, place) for p, place in pairs))


def _recorded(profile: Profile, plan: Prepared, folder: Path | None) -> Profile:
    """Add the protocol to the provenance, also of the profile that the folder holds."""
    if plan.record is None or profile.provenance.get("protocol") == plan.record:
        return profile
    told = replace(profile, provenance={**profile.provenance, "protocol": plan.record})
    if folder is not None and (folder / FILE).is_file():
        told.save(folder)
    return told
