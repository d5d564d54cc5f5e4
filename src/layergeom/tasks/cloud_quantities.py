"""The tokens of one sequence at every layer, as numbers: dimension, spectrum, cosine, overlap."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from layergeom import geometry
from layergeom.arrays import Float32Array
from layergeom.errors import DegenerateError, GeometryWarning
from layergeom.geometry.matrix_entropy import matrix_entropy
from layergeom.geometry.neighbors import NeighborGraph
from layergeom.geometry.overlap import overlap_matrices

LEAST = 16  # tokens of a cloud; fewer have no dimension worth the name
NAN = float("nan")
QUANTITIES = (
    "dimension",
    "dimension_error",
    "anisotropy",
    "prompt_entropy",
    "mean_cosine",
    "overlap_next",
)


@dataclass(frozen=True)
class Cloud:
    """The tokens of one sequence, seen at every layer.

    Attributes
    ----------
    id : str
        Of the sequence.
    tokens : int
        Points of the cloud: tokens that count.
    loss : float
        Mean cross-entropy of the next token in nats; nan where the model predicts none.
    dimension, dimension_error, anisotropy : tuple of float
        By layer: Gride at ranks n1 and 2 n1 (TwoNN at n1 = 1) with its error, and the share of the
        variance along the first direction. nan where the cloud is too small or degenerate.
    prompt_entropy : tuple of float
        By layer: the matrix-based entropy of the tokens in nats, at most the logarithm of their
        number (see :func:`layergeom.geometry.matrix_entropy.matrix_entropy`).
    mean_cosine : tuple of float
        By layer: mean cosine between two tokens, uncentred.
    overlap_next : tuple of float
        By layer: share of the k nearest tokens that are so at the next layer too; nan at the last
        layer, and for clouds of at most k tokens.
    """

    id: str
    tokens: int
    loss: float
    dimension: tuple[float, ...]
    dimension_error: tuple[float, ...]
    anisotropy: tuple[float, ...]
    prompt_entropy: tuple[float, ...]
    mean_cosine: tuple[float, ...]
    overlap_next: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class LayerCloud:
    """One layer of one sequence: its numbers, and its neighbours for the overlap."""

    dimension: float
    dimension_error: float
    anisotropy: float
    prompt_entropy: float
    mean_cosine: float
    graph: NeighborGraph | None


def layer_cloud(states: Float32Array, rank: int, k: int) -> LayerCloud:
    """Measure the tokens of one sequence at one layer; nan where there is nothing to measure."""
    if len(states) < max(LEAST, 2 * rank + 1) or not np.isfinite(states).all():
        return LayerCloud(NAN, NAN, NAN, _entropy(states), NAN, None)
    with warnings.catch_warnings():
        # repeated tokens are equal at the embedding, in every sequence: `distinct` is not news
        warnings.simplefilter("ignore", GeometryWarning)
        graph = geometry.neighbor_graph(states, min(max(2 * rank, k), len(states) - 1))
        try:
            estimate = geometry.gride(graph, rank)
            spectrum = geometry.spectrum(states, errors=False)
        except DegenerateError:
            return LayerCloud(NAN, NAN, NAN, _entropy(states), NAN, graph)
    shape = (spectrum.anisotropy.value, _entropy(states), spectrum.mean_cosine.value)
    return LayerCloud(estimate.value, estimate.error, *shape, graph)


def _entropy(states: Float32Array) -> float:
    """Entropy of the tokens of one sequence, which takes repeated tokens as they are."""
    if len(states) < 2 or not np.isfinite(states).all():
        return NAN
    try:
        return matrix_entropy(states, errors=False).value
    except DegenerateError:  # all tokens are equal
        return NAN


def cloud_of(name: str, tokens: int, loss: float, layers: Sequence[LayerCloud], k: int) -> Cloud:
    """Return the cloud of a sequence from its layers, in their order."""
    by_layer = {
        quantity: tuple(getattr(layer, quantity) for layer in layers)
        for quantity in QUANTITIES
        if quantity != "overlap_next"
    }
    overlaps = next_overlaps([layer.graph for layer in layers], k)
    return Cloud(name, tokens, loss, **by_layer, overlap_next=overlaps)


def next_overlaps(graphs: Sequence[NeighborGraph | None], k: int) -> tuple[float, ...]:
    """Return the overlap of every layer with the next; nan where one has no k neighbours."""
    return (*(_overlap(a, b, k) for a, b in pairwise(graphs)), NAN)


def _overlap(a: NeighborGraph | None, b: NeighborGraph | None, k: int) -> float:
    if a is None or b is None or min(a.k, b.k) < k:
        return NAN
    return float(overlap_matrices([a, b], [k])[0, 0, 1])
