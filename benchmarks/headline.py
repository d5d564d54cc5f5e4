"""The job of paper A at its size: 24 layers of 90,000 samples in 512 dimensions.

    python -m benchmarks.headline

The states are synthetic (a nonlinear image, different in every layer, of one latent cloud of 20
dimensions with a full-rank decaying spectrum), made outside the clock, one layer at a time. Timed
are the neighbour graph (k = 30), TwoNN with its error, and the overlap with the layer before, all
as a user calls them. A hundred seeded rows of every layer are compared with float64 brute force.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks import answers, cases, peers, records, timing
from layergeom import NeighborGraph, neighbor_graph, twonn
from layergeom.geometry import overlap_matrices

ROWS, WIDTH, LAYERS, K = 90_000, 512, 24, 30
HIDDEN = 256
COMPARED = 100
FOLDER = records.FOLDER


def latent_cloud(rows: int) -> npt.NDArray[np.float32]:
    """Return the cloud that every layer is an image of."""
    return np.random.default_rng(0).standard_normal((rows, cases.LATENT), dtype=np.float32)


def layer_states(latent: npt.NDArray[np.float32], layer: int, width: int) -> cases.Cloud:
    """Return the hidden states of one layer: (rows, width)."""
    rng = np.random.default_rng([1, layer])
    inner = rng.standard_normal((cases.LATENT, HIDDEN), dtype=np.float32) / cases.LATENT**0.5
    hidden = np.tanh(latent @ inner) * np.arange(1, HIDDEN + 1, dtype=np.float32) ** -0.5
    outer = rng.standard_normal((HIDDEN, width), dtype=np.float32)
    noise = rng.standard_normal((len(latent), width), dtype=np.float32)
    return np.asarray(hidden @ outer + np.float32(0.01) * noise)


def right(X: cases.Cloud, graph: NeighborGraph, layer: int) -> bool:
    """Whether some seeded rows have exactly their nearest neighbours."""
    rows = np.sort(np.random.default_rng(layer).choice(len(X), COMPARED, replace=False))
    everyone = np.arange(len(X))
    for row in rows:
        others = np.delete(everyone, row)
        exact = np.sort(answers.direct(X, row[None], others[None])[0])[:K]
        if not np.allclose(graph.distances[row], exact, rtol=1e-12, atol=0):
            return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; 1 if an answer was wrong."""
    line = argparse.ArgumentParser(prog="python -m benchmarks.headline", description=__doc__)
    line.formatter_class = argparse.RawDescriptionHelpFormatter
    line.add_argument("--layers", type=int, default=LAYERS)
    line.add_argument("--rows", type=int, default=ROWS)
    options = line.parse_args(arguments)
    latent, before = latent_cloud(options.rows), None
    costs: list[timing.Cost] = []
    agree = True
    for layer in range(options.layers):
        X = layer_states(latent, layer, WIDTH)
        (graph, told), cost = timing.measured(partial(_measure, X, before))
        agree &= right(X, graph, layer)
        costs.append(cost)
        before = graph
        print(f"layer {layer:2d}: {cost.cpu_s:6.2f} CPU-s {cost.wall_s:6.2f} s  {told}", flush=True)
    limit = timing.measured(lambda: peers.sgemm(X[: len(X) // 10], K))[1].cpu_s * 100
    record = _record(options.rows, costs, limit, agree)
    records.append(FOLDER / "headline.jsonl", record)
    print(json.dumps(record, indent=1))
    return 0 if agree else 1


def _measure(X: cases.Cloud, before: NeighborGraph | None) -> tuple[NeighborGraph, str]:
    graph = neighbor_graph(X, K)
    dimension = twonn(graph)
    told = f"dimension {dimension.value:.2f} ± {dimension.error:.2f}"
    if before is not None:
        told += (
            f", overlap with the layer before {overlap_matrices([before, graph], [K])[0, 0, 1]:.3f}"
        )
    return graph, told


def _record(
    rows: int, costs: Sequence[timing.Cost], sgemm_cpu_s: float, agree: bool
) -> dict[str, object]:
    return {
        "time": records.now(),
        "machine": records.machine(),
        "versions": records.versions(),
        "job": {"layers": len(costs), "n": rows, "d": WIDTH, "k": K},
        "agrees": agree,
        "cpu_s": round(sum(cost.cpu_s for cost in costs), 1),
        "wall_s": round(sum(cost.wall_s for cost in costs), 1),
        "peak_mib": max(cost.peak_mib or 0.0 for cost in costs),
        "sgemm_cpu_s_of_one_layer": round(sgemm_cpu_s, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
