"""Runs whose rows are in groups: compared and evaluated by the groups they were measured with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergeom import geometry
from layergeom.errors import InputError
from layergeom.layer import Settings, listed_groups
from layergeom.measure import measure, measure_once
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.compare import Comparison, compare
from layergeom.tasks.evaluate import evaluate
from layergeom.tasks.measured_groups import groups_of, with_groups_of
from states.tiny import network, texts, tokenizer

N, K = 96, 6
FAMILY = np.repeat(np.arange(24), 4)
NAMES = tuple(f"family {i:02}" for i in FAMILY)
TEN = Settings(k=10)


def layers(seed: int) -> dict[str, np.ndarray]:
    """Two layers in which the four rows of a family lie close together."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((24, 4))[FAMILY]
    return {
        key: (centres + 0.2 * rng.standard_normal((N, 4))) @ rng.standard_normal((4, 7))
        for key in ("embedding", "block_1")
    }


def run(folder: Path, seed: int, settings: Settings = TEN) -> Path:
    """A run on arrays: its folder keeps neighbour lists and no states."""
    states = replace(stored_states(layers(seed), Store(folder / "states")), groups=NAMES)
    measure_once(states, None, None, settings, folder)
    return folder


def overlap(a: np.ndarray, b: np.ndarray, k: int) -> geometry.NeighborGraph:
    graphs = [geometry.neighbor_graph(X, k, groups=FAMILY) for X in (a, b)]
    return geometry.neighborhood_overlap(*graphs, k)


def compared(*runs: object, k: int = K) -> Comparison:
    return compare({"a": runs[0], "b": runs[1]}, k=k, permutations=0)


def test_kept_lists_serve_where_no_states_know_the_groups(tmp_path: Path) -> None:
    found = compared(run(tmp_path / "a", 0), run(tmp_path / "b", 1)).overlaps[0]
    expected = overlap(layers(0)["block_1"], layers(1)["embedding"], K)
    assert found.values[1, 0] == pytest.approx(expected.value, abs=1e-12)
    assert found.errors[1, 0] == pytest.approx(expected.error, rel=1e-9)
    assert found.chance == expected.chance == pytest.approx(K / (N - 4))


def test_more_neighbours_than_kept_are_searched_in_other_groups() -> None:
    pairs = []
    for seed in (0, 1):
        states = replace(stored_states(layers(seed)), groups=NAMES)
        pairs.append((measure(states, settings=TEN), states))
    found = compared(*pairs, k=80).overlaps[0]  # 64 are kept
    expected = overlap(layers(0)["block_1"], layers(1)["block_1"], 80)
    assert found.values[1, 1] == pytest.approx(expected.value, abs=1e-12)


def test_states_that_were_kept_before_the_groups_are_given_them(tmp_path: Path) -> None:
    """The store answers the second run with the states of the first."""
    lines, module, words = sorted(set(texts(80, longest=15)))[:60], network("Bert"), tokenizer()
    store, groups = Store(tmp_path / "states"), [f"g{i // 3}" for i in range(60)]
    for given in (None, groups):
        samples = read_samples(lines, groups=given)
        hidden = extract(module, samples, tokenizer=words, store=store)
        profile = measure_once(hidden, None, None, TEN, tmp_path)
    kept = open_states(store)
    assert kept is not None
    assert kept.groups is None
    told = with_groups_of(profile, kept)
    np.testing.assert_array_equal(groups_of(profile, told), groups_of(profile, hidden))
    same = compared(tmp_path, tmp_path)
    assert same.overlaps[0].chance == pytest.approx(K / 57)
    judged = evaluate(tmp_path, labels=[i % 2 for i in range(60)], metrics=("retrieval",))
    assert judged.counts["groups"] == 20


def test_groups_that_nothing_knows_any_more_are_missed() -> None:
    profile = measure(stored_states(layers(0)), settings=TEN, groups=NAMES)
    states = stored_states(layers(0))
    with pytest.raises(InputError, match="measured with 24 groups, which are not known"):
        compared((profile, states), (profile, states))
    other = replace(states, groups=tuple(f"{i // 3}" for i in range(N)))
    with pytest.raises(InputError, match="measured with 24 groups"):
        groups_of(profile, other)


def test_rows_that_stand_alone_have_no_groups(tmp_path: Path) -> None:
    lone = run(tmp_path / "a", 0, Settings(k=10, lone_rows=True))
    assert compared(lone, lone).overlaps[0].chance == pytest.approx(K / (N - 1))


def test_lists_of_other_states_tell_no_groups(tmp_path: Path) -> None:
    run(tmp_path, 0)
    store = Store(tmp_path / "states")
    np.testing.assert_array_equal(listed_groups(stored_states(layers(0), store)), FAMILY)
    assert listed_groups(stored_states(layers(1), store)) is None
    assert listed_groups(stored_states(layers(0))) is None


# ── evaluation ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def grouped() -> HiddenStates:
    return replace(stored_states(layers(0)), groups=NAMES)


def test_the_groups_of_the_states_are_nobody_s_neighbours(grouped: HiddenStates) -> None:
    classes = FAMILY % 3
    quick = {"labels": classes, "metrics": ("knn", "retrieval"), "layer": "block_1"}
    alone = evaluate(stored_states(layers(0)), **quick)
    own, asked = evaluate(grouped, **quick), evaluate(grouped, groups=FAMILY, **quick)
    assert alone.scores["retrieval"].values[1] > 0.9  # siblings share their class
    assert own.scores["retrieval"].values[1] < 0.6
    for name in ("knn", "retrieval"):
        np.testing.assert_array_equal(own.scores[name].values, asked.scores[name].values)
        np.testing.assert_array_equal(own.scores[name].errors, asked.scores[name].errors)
    assert own.counts["groups"] == 24
    told = "Rows of one of the 24 groups of the states are on one side of every split"
    assert [told in line for line in own.warnings].count(True) == 1
    assert not any(told in line for line in asked.warnings)


def test_tokens_are_no_neighbours_of_their_sequence() -> None:
    lines = texts(40, longest=15)
    found = evaluate(
        network("Bert"),
        lines,
        labels=[i % 2 for i in range(40)],
        tokenizer=tokenizer(),
        pool="token",
        max_tokens=150,
        metrics=("retrieval",),
        layer="block_1",
    )
    assert found.counts["groups"] <= 40 < found.counts["rows"]


def test_the_lists_of_a_grouped_run_are_searched_only_once(
    grouped: HiddenStates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = replace(grouped, store=Store(tmp_path))
    measure(states, settings=Settings())
    monkeypatch.setattr(geometry, "neighbor_graph", None)
    found = evaluate(states, labels=FAMILY % 3, metrics=("knn",), layer="block_1")
    assert np.isfinite(found.scores["knn"].values).all()


def test_excluded_classes_do_not_open_the_groups_of_the_states(grouped: HiddenStates) -> None:
    pairs = np.arange(N) // 2 + 100  # finer: two pairs in each family
    given = {"labels": FAMILY % 3, "metrics": ("retrieval",), "layer": "block_1"}
    found = evaluate(grouped, exclude=pairs, **given)
    plain = evaluate(grouped, **given)
    assert found.counts["groups"] == 24
    np.testing.assert_array_equal(
        found.scores["retrieval"].values, plain.scores["retrieval"].values
    )


def test_groups_too_large_for_a_recommendation_leave_the_scores() -> None:
    large = tuple("large" if row < 70 else f"{row}" for row in range(N))
    states = replace(stored_states(layers(0)), groups=large)
    found = evaluate(states, labels=np.arange(N) % 2, metrics=("knn",))
    assert np.isfinite(found.scores["knn"].values).all()
    assert any("No layer is recommended: group 'large' has 70" in line for line in found.warnings)
