"""The maximum over training with its interval: known curves, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layergeom.profiles import Curve
from layergeom.tasks.turning_point import TurningPoint, maximum, turning_point


def curve(values: list[float], error: float = 0.1) -> Curve:
    return Curve("mean_dimension", np.array(values, dtype=float), np.full(len(values), error))


def found(values: list[float], error: float = 0.1) -> TurningPoint:
    steps = np.array([0, *(10.0**i for i in range(len(values) - 1))])
    return maximum([f"step{s:g}" for s in steps], steps, curve(values, error))


def test_a_clear_peak_lies_between_its_neighbours() -> None:
    peak = found([5, 7, 9, 6, 5])
    assert (peak.kind, peak.checkpoint, peak.step) == ("peak", "step10", 10)
    assert (peak.low, peak.high) == (1, 100)
    assert peak.ties == ("step10",)
    assert (peak.value, peak.error) == (9, 0.1)
    assert peak.repeatability == 1
    assert not peak.joint
    assert str(peak) == "largest at step10 (95 %: steps 1 to 100)"


def test_what_cannot_be_told_from_the_maximum_widens_the_interval() -> None:
    peak = found([5, 8.9, 9, 8.95, 5])
    assert peak.kind == "peak"
    assert peak.ties == ("step1", "step10", "step100")
    assert (peak.low, peak.high) == (0, 1000)
    assert 0.4 < peak.repeatability < 0.7


def test_a_curve_that_still_rises_or_only_falls() -> None:
    rising, falling = found([1, 3, 5, 8.9, 9]), found([9, 7, 5, 4])
    assert (rising.kind, rising.low, rising.high) == ("end", 10, 1000)
    assert rising.ties == ("step100", "step1000")
    assert str(rising).startswith("no peak: largest at the last checkpoint, step1000 (95 %")
    level = found([1, 3, 5, 9, 8.9])
    assert str(level).endswith("10 to 1000), not told from the last checkpoint step1000")
    assert (falling.kind, falling.low, falling.high) == ("start", 0, 1)
    assert str(falling).startswith("no peak: largest at the first checkpoint, step0 (95")


@pytest.mark.parametrize(
    "nothing",
    [
        found([9, 9.1, 9, 9.1]),
        found([9, 5, 9.01]),  # a dip: as large at both ends
        found([9, 8, 6], error=3),
        found([5, 9, 6], error=float("nan")),
        maximum(["main", "step1"], np.array([math.nan, 1]), curve([9, 5])),
    ],
)
def test_nothing_found_is_an_answer(nothing: TurningPoint) -> None:
    assert nothing.kind == "none"
    assert math.isnan(nothing.step)
    assert math.isnan(nothing.low)
    assert nothing.ties == ()
    assert str(nothing) == "no checkpoint is largest beyond error"


def test_checkpoints_without_a_step_are_left_out() -> None:
    steps = np.array([1, 2, 4, math.nan])
    peak = maximum(["step1", "step2", "step4", "main"], steps, curve([5, 9, 6, 12]))
    assert (peak.kind, peak.checkpoint) == ("peak", "step2")


def test_shared_rows_make_the_interval_narrower() -> None:
    values = [5, 8.5, 9, 8.5, 5]
    errors = np.full(5, 0.5)
    shared = np.outer(errors, errors) * (0.95 + 0.05 * np.eye(5))
    steps = np.arange(5.0)
    names = [f"step{i}" for i in range(5)]
    alone = maximum(names, steps, curve(values, 0.5))
    joint = maximum(names, steps, curve(values, 0.5), shared)
    assert alone.ties == ("step1", "step2", "step3")
    assert (joint.ties, joint.low, joint.high, joint.joint) == (("step2",), 1, 3, True)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("height", [0.5, 2.0])
def test_the_interval_covers_the_true_maximum(correlation: float, height: float) -> None:
    rng = np.random.default_rng(7)
    steps = np.array([0, *(2.0**i for i in range(9))])
    at = np.log1p(steps)
    V = 0.04 * (correlation + (1 - correlation) * np.eye(len(steps)))
    root = np.linalg.cholesky(V)
    covered = 0
    for seed in range(200):
        top = rng.uniform(1.0, 4.5)
        values = 10 - height * (at - top) ** 2 / 2 + root @ rng.standard_normal(len(at))
        names = [f"step{s:g}" for s in steps]
        peak = maximum(names, steps, curve(values.tolist(), 0.2), V, seed)
        covered += peak.kind == "none" or peak.low <= np.expm1(top) <= peak.high
    assert covered >= 0.95 * 200


# ── the sentence ──────────────────────────────────────────────────────────────────────────────


def said(values: list[float], error: float = 0.1) -> str:
    return turning_point([f"step{i}" for i in range(len(values))], curve(values, error))


def test_up_then_down() -> None:
    assert said([5, 7, 9, 8, 6]) == (
        "the layer-mean dimension starts at 5.00 ± 0.10 at step0, rises to 9.00 ± 0.10 at step2, "
        "then falls to 6.00 ± 0.10 at step4."
    )


def test_only_down() -> None:
    assert said([9, 8, 6]).endswith("at step0, falls to 6.00 ± 0.10 at step2.")


def test_no_movement_beyond_error() -> None:
    assert "does not move beyond its error" in said([9, 8, 6], error=3)
    assert "does not move beyond its error" in said([9, 9.1, 9.2], error=0.001)


def test_a_first_turn_after_the_first_checkpoint_is_not_called_the_start() -> None:
    assert said([9, 9.3, 6]).startswith("the layer-mean dimension stands at 9.30 ± 0.10 at step1,")
    assert said([9.3, 9, 6]).startswith("the layer-mean dimension starts at 9.30 ± 0.10 at step0,")
