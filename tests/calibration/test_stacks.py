"""Synthetic stacks: they share their points and have the course that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.rule_cells import Cell, cells, stack
from calibration.rule_draws import correlation, profile_of
from calibration.stacks import REAL, STRONG, WEAK, Stack, readings, shape, to_be_read
from layergeom.geometry import neighbor_graph, neighborhood_overlap, twonn


def drawn(law: Stack, seed: int = 0) -> list[np.ndarray]:
    return list(law.layers(np.random.default_rng(seed)))


def mean_reading(law: Stack, draws: int) -> np.ndarray:
    """What TwoNN reads of each layer: the harmonic mean, of which maximum likelihood is one."""
    read = [[1 / twonn(neighbor_graph(X, 2)).value for X in drawn(law, i)] for i in range(draws)]
    return np.asarray(1 / np.mean(read, axis=0))


@pytest.mark.parametrize("rows", [500, 2000])
def test_the_course_is_the_one_asked_for(rows: int) -> None:
    cell = Cell("power", "dip of 30%", 7, rows, 0.3)
    found = mean_reading(stack(cell), 16_000 // rows)
    np.testing.assert_allclose(found, cell.course, rtol=0.03)  # 3 errors of 16,000 points


def test_at_large_n_the_dimension_itself_is_read() -> None:
    dimensions = (3.0, 3.5, 4.0)
    [*found] = mean_reading(Stack(dimensions, 20_000), 1)
    assert found == pytest.approx(dimensions, rel=0.03)


def test_layers_share_their_points() -> None:
    law = Stack((4.0, 4.0, 4.5), 400, own_noise=0.02)
    first, second, third = (neighbor_graph(X, 10) for X in drawn(law))
    other = neighbor_graph(drawn(law, seed=1)[1], 10)
    assert neighborhood_overlap(first, second, 10).value > 0.8
    assert neighborhood_overlap(second, third, 10).value > 0.3
    assert neighborhood_overlap(first, other, 10).value < 0.1


def test_own_noise_sets_the_correlation_of_neighbours() -> None:
    def near(noise: float) -> float:
        return correlation(profile_of(drawn(Stack((5.0,) * 4, 600, noise))), 1)

    weak, real, strong = near(WEAK), near(REAL), near(STRONG)
    assert weak < 0.6 < real < 0.93 < strong
    law = Stack((5.0,) * 6, 600)
    assert correlation(profile_of(drawn(law)), 4) < real


def test_a_flat_stack_is_flat_and_its_rows_are_independent_only_where_it_says_so() -> None:
    assert np.ptp(mean_reading(Stack((5.0,) * 5, 500), 12)) < 0.25
    assert Stack((5.0,), 500).groups is None
    groups = Stack((5.0,), 500, sampling="groups").groups
    assert groups is not None
    assert len(groups) == 500
    assert np.bincount(groups).tolist() == [5] * 100


def test_readings_grow_with_the_dimension_and_are_inverted() -> None:
    grid, read = readings(1000)
    assert (np.diff(read) >= 0).all()
    assert np.interp(to_be_read((3.3, 5.7), 1000), grid, read) == pytest.approx([3.3, 5.7], 1e-3)


def test_shapes_go_through_their_points() -> None:
    assert shape({0: 4, 0.25: 6, 0.6: 3, 1: 6}, 13)[3] == 6
    assert min(shape({0: 4, 0.25: 6, 0.6: 3, 1: 6}, 13)) == 3


def test_every_null_has_no_minimum_after_a_peak_and_every_dip_one() -> None:
    for cell in cells():
        if cell.sampling == "demo" or cell.dimension:
            continue
        values = np.array(cell.course)
        between = np.minimum(
            np.maximum.accumulate(np.where(np.arange(len(values)) > 0, values, -np.inf)),
            np.maximum.accumulate(values[::-1])[::-1],
        )
        deepest = (1 - values / between)[1:].max()
        assert deepest == pytest.approx(cell.dip, abs=1e-9), cell.name
        assert (cell.minimum is None) == ("power" not in cell.part)
        if cell.minimum is not None:
            after = int(values.argmax()) + 1
            assert after + int(values[after:].argmin()) == cell.minimum
