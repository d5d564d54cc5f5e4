"""Scores as means of what rows add: values by definition, errors by leaving rows out."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, r2_score

from layergeom.tasks.contributions import explained, micro_f1, rank_correlation

N = 200
RNG = np.random.default_rng(0)
Y = RNG.standard_normal(N)
F = 0.6 * Y + 0.5 * RNG.standard_normal(N)
TIED = np.round(2 * F)


def left_out(score, *arrays):
    """Jackknife: standard error of a score from leaving every row out once."""
    found = [score(*(np.delete(array, i, axis=0) for array in arrays)) for i in range(N)]
    return np.sqrt((N - 1) * np.var(found))


def error(added):
    return np.sqrt(np.sum((added - added.mean()) ** 2)) / N


@pytest.mark.parametrize("predicted", [F, TIED])
def test_explained_variance(predicted):
    added = explained(Y, predicted)
    assert added.mean() == pytest.approx(r2_score(Y, predicted), abs=1e-12)
    assert error(added) == pytest.approx(left_out(r2_score, Y, predicted), rel=0.03)


@pytest.mark.parametrize(("x", "y"), [(Y, F), (Y, TIED), (np.round(Y), TIED), (Y, -F)])
def test_rank_correlation(x, y):
    added = rank_correlation(x, y)
    assert added.mean() == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    jackknife = left_out(lambda a, b: spearmanr(a, b).statistic, x, y)
    assert error(added) == pytest.approx(jackknife, rel=0.03)


def test_micro_f1():
    truth, named = RNG.random((N, 6)) < 0.3, RNG.random((N, 6)) < 0.4
    named |= truth & (RNG.random((N, 6)) < 0.5)

    def score(t, p):
        return f1_score(t, p, average="micro")

    added = micro_f1((truth & named).sum(axis=1), truth.sum(axis=1) + named.sum(axis=1))
    assert added.mean() == pytest.approx(score(truth, named), abs=1e-12)
    assert error(added) == pytest.approx(left_out(score, truth, named), rel=0.03)


def test_what_has_no_score_is_unknown():
    flat = np.ones(N)
    assert np.isnan(explained(flat, F)).all()
    assert np.isnan(rank_correlation(Y, flat)).all()
    assert np.isnan(micro_f1(np.zeros(3), np.zeros(3))).all()
