"""Where checkpoints stand: logarithmic, step 0 beyond a break, never out of order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layergeom.show.training_axis import training_axis

PYTHIA = [0.0, *(2.0**i for i in range(10)), *(1000.0 * i for i in range(1, 144))]


def names(steps):
    return [f"step{s:g}" if s == s else "main" for s in steps]


def test_positive_steps_stand_at_their_logarithm():
    axis = training_axis(names(PYTHIA), PYTHIA)
    np.testing.assert_allclose(axis.places[1:], np.log10(PYTHIA[1:]))
    assert axis.places[0] < axis.breaks[0] < axis.places[1] == 0
    assert len(axis.breaks) == 1
    assert axis.title == "step (logarithmic)"


def test_checkpoints_without_a_step_stand_behind_a_break():
    steps = [1.0, 100.0, math.nan, math.nan]
    axis = training_axis(["step1", "step100", "main", "last"], steps, "tokens")
    assert axis.places[:2] == (0, 2)
    assert axis.places[1] < axis.breaks[0] < axis.places[2] < axis.places[3]
    assert axis.title == "tokens (logarithmic)"
    assert axis.ticks[-1][1] == "last"


@pytest.mark.parametrize("steps", [PYTHIA, [0, 5, 6], [1, 2], [0, 0.5, 1e12, math.nan]])
def test_every_cell_holds_its_checkpoint(steps):
    axis = training_axis(names(steps), steps)
    assert len(axis.edges) == len(axis.places) + 1
    for place, low, high in zip(axis.places, axis.edges, axis.edges[1:], strict=False):
        assert low < place < high


def test_ticks_keep_their_distance_and_both_ends():
    axis = training_axis(names(PYTHIA), PYTHIA)
    at = [place for place, _ in axis.ticks]
    assert (at[0], at[-1]) == (axis.places[0], axis.places[-1])
    assert 6 <= len(at) <= 10
    assert min(np.diff(at)) >= (at[-1] - at[0]) / 9
    assert axis.ticks[0][1] == "0"
    assert axis.ticks[-1][1] == "143k"


def test_without_steps_the_places_are_even():
    for steps in ([math.nan, math.nan], [0.0, 7.0], [0.0, math.nan]):
        axis = training_axis(["base", "tuned"], steps)
        assert axis.places == (0, 1)
        assert [label for _, label in axis.ticks] == ["base", "tuned"]
        assert axis.title == "checkpoint"
        assert axis.breaks == ()
    assert training_axis(["base"], [3.0]).edges == (-0.5, 0.5)
