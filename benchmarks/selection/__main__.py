"""Judge the rules that choose a layer, and write the page of the results.

python -m benchmarks.selection DATA MODELS RUNS   # adds records, writes docs/reference/selection.md
python -m benchmarks.selection --published FILE   # accuracies per layer that others published
python -m benchmarks.selection --page             # the page alone, from the records
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

import layergeom as lg
from benchmarks import records
from benchmarks.selection.cases import Case, cases
from benchmarks.selection.page import PAGE, RECORDS, page
from benchmarks.selection.published import published
from benchmarks.selection.rules import RULES
from layergeom.reading import read
from layergeom.tasks.evaluate import Metric

PROBED = 100  # classes: with more, a probe takes longer than everything else together


def judged(case: Case, runs: Path) -> records.Record:
    """Profile a case, let every rule choose, and score all layers by the labels."""
    samples = case.samples
    folder = runs / re.sub(r"\W+", "-", case.name)
    profile = lg.profile(case.place, samples, folder=folder)
    probed = len(set(samples.labels or ())) <= PROBED
    metrics: list[Metric] = ["retrieval", "linear_probe"] if probed else ["retrieval"]
    found = lg.evaluate(folder, labels=samples.labels, exclude=samples.exclude, metrics=metrics)
    scores = {name: score.values for name, score in found.scores.items()}
    scores["label_overlap"] = profile.label_overlap.values
    along = list(profile.blocks)
    told = read(profile).recommendation
    return {
        "time": records.now(),
        "job": "selection",
        "case": {
            "name": case.name,
            "model": case.model,
            "data": case.data,
            "seen": case.seen,
            "rows": profile.counts["rows"],
            "layers": list(profile.layers),
            "along": along,
        },
        "scores": {name: np.asarray(values).tolist() for name, values in scores.items()},
        "choices": {name: rule(profile) for name, rule in RULES.items()},
        "found": told.found,
        "repeatability": told.repeatability if told.found else None,
        "versions": records.versions(),
    }


def main() -> None:
    """Read the command line; judge, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="the page alone (also without places)")
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--published", type=Path, help="see benchmarks.selection.published")
    parser.add_argument("places", nargs="*", type=Path, help="DATA MODELS RUNS")
    given = parser.parse_args()
    if given.published:
        for record in published(given.published):
            records.append(RECORDS, record)
    if given.places:
        data, models, runs = given.places
        for case in cases(data, models):
            if given.only not in case.name:
                continue
            print(case.name, flush=True)
            records.append(RECORDS, judged(case, runs))
    PAGE.write_text(page(records.read([RECORDS])), encoding="utf-8")


if __name__ == "__main__":
    main()
