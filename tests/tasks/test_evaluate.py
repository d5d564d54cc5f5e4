"""Scores of layers against slow, obvious references; errors by clusters; the regret of choices."""

import json

import numpy as np
import pytest

import layergeom as lg
from layergeom.errors import DegenerateError, InputError
from layergeom.states.stored import stored_states
from layergeom.tasks import evaluated_states
from layergeom.tasks.evaluate import METRICS, evaluate
from layergeom.tasks.evaluated_rows import evaluated_rows
from layergeom.tasks.scores import regret, score_of
from states.tiny import folder, texts

N = 120
QUICK = ("knn", "retrieval")
OPTIONS = {"metrics": QUICK, "layer": "block_1"}


@pytest.fixture(scope="module")
def cloud():
    """Three layers in which four classes come apart; groups of three rows that lie close."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(N // 3), 3)
    classes = groups % 4
    near = rng.standard_normal((N // 3, 6))[groups] + 0.2 * rng.standard_normal((N, 6))
    middles = rng.standard_normal((4, 6))[classes]
    names = ("embedding", "block_1", "block_2")
    layers = {
        name: near + away * middles for name, away in zip(names, (0.0, 1.0, 2.0), strict=True)
    }
    return layers, classes, groups


def votes(X, classes, k, apart, learn, scored):
    """Vote of the k nearest admissible rows, row by row."""
    right = []
    for i in scored:
        others = [j for j in learn if j != i and (apart is None or apart[j] != apart[i])]
        near = sorted(others, key=lambda j: np.linalg.norm(X[i] - X[j]))[:k]
        counts = np.bincount(classes[near], minlength=classes.max() + 1)
        tied = np.flatnonzero(counts == counts.max())
        right.append(1 / len(tied) if classes[i] in tied else 0.0)
    return np.array(right)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_votes_equal_a_search_row_by_row(cloud, grouped, split):
    layers, classes, groups = cloud
    everyone = np.arange(N)
    train = everyone % 5 > 0
    found = evaluate(
        layers,
        labels=classes,
        exclude=groups if grouped else None,
        split=np.where(train, "train", "Test") if split else None,
        k=7,
        **OPTIONS,
    )
    learn, scored = (everyone[train], everyone[~train]) if split else (everyone, everyone)
    apart = groups if grouped else None
    for at, X in enumerate(layers.values()):
        for name, k in (("knn", 7), ("retrieval", 1)):
            wanted = votes(X, classes, k, apart, learn, scored)
            np.testing.assert_allclose(found.scores[name].correct[at], wanted)
            assert found.scores[name].values[at] == pytest.approx(wanted.mean())
    assert found.counts["rows"] == len(scored)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("part", [False, True])
def test_neighbours_are_outside_groups_and_excluded_classes(cloud, split, part):
    layers, classes, groups = cloud
    everyone, kin = np.arange(N), np.arange(N) % 7  # crosses the groups
    train = everyone % 5 > 0
    labels = [None if part and row in (0, 50) else str(c) for row, c in enumerate(classes)]
    found = evaluate(
        layers,
        labels=labels,
        groups=groups,
        exclude=kin,
        split=np.where(train, "train", "test") if split else None,
        k=7,
        **OPTIONS,
    )
    rows = everyone[[label is not None for label in labels]]
    learn, scored = (rows[train[rows]], rows[~train[rows]]) if split else (rows, rows)
    pairs = (groups[:, None] == groups) | (kin[:, None] == kin)
    for at, X in enumerate(layers.values()):
        for name, k in (("knn", 7), ("retrieval", 1)):
            wanted = [votes(X, classes, k, None, learn[~pairs[i, learn]], [i])[0] for i in scored]
            np.testing.assert_allclose(found.scores[name].correct[at], wanted)
    same = classes[:, None] == classes
    drawn = [(same[i] & ~pairs[i])[learn].sum() / (~pairs[i])[learn].sum() for i in scored]
    assert found.scores["retrieval"].chance == pytest.approx(np.mean(drawn))


def test_a_group_that_leaves_few_neighbours_takes_none_from_the_others(cloud):
    layers, classes, _ = cloud
    groups = np.where(np.arange(N) < N - 5, 0, np.arange(N))
    found = evaluate(layers, labels=classes % 2, groups=groups, k=7, **OPTIONS)
    everyone = np.arange(N)
    for at, X in enumerate(layers.values()):
        wanted = votes(X, classes % 2, 7, groups, everyone, everyone)
        np.testing.assert_allclose(found.scores["knn"].correct[at], wanted)


def test_excluding_groups_removes_what_copies_give(cloud):
    layers, classes, groups = cloud
    copies = evaluate({"embedding": layers["embedding"]}, labels=classes, metrics=("retrieval",))
    honest = evaluate(
        {"embedding": layers["embedding"]}, labels=classes, exclude=groups, metrics=("retrieval",)
    )
    assert copies.scores["retrieval"].values[0] > 0.95  # the row's own group
    assert honest.scores["retrieval"].values[0] < 0.45  # no class apart: chance is 0.23
    assert honest.scores["retrieval"].chance == pytest.approx(27 / 117)


def test_ties_are_shared_whatever_the_order_of_rows_and_classes():
    X = np.array([[0.0], [1.0], [-1.0], [5.0], [6.0]])
    classes = np.array([0, 0, 1, 1, 1])
    values = []
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        for labels in (classes, 1 - classes):
            found = evaluate(
                {"a": X[order], "b": X[order]},
                labels=labels[order],
                metrics=QUICK,
                k=2,
                folds=2,
                layer="a",
            )
            values.append([found.scores[name].values[0] for name in QUICK])
    np.testing.assert_allclose(values, np.broadcast_to(values[0], (6, 2)))
    # row 0 has one neighbour of each class at distance 1
    assert values[0][1] == pytest.approx((0.5 + 1 + 0 + 1 + 1) / 5)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_probe_is_fitted_on_other_rows_and_groups(cloud, grouped):
    groups = cloud[2]
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(N // 3)[groups] % 4  # says nothing
    X = rng.standard_normal((N // 3, 50))[groups] + 0.1 * rng.standard_normal((N, 50))
    found = evaluate(
        {"embedding": X},
        labels=shuffled,
        groups=groups if grouped else None,
        metrics=("linear_probe",),
    )
    value, error = found.scores["linear_probe"].values[0], found.scores["linear_probe"].errors[0]
    if grouped:
        assert abs(value - 0.25) < 3 * error
    else:  # rows of the same group in both halves give the label away
        assert value > 0.4


def test_the_probe_reads_what_is_linear(cloud):
    _, classes, _ = cloud
    rng = np.random.default_rng(1)
    X = 0.05 * rng.standard_normal((N, 5)) + np.eye(5)[classes]
    found = evaluate({"a": X, "b": 1e4 * X + 1e5}, labels=classes, metrics=METRICS, layer="a")
    np.testing.assert_array_equal(found.scores["linear_probe"].values, 1.0)
    assert np.isnan(found.scores["linear_probe"].errors).all()  # not known, not 0


def test_splits_cut_no_group_and_hold_every_row_once(cloud):
    _, classes, groups = cloud
    partly = [None if group == 3 else group for group in groups]
    given = evaluated_rows(N, classes, groups=partly)
    seen = []
    for learn, score in given.splits(5, 0):
        assert not set(groups[learn][groups[learn] != 3]) & set(groups[score])
        seen.extend(score)
    assert sorted(seen) == list(range(N))
    assert len(np.unique(given.clusters)) == N // 3 + 2  # three rows without a group


def test_errors_are_those_of_means_over_groups():
    """Coverage: the true mean lies within two errors as often as it should."""
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(60), 5)
    inside = {"clustered": 0, "rows": 0}
    for _ in range(400):
        level = rng.beta(1, 1, 60)[clusters]
        right = (rng.random(300) < level).astype(float)[None]
        codes = np.zeros(300, dtype=np.int64)
        for name, groups in (("clustered", clusters), ("rows", np.arange(300))):
            score = score_of("knn", right, codes, groups, 1.0)
            inside[name] += abs(score.values[0] - 0.5) < 1.96 * score.errors[0]
    assert 0.91 < inside["clustered"] / 400 < 0.98
    assert inside["rows"] / 400 < 0.85  # what forgetting the groups would claim


def test_macro_scores_count_each_class_the_same():
    codes = np.array([0] * 90 + [1] * 10)
    right = np.concatenate([np.ones(90), np.zeros(9), [1.0]])[None]
    score = score_of("knn", right, codes, np.arange(100), 0.9)
    assert score.values[0] == pytest.approx(0.91)
    assert score.macro[0] == pytest.approx((1 + 0.1) / 2)
    draws = np.random.default_rng(0).binomial(10, 0.1, 20_000) / 10 / 2
    assert score.macro_errors[0] == pytest.approx(draws.std(), rel=0.02)  # binomial of ten


def test_regret_is_paired():
    rng = np.random.default_rng(3)
    base = (rng.random(400) < 0.6).astype(float)
    other = base.copy()
    other[:8] = 1 - other[:8]  # the layers differ in eight rows
    better = base if base.mean() >= other.mean() else other
    worse = other if better is base else base
    score = score_of("knn", np.stack([better, worse]), np.zeros(400, int), np.arange(400), 1.0)
    found = regret(score, ("a", "b"), "last", "b", np.arange(400))
    gap = better - worse
    assert found.value == pytest.approx(gap.mean())
    assert found.error == pytest.approx(gap.std() / 20)
    assert found.error < score.errors.min() / 2
    same = regret(score, ("a", "b"), "middle", "a", np.arange(400))
    assert (same.value, same.best) == (0.0, "a")
    assert np.isnan(same.error)


def test_small_classes_unlabelled_rows_and_lone_groups_are_counted_and_left_out(cloud):
    layers, classes, groups = cloud
    labels = [f"c{c}" for c in classes]
    labels[0] = None
    labels[3:6] = ["rare"] * 3
    labels[6:15] = ["lone"] * 9
    groups = groups.copy()
    groups[6:15] = 1000
    found = evaluate(layers, labels=labels, groups=groups, **OPTIONS)
    assert found.counts["unlabelled"] == 1
    assert found.counts["small_classes"] == 3
    assert found.counts["classes_of_one_group"] == 9
    assert found.counts["rows"] == N - 13
    assert found.counts["classes"] == 4
    assert sum("left out" in line for line in found.warnings) == 3
    assert found.errors_of.endswith("groups of 107 rows")


def test_repeated_inputs_are_groups_unless_others_are_given(tmp_path):
    lines = texts(30)
    model = folder(tmp_path)
    found = evaluate(
        model, lines + lines, labels=[0, 1] * 30, metrics=("retrieval",), layer="block_2"
    )
    assert any("Repeated inputs" in line for line in found.warnings)
    assert found.scores["retrieval"].values.max() < 0.85  # the copy would give 1
    assert found.counts["groups"] == len(set(lines))


def test_a_split_that_cuts_groups_is_told(cloud):
    layers, classes, groups = cloud
    side = np.where(np.arange(N) % 3 > 0, "train", "test")
    found = evaluate(layers, labels=classes, groups=groups, split=side, **OPTIONS)
    assert found.counts["cut"] == N // 3
    assert any("too good" in line for line in found.warnings)


def test_choices_without_a_recommendation_and_with_a_given_layer(cloud):
    layers, classes, _ = cloud
    found = evaluate(layers, labels=classes, metrics=QUICK)
    assert found.choices == {"last": "block_2", "middle": "block_1", "embedding": "embedding"}
    assert any("recommends no layer" in line for line in found.warnings)
    judged = evaluate(layers, labels=classes, **OPTIONS)
    assert judged.choices["chosen"] == "block_1"
    assert len(judged.regrets) == 2 * 4
    assert all(r.value >= 0 for r in judged.regrets)
    with pytest.raises(InputError, match="no layer 'block_7'"):
        evaluate(layers, labels=classes, layer="block_7")


def test_a_run_is_judged_by_its_own_profile_without_a_new_search(cloud, tmp_path, monkeypatch):
    model = folder(tmp_path / "model")
    lines = sorted(set(texts(90)))[:60]  # repeated ones would be groups
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join("ab"[i % 2] for i in range(60)))
    lg.profile(model, lines, folder=tmp_path / "run", k=30)

    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(evaluated_states, "measure", never)
    monkeypatch.setattr(lg.geometry, "neighbor_graph", never)
    found = evaluate(tmp_path / "run", labels=labels, metrics=QUICK)
    assert found.layers == ("embedding", "block_1", "block_2", "block_3")
    frame = found.to_frame()
    assert {"knn", "knn_error", "knn_macro", "retrieval_macro_error"} <= set(frame.columns)


def test_a_layer_without_numbers_has_no_score_and_the_others_stand(cloud):
    layers, classes, _ = cloud
    broken = dict(layers) | {"block_1": np.ones((N, 3))}
    found = evaluate(broken, labels=classes, metrics=METRICS, layer="block_1")
    assert np.isnan(found.scores["knn"].values[1])
    assert np.isfinite(found.scores["knn"].values[[0, 2]]).all()
    assert any(line.startswith("block_1 has no scores") for line in found.warnings)
    [lost] = [r for r in found.regrets if (r.score, r.choice) == ("knn", "chosen")]
    assert np.isnan(lost.value)
    assert np.isnan(lost.error)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ("mlp",)}, "metrics must be among"),
        ({"metrics": ()}, "metrics must be among"),
        ({"folds": 1}, "folds"),
        ({"k": 0}, "k must be"),
        ({"labels": [1, 2]}, "length 2"),
        ({"split": ["train"] * N}, "no row 'test'"),
        ({"pool": "mean"}, "there are no data"),
        ({"max_samples": 5}, "there are no data"),
        ({"groups": [1, 2]}, "length 2"),
    ],
)
def test_bad_input(cloud, changes, message):
    layers, classes, _ = cloud
    with pytest.raises(InputError, match=message):
        evaluate(layers, **({"labels": classes, "layer": "block_1"} | changes))


def test_one_class_is_degenerate(cloud):
    with pytest.raises(DegenerateError, match="two are needed"):
        evaluate(cloud[0], labels=["a"] * N, layer="block_1")


def test_a_run_without_states_says_so(cloud, tmp_path):
    lg.profile(cloud[0], k=5).save(tmp_path)
    with pytest.raises(InputError, match="keeps no states"):
        evaluate(tmp_path, labels=cloud[1])


def test_states_are_not_changed(cloud):
    layers, classes, _ = cloud
    states = stored_states(layers)
    first = evaluate(states, labels=classes, metrics=METRICS, layer="block_1")
    again = evaluate(states, labels=classes, metrics=METRICS, layer="block_1")
    assert json.dumps(first.facts()) == json.dumps(again.facts())
