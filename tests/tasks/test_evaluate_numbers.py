"""Numbers read off layers: against scikit-learn by hand, loops, groups, splits and chance."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from layergeom import arrays
from layergeom.errors import DegenerateError, InputError
from layergeom.show.evaluation_table import evaluation_lines, evaluation_table
from layergeom.tasks.evaluate import evaluate
from layergeom.tasks.ridge_probe import ALPHAS

N = 150
RNG = np.random.default_rng(0)
GROUPS = np.arange(N) // 2
NUMBERED = arrays.labels(GROUPS, N)  # as the task deals them
X = RNG.standard_normal((N, 12)) * np.arange(1, 13)
Y = X[:, 0] + 0.1 * X[:, 5] + 0.5 * RNG.standard_normal(N)
LAYERS = {"embedding": RNG.standard_normal((N, 6)), "block_1": X, "block_2": X[:, :6]}
QUICK = {"metrics": ("knn", "retrieval"), "layer": "block_2"}
STRATA = np.searchsorted(np.quantile(Y, np.arange(1, 10) / 10), Y, side="right")


@pytest.mark.parametrize("grouped", [False, True])
def test_ridge_equals_scikit_learn_by_hand(grouped):
    groups = GROUPS if grouped else None
    found = evaluate(LAYERS, labels=Y, groups=groups, metrics=("linear_probe",), layer="block_1")
    own = NUMBERED if grouped else None
    kind = StratifiedGroupKFold if grouped else StratifiedKFold
    folds = list(kind(5, shuffle=True, random_state=0).split(X, STRATA, own))
    alphas = {"ridge__alpha": sorted(ALPHAS, reverse=True)}
    predicted = np.empty(N)
    for learn, score in folds:
        among = None if own is None else own[learn]
        thirds = kind(3, shuffle=True, random_state=0).split(learn, STRATA[learn], among)
        inner = next(iter(thirds))
        search = GridSearchCV(
            make_pipeline(StandardScaler(), Ridge()),
            alphas,
            cv=[inner],
            scoring="neg_mean_squared_error",
        )
        predicted[score] = search.fit(X[learn], Y[learn]).predict(X[score])
    at = list(LAYERS).index("block_1")
    r2, rho = (found.scores[f"linear_probe_{name}"] for name in ("r2", "spearman"))
    assert r2.values[at] == pytest.approx(r2_score(Y, predicted), abs=1e-9)
    assert rho.values[at] == pytest.approx(spearmanr(Y, predicted).statistic, abs=1e-9)
    assert r2.values[at] > 0.5 > r2.values[0]


def test_ridge_of_one_penalty_equals_cross_val_predict(monkeypatch):
    monkeypatch.setattr("layergeom.tasks.ridge_probe.ALPHAS", (10.0,))
    found = evaluate(LAYERS, labels=Y, metrics=("linear_probe",), layer="block_1")
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, STRATA))
    pipe = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    predicted = cross_val_predict(pipe, X, Y, cv=folds)
    assert found.scores["linear_probe_r2"].values[1] == pytest.approx(r2_score(Y, predicted))


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_neighbours_equal_a_search_row_by_row(split, grouped):
    train = np.arange(N) % 5 > 0
    labels = [None if row in (3, 40) else y for row, y in enumerate(Y)]
    found = evaluate(
        LAYERS,
        labels=labels,
        groups=GROUPS if grouped else None,
        split=np.where(train, "train", "test") if split else None,
        k=6,
        **QUICK,
    )
    known = np.array([label is not None for label in labels])
    learn = np.flatnonzero(known & train if split else known)
    scored = np.flatnonzero(known & ~train if split else known)
    mean, nearest = [], []
    for i in scored:
        others = [j for j in learn if j != i and not (grouped and GROUPS[i] == GROUPS[j])]
        near = sorted(others, key=lambda j: np.linalg.norm(X[i] - X[j]))[:6]
        mean.append(Y[near].mean())
        nearest.append(Y[near[0]])
    assert found.scores["knn_r2"].values[1] == pytest.approx(r2_score(Y[scored], mean))
    rho = found.scores["knn_spearman"].values[1]
    assert rho == pytest.approx(spearmanr(Y[scored], mean).statistic)
    rho = found.scores["retrieval_spearman"].values[1]
    assert rho == pytest.approx(spearmanr(Y[scored], nearest).statistic)
    assert found.counts["unlabelled"] == 2


def test_facts_table_and_regret():
    found = evaluate(LAYERS, labels=Y, **QUICK)
    assert found.label_type == "number"
    assert set(found.scores) == {"knn_r2", "knn_spearman", "retrieval_spearman"}
    facts = json.loads(json.dumps(found.facts()))
    assert facts["chance"] == dict.fromkeys(found.scores, 0.0)
    assert not any("macro" in name for name in facts["layers"][0])
    assert facts["provenance"]["settings"]["alpha"] == list(ALPHAS)
    score = found.scores["knn_r2"]
    gap = score.values[1] - score.values[0]
    (regret,) = [r for r in found.regrets if (r.score, r.choice) == ("knn_r2", "embedding")]
    best = score.values.max()
    assert regret.value == pytest.approx(best - score.values[0])
    assert regret.value >= gap
    assert 0 < regret.error < 0.3
    np.testing.assert_allclose(score.correct.mean(axis=1), score.values)
    lines = evaluation_lines(found)
    assert "150 rows with a number each (150 different ones)" in lines[-1]
    assert [column.header for column in evaluation_table(found).columns][1:] == [
        *("kNN R²", "kNN ρ", "1-NN ρ"),
    ]


def test_groups_widen_the_errors():
    """Every row ten times in a group: errors over groups are those of single rows."""
    few = RNG.standard_normal((80, 4))
    y = few[:, 0] + 0.5 * RNG.standard_normal(80)
    groups = np.repeat(np.arange(80), 5)
    many = few[groups] + 1e-4 * RNG.standard_normal((400, 4))
    options = {"metrics": ("knn",), "layer": "block_1"}
    single = evaluate({"embedding": few, "block_1": few}, labels=y, k=4, **options)
    five = evaluate(
        {"embedding": many, "block_1": many}, labels=y[groups], groups=groups, k=20, **options
    )
    for name in ("knn_r2", "knn_spearman"):
        wanted, error = single.scores[name].errors[0], five.scores[name].errors[0]
        assert error == pytest.approx(wanted, rel=0.1)


@pytest.mark.slow
def test_intervals_hold_the_mean_of_independent_draws():
    """Between 90 and 98.5 % of 200 intervals of 95 % hold the mean, which 200 draws give.

    Ranks of kNN's predictions count the neighbours as given: of these scores 80 % at least.
    """
    found = []
    for draw in range(200):
        rng = np.random.default_rng(draw)
        points = rng.standard_normal((300, 4))
        y = points[:, 0] + rng.standard_normal(300)
        states = {"embedding": points, "block_1": points}
        scores = evaluate(states, labels=y, layer="block_1").scores
        found.append([(s.values[0], s.errors[0]) for s in scores.values()])
    for column, name in enumerate(scores):
        values, errors = np.array(found)[:, column].T
        inside = np.mean(np.abs(values - values.mean()) < 1.96 * errors)
        least = 0.80 if name in ("knn_spearman", "retrieval_spearman") else 0.90
        assert least < inside < 0.985, f"{name}: {inside:.3f}"


def test_nothing_to_learn_is_chance():
    y = np.random.default_rng(9).standard_normal(N)
    found = evaluate(LAYERS, labels=y, layer="block_1")
    for name in ("knn_spearman", "retrieval_spearman"):
        score = found.scores[name]
        assert (np.abs(score.values) < 4 * score.errors).all()
    assert (found.scores["linear_probe_r2"].values < 0.1).all()


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        (np.full(N, 1.5), {}, DegenerateError, "all numbers of 150 rows are equal"),
        ([1.5, 2.5, 3.5] + [None] * (N - 3), {}, DegenerateError, "3 rows with a label of 150"),
        (Y, {"groups": np.arange(N) // 50}, DegenerateError, "3 groups of rows"),
        (Y[:-1], {}, InputError, "length 149 but there are 150"),
        (["hot"] * N, {"label_type": "number"}, InputError, "'hot', which is no number"),
    ],
)
def test_what_cannot_be_scored(labels, options, error, message):
    with pytest.raises(error, match=message):
        evaluate(LAYERS, labels=labels, **QUICK, **options)


def test_whole_numbers_are_numbers_when_asked():
    lengths = np.round(10 * Y).astype(int)
    found = evaluate(LAYERS, labels=lengths, label_type="number", **QUICK)
    assert found.label_type == "number"
    assert any("read as numbers" in line for line in found.warnings)
