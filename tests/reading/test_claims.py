"""All claims together: their order, what each is given, and answers that leave no doubt."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from courses import DEEP, profile_of

from layergeom.errors import InputError
from layergeom.reading.claims import claims
from layergeom.reading.turns import Differences
from layergeom.reading.verdicts import above, below, both, claim, shape_seen, within

NAMES = [*(f"A{i}" for i in range(1, 14)), *(f"B{i}" for i in range(1, 6))]
REPEATED = [
    *(f"C{i}" for i in range(1, 5)),
    *(f"V{i}" for i in range(1, 6)),
]  # of many runs
LABELS = [0.06, 0.1, 0.15, 0.2, 0.4, 0.7, 0.8, 0.8, 0.8, 0.7, 0.6, 0.5]
TALLER = (8, 14, 26, 30, 15, 9, 6.1, 6.1, 6.05, 7.5, 9, 12)
ROOT = Path(__file__).resolve().parents[2]


def verdicts(found: tuple) -> dict[str, str]:
    return {one.name: one.verdict for one in found}


def test_there_are_eighteen_in_order() -> None:
    found = claims(profile_of(DEEP))
    assert [one.name for one in found] == NAMES
    assert all(bool(one.needs) == (one.verdict == "cannot be told") for one in found)
    assert all(one.evidence for one in found if one.verdict != "cannot be told")


def test_everything_given_reaches_its_claim() -> None:
    base = profile_of(DEEP, labels=LABELS, label_error=0.002)
    facts = {"labels": {"excluded_groups": 7}}
    excluded = replace(base, provenance={**base.provenance, **facts})
    flat = profile_of([10.0] * 12, anisotropy_error=0.001)
    alone = verdicts(claims(base))
    opened = ("A2", "A6", "A7", "A8", "A12", "B2", "B3")
    assert {alone[name] for name in opened} == {"cannot be told"}
    told = verdicts(
        claims(
            [profile_of(DEEP), replace(base, curves=dict(base.curves))],
            dynamics=[(0.0, flat), (1.0, flat), (2.0, flat)],
            comparison=excluded,
            evaluation={"block_6": (0.9, 0.01), "block_11": (0.5, 0.01)},
            variants={"k=10": base},
        )
    )
    assert {told[name] for name in opened} <= {"holds", "does not hold"}


def test_the_last_of_several_is_the_one_that_is_judged() -> None:
    found = claims([profile_of(DEEP), profile_of(TALLER)])
    assert verdicts(found)["A2"] == "holds"
    assert "max 30.00" in found[0].evidence


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(InputError, match="there is no profile"):
        claims([])
    with pytest.raises(InputError, match="names layer_6 …, none of the layers embedding"):
        claims(profile_of(DEEP), evaluation={"layer_6": (0.5, 0.1)})


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def test_answers_leave_no_doubt() -> None:
    assert (above(4.1, 1, 1), above(3.9, 1, 1), above(-2.1, 1, 1)) == (True, None, False)
    assert (below(-2.1, 1, 1), below(4.1, 1, 1), below(0, 1, 1)) == (True, False, None)
    assert (within(-1, 0.1, 2), within(-5, 0.1, 2), within(-2, 0.1, 2)) == (True, False, None)
    assert above(1, float("nan"), 0) is None
    assert above(float("nan"), 1, 0) is None
    assert (both(), both(None, False), both(True, None)) == (True, False, None)


def test_an_open_claim_keeps_its_needs() -> None:
    assert claim("X", "s", None, "e", "n").needs == "n"
    assert claim("X", "s", True, "e", "n").needs == ""


def test_shapes_are_refuted_by_small_errors_only() -> None:
    rise_fall = ("min", "max", "min")
    hump, flat = np.array([5.0, 9, 5]), np.array([5.0, 5, 5])
    sure, unsure = (Differences.of(np.eye(3) * error**2) for error in (0.1, 5.0))
    assert shape_seen(hump, sure, rise_fall) is True
    assert shape_seen(hump, unsure, rise_fall) is None
    assert shape_seen(flat, sure, rise_fall) is False
    assert shape_seen(flat, unsure, rise_fall) is None
    unknown = Differences(np.full((3, 3), np.nan), 2.0)
    assert shape_seen(flat, unknown, rise_fall) is None


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def rule_names() -> list[str]:
    """Names of the claims that a docstring of a rule begins with."""
    found = []
    for module in sorted((ROOT / "src/layergeom/reading").glob("claims_*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.endswith("_claim"):
                found += (ast.get_docstring(node) or "").split(":")[0].split(", ")
    return sorted(found, key=lambda name: (name[0], int(name[1:])))


def test_every_rule_says_its_claim_and_the_page_has_a_row_for_each() -> None:
    names = sorted([*NAMES, *REPEATED])
    assert sorted(rule_names()) == names
    page = (ROOT / "docs/explanation/claims.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| ([ABCV]\d+) \|", page, re.MULTILINE)) == names
