"""Groups of rows: codes, sampling units, what is left to choose from, whole groups dealt out."""

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.geometry import groups as g
from layergeom.geometry.duplicates import by_first_row

RNG = np.random.default_rng(0)


def test_missing_groups_are_groups_of_their_own():
    codes = g.group_codes(["a", None, "b", float("nan"), "a", ""], 6)
    assert codes[0] == codes[4]
    assert len(np.unique(codes)) == 5


def test_groups_of_one_row_each_are_no_groups():
    assert g.group_codes(np.arange(9), 9) is None
    assert g.check_groups([None] * 9, 9, 8) is None


def test_one_group_is_refused():
    with pytest.raises(InputError, match="all 5 rows are of one group"):
        g.check_groups(["only"] * 5, 5, 2)


def test_a_group_that_leaves_too_few_is_named():
    rows = ["few"] * 3 + ["many"] * 20 + ["others"] * 6
    assert len(g.check_groups(rows, 29, 9)) == 29
    with pytest.raises(
        InputError, match=r"group 'many' has 20 of the 29 rows.* 9 neighbours.* 10 "
    ):
        g.check_groups(rows, 29, 10)


def test_units_of_points_do_not_depend_on_the_order_of_rows():
    point, groups = RNG.integers(0, 12, 40), RNG.integers(0, 5, 40)
    units = g.point_units(groups, by_first_row(point))
    for i in range(40):
        for j in range(40):
            homes = set(groups[(point == point[i]) | (point == point[j])])
            assert (units[i] == units[j]) == (point[i] == point[j] or len(homes) == 1)


def test_units_of_points_numbered_by_first_row():
    point, groups = np.array([0, 1, 0, 2, 1, 3]), np.array([0, 0, 1, 1, 0, 1])
    units = g.point_units(groups, point)
    assert units[0] == units[2] not in (0, 1)
    assert units[[1, 4, 3, 5]].tolist() == [0, 0, 1, 1]


def test_rows_of_own_are_counted_once():
    a, b = RNG.integers(0, 6, 50), RNG.integers(0, 4, 50)
    either = (a[:, None] == a) | (b[:, None] == b)
    assert np.array_equal(g.rows_of_own(50, [a, b]), either.sum(axis=1))
    assert np.array_equal(g.rows_of_own(50, [a]), (a[:, None] == a).sum(axis=1))
    assert np.array_equal(g.rows_of_own(50, []), np.ones(50))


def test_chance_takes_no_more_than_there_is():
    groups, every = np.array([0] * 8 + [1, 1]), np.ones(10, dtype=bool)
    assert g.chance_of_neighbors(10, groups, 4, every) == pytest.approx((8 * 1 + 2 * 4 / 8) / 10)
    assert g.chance_of_neighbors(10, None, 3, every) == 3 / 9


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_whole_groups_are_dealt_evenly(parts):
    units = np.repeat(np.arange(60), RNG.integers(1, 9, 60))
    found = g.dealt(units, parts, np.random.default_rng(1))
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(len(units)))
    homes = [set(units[rows]) for rows in found]
    assert sum(map(len, homes)) == 60  # no unit in two parts
    sizes = [len(rows) for rows in found]
    assert max(sizes) - min(sizes) <= 8
    again = g.dealt(units, parts, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
