"""How often the bound of a loss over queries holds, on real losses and on rare ones.

    python -m benchmarks.query_bounds RETRIEVAL_JSON [--record FILE]

All queries of an evaluation are the population: sets of 50, 200 and 1,000 are drawn from them, and
the share of sets whose one-sided 95 % bound reaches the population's mean loss is counted, of the
studentised bootstrap (what layergeom gives) and of plain percentiles of the resampled means. Beside
them stands a population of which one query in twenty loses something, evenly in [0, 1].
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import records
from layergeom.arrays import FloatArray
from layergeom.geometry.paired_bootstrap import mean_bounds
from layergeom.tasks.retrieval_limit import shorter
from layergeom.tasks.retrieval_result import RetrievalEvaluation, load_retrieval

RECORD = records.FOLDER / "query_bounds.jsonl"
SIZES = (50, 200, 1000)  # queries of a set
SETS = 1000
DRAWS = 1000
RARE = 0.05  # share of the queries that lose anything, in the population that is made up
METRICS = ("ndcg@10", "mrr@10", "recall@100")


def populations(found: RetrievalEvaluation) -> dict[str, FloatArray]:
    """Return losses of all queries by what they are of."""
    rng = np.random.default_rng(0)
    rare = np.where(rng.random(100_000) < RARE, rng.random(100_000), 0.0)
    at = shorter(found)[0]
    return {"rare": rare} | {
        f"{found.layers[at]}, {name}": found.score(name).per_query[-1]
        - found.score(name).per_query[at]
        for name in METRICS
    }


def coverage(losses: FloatArray, size: int) -> dict[str, Any]:
    """Count the sets whose bound reaches the mean of the population."""
    rng = np.random.default_rng(size)
    true, studentised, percentile = losses.mean(), 0, 0
    for number in range(SETS):
        drawn = losses[rng.integers(0, len(losses), size)]
        bound = mean_bounds(drawn[None], draws=DRAWS, seed=number).upper[0]
        studentised += not bound < true  # a set without any loss has no bound, and promises nothing
        means = drawn[rng.integers(0, size, (DRAWS, size))].mean(axis=1)
        percentile += bool(np.quantile(means, 0.95) >= true)
    return {
        "queries": size,
        "studentised": studentised / SETS,
        "percentile": percentile / SETS,
    }


def main(arguments: list[str]) -> None:
    """Count all, and append the record."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--record", type=Path, default=RECORD)
    given = parser.parse_args(arguments)
    found = load_retrieval(given.evaluation)
    rows = []
    for name, losses in populations(found).items():
        for size in SIZES:
            rows.append({"losses": name, **coverage(losses, size)})
            print(rows[-1], flush=True)
    record = {
        "job": "query_bounds",
        "time": records.now(),
        "population": len(found.queries),
        "sets": SETS,
        "draws": DRAWS,
        "rows": rows,
        "versions": {name: records.version(name) for name in ("layergeom", "numpy")},
        "machine": records.machine(),
    }
    records.append(given.record, record)


if __name__ == "__main__":
    main(sys.argv[1:])
