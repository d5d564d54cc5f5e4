"""Similarities of layers that have nothing in common, and of real ones: by width, rows and depth.

For the best of many pairs a similarity is written as the inner product of two flat kernels
(n × n, of norm 1), so that all pairs of two stacks, under one order of the rows, are one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import layergeom as lg
from benchmarks import records
from layergeom.arrays import FloatArray, IntArray, Points
from layergeom.geometry.mutual_neighbors import unit_rows
from layergeom.profiles import STATES
from layergeom.tasks.finished_runs import finished_run

K = 10
WIDTHS, ROWS = (64, 256, 1024, 4096), (100, 300, 1000, 2000)
PERMUTATIONS = 100
DEPTHS = (1, 2, 4, 8, 16, 24)
STACK = {"rows": 100, "width": 64, "draws": 100}
REAL_ROWS = (100, 300, 1000)
MODELS = ("minilm", "stories", "gpt-step2200")
DATA = ("SST-2", "AG-News")


def calibrated(value: float, level: float) -> float:
    """Return which share of the way from the 95 % level to 1 a similarity goes; 0 below the level.

    Examples
    --------
    >>> calibrated(0.75, 0.5), calibrated(0.4, 0.5)
    (0.5, 0.0)
    """
    return max(0.0, (value - level) / (1 - level))


# ── one pair of independent layers ────────────────────────────────────────────────────────────


def widths() -> Iterator[records.Record]:
    """Yield one record per width and number of rows of independent normal features."""
    for n in ROWS:
        for width in WIDTHS:
            rng = np.random.default_rng([n, width])
            X, Y = rng.standard_normal((2, n, width)).astype(np.float32)
            yield {
                "time": records.now(),
                "job": "doubt-width",
                "case": {"name": f"{n} rows, width {width}", "n": n, "width": width},
                "measures": dict(_of_pair(X, Y)),
                "versions": records.versions(),
            }


def _of_pair(X: Points, Y: Points) -> Iterator[tuple[str, dict[str, float]]]:
    for name, debiased in (("raw CKA", False), ("debiased CKA", True)):
        value = lg.linear_cka(X, Y, debiased=debiased).value
        yield name, _beside(value, lg.permutation_level(X, Y, permutations=40, debiased=debiased))
    for name, pair in (("overlap", (X, Y)), ("mutual kNN", (unit_rows(X), unit_rows(Y)))):
        a, b = (lg.neighbor_graph(rows, K) for rows in pair)
        value = lg.neighborhood_overlap(a, b, K).value
        yield name, _beside(value, lg.permutation_level(a, b, k=K, permutations=40))


def _beside(value: float, level: Any) -> dict[str, float]:
    told = {"value": value, "level": level.mean, "upper": level.quantile}
    return {key: round(number, 5) for key, number in told.items()}


# ── the best of many pairs ────────────────────────────────────────────────────────────────────


def flat_kernel(X: Points, kind: str) -> FloatArray:
    """Return the kernel whose inner product with another's is their similarity, (n * n,).

    Parameters
    ----------
    X : ndarray, shape (n, D)
    kind : {"raw CKA", "debiased CKA", "overlap"}
        The overlap counts 10 neighbours and takes no heed of ties.

    Examples
    --------
    >>> X, Y = np.random.default_rng(0).standard_normal((2, 50, 7))
    >>> product = flat_kernel(X, "debiased CKA") @ flat_kernel(Y, "debiased CKA")
    >>> bool(np.isclose(product, lg.linear_cka(X, Y).value))
    True
    """
    kernel = KERNELS[kind](np.asarray(X, dtype=np.float64)).ravel()
    return np.asarray(kernel / np.linalg.norm(kernel))


def _centred(X: Points) -> FloatArray:
    Z = X - X.mean(axis=0)
    return np.asarray(Z @ Z.T)


def _unbiased(X: Points) -> FloatArray:
    """Return the U-centred kernel: zero diagonal, rows that sum to zero."""
    kernel, n = _centred(X), len(X)
    np.fill_diagonal(kernel, 0)
    sums = kernel.sum(axis=1) / (n - 2)
    kernel += sums.sum() / (n - 1) - sums[:, None] - sums
    np.fill_diagonal(kernel, 0)
    return kernel


def _members(X: Points) -> FloatArray:
    found = np.zeros((len(X), len(X)))
    np.put_along_axis(found, lg.neighbor_graph(X, K).nearest(K).indices, 1, axis=1)
    return found


KERNELS: MappingProxyType[str, Callable[[Points], FloatArray]] = MappingProxyType(
    {"raw CKA": _centred, "debiased CKA": _unbiased, "overlap": _members}
)


def similarities(
    a: Sequence[Points], b: Sequence[Points], kind: str, permutations: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return the similarity of every two layers, (L, L'), and that of dealt rows, (P, L, L')."""
    n, rng = len(a[0]), np.random.default_rng(seed)
    first = np.array([flat_kernel(X, kind) for X in a])
    second = np.array([flat_kernel(X, kind) for X in b]).reshape(len(b), n, n)
    dealt = [first @ _flat(second, rng.permutation(n)).T for _ in range(permutations)]
    return first @ _flat(second, np.arange(n)).T, np.array(dealt)


def _flat(kernels: FloatArray, order: IntArray) -> FloatArray:
    return kernels[:, order[:, None], order].reshape(len(kernels), -1)


def best(values: FloatArray, dealt: FloatArray) -> dict[str, float]:
    """Return the largest similarity, the 95 % level of its own pair and that of the largest."""
    at = np.unravel_index(np.argmax(values), values.shape)
    return {
        "value": float(values[at]),
        "of_pair": float(np.quantile(dealt[:, at[0], at[1]], 0.95)),
        "of_largest": float(np.quantile(dealt.max(axis=(1, 2)), 0.95)),
    }


def depths() -> Iterator[records.Record]:
    """Yield one record per kind and depth of two independent stacks of layers."""
    n, width, draws = STACK.values()
    for kind in KERNELS:
        found = []
        for draw in range(draws):
            a, b = (_stack(n, width, [draw, side]) for side in (0, 1))
            values, dealt = similarities(a, b, kind, PERMUTATIONS, draw)
            found.append([best(values[:L, :L], dealt[:, :L, :L]) for L in DEPTHS])
        for at, layers in enumerate(DEPTHS):
            rows = [row[at] for row in found]
            yield {
                "time": records.now(),
                "job": "doubt-depth",
                "case": {"name": f"{kind}, {layers} layers", "kind": kind, "layers": layers}
                | STACK,
                "largest": round(float(np.mean([row["value"] for row in rows])), 4),
                "above_pair": float(np.mean([row["value"] > row["of_pair"] for row in rows])),
                "above_largest": float(np.mean([row["value"] > row["of_largest"] for row in rows])),
                "versions": records.versions(),
            }


def _stack(n: int, width: int, seed: list[int]) -> list[Points]:
    """Return the layers of a random residual network on normal inputs of its own."""
    rng = np.random.default_rng(seed)
    layers = [rng.standard_normal((n, width))]
    while len(layers) < max(DEPTHS):
        weights = rng.standard_normal((width, width)) / np.sqrt(width)
        layers.append(layers[-1] + np.tanh(layers[-1] @ weights))
    return layers


# ── real layers ───────────────────────────────────────────────────────────────────────────────


def pairs(place: Path) -> Iterator[records.Record]:
    """Yield one record per two models, data, kind and number of rows; folders MODEL-on-DATA."""
    for data in DATA:
        folders = {model: place / f"{model}-on-{data}" for model in MODELS}
        present = [model for model in MODELS if (folders[model] / STATES).is_dir()]
        for a, b in combinations(present, 2):
            for n in REAL_ROWS:
                yield from _of_models(data, (a, b), (folders[a], folders[b]), n)


def _of_models(
    data: str, models: tuple[str, str], folders: tuple[Path, Path], n: int
) -> Iterator[records.Record]:
    hidden = [finished_run(folder).states for folder in folders]
    kept = [states for states in hidden if states is not None]
    if len(kept) < 2 or kept[0].ids != kept[1].ids:
        raise ValueError(f"{' and '.join(models)} on {data} kept no states of the same rows")
    chosen = np.sort(np.random.default_rng(0).permutation(kept[0].n)[:n])
    a, b = ([states[key][chosen] for key in states.layers] for states in kept)
    for kind in KERNELS:
        told = best(*similarities(a, b, kind, PERMUTATIONS // 2, seed=0))
        yield {
            "time": records.now(),
            "job": "doubt-pair",
            "case": {
                "name": f"{' × '.join(models)} on {data}, {kind}, {n} rows",
                "models": list(models),
                "data": data,
                "kind": kind,
                "n": n,
                "pairs": len(a) * len(b),
            },
            **{key: round(value, 5) for key, value in told.items()},
            "versions": records.versions(),
        }
