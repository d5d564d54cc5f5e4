"""How the answers move with the number of rows: the same states, thinned.

python -m benchmarks.selection.sizes DATA MODELS RUNS  # adds records, writes the page
python -m benchmarks.selection.sizes --page            # the page alone, from the records

The states of all rows are extracted once. At every size up to five disjoint parts are measured,
consecutive pieces of one random order, so that they are independent samples of the same data; all
rows together are the reference. ``--rows`` caps them: the SCOPe cases were run with 3,000. Places
as of ``benchmarks.selection``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import layergeom as lg
from benchmarks import records
from benchmarks.selection.cases import Case, cases
from benchmarks.selection.rules import RULES
from benchmarks.selection.sizes_page import BY_DIMENSION, PAGE, RECORDS, page
from layergeom.arrays import FloatArray, IntArray
from layergeom.profiles import Profile
from layergeom.reading import read
from layergeom.reading.recommend import dimension_curve

SIZES = (500, 1000, 2000, 5000, 10_000, 20_000)
PARTS = 5
CASES = (
    "minilm on BANKING77",
    "stories on AG News",
    "gpt step2200 on AG News",
    "gpt step2200 on BANKING77",
    "igpt step2200 on MNIST",
    "esm step4000 on SCOPe class",
    "esm_s step2560 on SCOPe class",
    "demo step7000 on digits",
)
CURVES = ("dimension", "participation_ratio", "overlap_next", "label_overlap")
ERRORS = ("dimension", "label_overlap")


def sizes(total: int) -> list[int]:
    """Return the sizes that are clearly below a total, and the total.

    Examples
    --------
    >>> sizes(7600)
    [500, 1000, 2000, 5000, 7600]
    """
    return [*(size for size in SIZES if size < 0.8 * total), total]


def parts(total: int, size: int, seed: int = 0) -> list[IntArray]:
    """Return at most five disjoint parts of a random order of the rows, each in its order.

    The parts of one size lie, as far as they fit, inside those of the larger ones.
    """
    order = np.random.default_rng(seed).permutation(total)
    return [np.sort(order[at * size :][:size]) for at in range(min(PARTS, total // size))]


def measured(case: Case, runs: Path) -> Iterator[records.Record]:
    """Extract a case once, and yield a record for every size."""
    samples = case.samples
    folder = runs / "sizes" / re.sub(r"\W+", "-", case.name)
    hidden = lg.extract(case.place, samples, folder=folder, pool=case.pool)
    states = {layer: np.asarray(hidden[layer]) for layer in hidden.layers}
    labels = np.array(samples.labels)
    for size in sizes(hidden.n):
        yield {
            "time": records.now(),
            "job": "sizes",
            "case": {
                "name": case.name,
                "model": case.model,
                "data": case.data,
                "seen": case.seen,
                "classes": len(set(samples.labels or ())),
                "rows": hidden.n,
                "layers": list(hidden.layers),
            },
            "size": size,
            "parts": [_part(states, labels, rows) for rows in parts(hidden.n, size)],
            "versions": records.versions(),
        }


def _part(states: dict[str, FloatArray], labels: Any, rows: IntArray) -> records.Record:
    profile = lg.profile({layer: X[rows] for layer, X in states.items()}, labels=labels[rows])
    choices = {name: rule(profile) for name, rule in RULES.items()}
    told = read(profile).recommendation
    return {
        "found": told.found,
        "choices": choices,
        "ties": {rule: tied(profile, choices[rule]) for rule in BY_DIMENSION},
        "needed": {kind: float(f"{share:.3g}") for kind, share in needed(profile).items()},
        "values": {name: _short(profile[name].values) for name in CURVES},
        "errors": {name: _short(profile[name].errors) for name in ERRORS},
    }


def tied(profile: Profile, layer: str) -> list[str]:
    """Return the layers whose dimension cannot be told apart from that of one layer."""
    curve = dimension_curve(profile)
    if curve is None or layer not in curve.keys:
        return [layer]
    at = curve.keys.index(layer)
    return [key for i, key in enumerate(curve.keys) if not curve.differ.counts(curve.values, i, at)]


def needed(profile: Profile) -> dict[str, float]:
    """Return by how much, of the larger value, two dimensions must differ for their errors.

    Medians over layers that follow each other, and over all pairs; without the 5 % that every
    difference must reach.
    """
    curve = dimension_curve(profile)
    if curve is None:
        return {"next": float("nan"), "any": float("nan")}
    larger = np.maximum.outer(curve.values, curve.values)
    shares = curve.differ.factor * curve.differ.errors / larger
    pairs = shares[np.triu_indices(len(shares), 1)]
    return {"next": float(np.median(np.diag(shares, 1))), "any": float(np.median(pairs))}


def _short(values: Sequence[float] | FloatArray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


def main() -> None:
    """Read the command line; measure, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="the page alone (also without places)")
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--rows", type=int, default=SIZES[-1], help="of a case, at most")
    parser.add_argument("places", nargs="*", type=Path, help="DATA MODELS RUNS")
    given = parser.parse_args()
    if given.places:
        data, models, runs = given.places
        for case in cases(data, models, rows=given.rows):
            if case.name in CASES and given.only in case.name:
                print(case.name, flush=True)
                for record in measured(case, runs):
                    records.append(RECORDS, record)
    PAGE.write_text(page(records.read([RECORDS])), encoding="utf-8")


if __name__ == "__main__":
    main()
