"""Five dimensions through a smooth random network: what the estimates say, layer by layer.

The cloud is a flat torus of dimension 5, on which TwoNN has no bias at any number of points. A
network of smooth layers maps it smoothly, so that its image has dimension 5 at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import ndtr

import layergeom as lg
from benchmarks import records
from layergeom.arrays import FloatArray, Points
from layergeom.tasks.null_clouds import gaussian_numbers

TRUTH = 5
LAYERS = 8
NEIGHBORS = 32
FULL = 8000  # points at which scales, spectrum and null are measured too
CLOUDS = 2  # Gaussian ones
FURTHER = ("effective_rank", "participation_ratio", "gaussian", "scales", "plateau")
ACTIVATIONS: MappingProxyType[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {"tanh": np.tanh, "gelu": lambda x: x * ndtr(x)}
)


@dataclass(frozen=True)
class Network:
    """A random network without biases: weights are normal with variance gain² / width in."""

    activation: str
    width: int
    gain: float
    sizes: tuple[int, ...] = (500, 2000, FULL)

    @property
    def name(self) -> str:
        """Return the network in words."""
        return f"{self.activation}, width {self.width}, gain {self.gain:g}"


NETWORKS = (
    *(Network("tanh", width, gain) for width in (64, 256) for gain in (1, 2)),
    *(Network("tanh", width, 3, (500, 2000, FULL, 50_000)) for width in (64, 256)),
    Network("gelu", 256, 2),
    Network("gelu", 256, 6),
)


def torus(n: int, seed: int, d: int = TRUTH) -> Points:
    """Return n points uniform on the flat torus of dimension d: (n, 2 d).

    Examples
    --------
    >>> np.round(np.linalg.norm(torus(3, seed=0), axis=1) ** 2, 9).tolist()
    [5.0, 5.0, 5.0]
    """
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, d))
    return np.hstack([np.cos(angles), np.sin(angles)])


def images(network: Network, X: Points) -> Iterator[Points]:
    """Yield the points after every layer in float32: (n, width)."""
    rng = np.random.default_rng(1)  # one network for all samples
    states = np.asarray(X, dtype=np.float64)
    for _ in range(LAYERS):
        weights = rng.standard_normal((states.shape[1], network.width))
        scaled = states @ (weights * network.gain / np.sqrt(states.shape[1]))
        states = ACTIVATIONS[network.activation](scaled)
        yield states.astype(np.float32)


def measured() -> Iterator[records.Record]:
    """Yield one record per network and number of points."""
    for network in NETWORKS:
        for n in network.sizes:
            draws = [_draw(network, n, seed) for seed in range(max(1, FULL // (2 * n)))]
            yield {
                "time": records.now(),
                "job": "doubt-map",
                "case": {"name": f"{network.name}, {n} points", **asdict(network), "n": n},
                "draws": len(draws),
                "layers": {
                    key: np.mean([draw[key] for draw in draws], axis=0).round(4).tolist()
                    for key in ("dimension", "error", "lower_bound", "r1")
                }
                | {key: draws[0][key] for key in FURTHER if key in draws[0]},
                "versions": records.versions(),
            }


def _draw(network: Network, n: int, seed: int) -> dict[str, list[Any]]:
    X = torus(n, seed)
    layers = [_layer(states, n) for states in (X, *images(network, X))]
    return {key: [layer[key] for layer in layers] for key in layers[0]}


def _layer(X: Points, n: int) -> dict[str, Any]:
    graph = lg.neighbor_graph(X, NEIGHBORS)
    found = lg.twonn(graph)
    spread = float(np.sqrt(2 * X.var(axis=0, dtype=np.float64).sum()))  # rms distance of a pair
    told = {
        "dimension": found.value,
        "error": found.error,
        "lower_bound": float(found.lower_bound),
        "r1": float(graph.distances[:, 0].mean()) / spread,
    }
    return told | _further(X, graph) if n == FULL else told


def _further(X: Points, graph: lg.NeighborGraph) -> dict[str, Any]:
    scales, spectrum = lg.scale_analysis(X, graph), lg.spectrum(X)
    null = gaussian_numbers(X, 0, CLOUDS)
    return {
        "effective_rank": round(spectrum.effective_rank.value, 2),
        "participation_ratio": round(spectrum.participation_ratio.value, 2),
        "gaussian": None if null is None else round(null["dimension"][0], 2),
        "scales": [round(float(value), 2) for value in scales.values],
        "plateau": [round(scales.plateau_dimension, 2), *map(int, scales.plateau)]
        if scales.plateau
        else None,
    }
