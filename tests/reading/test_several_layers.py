"""Which of many layers count: Holm's correction against its definition and its promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from layergeom.reading.several_layers import above, apart, holm


def adjusted(p: list[float]) -> list[float]:
    """p-values after Holm by the textbook's formula, one by one."""
    m, found = len(p), []
    for value in p:
        smaller = sorted(other for other in p if other <= value)
        found.append(max((m - rank) * other for rank, other in enumerate(smaller)))
    return found


@pytest.mark.parametrize("m", [1, 2, 7, 30])
def test_holm_is_that_of_the_adjusted_p_values(m: int) -> None:
    rng = np.random.default_rng(m)
    for _ in range(50):
        p = rng.uniform(size=m) ** 4  # small ones among them
        expected = [value <= 0.05 for value in adjusted(p.tolist())]
        assert holm(p).tolist() == expected


def test_an_unknown_p_value_is_no_test() -> None:
    known, padded = np.array([0.03, 0.02]), np.array([np.nan, 0.03, np.nan, 0.02, np.nan])
    assert holm(known).tolist() == [True, True]
    assert holm(padded).tolist() == [False, True, False, True, False]
    assert not holm(np.full(3, np.nan)).any()


def test_without_a_difference_one_profile_in_twenty_has_a_layer_that_counts() -> None:
    z = np.random.default_rng(0).standard_normal((4000, 13))
    share = np.mean([apart(row).any() for row in z])
    assert share == pytest.approx(0.05, abs=0.012)  # 3.5 standard errors of 4,000 profiles
    assert np.mean([(np.abs(row) > 1.96).any() for row in z]) > 0.4  # layer by layer


def test_one_sided_tests_look_one_way() -> None:
    bound = norm.isf(0.05 / 3)
    assert above(np.array([bound + 0.01, 0.0, -9.0])).tolist() == [True, False, False]
    assert above(np.array([bound - 0.01, 0.0, -9.0])).tolist() == [False, False, False]
    assert apart(np.array([bound + 0.01, 0.0, -9.0])).tolist() == [False, False, True]
