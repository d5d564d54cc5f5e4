"""Hidden states to profile: one layer in memory at a time, one neighbour search per layer."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.sparse as sp

from layergeom import arrays, geometry
from layergeom.added_quantities import AddedQuantity, added_quantities
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.geometry import approximate, neighbor_way
from layergeom.geometry.groups import chance_of_neighbors, check_groups
from layergeom.geometry.scale_names import farthest_rank, scale_words
from layergeom.geometry.uncertainty import Joined, covariance
from layergeom.layer import (
    SCHEMA,
    GivenLabels,
    MeasuredLayer,
    Settings,
    forget_layers,
    given_labels,
    measured_layer,
    search_device,
)
from layergeom.profiles import BY_LABELS, FILE, Curve, LayerMap, Profile, layer_span, load
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates
from layergeom.states.settings import MAX_TOKENS
from layergeom.version import VERSION

FEW_GROUPS = 100  # tight ones: intervals of 95 % held 77 % at 40 groups, 88 % at 100
Progress = Callable[[int, int, str], None]


def measure(
    states: HiddenStates,
    labels: object = None,
    exclude: object = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    groups: object = None,
    quantities: object = None,
) -> Profile:
    """Return the geometry of every layer.

    Parameters
    ----------
    states : HiddenStates
        Read one layer at a time; its store, if any, keeps the neighbour lists, and until the
        profile is made what workers have measured (:func:`layergeom.layer.keep_layer`).
    labels : sequence of n classes, Numbers or LabelSets, optional
        Real numbers and several labels per row as :mod:`layergeom.states.label_kinds` reads them.
        Missing labels leave their row out of label quantities; it still counts elsewhere.
    exclude : sequence of n groups, optional
        Finer groups whose members are not neighbours in the label overlap.
    settings : Settings, optional
        Defaults otherwise.
    progress : callable(done, total, what), optional
        Called after each layer, and several times a second within a long search.
    device : str, optional
        Where neighbours are searched (see :func:`layergeom.neighbor_graph`); by default where the
        model ran, if that device is here. No answer depends on it.
    groups : sequence of n groups, optional
        Rows of one group are no independent samples (tokens of a sequence, sequences of a
        cluster): every neighbour comes from another group, and every error takes the group as the
        sampling unit (docs/explanation/groups.md). ``states.groups`` unless given. A row whose
        group is missing is a group of its own; groups of one row each change nothing.
    quantities : optional
        Further ones (see :func:`layergeom.added_quantities.added_quantities`).

    Returns
    -------
    Profile
        A layer that overflowed, is constant or has too few distinct points is ``undefined`` with
        its reason; the other layers stand.

    Raises
    ------
    InputError
        If labels or groups do not fit, k is not below the number of rows, a group leaves its rows
        fewer than k (and two) others, or ``device`` is not here.
    DegenerateError
        If no layer can be measured.

    Notes
    -----
    Per layer: one exact neighbour search, one eigendecomposition, and searches of N/2, N/4, N/8
    points; then L(L-1)/2 sparse comparisons.
    """
    settings = Settings() if settings is None else settings
    check_rows(states.n, settings)
    given = _labels(states, labels, exclude)
    own, added = _groups(states, groups, settings), added_quantities(quantities)
    codes = sampling_groups(states, settings, groups)
    device = search_device(states, device)
    way = neighbor_way(states.n, device) if settings.neighbors == "exact" else approximate.WAY
    layers: list[MeasuredLayer] = []
    for done, key in enumerate(states.layers):
        layers.append(measured_layer(states, key, given, settings, device, codes, added, progress))
        if progress is not None:
            progress(done + 1, len(states.layers), "layers measured")
    if all(layer.graph is None for layer in layers):
        raise DegenerateError(
            "no layer can be measured: "
            + "; ".join(f"{k}: {x.undefined}" for k, x in zip(states.layers, layers, strict=True))
        )
    found = _assemble(states, layers, given, _Making(settings, way, own, codes, added))
    forget_layers(states)
    return found


@dataclass(frozen=True, eq=False)
class _Making:
    """What a profile is made with besides states and labels; ``codes`` None: no two rows of one."""

    settings: Settings
    way: str
    groups: Sequence[object] | None
    codes: IntArray | None
    added: Sequence[AddedQuantity] = ()

    @property
    def group_facts(self) -> Mapping[str, int] | None:
        """Number of groups and rows, and rows of the largest group."""
        if self.groups is None:
            return None
        n = len(self.groups)
        sizes = np.ones(n, dtype=int) if self.codes is None else np.bincount(self.codes)
        return {"groups": len(sizes), "largest": int(sizes.max()), "rows": n}


def _groups(states: HiddenStates, groups: object, settings: Settings) -> Sequence[object] | None:
    """Return the groups that are given, else those that the states know, unless rows are alone."""
    given = states.groups if groups is None and not settings.lone_rows else groups
    return None if given is None else list(np.asarray(given, dtype=object))


def sampling_groups(
    states: HiddenStates, settings: Settings, groups: object = None
) -> IntArray | None:
    """Return the groups whose rows a profile of these states keeps apart: (n,), None if none are.

    What :func:`layergeom.layer.layer_graph` must be given to find the lists of :func:`measure`.

    Raises
    ------
    InputError
        If there is one group only, or the largest leaves fewer than ``settings.k`` (or two) rows.
    """
    own = _groups(states, groups, settings)
    return None if own is None else check_groups(own, states.n, max(settings.k, 2))


def measure_once(
    states: HiddenStates,
    labels: object,
    exclude: object,
    settings: Settings,
    folder: Path | None,
    progress: Progress | None = None,
    device: str | None = None,
    groups: object = None,
    quantities: object = None,
) -> Profile:
    """Return the profile that ``folder`` holds if it is of the same content; else make and keep it.

    A damaged or newer profile is made again and replaced.
    """
    if folder is None:
        return measure(states, labels, exclude, settings, progress, device, groups, quantities)
    key = profile_key(states, labels, exclude, settings, groups, quantities)
    former = _former(folder)
    if former is not None and former.provenance.get("key") == key:
        return former
    made = measure(states, labels, exclude, settings, progress, device, groups, quantities)
    made.save(folder)
    return made


def _former(folder: Path) -> Profile | None:
    try:
        return load(folder) if (folder / FILE).is_file() else None
    except StoreError:
        return None


def profile_key(
    states: HiddenStates,
    labels: object,
    exclude: object,
    settings: Settings,
    groups: object = None,
    quantities: object = None,
) -> str:
    """Return the content key of the profile that :func:`measure` would make."""
    own = _groups(states, groups, settings)
    added = added_quantities(quantities)
    return _key(states, _labels(states, labels, exclude), settings, own, added)


def _key(
    states: HiddenStates,
    given: GivenLabels | None,
    settings: Settings,
    groups: Sequence[object] | None,
    added: Sequence[AddedQuantity],
) -> str:
    content = [] if given is None else given.content
    parts = ["profile", SCHEMA, states.key, settings.content, content]
    if groups is not None:
        parts.append(arrays.labels(groups, states.n, "groups"))
    parts += [("added", quantity.name, quantity.key) for quantity in added]
    return content_key(*parts)


def check_rows(n: int, settings: Settings) -> None:
    """Raise an InputError if ``n`` rows are too few; known before any forward pass."""
    check_search(settings)
    if settings.k >= n:
        raise InputError(
            f"k is {settings.k} but there are {n} rows; k must be at most {n - 1}: "
            "give more samples or a smaller --k."
        )
    if farthest_rank(settings.scale) >= n:
        raise InputError(
            f"scale {settings.scale} reads neighbour {farthest_rank(settings.scale)} but there are "
            f"{n} rows; give more samples or a nearer scale."
        )


def check_search(settings: Settings) -> None:
    """Raise an InputError if neighbours cannot be searched as asked here."""
    if settings.neighbors == "approximate":
        approximate.faiss_module()


def check_samples(
    n: int, settings: Settings, pool: str | None = None, max_tokens: int | None = MAX_TOKENS
) -> None:
    """Raise an InputError if ``n`` samples surely give too few rows; before any forward pass.

    Of single tokens (``pool="token"``) only the most is known, ``max_tokens``.
    """
    check_search(settings)
    if pool != "token":
        check_rows(n, settings)
    elif max_tokens is not None and settings.k >= max_tokens:
        raise InputError(
            f"k is {settings.k} but max_tokens keeps {max_tokens} tokens at most; give a larger "
            "max_tokens or a smaller k."
        )


def _labels(states: HiddenStates, labels: object, exclude: object) -> GivenLabels | None:
    if labels is None:
        if exclude is not None:
            raise InputError("exclude was given without labels; it refines a label overlap.")
        return None
    groups = None if exclude is None else arrays.labels(exclude, states.n, "exclude")
    return given_labels(labels, groups, states.n)


def _assemble(
    states: HiddenStates,
    layers: list[MeasuredLayer],
    given: GivenLabels | None,
    making: _Making,
) -> Profile:
    curves = _curves(layers)
    overlap = _overlap_map(layers, states.n, making)
    curves["overlap_next"] = Curve(
        "overlap_next",
        np.append(np.diag(overlap.values, 1), np.nan),
        np.append(np.diag(overlap.errors, 1), np.nan),
        np.full(len(layers), overlap.chance),
    )
    keys = states.layers
    undefined = {key: x.undefined for key, x in zip(keys, layers, strict=True) if x.undefined}
    return Profile(
        layers=keys,
        names=states.names,
        curves=curves,
        maps={"overlap": overlap},
        scales={k: x.scale for k, x in zip(keys, layers, strict=True) if x.scale is not None},
        decimation={
            k: x.decimation for k, x in zip(keys, layers, strict=True) if x.decimation is not None
        },
        covariance={
            name: _covariance(layers, name, states.n)
            for name in ("dimension", *BY_LABELS)
            if name in curves
        },
        undefined=undefined,
        counts=dict(states.counts) | {"rows": states.n, "layers": len(keys)},
        warnings=_warnings(states, layers, making),
        provenance=_provenance(states, given, making) | {"audit": _audits(states.layers, layers)},
    )


def _curves(layers: list[MeasuredLayer]) -> dict[str, Curve]:
    measured = [name for layer in layers for name in layer.numbers]
    always = ("dimension", "homogeneity")  # even where no layer has one
    names = dict.fromkeys([*measured, *always])
    curves = {}
    for name in names:
        pairs = np.array([x.numbers.get(name, (np.nan, np.nan)) for x in layers], dtype=np.float64)
        levels = np.array([x.chance.get(name, np.nan) for x in layers])
        curves[name] = Curve(
            name, pairs[:, 0], pairs[:, 1], levels if np.isfinite(levels).any() else None
        )
    return curves


def _overlap_map(layers: list[MeasuredLayer], n: int, making: _Making) -> LayerMap:
    size, k = len(layers), making.settings.k
    values, errors = np.full((size, size), np.nan), np.full((size, size), np.nan)
    known = [i for i, layer in enumerate(layers) if layer.graph is not None]
    graphs = [layer.graph for layer in layers if layer.graph is not None]
    joined = [layers[i].joined["overlap"] for i in known]
    found = geometry.overlap_matrix(graphs, k, joined)
    values[np.ix_(known, known)], errors[np.ix_(known, known)] = found
    chance = chance_of_neighbors(n, making.codes, k, np.ones(n, dtype=bool))
    return LayerMap("overlap", values, errors, chance)


def _covariance(layers: list[MeasuredLayer], name: str, n: int) -> FloatArray:
    unknown = np.full(n, np.nan)
    nothing = Joined(sp.csr_array((n, n)))
    return covariance(
        [layer.influence.get(name, unknown) for layer in layers],
        [layer.joined.get(name, nothing) for layer in layers],
    )


def _warnings(
    states: HiddenStates, layers: list[MeasuredLayer], making: _Making
) -> tuple[str, ...]:
    """States' warnings, few groups, then what the layers have to say, equal sentences gathered."""
    told: dict[str, list[str]] = {}
    for key, layer in zip(states.layers, layers, strict=True):
        sentences = layer.notes + ([layer.undefined] if layer.undefined else [])
        for sentence in sentences:
            told.setdefault(sentence, []).append(key)
    return (
        tuple(states.warnings)
        + _few_groups(making)
        + tuple(f"{layer_span(keys, states.layers)}: {sentence}" for sentence, keys in told.items())
    )


def _few_groups(making: _Making) -> tuple[str, ...]:
    facts = making.group_facts
    if facts is None or facts["largest"] == 1 or facts["groups"] >= FEW_GROUPS:
        return ()
    sentence = (
        f"the errors rest on {facts['groups']} groups; below {FEW_GROUPS} they are too small where "
        "the rows of a group lie close together."
    )
    return (sentence,)


def _provenance(states: HiddenStates, given: GivenLabels | None, making: _Making) -> dict[str, Any]:
    grouped = making.codes is not None
    estimators = {
        "dimension": scale_words(making.settings.scale, grouped),
        "errors": "neighbour-graph- and group-robust" if grouped else "neighbour-graph-robust",
        "neighbours": making.way,
    }
    return {
        "key": _key(states, given, making.settings, making.groups, making.added),
        "states": dict(states.provenance) | {"key": states.key},
        "settings": asdict(making.settings),
        "labels": None if given is None else given.facts,
        "groups": making.group_facts,
        "estimators": estimators,
        "versions": {
            "layergeom": VERSION,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "python": platform.python_version(),
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    } | ({"quantities": [quantity.facts for quantity in making.added]} if making.added else {})


def _audits(keys: Sequence[str], layers: list[MeasuredLayer]) -> dict[str, Mapping[str, float]]:
    """Return what the audit of each layer found (see :func:`layergeom.geometry.audit.audit`)."""
    audits = ((key, layer.audit) for key, layer in zip(keys, layers, strict=True))
    return {key: asdict(audit) for key, audit in audits if audit is not None}
