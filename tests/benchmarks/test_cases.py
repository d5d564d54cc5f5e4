from __future__ import annotations

import numpy as np
import pytest

from benchmarks import cases
from benchmarks.cases import Case

QUICK = [case for case in cases.GRID if case.n * case.d <= 2_000 * 768]


def test_the_grid_is_small_and_its_names_are_its_own() -> None:
    assert len(cases.GRID) <= cases.MOST_CASES
    assert len({case.name for case in cases.GRID}) == len(cases.GRID)


@pytest.mark.parametrize("case", cases.GRID, ids=lambda case: case.name)
def test_every_case_is_valid(case: Case) -> None:
    assert case.fault() is None


def test_the_grid_reaches_its_corners() -> None:
    for field, low, high in (("n", 500, 90_000), ("d", 8, 4_096), ("k", 1, 512)):
        values = [getattr(case, field) for case in cases.GRID]
        assert (min(values), max(values)) == (low, high)
    assert {case.kind for case in cases.GRID} == {"digits", *cases.KINDS}


@pytest.mark.parametrize(
    ("n", "d", "k"),
    [(499, 8, 1), (90_001, 8, 1), (500, 7, 1), (500, 5_000, 1), (500, 8, 0), (500, 8, 250)],
)
def test_a_case_outside_the_grid_is_refused(n: int, d: int, k: int) -> None:
    assert Case("bad", "gaussian", n, d, k).fault() is not None


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_points_are_seeded_finite_and_of_the_stated_shape(case: Case) -> None:
    points = case.points()
    assert points.shape == (case.n, case.d)
    assert points.dtype == np.float32
    assert np.isfinite(points).all()
    assert np.array_equal(points, case.points())


def test_duplicates_are_many_and_massive_coordinates_massive() -> None:
    repeated = Case("r", "duplicates", 900, 16, 10).points()
    assert len(np.unique(repeated, axis=0)) == 300
    massive = Case("m", "massive", 900, 64, 10).points()
    sizes = np.sort(np.abs(massive).mean(axis=0))
    assert sizes[-3] > 20 * sizes[-4]


def test_states_of_a_file_become_a_case(tmp_path) -> None:
    states = np.random.default_rng(0).standard_normal((600, 4, 4))
    np.savez(tmp_path / "states.npz", layer_1=states, few=states[:100])
    case = cases.from_file(str(tmp_path / "states.npz"), "layer_1", 30)
    assert (case.n, case.d) == (600, 16)
    assert str(tmp_path) not in case.name
    assert np.array_equal(case.points(), states.reshape(600, 16).astype(np.float32))
    with pytest.raises(ValueError, match="N = 100"):
        cases.from_file(str(tmp_path / "states.npz"), "few", 30)
    with pytest.raises(ValueError, match="holds layer_1, few, not layer_9"):
        cases.from_file(str(tmp_path / "states.npz"), "layer_9", 30)
