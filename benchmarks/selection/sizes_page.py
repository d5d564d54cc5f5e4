"""The page "How many samples do I need?", made from the records of the sizes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.markdown import table
from benchmarks.records import FOLDER, Record
from benchmarks.selection.sizes_numbers import (
    MANY,
    Sizes,
    agreement,
    by_case,
    error_factor,
    needed_factor,
    of_models,
    regret,
    relative_error,
    relative_value,
    shape_between_parts,
    shape_with_all,
    spread_factor,
    whole,
)
from benchmarks.selection.sizes_prose import (
    CHOICE,
    DIPS,
    ERRORS,
    HEAD,
    LABELS,
    RULE_OF_THUMB,
    SHAPE,
    VALUE,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "how_many_samples.md"
RECORDS = FOLDER / "sizes.jsonl"
Shape: TypeAlias = Callable[[Sizes, int, str], float]
COLUMNS = (500, 1000, 2000, 5000)
QUANTITIES = {
    "overlap_next": "overlap with the next layer",
    "participation_ratio": "participation ratio",
    "label_overlap": "label overlap",
    "dimension": "dimension",
}
BY_DESIGN = ("this package", "makers' layer", "last block", "middle")  # one layer at every size
BY_DIMENSION = ("smallest ID", "smallest ID behind the largest", "largest ID")
K = 30  # neighbours of the label overlap
DEPTHS = (0.3, 0.2, 0.1, 0.05)


def page(found: Iterable[Record]) -> str:
    """Return the page: value, shape, errors, choices and labels against the number of rows."""
    cases = by_case(found)
    large = {name: case for name, case in cases.items() if max(case) >= MANY}
    parts = [
        HEAD.format(rows=f"{max(max(case) for case in cases.values()):,}", cases=len(cases)),
        RULE_OF_THUMB.format(**_facts(cases, large)),
        f"{SHAPE}\n{_shapes(large)}\n",
        f"{VALUE}\n{_by_size(cases, lambda case, size: f'{relative_value(case, size):.2f}')}\n",
        f"{ERRORS.format(**_facts(cases, large))}\n{_errors(cases)}\n",
        f"{DIPS}\n{_dips(cases)}\n",
        f"{CHOICE.format(**_facts(cases, large))}\n{_choices(large)}\n",
        f"{LABELS}\n{_by_size(cases, _labels)}\n",
    ]
    return "\n".join(parts)


def factors(cases: Mapping[str, Sizes]) -> dict[str, float]:
    """Return the two factors of ``layergeom plan``: medians over models."""
    return {
        "error": float(np.median(of_models(cases, error_factor))),
        "needed": float(np.median(of_models(cases, needed_factor))),
    }


def _facts(cases: Mapping[str, Sizes], large: Mapping[str, Sizes]) -> dict[str, str]:
    errors, needed = of_models(cases, error_factor), of_models(cases, needed_factor)
    spread, next_ = of_models(cases, spread_factor), of_models(cases, _needed_next)
    parts = [part for case in cases.values() for r in case.values() for part in r["parts"]]
    told = {"error": errors, "needed": needed, "spread": spread, "next": next_}
    facts = {name: f"{np.median(values):.1f}" for name, values in told.items()}
    facts |= {f"{name}_low": f"{min(values):.1f}" for name, values in told.items()}
    facts |= {f"{name}_high": f"{max(values):.1f}" for name, values in told.items()}
    for n in (500, 2000, 10_000):
        facts[f"at_{n}"] = percent(float(np.median(errors)) / n**0.5, 1)
        facts[f"dip_{n}"] = percent(float(np.median(needed)) / n**0.5)
    return facts | {
        "found": str(sum(part["found"] for part in parts)),
        "profiles": str(len(parts)),
        "large": str(len({whole(case)["case"]["model"] for case in large.values()})),
    }


def _needed_next(case: Sizes) -> float:
    return needed_factor(case, "next")


def _by_size(cases: Mapping[str, Sizes], cell: Callable[[Sizes, int], str]) -> str:
    """Return one row per case, one cell per size and one for all rows."""
    rows = []
    for name, case in cases.items():
        told = whole(case)["case"]
        cells = [cell(case, size) if size in case and size < max(case) else "–" for size in COLUMNS]
        titles = [name, str(told["classes"]), f"{max(case):,}"]
        rows.append([*titles, *cells, cell(case, max(case))])
    head = ["case", "classes", "rows", *(f"{size:,}" for size in COLUMNS), "all rows"]
    return table(head, rows)


def _shapes(cases: Mapping[str, Sizes]) -> str:
    rows = []
    for quantity, title in QUANTITIES.items():
        cells = [
            f"{_shape(cases, size, quantity, shape_between_parts)} / "
            f"{_shape(cases, size, quantity, shape_with_all)}"
            for size in COLUMNS
        ]
        rows.append([title, *cells])
    return table(["curve", *(f"{size:,}" for size in COLUMNS)], rows)


def _shape(cases: Mapping[str, Sizes], size: int, quantity: str, of: Shape) -> str:
    return _mean(of_models(at(cases, size), lambda case: of(case, size, quantity)))


def at(cases: Mapping[str, Sizes], size: int) -> dict[str, Sizes]:
    """Return the cases that have parts of this size."""
    return {name: case for name, case in cases.items() if size in case and size < max(case)}


def percent(share: float, digits: int = 0) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.{digits}f} %"


def _mean(values: list[float], digits: int = 2) -> str:
    return f"{np.mean(values):.{digits}f}" if values else "–"


def _errors(cases: Mapping[str, Sizes]) -> str:
    rows = []
    for name, case in cases.items():
        known = {size: percent(relative_error(record), 1) for size, record in case.items()}
        cells = [known.get(size, "–") for size in COLUMNS]
        numbers = (error_factor(case), spread_factor(case), _needed_next(case), needed_factor(case))
        told = [f"{number:.1f}" if np.isfinite(number) else "–" for number in numbers]
        rows.append([name, *cells, *told])
    titles = ["error · √N", "spread · √N", "difference · √N, next layers", "any two layers"]
    return table(["case", *(f"{size:,}" for size in COLUMNS), *titles], rows)


def _dips(cases: Mapping[str, Sizes]) -> str:
    needed = of_models(cases, needed_factor)
    low, usual, high = min(needed), float(np.median(needed)), max(needed)
    rows = [
        [percent(dip), *(f"{_rounded((factor / dip) ** 2):,}" for factor in (usual, low, high))]
        for dip in DEPTHS
    ]
    head = ["dip of", "rows, median model", "model with the smallest errors", "with the largest"]
    return table(head, rows)


def _rounded(rows: float) -> int:
    """Round up to two digits."""
    unit = 10 ** max(int(np.floor(np.log10(rows))) - 1, 0)
    return int(np.ceil(rows / unit) * unit)


def _choices(cases: Mapping[str, Sizes]) -> str:
    rows = []
    for rule in whole(next(iter(cases.values())))["parts"][0]["choices"]:
        cells = [_choice(at(cases, size), size, rule) for size in COLUMNS]
        rows.append([rule, *cells, _choice_of_all(cases, rule)])
    return table(["rule", *(f"{size:,}" for size in COLUMNS), "all rows"], rows)


def _choice_of_all(cases: Mapping[str, Sizes], rule: str) -> str:
    return _mean(of_models(cases, lambda case: regret(case, max(case), rule)), 1)


def _choice(cases: Mapping[str, Sizes], size: int, rule: str) -> str:
    lost = of_models(cases, lambda case: regret(case, size, rule))
    if rule in BY_DESIGN:
        return _mean(lost, 1)
    tied = f" ({_agreed(cases, size, rule, ties=True)})" if rule in BY_DIMENSION else ""
    return f"{_mean(lost, 1)}, {_agreed(cases, size, rule, ties=False)}{tied}"


def _agreed(cases: Mapping[str, Sizes], size: int, rule: str, *, ties: bool) -> str:
    found = of_models(cases, lambda case: agreement(case, size, rule, ties))
    return percent(float(np.mean(found))) if found else "–"


def _labels(case: Sizes, size: int) -> str:
    """Return the label overlap of the best layer of all rows, its error, and rows a class."""
    best = int(np.nanargmax(whole(case)["parts"][0]["values"]["label_overlap"]))
    values, errors = (
        np.mean([part[kind]["label_overlap"][best] for part in case[size]["parts"]])
        for kind in ("values", "errors")
    )
    each = size / whole(case)["case"]["classes"]
    capped = " \\*" if each < K else ""
    return f"{values:.3f} ± {errors:.3f}{capped}"
