"""Linear CKA against its definition, its error against samples, its level against chance."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from layergeom.errors import DegenerateError, InputError, InputTypeError
from layergeom.geometry import linear_cka, neighbor_graph, neighborhood_overlap, permutation_level
from layergeom.geometry.alignment import LinearKernel, hsic


def quadruples(K: np.ndarray, L: np.ndarray) -> float:
    """Song et al. 2012: mean over all quadruples of rows of K_ij (L_ij + L_qr - 2 L_iq)."""
    terms = [
        K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q]) for i, j, q, r in permutations(range(len(K)), 4)
    ]
    return float(np.mean(terms))


def traces(K: np.ndarray, L: np.ndarray) -> float:
    H = np.eye(len(K)) - 1 / len(K)
    return float(np.trace(K @ H @ L @ H))


def by_definition(X: np.ndarray, Y: np.ndarray, debiased: bool) -> float:
    form = quadruples if debiased else traces
    K, L = X @ X.T, Y @ Y.T
    return form(K, L) / float(np.sqrt(form(K, K) * form(L, L)))


def pair(
    n: int, width: int, other: int, share: float = 0.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian X, and Y = X A + noise, both off the origin."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, width))
    Y = share * X @ rng.standard_normal((width, other)) + rng.standard_normal((n, other))
    return X + 2, Y - 1


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize(("n", "width", "other"), [(8, 3, 2), (7, 12, 9), (7, 12, 3)])
def test_value_is_the_definition(n: int, width: int, other: int, debiased: bool) -> None:
    X, Y = pair(n, width, other)
    found = linear_cka(X, Y, debiased=debiased)
    assert found.value == pytest.approx(by_definition(X, Y, debiased), abs=1e-10)
    assert (found.n, found.debiased) == (n, debiased)


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize(("n", "width", "other"), [(40, 3, 5), (30, 60, 45), (30, 60, 4)])
def test_influence_is_the_jackknife(n: int, width: int, other: int, debiased: bool) -> None:
    X, Y = pair(n, width, other)
    left_out = np.array(
        [
            linear_cka(np.delete(X, i, 0), np.delete(Y, i, 0), debiased=debiased).value
            for i in range(n)
        ]
    )
    found = linear_cka(X, Y, debiased=debiased)
    influence = (n - 1) * (left_out.mean() - left_out)
    np.testing.assert_allclose(found.influence, influence, atol=1e-9)
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert found.error == pytest.approx(error, rel=1e-9)


def test_blocks_of_rows_do_not_show() -> None:
    X, Y = pair(4500, 3, 2)  # more than two blocks
    Xc, Yc = X - X.mean(0), Y - Y.mean(0)
    biased = np.linalg.norm(Xc.T @ Yc) ** 2 / np.linalg.norm(Xc.T @ Xc) / np.linalg.norm(Yc.T @ Yc)
    assert linear_cka(X, Y, debiased=False).value == pytest.approx(biased, rel=1e-12)


def test_rotation_shift_and_scale_do_not_change_it_and_other_maps_do() -> None:
    X, Y = pair(300, 12, 12)
    Q = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]
    same = linear_cka(X, -7 * X @ Q + 100)
    assert same.value == pytest.approx(1, abs=1e-12)
    assert np.isnan(same.error)  # nothing was estimated
    whole = linear_cka(X, Y)
    turned = linear_cka(1e-3 * X @ Q - 5, Y)
    assert turned.value == pytest.approx(whole.value, rel=1e-10)
    assert turned.error == pytest.approx(whole.error, rel=1e-9)
    stretched = linear_cka(X * np.geomspace(1, 30, 12), X).value
    assert stretched < 0.8


def test_large_offset_costs_no_digits() -> None:
    X, Y = pair(500, 8, 6)
    far = np.asarray(X + 1e7)
    assert linear_cka(far, Y).value == pytest.approx(linear_cka(X, Y).value, rel=1e-6)


def test_extreme_scales_neither_overflow_nor_vanish() -> None:
    X, Y = pair(100, 5, 4)
    value = linear_cka(X, Y).value
    assert linear_cka(X * 1e200, Y * 1e-200).value == pytest.approx(value, rel=1e-9)


def test_independent_layers_are_at_zero_debiased_and_far_above_biased() -> None:
    rng = np.random.default_rng(2)
    found = [
        linear_cka(rng.standard_normal((200, 100)), rng.standard_normal((200, 100)))
        for _ in range(30)
    ]
    values = np.array([one.value for one in found])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(30)
    assert np.abs(values).max() < 0.02
    X, Y = rng.standard_normal((200, 100)), rng.standard_normal((200, 100))
    assert linear_cka(X, Y, debiased=False).value > 0.3


def population(mixing: np.ndarray) -> float:
    """CKA of X ~ N(0, I) and Y = X A + N(0, I) by their covariances."""
    own = mixing.T @ mixing + np.eye(mixing.shape[1])
    return float((mixing**2).sum() / np.sqrt(len(mixing) * (own**2).sum()))


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_error_covers_the_true_value(share: float) -> None:
    rng = np.random.default_rng(3)
    mixing = share * rng.standard_normal((6, 8))
    true, inside, repeats = population(mixing), 0, 400
    for _ in range(repeats):
        X = rng.standard_normal((150, 6))
        found = linear_cka(X, X @ mixing + rng.standard_normal((150, 8)))
        inside += abs(found.value - true) < 1.96 * found.error
    # 95 % to within 3.5 binomial errors of 400 samples
    assert abs(inside / repeats - 0.95) < 3.5 * np.sqrt(0.95 * 0.05 / repeats)


def test_near_independence_the_error_is_too_large_rather_than_too_small() -> None:
    rng = np.random.default_rng(4)
    found = [
        linear_cka(rng.standard_normal((150, 6)), rng.standard_normal((150, 8))) for _ in range(200)
    ]
    spread = np.std([one.value for one in found], ddof=1)
    assert 1 < np.mean([one.error for one in found]) / spread < 1.8


def test_groups_widen_the_error_and_leave_the_value() -> None:
    X, Y = pair(100, 5, 4)
    group = np.repeat(np.arange(100), 4)
    rng = np.random.default_rng(5)
    many = X[group] + 0.01 * rng.standard_normal((400, 5))
    others = Y[group] + 0.01 * rng.standard_normal((400, 4))
    alone, grouped = linear_cka(many, others), linear_cka(many, others, groups=group)
    assert grouped.value == alone.value
    # repeats of 100 points say what 100 points say
    assert grouped.error == pytest.approx(linear_cka(X, Y).error, rel=0.1)
    assert alone.error < 0.6 * grouped.error
    unknown = linear_cka(many, others, groups=[None] * 400)
    assert unknown.error == pytest.approx(alone.error, rel=1e-12)
    assert np.isnan(linear_cka(many, others, groups=["one"] * 400).error)


def test_bad_input_is_refused() -> None:
    X, Y = pair(20, 3, 3)
    with pytest.raises(InputError, match="20 and 19 rows"):
        linear_cka(X, Y[1:])
    with pytest.raises(InputError, match="at least 5"):
        linear_cka(X[:4], Y[:4])
    with pytest.raises(InputError, match="Y has NaN"):
        linear_cka(X, np.where(Y > 0, Y, np.nan))
    with pytest.raises(DegenerateError, match="all 20 rows of Y are equal"):
        linear_cka(X, np.ones((20, 3)))


def test_points_that_are_all_equally_far_have_no_unbiased_variance() -> None:
    assert hsic(LinearKernel(np.eye(7)), LinearKernel(np.eye(7))).value == 0
    with pytest.raises(DegenerateError, match="7 rows are too few"):
        linear_cka(np.eye(7), np.random.default_rng(0).standard_normal((7, 2)))


def test_level_of_cka_is_that_of_dealt_rows() -> None:
    X, Y = pair(120, 30, 20)
    for debiased in (True, False):
        level = permutation_level(X, Y, permutations=60, seed=7, debiased=debiased)
        rng = np.random.default_rng(7)
        dealt = [linear_cka(X, Y[rng.permutation(120)], debiased=debiased).value for _ in range(60)]
        assert level.mean == pytest.approx(np.mean(dealt), abs=1e-10)
        assert level.quantile == pytest.approx(np.quantile(dealt, 0.95), abs=1e-10)
        assert level.error == pytest.approx(np.std(dealt, ddof=1) / np.sqrt(60), rel=1e-6)
    unbiased = permutation_level(X, Y)
    assert abs(unbiased.mean) < 4 * unbiased.error
    assert level.mean > 0.1  # biased


def test_level_of_cka_of_long_rows() -> None:
    X, Y = pair(25, 40, 60)
    level = permutation_level(X, Y, permutations=20, seed=1)
    rng = np.random.default_rng(1)
    dealt = [linear_cka(X, Y[rng.permutation(25)]).value for _ in range(20)]
    assert level.mean == pytest.approx(np.mean(dealt), abs=1e-10)


@pytest.mark.parametrize("decimals", [None, 0])
def test_level_of_overlap_is_that_of_dealt_rows(decimals: int | None) -> None:
    X, Y = pair(150, 3, 2)
    if decimals is not None:
        X, Y = X.round(decimals), Y.round(decimals)  # ties and repeated rows
    a, b = neighbor_graph(X, k=10), neighbor_graph(Y, k=10)
    level = permutation_level(a, b, k=6, permutations=20, seed=3)
    rng = np.random.default_rng(3)
    dealt = [
        neighborhood_overlap(a, neighbor_graph(Y[rng.permutation(150)], k=10), k=6).value
        for _ in range(20)
    ]
    assert level.mean == pytest.approx(np.mean(dealt), abs=1e-12)


def test_mean_level_of_overlap_is_chance() -> None:
    X, Y = pair(200, 3, 3)
    level = permutation_level(neighbor_graph(X, k=20), neighbor_graph(Y, k=20), k=20)
    assert abs(level.mean - 20 / 199) < 4 * level.error
    assert level.quantile > level.mean
    assert level.permutations == 100


def test_level_refuses_mixed_and_unequal_input() -> None:
    X, Y = pair(30, 3, 3)
    graph = neighbor_graph(X, k=5)
    with pytest.raises(InputTypeError, match="not one of each"):
        permutation_level(graph, Y)
    with pytest.raises(InputError, match="30 and 29 rows"):
        permutation_level(graph, neighbor_graph(Y[1:], k=5), k=5)
    with pytest.raises(InputError, match="lists 5 neighbours"):
        permutation_level(graph, graph, k=6)
    with pytest.raises(InputError, match="permutations must be at least 20"):
        permutation_level(X, Y, permutations=5)
