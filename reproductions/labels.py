"""Numbers and several labels per row on protein domains: each layer's agreement and scores.

Run as ``python -m reproductions.labels MODEL DOMAINS.tsv FOLDER``: MODEL is a protein model,
DOMAINS a table with the columns sid, sccs and sequence (SCOPe's ASTRAL 40), and FOLDER keeps the
states and the record ``labels.json``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import layergeom as lg
from benchmarks.markdown import table
from layergeom.profiles import BY_LABELS
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.label_kinds import LabelType

ROWS = 4_000
PART = 3  # of so many rows one has labels
# Kyte and Doolittle 1982, table 2
_ACIDS, _VALUES = (
    "IVLFCMAGTSWYPHEQDNKR",
    (
        *(4.5, 4.2, 3.8, 2.8, 2.5, 1.9, 1.8, -0.4, -0.7, -0.8, -0.9, -1.3, -1.6, -3.2),
        *(-3.5, -3.5, -3.5, -3.5, -3.9, -4.5),
    ),
)
HYDROPATHY = dict(zip(_ACIDS, _VALUES, strict=True))


def domains(path: Path) -> Samples:
    """Return random domains, however large their families, with these as labels."""
    everyone = read_samples(path, text_column="sequence", labels="family", max_samples="all")
    drawn = np.random.default_rng(1).permutation(len(everyone))[:ROWS]
    return everyone.take(sorted(drawn.tolist()))


def label_cases(samples: Samples) -> dict[str, Sequence[Any]]:
    """Return the labels of each case, one per row, None where a row has none."""
    sequences = [str(item) for item in samples.items]
    lengths = np.array([len(text) for text in sequences], dtype=np.float64)
    codes = [str(code).split(".") for code in samples.classes or ()]
    rng = np.random.default_rng(0)
    told = rng.permutation(len(codes)) < len(codes) / PART
    levels = [[".".join(code[:depth]) for depth in (1, 2, 3)] for code in codes]
    longest = lengths >= np.quantile(lengths, 1 - 1 / PART)
    return {
        "length": lengths.tolist(),
        "length, a random third": _where(told, lengths),
        "length, the longest third": _where(longest, lengths),
        "hydropathy": [_hydropathy(text) for text in sequences],
        "length, dealt at random": rng.permutation(lengths).tolist(),
        "class, fold, superfamily; a third": _where(told, levels),
        "fold, superfamily; a third": _where(told, [names[1:] for names in levels]),
    }


def _where(told: Any, values: Any) -> list[Any]:
    return [value if there else None for value, there in zip(values, told, strict=True)]


def _hydropathy(sequence: str) -> float:
    known = [HYDROPATHY[letter] for letter in sequence.upper() if letter in HYDROPATHY]
    return float(np.mean(known)) if known else float("nan")


def label_type(name: str) -> LabelType:
    """Return what the labels of a case are: lengths are whole numbers, and would be classes."""
    return "multi" if "superfamily" in name else "number"


def measured(
    hidden: Any, labels: Sequence[Any], kind: LabelType, families: Sequence[Any]
) -> dict[str, Any]:
    """Return curve and scores of one case, with seconds of CPU time."""
    start = time.process_time()
    found = lg.profile(hidden, labels=labels, label_type=kind, exclude=families)
    name = next(name for name in BY_LABELS if name in found.curves)
    of_profile = time.process_time() - start
    scores = lg.evaluate(
        hidden,
        labels=labels,
        label_type=kind,
        groups=families,
        layer=hidden.layers[-1],
    )
    curve = found.curves[name]
    chance = curve.chance if curve.chance is not None else np.full(len(curve.values), np.nan)
    return {
        "quantity": name,
        "layers": list(found.layers),
        "values": curve.values.tolist(),
        "errors": curve.errors.tolist(),
        "chance": chance.tolist(),
        "labels": dict(found.provenance["labels"]),
        "scores": scores.facts()["layers"],
        "score_chance": scores.facts()["chance"],
        "regrets": scores.facts()["regrets"],
        "counts": dict(scores.counts),
        "seconds": {"profile": of_profile, "all": time.process_time() - start},
    }


def record(model: Path, data: Path, folder: Path) -> dict[str, Any]:
    """Measure all cases on the same states."""
    samples = domains(data)
    hidden = lg.extract(model, samples, folder=folder / "states")
    families = list(samples.classes or ())
    cases: dict[str, Any] = {}
    for name, labels in label_cases(samples).items():
        cases[name] = measured(hidden, labels, label_type(name), families)
        whole = {"rows": len(samples), "model": model.name, "cases": cases}
        (folder / "labels.json").write_text(json.dumps(whole) + "\n")
    return whole


def agreement_table(found: Mapping[str, Any]) -> str:
    """Return the curve of every case at the first layer, the best one and the last."""
    titles = ["labels", "quantity", "chance", "first layer", "best layer", "", "last layer"]
    return table(titles, [_agreement_row(name, case) for name, case in found["cases"].items()])


def _agreement_row(name: str, case: Mapping[str, Any]) -> list[str]:
    values, errors = case["values"], case["errors"]
    best = int(np.argmax(values))
    shown = [f"{values[at]:.3f} ± {errors[at]:.3f}" for at in (0, best, len(values) - 1)]
    return [
        name,
        case["quantity"],
        f"{np.mean(case['chance']):.3f}",
        shown[0],
        case["layers"][best],
        *shown[1:],
    ]


def score_table(found: Mapping[str, Any]) -> str:
    """Return every score of every case at its best layer and at the last."""
    rows = [row for name, case in found["cases"].items() for row in _score_rows(name, case)]
    return table(["labels", "score", "chance", "best layer", "", "last layer"], rows)


def _score_rows(name: str, case: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for score, chance in case["score_chance"].items():
        pairs = [(row[score], row[f"{score}_error"]) for row in case["scores"]]
        best = int(np.argmax([value for value, _ in pairs]))
        shown = [f"{pairs[at][0]:.3f} ± {pairs[at][1]:.3f}" for at in (best, len(pairs) - 1)]
        rows.append([name, score, f"{chance:.3f}", case["scores"][best]["layer"], *shown])
    return rows


if __name__ == "__main__":
    everything = record(*(Path(given) for given in sys.argv[1:4]))
    print(f"{agreement_table(everything)}\n\n{score_table(everything)}")
