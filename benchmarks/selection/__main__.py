"""Judge the rules that choose a layer, and write the page of the results.

python -m benchmarks.selection DATA MODELS RUNS   # adds records, writes docs/reference/selection.md
python -m benchmarks.selection --published FILE   # accuracies per layer that others published
python -m benchmarks.selection --page             # the page alone, from the records
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np

import layergeom as lg
from benchmarks import records
from benchmarks.selection.cases import Case, cases
from benchmarks.selection.page import PAGE, RECORDS, page
from benchmarks.selection.published import published
from benchmarks.selection.rules import RULES, by_prompt_entropy
from layergeom.reading import read
from layergeom.states.inputs import Samples
from layergeom.tasks.evaluation_settings import Metric

METRICS: tuple[Metric, ...] = ("retrieval", "linear_probe")
PROMPTS = 200  # of whose tokens the entropy is taken


def judged(case: Case, runs: Path) -> records.Record:
    """Profile a case, let every rule choose, and score all layers by the labels."""
    samples = case.samples
    folder = runs / re.sub(r"\W+", "-", case.name)
    profile = lg.profile(case.place, samples, folder=folder, pool=case.pool)
    overlap = profile.label_overlap.values.tolist()
    entropy = prompt_entropy(case, folder)
    choices = {name: rule(profile) for name, rule in RULES.items()}
    told = read(profile).recommendation
    return {
        "time": records.now(),
        "job": "selection",
        "case": {
            "name": case.name,
            "model": case.model,
            "data": case.data,
            "pool": case.pool,
            "seen": case.seen,
            "rows": profile.counts["rows"],
            "classes": len(set(samples.labels or ()) - {None}),
            "layers": list(profile.layers),
            "along": list(profile.blocks),
        },
        "scores": scored(samples, folder, profile.provenance["key"]) | {"label_overlap": overlap},
        "prompt_entropy": entropy,
        "choices": choices | by_prompt_entropy(entropy),
        "found": told.found,
        "repeatability": told.repeatability if told.found else None,
        "versions": records.versions(),
    }


def scored(samples: Samples, folder: Path, key: str) -> dict[str, list[float]]:
    """Score all layers by the labels, or read what was scored of the same states and labels."""
    kept = folder / "scores.json"
    if kept.is_file() and (content := json.loads(kept.read_text(encoding="utf-8")))["key"] == key:
        return dict(content["scores"])
    found = lg.evaluate(folder, labels=samples.labels, exclude=samples.exclude, metrics=METRICS)
    scores = {name: score.values.tolist() for name, score in found.scores.items()}
    kept.write_text(json.dumps({"key": key, "scores": scores}), encoding="utf-8")
    return scores


def prompt_entropy(case: Case, folder: Path) -> dict[str, float]:
    """Return the matrix entropy of the tokens of a prompt by layer, the mean over prompts.

    Of 200 rows spread over the data. Empty where rows are no texts, and where states are of one
    token, so that the case repeats another.
    """
    samples = case.samples
    if samples.kind != "text" or case.pool == "last":
        return {}
    spread = np.linspace(0, len(samples) - 1, min(PROMPTS, len(samples))).astype(int)
    found = lg.token_clouds(case.place, samples.take(spread), folder=folder)
    means = np.nanmean([cloud.prompt_entropy for cloud in found.clouds], axis=0)
    return dict(zip(found.layers, means.tolist(), strict=True))


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
