"""Curves that need two layers at once: the linearity from each layer to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from layergeom import arrays
from layergeom.arrays import IntArray, Points
from layergeom.errors import DegenerateError, InputError, StoreError
from layergeom.geometry.linearity import linearity
from layergeom.layer import Settings
from layergeom.measure import Progress, sampling_groups
from layergeom.profiles import Curve, Profile
from layergeom.states.content import content_key
from layergeom.states.hidden import HiddenStates

ROWS = 4096
CURVES = ("linearity_next", "linearity_update_next")
_SCHEMA = 1


def with_linearity(
    profile: Profile,
    hidden: HiddenStates,
    settings: Settings,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Return the profile with the linearity from every layer to the next.

    Parameters
    ----------
    profile : Profile
        Of the states; one that has these curves of the same content is returned as it is.
    hidden : HiddenStates
        Two layers are in memory at a time, 4,096 rows of them.
    settings : Settings
        Its seed draws the rows, if there are more, and the halves.
    folder : Path, optional
        Where the profile is kept again.
    progress : callable(done, total, what), optional
        Called after each layer.

    Returns
    -------
    Profile
        With ``linearity_next`` (of the layer X and the next, Y) and ``linearity_update_next`` (of
        X and Y - X; unknown where the widths differ), see
        :func:`layergeom.geometry.linearity.linearity`. Unknown at the last layer. Rows of one
        group, or of one input, are in one half.
    """
    parts = (_SCHEMA, hidden.key, ROWS, settings.seed, _units(hidden, settings))
    facts = [
        {"name": name, "module": "layergeom", "key": content_key(name, *parts)} for name in CURVES
    ]
    known = profile.provenance.get("quantities", [])
    if all(fact in known for fact in facts) and all(name in profile.curves for name in CURVES):
        return profile
    curves, notes = _curves(hidden, settings, progress)
    others = [fact for fact in known if fact["name"] not in CURVES]
    told = replace(
        profile,
        curves={**profile.curves, **curves},
        warnings=(*profile.warnings, *notes),
        provenance={**profile.provenance, "quantities": [*others, *facts]},
    )
    if folder is not None:
        told.save(folder)
    return told


def _units(hidden: HiddenStates, settings: Settings) -> IntArray | None:
    """Return what keeps rows in one half: their group, else their input; None if nothing does."""
    groups = sampling_groups(hidden, settings)
    if groups is not None or hidden.inputs is None:
        return groups
    return arrays.labels(hidden.inputs, hidden.n, "inputs")


def _curves(
    hidden: HiddenStates, settings: Settings, progress: Progress | None
) -> tuple[dict[str, Curve], list[str]]:
    size, notes = len(hidden.layers), []
    numbers = np.full((len(CURVES), 2, size), np.nan)
    units, sample = _units(hidden, settings), _sample(hidden.n, settings.seed)
    groups = None if units is None else units[sample]
    for at, (x, y) in enumerate(pairwise(_layers(hidden, sample))):
        pairs = [(x, y), (x, _difference(x, y))]
        for name, pair, found in zip(CURVES, pairs, numbers, strict=True):
            try:
                estimate = linearity(*map(_known, pair), groups=groups, seed=settings.seed)
                found[:, at] = estimate.value, estimate.error
            except (InputError, DegenerateError) as error:
                notes.append(f"{hidden.layers[at]}: {name} is unknown: {error}")
        if progress is not None:
            progress(at + 1, size - 1, "pairs of layers measured")
    return {name: Curve(name, *found) for name, found in zip(CURVES, numbers, strict=True)}, notes


def _sample(n: int, seed: int) -> IntArray:
    if n <= ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:ROWS])


def _layers(hidden: HiddenStates, sample: IntArray) -> Iterator[Points | str]:
    """Yield the rows of each layer, or what is wrong with it."""
    invalid = hidden.provenance.get("invalid", {})
    for key in hidden.layers:
        try:
            yield str(invalid[key]) if key in invalid else hidden[key][sample]
        except StoreError:
            raise
        except InputError as error:
            yield str(error)


def _known(rows: Points | str) -> Points:
    if isinstance(rows, str):
        raise InputError(rows)
    return rows


def _difference(x: Points | str, y: Points | str) -> Points | str:
    if isinstance(x, str) or isinstance(y, str):
        return x if isinstance(x, str) else y
    if x.shape != y.shape:
        return f"the widths {x.shape[1]} and {y.shape[1]} of this layer and the next differ."
    return np.asarray(y.astype(np.float64) - x)
