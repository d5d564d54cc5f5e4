"""Null levels of a profile: what its curves read where there is nothing to find.

``permuted`` and ``gaussian`` need the states alone; ``shuffled`` and ``untrained`` one more
forward pass, ``length`` the tokens of the rows. All of them become curves in ``profile.nulls``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from layergeom import arrays
from layergeom.arrays import IntArray, Points
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.geometry import NeighborGraph
from layergeom.geometry.alignment import PermutationLevel
from layergeom.geometry.duplicates import representatives
from layergeom.layer import Labels, Settings, given_labels, layer_graph
from layergeom.measure import Progress, sampling_groups
from layergeom.profiles import Curve, Profile
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates
from layergeom.tasks.null_clouds import DRAWS as CLOUDS
from layergeom.tasks.null_clouds import gaussian_numbers
from layergeom.tasks.null_permutations import DRAWS, label_level, row_level

Null: TypeAlias = Literal["permuted", "gaussian", "shuffled", "untrained", "length"]
OF_STATES: tuple[Null, ...] = ("permuted", "gaussian")
SCHEMA = 1  # raised whenever the same states would give other null curves


@dataclass(frozen=True, eq=False)
class NullCurves:
    """One null of a profile.

    Attributes
    ----------
    curves : mapping of str to Curve
        Under the names of the profile's curves that they are drawn with.
    warnings : tuple of str
        What the profile has to warn of because of them.
    facts : mapping
        What is recorded of their making, in plain JSON.
    """

    curves: Mapping[str, Curve]
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Measured:
    """States, and what their profile was measured with.

    Attributes
    ----------
    states : HiddenStates
    settings : Settings
    given : Labels or None
        Classes; None of numbers, and of several labels per row.
    groups : ndarray, shape (n,), or None
        Rows that are no neighbours of each other.
    device : str or None
        Where neighbours are searched.
    """

    states: HiddenStates
    settings: Settings
    given: Labels | None = None
    groups: IntArray | None = None
    device: str | None = None

    @classmethod
    def of(
        cls,
        states: HiddenStates,
        settings: Settings,
        labels: object = None,
        exclude: object = None,
        device: str | None = None,
    ) -> Measured:
        """Return them from what :func:`layergeom.measure.measure` is given."""
        apart = None if exclude is None else arrays.labels(exclude, states.n, "exclude")
        own = None if labels is None else given_labels(labels, apart, states.n)
        given = own if isinstance(own, Labels) else None
        return cls(states, settings, given, sampling_groups(states, settings), device)

    def graph(self, key: str, exclude: IntArray | None = None) -> NeighborGraph | None:
        """Return the neighbour graph of a layer, the profile's own; None if it has none."""
        if key in self.states.provenance.get("invalid", {}):
            return None
        try:
            X = self.states[key]
            searched = (exclude, self.groups, self.device)
            return layer_graph(self.states, key, X, self.settings, *searched)
        except StoreError:
            raise
        except (InputError, DegenerateError):
            return None

    def label_graph(self, key: str) -> NeighborGraph | None:
        """Return the graph that the label overlap of a layer is taken from; None without labels."""
        return None if self.given is None else self.graph(key, self.given.exclude)


def checked_nulls(kinds: str | Sequence[str] | None, of_states: bool = False) -> tuple[Null, ...]:
    """Return the kinds of nulls that are asked for, each once; None asks for none.

    Raises
    ------
    InputError
        If there is no such null, or it needs a model where there are states only.
    """
    asked = tuple(dict.fromkeys([kinds] if isinstance(kinds, str) else kinds or ()))
    known: tuple[Null, ...] = get_args(Null)
    for kind in asked:
        if kind not in known:
            raise InputError(f"There is no null {kind!r}; there are {', '.join(known)}.")
        if of_states and kind not in OF_STATES:
            raise InputError(
                f"The null {kind!r} needs the model and its data; of stored states there are "
                f"{' and '.join(OF_STATES)}."
            )
    return tuple(kind for kind in known if kind in asked)


def with_nulls(
    profile: Profile,
    measured: Measured,
    kinds: str | Sequence[str],
    runs: Mapping[str, Callable[[], NullCurves]] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Return a profile with its nulls; those that it has already are not made again.

    Parameters
    ----------
    profile : Profile
        Of ``measured``.
    measured : Measured
        With a store, neighbour lists are read from there.
    kinds : str or sequence of str
        ``permuted``: rows of the next layer, and labels, dealt at random (``DRAWS`` times): mean,
        and the upper 95 % under ``<curve>_upper``. ``gaussian``: Gaussian clouds with the
        covariance of each layer's distinct rows: dimension and anisotropy. The others by ``runs``.
    runs : mapping of str to callable, optional
        Makes nulls that need more than the states.
    folder : Path, optional
        The profile is saved there after each null.
    progress : callable(done, total, what), optional
        Called after each layer.

    Raises
    ------
    InputError
        If there is no such null, or none of the runs makes it.

    Notes
    -----
    See docs/explanation/nulls.md for what each tells apart, and when it misleads.
    """
    makers: dict[str, Callable[[], NullCurves]] = {
        "permuted": partial(permuted, profile, measured, progress),
        "gaussian": partial(gaussian, profile, measured, progress),
        **(runs or {}),
    }
    for kind in checked_nulls(kinds, of_states=not runs):
        key = content_key("null", SCHEMA, kind, profile.provenance["key"])
        made = profile.provenance.get("nulls", {}).get(kind, {})
        if kind in profile.nulls and made.get("key") == key:
            continue
        profile = _with(profile, kind, makers[kind](), key)
        if folder is not None:
            profile.save(folder)
    return profile


def nulls_of_states(
    profile: Profile,
    kinds: Sequence[Null],
    hidden: HiddenStates,
    rows: tuple[object, object],
    settings: Settings,
    folder: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
) -> Profile:
    """Return :func:`with_nulls` of stored states, whose labels and finer groups are ``rows``."""
    if not kinds:
        return profile
    measured = Measured.of(hidden, settings, *rows, device)
    return with_nulls(profile, measured, kinds, None, folder, progress)


def _with(profile: Profile, kind: str, null: NullCurves, key: str) -> Profile:
    former = profile.provenance.get("nulls", {})
    stale = former.get(kind, {}).get("told", [])
    kept = tuple(text for text in profile.warnings if text not in stale)
    facts = {"key": key, "told": list(null.warnings), **null.facts}
    return replace(
        profile,
        nulls={**profile.nulls, kind: null.curves},
        warnings=(*kept, *null.warnings),
        provenance={**profile.provenance, "nulls": {**former, kind: facts}},
    )


def permuted(profile: Profile, measured: Measured, progress: Progress | None = None) -> NullCurves:
    """Return the levels of the overlaps with the next layer and with the labels under permutation.

    Cost: per layer 100 comparisons of neighbour lists, and 100 passes over them for the labels.
    """
    seed, k = measured.settings.seed, measured.settings.k
    levels: dict[str, list[PermutationLevel | None]] = {"overlap_next": []}
    for (graph, after), key in zip(_pairs(measured, progress), profile.layers, strict=True):
        level = None if graph is None or after is None else row_level(graph, after, k, DRAWS, seed)
        levels["overlap_next"].append(level)
        if "label_overlap" in profile.curves:
            levels.setdefault("label_overlap", []).append(_label_level(measured, key))
    curves: dict[str, Curve] = {}
    for name, found in levels.items():
        curves |= _level_curves(name, found, profile.curves.get(name))
    return NullCurves(curves, _not_dealt(profile), {"draws": DRAWS, "seed": seed})


def _not_dealt(profile: Profile) -> tuple[str, ...]:
    """Say that labels are dealt where they are classes only."""
    curve = profile.of_labels
    if curve is None or curve.name == "label_overlap":
        return ()
    told = f"permuted: only classes are dealt at random; {curve.name} has its level of chance."
    return (told,)


def _pairs(
    measured: Measured, progress: Progress | None
) -> Iterator[tuple[NeighborGraph | None, NeighborGraph | None]]:
    """Yield the graph of every layer with that of the next one, None behind the last."""
    keys = measured.states.layers
    after = measured.graph(keys[0])
    for done, key in enumerate((*keys[1:], None), start=1):
        graph, after = after, None if key is None else measured.graph(key)
        yield graph, after
        if progress is not None:
            progress(done, len(keys), "permuted layers")


def _label_level(measured: Measured, key: str) -> PermutationLevel | None:
    graph = measured.label_graph(key)
    if graph is None or measured.given is None:
        return None
    try:
        settings = measured.settings
        return label_level(graph, measured.given, settings.k, DRAWS, settings.seed)
    except DegenerateError:
        return None


def _level_curves(
    name: str, levels: list[PermutationLevel | None], own: Curve | None
) -> dict[str, Curve]:
    unknown = (np.nan, np.nan, np.nan)
    rows = [unknown if x is None else (x.mean, x.error, x.quantile) for x in levels]
    mean, error, upper = np.array(rows, dtype=np.float64).T
    chance = None if own is None else own.chance
    return {
        name: Curve(name, mean, error, chance),
        f"{name}_upper": Curve(f"{name}_upper", upper, np.full(len(upper), np.nan)),
    }


def gaussian(profile: Profile, measured: Measured, progress: Progress | None = None) -> NullCurves:
    """Return dimension and anisotropy of Gaussian clouds with the spectrum of each layer.

    Of the distinct rows, so that a cloud has as many points as the layer's dimension has; rows of
    the cloud are independent, whatever the groups. Cost per layer: see
    :func:`layergeom.tasks.null_clouds.gaussian_numbers`.
    """
    names, seed, device = ("dimension", "anisotropy"), measured.settings.seed, measured.device
    unknown = dict.fromkeys(names, (np.nan, np.nan))
    rows = []
    for done, key in enumerate(profile.layers, start=1):
        points = None if key in profile.undefined else _distinct(measured, key)
        found = None if points is None else gaussian_numbers(points, [seed, done], device=device)
        rows.append(unknown if found is None else found)
        if progress is not None:
            progress(done, len(profile.layers), "gaussian clouds")
    curves = {}
    for name in names:
        values, errors = np.array([row[name] for row in rows], dtype=np.float64).T
        curves[name] = Curve(name, values, errors)
    return NullCurves(curves, facts={"draws": CLOUDS, "seed": seed})


def _distinct(measured: Measured, key: str) -> Points | None:
    graph = measured.graph(key)
    return None if graph is None else measured.states[key][representatives(graph.point)]


def null_of(found: Profile, layers: Sequence[str]) -> NullCurves:
    """Return the curves of a null's own profile over the layers of the profile it is a null of."""
    places = [found.layers.index(key) if key in found.layers else -1 for key in layers]
    facts = {"profile": found.provenance["key"], "warnings": list(found.warnings)}
    return NullCurves({n: _aligned(c, places) for n, c in found.curves.items()}, facts=facts)


def _aligned(curve: Curve, places: Sequence[int]) -> Curve:
    """Return a curve at other places of its own, nan at -1."""
    arrays_ = (curve.values, curve.errors, curve.chance)
    taken = [None if x is None else np.append(x, np.nan)[list(places)] for x in arrays_]
    return Curve(curve.name, *taken)  # type: ignore[arg-type]
