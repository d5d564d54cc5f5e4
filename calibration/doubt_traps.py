"""The known ways to a wrong number: what the plain formula reads, and what this package says."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np

import layergeom as lg
from benchmarks import records
from calibration.doubt_maps import torus
from layergeom.arrays import FloatArray, IntArray, Points

OFFSET = 3000.0  # of one coordinate
FAMILY, CORRELATION = 5, 0.9


@dataclass(frozen=True)
class Trap:
    """One wrong number beside the right one, and the words that this package has for it."""

    truth: str
    naive: float
    told: float
    error: float
    said: str


def plain_twonn(distances: FloatArray) -> float:
    """Return (N - 1) / Σ log(r2/r1) as a formula is typed, with nothing looked at.

    Examples
    --------
    >>> round(plain_twonn(np.exp([[0.0, 0.5], [0.0, 0.5], [0.0, 1.0]])), 3)
    1.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(distances[:, 1] / distances[:, 0])
    kept = logs[np.isfinite(logs)]
    return float((len(kept) - 1) / kept.sum())


def brute_force(X: Points) -> FloatArray:
    """Return the distances to the two nearest rows by direct differences: (n, 2)."""
    return np.array([np.sort(np.linalg.norm(X - row, axis=1))[1:3] for row in X])


def expanded(X: Points) -> FloatArray:
    """Return the same from |x|² + |y|² - 2 x·y in float32, without centring: (n, 2)."""
    X = X.astype(np.float32)
    squares = np.einsum("ij,ij->i", X, X)
    found = squares[:, None] + squares - 2 * (X @ X.T)
    np.fill_diagonal(found, np.inf)
    nearest = np.sort(np.maximum(found, 0), axis=1)[:, :2]
    return np.asarray(np.sqrt(nearest), dtype=np.float64)


def near_copies() -> Trap:
    """Repeat a tenth of the rows, another in the last bit (one text in two batches)."""
    X = torus(1000, 0).astype(np.float32)
    again = np.vstack([X, X[:100] * np.float32(1 + 2e-7)])
    inputs = np.append(np.arange(1000), np.arange(100))  # what a run takes from the token ids
    naive = plain_twonn(brute_force(again.astype(np.float64)))
    trap = _told("5", naive, again, inputs)
    bare = _told("5", naive, again).told
    said = f"{trap.said} Of bare states, without their inputs: {bare:.2f}; {_warned(again)}"
    return Trap(trap.truth, naive, trap.told, trap.error, said)


def cancellation() -> Trap:
    """Give one coordinate a large offset, as a massive activation has it."""
    X = 0.7 * np.random.default_rng(0).standard_normal((2000, 10))
    true = lg.twonn(lg.neighbor_graph(X, 2))
    X[:, 0] += OFFSET
    naive, found = plain_twonn(expanded(X)), lg.twonn(lg.neighbor_graph(X.astype(np.float32), 2))
    said = "nothing to say: the distances are exact"
    return Trap(f"{true.value:.1f} without the offset", naive, found.value, found.error, said)


def twins() -> Trap:
    """Make a tenth of the rows pairs at a correlation of .95, and nobody said so."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 10))
    X[1900:] = 0.95 * X[:100] + np.sqrt(1 - 0.95**2) * X[1900:]
    found = lg.twonn(lg.neighbor_graph(X, 2))
    alone = lg.twonn(lg.neighbor_graph(X[:1900], 2))
    truth = f"{alone.value:.1f} without the twins"
    return Trap(truth, found.value, found.value, found.error, _warned(X))


def clustered_tokens() -> Trap:
    """Draw families of five rows at a correlation of .9; read without and with ``groups``."""
    X, family = _families(400)
    naive = lg.twonn(lg.neighbor_graph(X, 2)).value
    found = lg.twonn(lg.neighbor_graph(X, 64, groups=family))
    plain = [_independent(seed) for seed in range(4)]
    truth = f"{np.mean(plain):.1f} for independent rows"
    return Trap(truth, naive, found.value, found.error, "only if `groups` are given")


def noise() -> Trap:
    """Add a little noise in twenty directions to a square: single neighbours see the noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(4000, 2)) @ np.eye(2, 20) + 0.01 * rng.standard_normal((4000, 20))
    graph = lg.neighbor_graph(X, 64)
    found, scales = lg.twonn(graph), lg.scale_analysis(X, graph)
    said = f"the scale curve falls from {scales.values[0]:.1f} to {np.nanmin(scales.values):.1f}; "
    said += f"plateau at {scales.plateau_dimension:.1f}" if scales.plateau else "no plateau"
    return Trap("2 at a distance", found.value, found.value, found.error, said)


def few_points() -> Trap:
    """Draw a ball of twenty dimensions: no number of points that can be had is enough."""
    small, large = (lg.twonn(lg.neighbor_graph(_ball(n, 20), 2)) for n in (1000, 16_000))
    flags = ["lower bound" if found.lower_bound else "no flag" for found in (small, large)]
    said = f"{flags[0]}; {large.value:.1f} at 16,000 points: {flags[1]}"
    return Trap("20", small.value, small.value, small.error, said)


def half_precision() -> Trap:
    """Round an anisotropic layer to eight bits of mantissa (bfloat16)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 5)) @ rng.standard_normal((5, 64)) + 100
    X = X.astype(np.float32)
    true = lg.twonn(lg.neighbor_graph(X, 2))
    rounded = _bfloat16(X)
    trap = _told("", plain_twonn(brute_force(rounded.astype(np.float64))), rounded)
    return Trap(f"{true.value:.1f} in float32", trap.naive, trap.told, trap.error, trap.said)


def leaking_groups() -> Trap:
    """Deal labels that mean nothing, one per family; the overlap with and without ``groups``."""
    X, family = _families(400)
    labels = np.random.default_rng(1).integers(0, 4, 400)[family]
    naive = lg.label_overlap(lg.neighbor_graph(X, 30), labels, k=4).value
    found = lg.label_overlap(lg.neighbor_graph(X, 30, groups=family), labels, k=4)
    return Trap(".25", naive, found.value, found.error, f"chance {found.chance:.2f}")


TRAPS: MappingProxyType[str, Callable[[], Trap]] = MappingProxyType(
    {
        "repeats with another last bit": near_copies,
        "cancellation": cancellation,
        "twins nobody named": twins,
        "clustered tokens": clustered_tokens,
        "noise at the smallest distances": noise,
        "too few points": few_points,
        "half precision": half_precision,
        "label overlap with siblings": leaking_groups,
    }
)


def measured() -> Iterator[records.Record]:
    """Yield one record per trap."""
    for name, spring in TRAPS.items():
        found = asdict(spring())
        yield {
            "time": records.now(),
            "job": "doubt-trap",
            "case": {"name": name},
            **{k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()},
            "versions": records.versions(),
        }


def _told(truth: str, naive: float, X: Points, inputs: IntArray | None = None) -> Trap:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = lg.twonn(lg.neighbor_graph(X, 10, inputs=inputs))
    said = "; ".join(str(warning.message) for warning in caught)
    return Trap(truth, naive, found.value, found.error, said)


def _warned(X: Points) -> str:
    """Return what a profile of one layer warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = lg.profile({"layer": X}).warnings
    return "; ".join(text for text in found if "twin" in text)


def _families(count: int) -> tuple[Points, IntArray]:
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(count), FAMILY)
    centre, own = rng.standard_normal((count, 10)), rng.standard_normal((len(family), 10))
    return np.sqrt(CORRELATION) * centre[family] + np.sqrt(1 - CORRELATION) * own, family


def _independent(seed: int) -> float:
    X = np.random.default_rng(seed).standard_normal((400 * FAMILY, 10))
    return lg.twonn(lg.neighbor_graph(X, 2)).value


def _ball(n: int, d: int) -> Points:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    directions = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(directions * rng.uniform(size=(n, 1)) ** (1 / d))


def _bfloat16(X: Points) -> Points:
    """Round to the nearest number with eight bits of mantissa, as bfloat16 has."""
    bits = np.ascontiguousarray(X, dtype=np.float32).view(np.uint32)
    even = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return np.asarray((even & np.uint32(0xFFFF0000)).view(np.float32), dtype=np.float32)
