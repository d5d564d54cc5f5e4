"""What the records of the sizes say: values, shapes, errors and choices against the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import permutations
from typing import TypeAlias

import numpy as np
from scipy.stats import spearmanr

from benchmarks.records import Record
from layergeom.arrays import FloatArray

Sizes: TypeAlias = Mapping[int, Record]  # the records of one case by their size
MANY = 5_000  # rows of a case that enters the averages: the same cases at every size


def by_case(found: Iterable[Record]) -> dict[str, Sizes]:
    """Return the newest record of every case and size, the sizes ascending.

    Of a case that was run with several numbers of rows the newest of these only.
    """
    kept = [record for record in found if record["job"] == "sizes"]
    rows = {record["case"]["name"]: record["case"]["rows"] for record in kept}
    newest = {(r["case"]["name"], r["size"]): r for r in kept}
    cases: dict[str, dict[int, Record]] = defaultdict(dict)
    for (name, size), record in sorted(newest.items()):
        if record["case"]["rows"] == rows[name]:
            cases[name][size] = record
    return dict(cases)


def whole(case: Sizes) -> Record:
    """Return the record of all rows."""
    return case[max(case)]


def curves(record: Record, quantity: str) -> FloatArray:
    """Return a quantity along the depth, one row per part: (P, L)."""
    layers = record["case"]["layers"]
    along = [at for at, layer in enumerate(layers) if layer != "final"]
    values = np.array([part["values"][quantity] for part in record["parts"]], dtype=float)[:, along]
    return values[:, np.isfinite(values).all(axis=0)]  # the last layer has no next


def relative_value(case: Sizes, size: int) -> float:
    """Return the dimension of parts over that of all rows, the geometric mean over layers."""
    ratio = np.log(curves(case[size], "dimension")) - np.log(curves(whole(case), "dimension"))
    return float(np.exp(ratio.mean()))


def shape_with_all(case: Sizes, size: int, quantity: str) -> float:
    """Return the rank correlation over layers of a part's curve with that of all rows, the mean."""
    reference = curves(whole(case), quantity)[0]
    return float(np.mean([_ranks(row, reference) for row in curves(case[size], quantity)]))


def shape_between_parts(case: Sizes, size: int, quantity: str) -> float:
    """Return the mean rank correlation of the curves of two disjoint parts; nan of one part."""
    rows = curves(case[size], quantity)
    pairs = [_ranks(a, b) for a, b in permutations(rows, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def _ranks(a: FloatArray, b: FloatArray) -> float:
    return float(spearmanr(a, b).statistic)


def relative_error(record: Record) -> float:
    """Return the root mean square of the relative standard errors of the dimension."""
    shares = [
        np.array(part["errors"]["dimension"]) / np.array(part["values"]["dimension"])
        for part in record["parts"]
    ]
    return float(np.sqrt(np.nanmean(np.square(shares))))


def error_factor(case: Sizes) -> float:
    """Return the relative standard error times √rows, the median over sizes."""
    return float(np.median([relative_error(record) * size**0.5 for size, record in case.items()]))


def spread_factor(case: Sizes) -> float:
    """Return the spread of disjoint parts, relative to their mean, times √rows.

    Root mean square over layers and the sizes with three parts or more; nan without one.
    """
    found = []
    for size, record in case.items():
        values = curves(record, "dimension")
        if len(values) > 2:
            found.append(size * values.var(axis=0, ddof=1) / values.mean(axis=0) ** 2)
    return float(np.sqrt(np.mean(found))) if found else float("nan")


def needed_factor(case: Sizes, kind: str = "any") -> float:
    """Return the relative difference that errors ask for times √rows, the median over sizes."""
    at = [
        size**0.5 * np.median([part["needed"][kind] for part in record["parts"]])
        for size, record in case.items()
    ]
    return float(np.median(at))


def regret(case: Sizes, size: int, rule: str) -> float:
    """Return what the choices of the parts lose, in points of the label overlap of all rows."""
    record = whole(case)
    scores = np.array(record["parts"][0]["values"]["label_overlap"], dtype=float)
    of_layer = dict(zip(record["case"]["layers"], scores, strict=True))
    lost = [np.nanmax(scores) - of_layer[p["choices"][rule]] for p in case[size]["parts"]]
    return 100 * float(np.mean(lost))


def agreement(case: Sizes, size: int, rule: str, ties: bool) -> float:
    """Return how often one part's choice is another's, or with ``ties`` one of those tied there."""
    pairs = [
        b["choices"][rule] == a["choices"][rule]
        or (ties and b["choices"][rule] in a["ties"].get(rule, ()))
        for a, b in permutations(case[size]["parts"], 2)
    ]
    return float(np.mean(pairs)) if pairs else float("nan")


def of_models(cases: Mapping[str, Sizes], number: Callable[[Sizes], float]) -> list[float]:
    """Return the mean of a number within each model, those left out in which it is unknown."""
    found = defaultdict(list)
    for case in cases.values():
        value = number(case)
        if np.isfinite(value):
            found[whole(case)["case"]["model"]].append(value)
    return [float(np.mean(values)) for values in found.values()]
