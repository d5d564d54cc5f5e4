"""What the lengths and the tokens of the rows say by themselves, without any model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from layergeom import geometry
from layergeom.arrays import IntArray
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry import NeighborGraph
from layergeom.geometry.groups import group_codes, own_where_missing
from layergeom.geometry.overlap import OverlapEstimate
from layergeom.layer import Labels
from layergeom.measure import Progress
from layergeom.profiles import Curve, Profile, layer_span
from layergeom.tasks.matched_lengths import length_strata, matched_overlap
from layergeom.tasks.nulls import Measured, NullCurves
from layergeom.tasks.token_neighbors import length_neighbors, token_neighbors

EXPLAINED = 0.5  # of the excess over chance; where less remains, length explains most of it
_SEEN = 2.0  # standard errors above chance, from which there is an excess to explain
Number = tuple[float, float, float]  # value, error, chance
_UNKNOWN: Number = (np.nan, np.nan, np.nan)


def length_controls(
    profile: Profile,
    measured: Measured,
    tokens: Sequence[IntArray],
    progress: Progress | None = None,
) -> NullCurves:
    """Return the controls of length and of token composition for every layer.

    Parameters
    ----------
    profile : Profile
        Of ``measured``.
    measured : Measured
        The states with their labels and groups.
    tokens : sequence of n int64 arrays
        The tokens of each row, without special ones.
    progress : callable(done, total, what), optional
        Called after each layer.

    Returns
    -------
    NullCurves
        ``overlap_length`` and ``overlap_tokens``: overlap of each layer's neighbours with those by
        length alone (the k least differences of log length) and by bag of tokens (the k largest
        cosines of the counts). With labels also ``label_overlap_length`` and
        ``label_overlap_tokens``, the label overlap of these two, the same at all layers; and
        ``label_overlap``, that of each layer with its neighbours replaced by random rows of their
        lengths (:func:`layergeom.tasks.matched_lengths.matched_overlap`). A warning names the
        layers where less than half of the excess over chance remains beyond that.

    Notes
    -----
    Cost: two passes over all pairs of rows, four with labels and ``exclude``; per layer two
    overlaps and one sparse product. When it misleads: where rows of a class are long because of
    what they say, a part of the content goes with the length.
    """
    plain = _Searched.of(measured, tokens, None)
    apart = None if measured.given is None else measured.given.exclude
    labelled = plain if apart is None else _Searched.of(measured, tokens, apart)
    strata = length_strata(plain.lengths, measured.settings.k)
    rows = []
    for done, key in enumerate(profile.layers, start=1):
        found = {f"overlap_{name}": _shared(measured, key, g) for name, g in plain.graphs.items()}
        if measured.given is not None:
            found["label_overlap"] = _matched(measured, key, measured.given, strata)
            for name, graph in labelled.graphs.items():
                found[f"label_overlap_{name}"] = _by_labels(graph, measured.given, measured)
        rows.append(found)
        if progress is not None:
            progress(done, len(profile.layers), "length controls")
    curves = {name: _curve(name, [row[name] for row in rows]) for name in rows[0]}
    facts = {"strata": int(strata.max()) + 1, "tokens_median": float(np.median(plain.lengths))}
    return NullCurves(curves, explained(profile, curves), facts)


@dataclass(frozen=True, eq=False)
class _Searched:
    """Lengths, and the neighbours by them and by the tokens."""

    lengths: IntArray
    graphs: Mapping[str, NeighborGraph]

    @classmethod
    def of(
        cls, measured: Measured, tokens: Sequence[IntArray], exclude: IntArray | None
    ) -> _Searched:
        lengths = np.array([len(row) for row in tokens], dtype=np.int64)
        excluded = None if exclude is None else own_where_missing(exclude)
        given, k = measured.groups, measured.settings.k
        groups = None if given is None else group_codes(given, len(given))  # as searches number
        own = [codes for codes in (groups, excluded) if codes is not None]
        graphs = {
            "length": length_neighbors(lengths, k, own, groups),
            "tokens": token_neighbors(tokens, k, own, groups),
        }
        return cls(lengths, graphs)


def _quietly(estimate: Callable[[], OverlapEstimate]) -> Number:
    """Return a number whose warnings the profile holds already, unknown where it is undefined."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            found = estimate()
    except DegenerateError:
        return _UNKNOWN
    return found.value, found.error, found.chance


def _shared(measured: Measured, key: str, other: NeighborGraph) -> Number:
    graph, k = measured.graph(key), measured.settings.k
    if graph is None:
        return _UNKNOWN
    return _quietly(lambda: geometry.neighborhood_overlap(graph, other, k))


def _by_labels(graph: NeighborGraph, given: Labels, measured: Measured) -> Number:
    codes, excluded = (_with_gaps(x) for x in (given.codes, given.exclude))
    k = measured.settings.k
    return _quietly(lambda: geometry.label_overlap(graph, codes, k, exclude=excluded))


def _with_gaps(codes: IntArray | None) -> list[int | None] | None:
    return None if codes is None else [None if code < 0 else code for code in codes.tolist()]


def _matched(measured: Measured, key: str, given: Labels, strata: IntArray) -> Number:
    graph = measured.label_graph(key)
    if graph is None:
        return _UNKNOWN
    try:
        return (*matched_overlap(graph, given, strata, measured.settings.k), np.nan)
    except DegenerateError:
        return _UNKNOWN


def _curve(name: str, numbers: Sequence[Number]) -> Curve:
    values, errors, chance = np.array(numbers, dtype=np.float64).T
    return Curve(name, values, errors, chance if np.isfinite(chance).any() else None)


def explained(profile: Profile, curves: Mapping[str, Curve]) -> tuple[str, ...]:
    """Return the warning that length explains most of the label overlap, () if it does not.

    Where the label overlap lies two standard errors above chance, and less than half of what it
    has above chance lies above the same at matched length.
    """
    own, matched = profile.curves.get("label_overlap"), curves.get("label_overlap")
    if own is None or matched is None or own.chance is None:
        return ()
    excess, rest = own.values - own.chance, own.values - matched.values
    with np.errstate(invalid="ignore"):
        mostly = (excess > _SEEN * own.errors) & (rest < EXPLAINED * excess)
    if not mostly.any():
        return ()
    keys = [key for key, yes in zip(profile.layers, mostly, strict=True) if yes]
    at = int(np.argmax(np.where(mostly, excess, -np.inf)))
    sentence = (
        f"{layer_span(keys, profile.layers)}: length explains most of the label overlap; of its "
        f"excess over chance at {profile.layers[at]} ({excess[at]:.3f}) {max(rest[at], 0):.3f} "
        "remains at matched length."
    )
    return (sentence,)
