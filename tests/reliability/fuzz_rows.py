"""Hundreds of hostile arrays: never a silent nan, never garbage, no leaked error, no crash."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from outcomes import OWN_WORDS, Outcome
from rows import row

NUMBER = 500
SPECIALS = np.array([0.0, -0.0, 1.0, 1e-200, 1e200, -1e200, 5e-324, 1e308, np.nan, np.inf, -np.inf])
FINITE = SPECIALS[:8]
CAUSE_LENGTH = 15  # letters, at the least, of words that name a cause


def hostile(seed: int) -> np.ndarray:
    """0..130 rows of 0..30 features: plain, tied, repeated, scaled or with special numbers."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((rng.integers(0, 131), rng.integers(0, 31)))
    kind = seed % 5
    if kind == 1:
        points = np.round(points * rng.integers(1, 4))
    if kind == 2 and len(points):
        points = points[rng.integers(0, len(points), len(points))]
    if kind == 3:
        points = points * 10.0 ** rng.integers(-200, 200)
    if kind == 4 and points.size:
        hit = rng.random(points.shape) < rng.random() * 0.2
        points = np.where(hit, rng.choice(SPECIALS if seed % 2 else FINITE, points.shape), points)
    return points


@cache
def _answers(tool: Any) -> list[tuple[int, np.ndarray, Outcome]]:
    made = ((seed, hostile(seed)) for seed in range(NUMBER))
    return [(seed, points, tool.dimension(points)) for seed, points in made]


def _none(bad: list[str], asked: int) -> str:
    assert not bad, f"{len(bad)} of {asked}: {bad[0]}"
    return f"0 of {asked}"


def _garbage(X: np.ndarray, found: Outcome) -> bool:
    value = float(found.values[0])
    strange = not 0.01 < value <= 100 * max(X.shape[1], 1)
    return bool(np.isnan(value) or (strange and not found.warned))


ARRAYS = "500 hostile arrays, N 0..130, D 0..30"


@row("F-fuzz-silent", ARRAYS, "no silent nan, no garbage (<= 0.01, > 100 D) without a warning")
def _(tool):
    found = _answers(tool)
    bad = [f"{x.words} (seed {s})" for s, X, x in found if x.raised is None and _garbage(X, x)]
    return _none(bad, len(found))


@row("F-fuzz-nonfinite", "those of them with NaN or infinities", "none accepted")
def _(tool):
    found = [(s, x) for s, X, x in _answers(tool) if X.size and not np.isfinite(X).all()]
    return _none([f"{x.words} (seed {s})" for s, x in found if x.raised is None], len(found))


@row("F-fuzz-clear", ARRAYS, "no error that leaked from inside, none without a cause")
def _(tool):
    found = _answers(tool)
    bad = [
        f"{x.words} (seed {s})"
        for s, _, x in found
        if x.raised is not None
        and not (isinstance(x.raised, OWN_WORDS) and len(str(x.raised)) >= CAUSE_LENGTH)
    ]
    return _none(bad, len(found))


@row("F-fuzz-crash", ARRAYS, "no crash, no hang")
def _(tool):
    return f"{len(_answers(tool))} answers"


@row("F+fuzz-f32", "the same in float32", "no silent nan, no garbage, nothing leaked")
def _(tool):
    bad = []
    for seed in range(NUMBER):
        with np.errstate(over="ignore", under="ignore"):
            points = hostile(seed).astype(np.float32)
        found = tool.dimension(points)
        if found.raised is None and (_garbage(points, found) or not np.isfinite(points).all()):
            bad.append(f"{found.words} (seed {seed})")
        if found.raised is not None and not isinstance(found.raised, ValueError):
            bad.append(f"leaked {found.words} (seed {seed})")
    return _none(bad, NUMBER)


@row("F+fuzz-all", "32 of them, 16 functions", "no silent nan, nothing leaked, no NaN accepted")
def _(tool):
    bad, asked = [], 0
    for seed in range(0, NUMBER, 16):
        points = hostile(seed)
        for name, found in tool.everything(points).items():
            asked += 1
            silent = not np.isfinite(found.values).all() and not found.warned
            if found.raised is None and (silent or not np.isfinite(points).all()):
                bad.append(f"{name}: {found.words} (seed {seed})")
            if found.raised is not None and not isinstance(found.raised, ValueError):
                bad.append(f"{name}: leaked {found.words} (seed {seed})")
    return _none(bad, asked)


@row("F+fuzz-row-order", "100 of them in another order", "the same answer, or the same refusal")
def _(tool):
    bad = []
    for seed in range(100):
        points = hostile(seed)
        one, other = tool.dimension(points), tool.dimension(points[::-1])
        same_type = type(one.raised) is type(other.raised)
        if not same_type or not np.allclose(one.values, other.values, rtol=1e-9, equal_nan=True):
            bad.append(f"{one.words} / {other.words} (seed {seed})")
    return _none(bad, 100)
