"""Several labels read off layers: votes, ridge and Jaccard against loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from layergeom.errors import DegenerateError
from layergeom.show.evaluation_table import evaluation_lines, evaluation_table
from layergeom.tasks import evaluated_rows
from layergeom.tasks.evaluate import evaluate
from layergeom.tasks.ridge_probe import ALPHAS
from layergeom.tasks.set_scores import THRESHOLDS

N, K = 150, 6
RNG = np.random.default_rng(1)
X = RNG.standard_normal((N, 8))
ODDS = np.exp(2 * X[:, [0, 1, 2]] - np.array([0, 0.5, 1]))
SETS = [
    {name for name, there in zip("abc", row, strict=True) if there} | {"root"}
    for row in RNG.random((N, 3)) < ODDS / (1 + ODDS)
]
TABLE = MultiLabelBinarizer().fit_transform(SETS)
LAYERS = {"embedding": RNG.standard_normal((N, 5)), "block_1": X, "block_2": X[:, :3]}
QUICK = {"metrics": ("knn", "retrieval"), "layer": "block_2"}


def jaccard(a, b):
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_neighbours_equal_a_search_row_by_row(split, grouped):
    train, groups = np.arange(N) % 5 > 0, np.arange(N) // 2
    found = evaluate(
        LAYERS,
        labels=SETS,
        groups=groups if grouped else None,
        split=np.where(train, "train", "test") if split else None,
        k=K,
        **QUICK,
    )
    learn = np.flatnonzero(train) if split else np.arange(N)
    scored = np.flatnonzero(~train) if split else np.arange(N)
    named, shared, nearest, drawn = [], [], [], []
    for i in scored:
        others = [j for j in learn if j != i and not (grouped and groups[i] == groups[j])]
        near = sorted(others, key=lambda j: np.linalg.norm(X[i] - X[j]))[:K]
        named.append(TABLE[near].mean(axis=0) >= 0.5)
        shared.append(np.mean([jaccard(SETS[i], SETS[j]) for j in near]))
        nearest.append(jaccard(SETS[i], SETS[near[0]]))
        drawn += [jaccard(SETS[i], SETS[j]) for j in others]
    values = {name: score.values[1] for name, score in found.scores.items()}
    wanted = f1_score(TABLE[scored], np.array(named), average="micro")
    assert values["knn_f1"] == pytest.approx(wanted)
    assert values["knn_jaccard"] == pytest.approx(np.mean(shared))
    assert values["retrieval_jaccard"] == pytest.approx(np.mean(nearest))
    assert found.scores["knn_jaccard"].chance == pytest.approx(np.mean(drawn))
    error = found.scores["knn_jaccard"].errors[1]
    if split and not grouped:  # else rows speak as neighbours, too
        assert error == pytest.approx(np.std(shared) / np.sqrt(len(scored)))


def test_ridge_equals_scikit_learn_by_hand():
    found = evaluate(LAYERS, labels=SETS, metrics=("linear_probe",), layer="block_1")
    one = np.zeros(N)
    named = np.zeros_like(TABLE)
    for learn, score in StratifiedKFold(5, shuffle=True, random_state=0).split(X, one):
        folds = StratifiedKFold(3, shuffle=True, random_state=0).split(learn, one[learn])
        a, b = (learn[part] for part in next(iter(folds)))
        tried = [
            (f1_score(TABLE[b], fitted(a, b, alpha) >= t, average="micro"), alpha, t)
            for alpha in ALPHAS
            for t in THRESHOLDS
        ]
        _, alpha, threshold = max(tried)
        named[score] = fitted(learn, score, alpha) >= threshold
    wanted = f1_score(TABLE, named, average="micro")
    assert found.scores["linear_probe_f1"].values[1] == pytest.approx(wanted)
    assert wanted > found.scores["linear_probe_f1"].values[0]


def fitted(learn, score, alpha):
    pipe = make_pipeline(StandardScaler(), Ridge(alpha=alpha))
    return pipe.fit(X[learn], TABLE[learn]).predict(X[score])


def test_chance_of_f1_is_the_best_constant_answer():
    found = evaluate(LAYERS, labels=SETS, **QUICK)
    order = np.argsort(-TABLE.sum(axis=0))
    constant = []
    for size in range(1, 5):
        named = np.zeros_like(TABLE)
        named[:, order[:size]] = 1
        constant.append(f1_score(TABLE, named, average="micro"))
    assert found.scores["knn_f1"].chance == pytest.approx(max(constant))


def test_rare_labels_and_bare_rows_are_left_out_and_counted():
    rare = [names | ({f"own {row}"} if row < 30 else set()) for row, names in enumerate(SETS)]
    rare[7], rare[8] = {"only here"}, None
    found = evaluate(LAYERS, labels=rare, **QUICK)
    assert found.counts["labels"] == 4
    assert found.counts["labels_left_out"] == 29  # of 28 rows, and of row 7
    assert (found.counts["unlabelled"], found.counts["bare"]) == (1, 1)
    assert found.counts["rows"] == N - 2
    assert any("29 of 33 labels are left out" in line for line in found.warnings)
    without = [None if row in (7, 8) else names for row, names in enumerate(SETS)]
    again = evaluate(LAYERS, labels=without, **QUICK)
    np.testing.assert_allclose(again.scores["knn_f1"].values, found.scores["knn_f1"].values)


def test_no_more_than_so_many_labels(monkeypatch):
    monkeypatch.setattr(evaluated_rows, "MOST_LABELS", 2)
    found = evaluate(LAYERS, labels=SETS, **QUICK)
    assert found.counts["labels"] == 2
    assert found.counts["labels_left_out"] == 2


def test_thousands_of_labels_are_bounded():
    rng = np.random.default_rng(0)
    terms = [[f"GO:{int(t):07}" for t in 4_000 * rng.random(30) ** 3] for _ in range(400)]
    points = rng.standard_normal((400, 6))
    found = evaluate({"embedding": points, "block_1": points}, labels=terms, layer="block_1")
    assert found.counts["labels"] <= evaluated_rows.MOST_LABELS
    assert found.counts["labels"] + found.counts["labels_left_out"] > 2_000
    assert found.scores["linear_probe_f1"].values[0] > 0


def test_facts_and_words():
    found = evaluate(LAYERS, labels=SETS, **QUICK)
    assert found.label_type == "multi"
    assert found.facts()["provenance"]["settings"]["thresholds"] == THRESHOLDS
    mean = np.mean([len(names) for names in SETS])
    assert f"150 rows with {mean:.1f} of 4 labels on average" in evaluation_lines(found)[-1]
    assert [column.header for column in evaluation_table(found).columns][1:] == [
        *("kNN F1", "kNN Jaccard", "1-NN Jaccard"),
    ]
    assert found.scores["knn_f1"].values[1] > found.scores["knn_f1"].values[0]


def test_labels_of_single_rows_cannot_be_scored():
    with pytest.raises(DegenerateError, match="0 rows with a label of 150 can be scored"):
        evaluate(LAYERS, labels=[[str(row), "x" * row] for row in range(N)], **QUICK)
