"""Disjoint partitions of a corpus, as it is and with its words shuffled: mean, spread, peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from layergeom.arrays import FloatArray, IntArray
from layergeom.errors import InputError
from layergeom.reading.claims_cheng import cheng_claims
from layergeom.reading.onsets import Peak, peak_of
from layergeom.reading.repeated import RepeatedCurve, Repeats
from layergeom.reading.verdicts import Claim
from layergeom.tasks.common_scale import common_scale
from layergeom.tasks.partition_curves import PartitionCurves
from layergeom.written import percent

Corpus: TypeAlias = Literal["intact", "shuffled", "untrained"]
PAIRS = ("overlap_next", "imbalance_first", "imbalance_last", "imbalance_next")
FEW = 0.5  # share of distinct rows below which a layer is named


@dataclass(frozen=True, eq=False)
class Partitions:
    """Curves of every partition, by corpus.

    Attributes
    ----------
    corpora : mapping of str to Repeats
        ``intact``, ``shuffled`` (the words of each sequence in random order) and ``untrained``
        (the intact ones through the same network before training), each with the curves
        ``dimension``, ``overlap_next``, ``imbalance_first``, ``imbalance_last`` and
        ``imbalance_next``; a repeat is a partition.
    scales : mapping of str to ndarray, shape (R, L, s)
        Gride of each partition, layer and scale.
    ranks : ndarray, shape (s,)
        n1 of the scales.
    rank : int
        n1 at which ``dimension`` is read.
    record : mapping
        The protocol and what departs from it.
    warnings : tuple of str
        What was assumed, cut or could not be measured.
    """

    corpora: Mapping[Corpus, Repeats]
    scales: Mapping[Corpus, FloatArray]
    ranks: IntArray
    rank: int
    record: Mapping[str, Any]
    warnings: tuple[str, ...]

    def peak(self, corpus: Corpus = "intact") -> Peak | None:
        """Return the peak of the dimension with its onset, None if there is none beyond error."""
        found = self.corpora[corpus].without("final")
        return peak_of(found.curves["dimension"], found.depths)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims C1 to C4 of Cheng et al. 2025."""
        found = {name: corpus.without("final") for name, corpus in self.corpora.items()}
        return cheng_claims(found["intact"], found.get("shuffled"), found.get("untrained"))

    def to_frame(self) -> Any:
        """Return a pandas data frame with a row per corpus, partition and layer."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"corpus": corpus, "partition": part, "layer": layer, "depth": found.depths[at]}
                | {name: curve.values[part, at] for name, curve in found.curves.items()}
                for corpus, found in self.corpora.items()
                for part in range(found.curves["dimension"].repeats)
                for at, layer in enumerate(found.layers)
            ]
        )


def put_together(
    found: Mapping[Corpus, Sequence[PartitionCurves]],
    layers: tuple[str, ...],
    depths: tuple[float, ...],
    rank: int | None,
    record: Mapping[str, Any],
    notes: Sequence[str],
) -> Partitions:
    """Return the curves of all partitions, the dimension at one scale.

    Parameters
    ----------
    found : mapping of str to sequence of PartitionCurves
        By corpus, ``intact`` among them.
    layers, depths
        Keys and relative depths.
    rank : int or None
        n1; None where most intact layers are level.
    record, notes
        What the result says of its making.

    Raises
    ------
    InputError
        For a rank that was not measured.
    DegenerateError
        If no layer is known at three neighbouring scales.
    """
    ranks = max((part.ranks for parts in found.values() for part in parts), key=len)
    scales = {name: _scales(parts, len(ranks)) for name, parts in found.items()}
    at, line = _chosen(ranks, scales["intact"], rank)
    corpora = {
        name: Repeats(layers, depths, _curves(parts, scales[name][:, :, at]))
        for name, parts in found.items()
    }
    told = (*notes, line, *_repeated_rows(found["intact"], layers))
    return Partitions(corpora, scales, np.array(ranks), ranks[at], record, told)


def _scales(parts: Sequence[PartitionCurves], size: int) -> FloatArray:
    table = np.full((len(parts), len(parts[0].scales), size), np.nan)
    for at, part in enumerate(parts):
        table[at, :, : len(part.ranks)] = part.scales
    return table


def _curves(parts: Sequence[PartitionCurves], dimension: FloatArray) -> dict[str, RepeatedCurve]:
    pairs = {name: np.array([getattr(part, name) for part in parts]) for name in PAIRS}
    return {name: RepeatedCurve(v) for name, v in {"dimension": dimension, **pairs}.items()}


def _chosen(ranks: Sequence[int], intact: FloatArray, rank: int | None) -> tuple[int, str]:
    """Place of the scale, and why it is that."""
    if rank is not None:
        if rank not in ranks:
            raise InputError(f"rank is {rank}; measured were {', '.join(map(str, ranks))}.")
        return ranks.index(rank), f"The dimension is read at n1 = {rank}, as asked for."
    means = RepeatedCurve(intact.reshape(len(intact), -1)).mean.reshape(intact.shape[1:])
    at, layers = common_scale(means)
    if layers:
        why = f"level there at {layers} of {len(means)} layers"
    else:
        why = "where it changes least: no layer has a plateau, so the value depends on the scale"
    return at, f"The dimension is read at n1 = {ranks[at]}, {why}."


def _repeated_rows(parts: Sequence[PartitionCurves], layers: Sequence[str]) -> list[str]:
    shares = np.array([np.array(part.distinct) / part.rows for part in parts]).mean(axis=0)
    return [
        f"{layer}: {percent(share)} of the rows are distinct, and only these have a dimension."
        for layer, share in zip(layers, shares.tolist(), strict=True)
        if share < FEW
    ]
