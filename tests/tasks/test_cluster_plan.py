"""What a run takes of several machines, by pieces of known pace."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.tasks import cluster_plan as module
from layergeom.tasks.cluster_plan import ClusterPlan, Pace, cluster_plan, measured_pace, shape_plan
from layergeom.tasks.geometry_sizes import GeometrySizes

PACE = Pace(row=0.0, pair=2e-6, rest=0.0, comparison=1e-3, forward=1.0, written=1e6, read=2e6)
ONCE = Settings(decimation=(1,))
SIZES = GeometrySizes(1000, 6, 50, ONCE)


def seconds(plan: ClusterPlan) -> dict[str, float]:
    return {stage.name: stage.seconds for stage in plan.stages}


def test_the_stages_of_one_machine() -> None:
    found = seconds(cluster_plan(SIZES, PACE, 1))
    files = SIZES.states / 2e6 + SIZES.lists / 1e6  # read once; lists written
    assert found == {
        "states": pytest.approx(1000 + SIZES.states / 1e6),
        "layers": pytest.approx(6 * 1000**2 / 2 * 2e-6 + files),
        "comparison": pytest.approx(1000 * 15 * 1e-3 + SIZES.lists / 2e6),
    }


def test_three_workers_take_two_layers_each_and_four_share_the_last_two() -> None:
    alone, three, four = (seconds(cluster_plan(SIZES, PACE, hands)) for hands in (1, 3, 4))
    assert three["layers"] == pytest.approx(alone["layers"] / 3)
    assert three["states"] == pytest.approx(1000 / 3 + SIZES.states / 1e6)
    assert three["merge"] == pytest.approx(SIZES.states * 1.5e-6)
    assert three["comparison"] == alone["comparison"]
    of_two, writing = 1.0 + SIZES.states / 6 / 2e6, SIZES.lists / 6 / 1e6
    left = 2 * (1.0 / 4 + 4 * SIZES.states / 6 / 2e6)  # all read both layers
    own = SIZES.states / 6 / 2e6 + writing  # and measure one, searched already
    assert four["layers"] == pytest.approx(of_two + writing + left + own)


def test_checkpoints_go_to_workers_whole() -> None:
    ten = cluster_plan(SIZES, PACE, 4, checkpoints=10)
    one = cluster_plan(SIZES, PACE, 1)
    assert [stage.name for stage in ten.stages] == ["states", "layers", "comparison"]
    assert ten.seconds == pytest.approx(3 * one.seconds)
    assert ten.disk == 4 * (SIZES.states + SIZES.lists) + 10 * SIZES.kept


def test_a_network_that_is_not_known_leaves_its_time_open() -> None:
    pace = Pace(**(vars(PACE) | {"forward": math.nan}))
    found = cluster_plan(SIZES, pace, 2)
    assert math.isnan(found.stages[0].seconds)
    assert found.seconds == pytest.approx(sum(stage.seconds for stage in found.stages[1:]))


def test_the_pace_of_this_machine(tmp_path: Path) -> None:
    sizes = GeometrySizes(2000, 2, 20, Settings(k=5))
    pace = measured_pace(sizes, tmp_path)
    assert pace.row + pace.pair > 0
    assert pace.rest > 0
    assert 1e6 < pace.written < 1e11
    assert 1e6 < pace.read < 1e11
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", ["100x2", "30x2x8", "100x0x8", "ax2x8", "1e6x2x8"])
def test_no_shape(shape: str) -> None:
    with pytest.raises(InputError, match=r"is no shape to plan for; give rows, layers and feat"):
        shape_plan(shape, 1)


def test_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "measured_pace", lambda *_: PACE)
    found = shape_plan("1000x6x50", 2, k=10)
    assert found.stages == cluster_plan(GeometrySizes(1000, 6, 50, Settings(k=10)), PACE, 2).stages
