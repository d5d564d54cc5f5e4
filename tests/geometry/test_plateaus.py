"""Where a curve over scales is level, and how sure that is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clouds import chords as torus
from clouds import gauss
from layergeom.geometry import neighbor_graph, scale_analysis
from layergeom.geometry.plateaus import plateau, plateau_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0, 2.0, 2.0], (0, 2)),
        ([2.0, 2.0], None),
        ([], None),
        ([12, 8, 5, 2.5, 2.3, 2.2, 2.2], (3, 6)),
        ([12, 8, 5, 3], None),
        ([5, 5, 5, 2, 2, 2], (0, 2)),  # of equally long runs, the nearest
        ([5, 5, 5, 2, 2, 2, 2], (3, 6)),  # the longest
        ([1, 1.16, 1], (0, 2)),  # spread 0.148 of the mid-range
        ([1, 1.17, 1], None),  # spread 0.157
        ([np.nan, 2, 2, 2], (1, 3)),
        ([2, 2, np.nan, 2, 2], None),  # a scale without a dimension ends a run
        ([2, 2, 2, np.nan], (0, 2)),
    ],
)
def test_the_plateau_rule(values, expected):
    assert plateau(np.array(values, dtype=float)) == expected


@given(st.lists(st.floats(0.5, 50), max_size=9), st.floats(0.01, 100))
def test_the_plateau_does_not_depend_on_the_unit(values, factor):
    at = np.array(values)
    run = plateau(at)
    if run is not None:
        part = at[run[0] : run[1] + 1]
        assert len(part) >= 3
        assert part.max() - part.min() <= 0.15 * (part.max() + part.min()) / 2
    if not any(abs(abs(a - b) / (a + b) - 0.075) < 1e-9 for a in values for b in values):
        assert plateau(at * factor) == run


def test_an_exact_curve_is_sure_of_its_plateau():
    values, nothing = np.array([9.0, 6, 4, 4, 4]), np.zeros(5)
    found = plateau_of(values, nothing, np.eye(5))
    assert (found.scales, found.value, found.error, found.share) == ((2, 4), 4.0, 0.0, 1.0)
    none = plateau_of(values[:4], nothing[:4], np.eye(4))
    assert none.scales is None
    assert np.isnan(none.value)
    assert np.isnan(none.error)
    assert none.share == 0


def test_large_errors_leave_the_plateau_open():
    level = np.full(4, 5.0)
    unsure = plateau_of(level, np.full(4, 1.0), np.eye(4))
    assert 0.1 < unsure.share < 0.5
    moved_together = plateau_of(level, np.full(4, 1.0), np.ones((4, 4)))
    assert moved_together.share > 0.99
    assert moved_together.error == pytest.approx(1, rel=0.1)


def test_what_is_not_known_is_not_called_zero():
    errors = np.array([0.1, np.nan, 0.1])
    found = plateau_of(np.full(3, 5.0), errors, np.eye(3))
    assert found.scales == (0, 2)
    assert np.isnan(found.error)
    assert found.share == 1
    assert np.isnan(plateau_of(np.full(3, 5.0), np.full(3, np.nan), np.eye(3)).share)


@pytest.mark.parametrize(("draw", "d"), [(torus, 3), (gauss, 8)])
def test_the_error_of_the_plateau_is_that_of_repetitions(draw, d):
    found = []
    for seed in range(40):
        X = draw(np.random.default_rng(seed), d, 500)
        found.append(scale_analysis(X, neighbor_graph(X, 64), seed))
    values = np.array([each.plateau_dimension for each in found])
    errors = np.array([each.plateau_error for each in found])
    assert np.isfinite(values).all()
    # Conservative where n1 is above 4, as the errors of the scales are.
    assert 0.8 < errors.mean() / values.std(ddof=1) < 2
