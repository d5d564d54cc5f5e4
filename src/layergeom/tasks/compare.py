"""Several models on the same rows: their profiles side by side, and how alike their layers are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from layergeom import arrays
from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.measure import Progress
from layergeom.profiles import Profile
from layergeom.reading.claims_compared import sizes_claim
from layergeom.reading.heights import (
    Height,
    Trend,
    peak_height,
    plateau_height,
    size_trend,
)
from layergeom.reading.verdicts import Claim
from layergeom.tasks.cross_maps import CrossMap, CrossSettings, Quantity, cross_maps
from layergeom.tasks.finished_runs import FinishedRun, check_alike, finished_runs, same_rows
from layergeom.version import VERSION

SizeKind = Literal["parameters", "width", "given", "unknown"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several models on the same rows.

    Attributes
    ----------
    runs : tuple of str
        Their names.
    profiles : tuple of Profile
        One per run, all of the same number of rows.
    sizes : ndarray, shape (R,)
        Sizes of the models; nan where unknown.
    size_kind : {"parameters", "width", "given", "unknown"}
        What the sizes count.
    overlaps, ckas : tuple of CrossMap
        One per two runs that could be compared.
    mutual_knns : tuple of CrossMap
        The same by the cosine; empty unless asked for.
    peaks, plateaus : tuple of Height
        Height of the dimension's peak and plateau, one per run.
    trends : tuple of Trend
        How the peaks and how the plateaus move with size.
    claim : Claim
        A2 of Valeriani et al. 2023: the peak grows with size, the plateau does not.
    rows, k : int
        Rows, and neighbours compared between models.
    warnings : tuple of str
        What was assumed, allowed, sampled or not measured.
    provenance : mapping
        Content keys of the runs, settings, version.
    """

    runs: tuple[str, ...]
    profiles: tuple[Profile, ...]
    sizes: FloatArray
    size_kind: SizeKind
    overlaps: tuple[CrossMap, ...]
    ckas: tuple[CrossMap, ...]
    peaks: tuple[Height, ...]
    plateaus: tuple[Height, ...]
    trends: tuple[Trend, Trend]
    claim: Claim
    rows: int
    k: int
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]
    mutual_knns: tuple[CrossMap, ...] = ()

    @property
    def maps(self) -> tuple[CrossMap, ...]:
        """All similarity maps, by their kind."""
        return (*self.overlaps, *self.ckas, *self.mutual_knns)


def compare(
    runs: Mapping[str, Any] | Sequence[Any],
    *,
    k: int = 30,
    sizes: Mapping[str, float] | Sequence[float] | None = None,
    allow: Collection[str] | str = (),
    cka_rows: int = 4096,
    permutations: int = 100,
    cosine: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Compare finished runs of several models on the same rows.

    Parameters
    ----------
    runs : mapping from name to run, or sequence of runs
        At least two. A run is the folder of a profile; a pair (profile, states); or states, which
        are measured now with this ``k``.
    k : int
        Neighbours compared between models; up to 64 are kept in a run's folder.
    sizes : mapping from name to number, or one number per run, optional
        Sizes of the models; by default the parameters that the runs recorded, else the width.
    allow : collection of str
        Differences to compare all the same, with a warning: ``data``, ``pooling``, ``hook_point``,
        ``estimators``, ``k``, ``ranks``.
    cka_rows : int, >= 5
        CKA is estimated on so many rows at most, drawn at random: the debiased value does not
        depend on their number, its error does.
    permutations : int, from 20 on, or 0
        Draws for the permutation level of the most alike layers; 0 leaves it out. Fewer than 20
        have no 95 % quantile, and are refused.
    cosine : bool
        Whether neighbours by the cosine are compared too (``mutual_knns``, see
        :func:`layergeom.geometry.mutual_neighbors.mutual_knn`): one more search per layer, which
        is kept.
    seed : int
        Of both draws.
    progress : callable(done, total, what), optional
        Called as pairs of models are compared.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the runs differ in what must be equal (the message names the runs, the values and the
        remedy), have no rows in common, or did not keep what is needed.
    DegenerateError
        If states are given and none of their layers can be measured.

    Notes
    -----
    Rows: equal data are compared as they are. Otherwise rows are joined by their ids, and runs
    with further rows are measured again on the common ones from their states, since neighbour
    lists cannot be thinned and estimates depend on the number of rows. Row numbers serve as ids
    only between samples of one file.

    Errors of heights are combined as if the models were independent, although they share their
    rows: conservative for differences. Without kept states, CKA is not measured, and said so.

    When it misleads: overlap and dimension depend on k and on the number of rows. The most alike
    of L × L' pairs is chosen, so its permutation level, which is for one pair, is too low a bar.

    Cost: per pair of models (L + L')² / 2 comparisons of neighbour lists, and L L' products
    n × D × D' twice; memory: the neighbour lists of two models.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 4))
    >>> seen = {"embedding": X, "block_1": X @ rng.standard_normal((4, 9))}
    >>> turned = {"embedding": X[:, ::-1], "block_1": rng.standard_normal((200, 9))}
    >>> found = compare({"a": seen, "b": turned}, k=10, permutations=20)
    >>> found.overlaps[0].best, round(float(found.ckas[0].values[0, 0]), 6)
    (('embedding', 'embedding'), 1.0)
    """
    arrays.count(k, "k", 1)
    arrays.count(cka_rows, "cka_rows", 5)
    arrays.count(permutations, "permutations", 20 if permutations else 0)
    allowed = (allow,) if isinstance(allow, str) else tuple(allow)
    opened = finished_runs(runs, k)
    notes = check_alike(opened, allowed)
    alike, of_rows = same_rows(opened, allowed)
    n = alike[0].profile.counts["rows"]
    chosen = CrossSettings(k, _sampled(n, cka_rows, seed), permutations, seed, cosine)
    notes += [*of_rows, *_sampling(n, chosen), *_without_states(alike, cosine)]
    maps = cross_maps(alike, chosen, progress)
    by_kind = {kind: tuple(m for m in maps if m.quantity == kind) for kind in get_args(Quantity)}
    notes += _without_direction(by_kind["mutual_knn"], alike)
    lengths, kind = _sizes(alike, sizes)
    peaks = tuple(peak_height(run.profile) for run in alike)
    plateaus = tuple(plateau_height(run.profile) for run in alike)
    trends = (
        size_trend("peak", lengths, peaks),
        size_trend("plateau", lengths, plateaus),
    )
    return Comparison(
        runs=tuple(run.name for run in alike),
        profiles=tuple(run.profile for run in alike),
        sizes=lengths,
        size_kind=kind,
        overlaps=by_kind["overlap"],
        ckas=by_kind["cka"],
        mutual_knns=by_kind["mutual_knn"],
        peaks=peaks,
        plateaus=plateaus,
        trends=trends,
        claim=sizes_claim(_by_size(alike, lengths)),
        rows=n,
        k=k,
        warnings=(*notes, *_of_profiles(alike)),
        provenance={
            "runs": {run.name: run.profile.provenance.get("key") for run in alike},
            "settings": {
                "k": k,
                "cka_rows": cka_rows,
                "permutations": permutations,
                "cosine": cosine,
                "seed": seed,
            },
            "allow": list(allowed),
            "version": VERSION,
        },
    )


def _sampled(n: int, most: int, seed: int) -> IntArray | None:
    if n <= most:
        return None
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def _sampling(n: int, chosen: CrossSettings) -> list[str]:
    if chosen.sample is None:
        return []
    drawn = f"{len(chosen.sample):,} of {n:,} rows (seed {chosen.seed})"
    return [f"CKA was estimated on {drawn}; cka_rows asks for more."]


def _without_states(runs: Sequence[FinishedRun], cosine: bool) -> list[str]:
    bare = ", ".join(run.name for run in runs if run.states is None)
    kinds = "CKA and neighbours by cosine" if cosine else "CKA"
    return [f"{kinds} with {bare} was not measured: the states were not kept."] if bare else []


def _without_direction(maps: Sequence[CrossMap], runs: Sequence[FinishedRun]) -> list[str]:
    """Name the layers that have no neighbours by cosine although they have others."""
    layers = {run.name: run.profile for run in runs}
    bare: dict[str, None] = {}  # in their order
    for found in maps:
        for axis, name in enumerate(found.runs):
            unknown = np.isnan(found.values).all(axis=1 - axis)
            keys = np.array(layers[name].layers)[unknown].tolist()
            bare |= {f"{name} at {key}": None for key in keys if key not in layers[name].undefined}
    why = "have no neighbours by cosine: rows of zeros, or all of one direction"
    return [f"{', '.join(bare)} {why}."] if bare else []


def _of_profiles(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the warnings of all runs, each once, behind the runs that it is of."""
    told: dict[str, list[str]] = {}
    for run in runs:
        for text in run.profile.warnings:
            told.setdefault(text, []).append(run.name)
    whole = "both runs" if len(runs) == 2 else f"all {len(runs)} runs"
    return [
        f"{whole if len(names) == len(runs) else ', '.join(names)}: {text}"
        for text, names in told.items()
    ]


def _by_size(runs: Sequence[FinishedRun], sizes: FloatArray) -> list[Profile]:
    """Return the profiles of the models whose size is known, smallest first."""
    known = [at for at in np.argsort(sizes, kind="stable").tolist() if np.isfinite(sizes[at])]
    return [runs[at].profile for at in known] if len(set(sizes[known].tolist())) > 1 else []


def _sizes(
    runs: Sequence[FinishedRun], given: Mapping[str, float] | Sequence[float] | None
) -> tuple[FloatArray, SizeKind]:
    """Return the sizes of the models, and what they count."""
    if given is not None:
        return _given_sizes([run.name for run in runs], given), "given"
    parameters = [run.profile.provenance["states"].get("parameters") for run in runs]
    if None not in parameters:
        return np.array(parameters, dtype=np.float64), "parameters"
    widths = np.array([run.width() for run in runs])
    known = bool(np.isfinite(widths).all())
    return (widths, "width") if known else (np.full(len(runs), np.nan), "unknown")


def _given_sizes(names: Sequence[str], given: Mapping[str, float] | Sequence[float]) -> FloatArray:
    if isinstance(given, Mapping):
        if missing := [name for name in names if name not in given]:
            raise InputError(f"sizes has no entry for {missing[0]!r}; it needs {', '.join(names)}.")
        given = [given[name] for name in names]
    sizes = np.asarray(given, dtype=np.float64)
    if sizes.shape != (len(names),) or not (sizes > 0).all():
        raise InputError(f"sizes must be {len(names)} positive numbers but are {sizes.tolist()}.")
    return sizes
