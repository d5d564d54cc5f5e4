"""A profile of rows in groups: neighbours, errors, chance, store, key and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergeom import geometry, measure
from layergeom.errors import InputError
from layergeom.geometry import neighbor_graph, twonn
from layergeom.layer import Settings, layer_graph
from layergeom.measure import profile_key
from layergeom.profiles import Profile
from layergeom.states.store import Store
from layergeom.states.stored import stored_states

TEN = Settings(k=10)
G, M = 60, 5
RNG = np.random.default_rng(0)
CENTRES = np.repeat(RNG.standard_normal((G, 6)), M, axis=0)
LAYERS = {
    "a": CENTRES + 0.3 * RNG.standard_normal((G * M, 6)),
    "b": np.hstack([CENTRES, RNG.standard_normal((G * M, 3))]),
    "c": RNG.standard_normal((G * M, 8)),
}
GROUPS = [f"sequence {i}" for i in np.repeat(np.arange(G), M)]
CODES = np.repeat(np.arange(G), M)
CLASSES = (CENTRES[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def grouped() -> Profile:
    return measure.measure(stored_states(LAYERS), CLASSES, settings=TEN, groups=GROUPS)


@pytest.fixture(scope="module")
def plain() -> Profile:
    return measure.measure(stored_states(LAYERS), CLASSES, settings=TEN)


def test_dimension_and_overlaps_are_those_of_graphs_with_groups(grouped: Profile) -> None:
    graphs = [neighbor_graph(X, 64, groups=GROUPS) for X in LAYERS.values()]
    dimensions = [twonn(graph) for graph in graphs]
    assert grouped.dimension.values.tolist() == [d.value for d in dimensions]
    assert grouped.dimension.errors.tolist() == [d.error for d in dimensions]
    overlap = geometry.neighborhood_overlap(graphs[0], graphs[1], 10)
    assert grouped.overlap.values[0, 1] == pytest.approx(overlap.value, rel=1e-12)
    assert grouped.overlap.errors[0, 1] == pytest.approx(overlap.error, rel=1e-12)
    assert grouped.overlap.chance == overlap.chance == pytest.approx(10 / (G * M - M))
    labelled = geometry.label_overlap(graphs[0], CLASSES, 10)
    assert grouped.label_overlap.values[0] == labelled.value
    assert grouped.label_overlap.errors[0] == labelled.error
    for name in ("dimension", "label_overlap"):
        # never below the errors; above them where negative eigenvalues were set to zero
        ratio = np.diag(grouped.covariance[name]) / grouped[name].errors ** 2
        assert (ratio > 1 - 1e-9).all()
        assert (ratio < 1.1).all()


def test_siblings_are_neighbours_no_more(grouped: Profile, plain: Profile) -> None:
    assert plain.dimension.values[0] < 5 < grouped.dimension.values[0]
    assert (grouped["r1"].values[:2] > plain["r1"].values[:2]).all()
    assert grouped.label_overlap.values[0] < plain.label_overlap.values[0]


def test_errors_of_the_spectrum_and_of_norms_take_the_group_as_unit(
    grouped: Profile, plain: Profile
) -> None:
    for name in ("anisotropy", "mean_cosine", "norm", "effective_rank"):
        assert grouped[name].values.tolist() == plain[name].values.tolist()
        assert (grouped[name].errors[:2] > 1.3 * plain[name].errors[:2]).all()
    norms = np.linalg.norm(LAYERS["a"], axis=1)
    sums = np.bincount(CODES, norms - norms.mean())
    expected = np.sqrt((sums**2).sum()) / len(norms)
    assert grouped["norm"].errors[0] == pytest.approx(expected, rel=1e-9)


def test_token_norms_take_the_group_as_unit() -> None:
    norms = np.repeat(RNG.random((G, 2)), M, axis=0)
    states = replace(stored_states(LAYERS), token_norms={"a": norms})
    found = measure.measure(states, settings=TEN, groups=GROUPS)
    means = norms[::M, 0]
    assert found["token_norm_mean"].errors[0] == pytest.approx(means.std(ddof=1) / np.sqrt(G))


def test_groups_of_one_row_each_change_nothing(plain: Profile) -> None:
    alone = measure.measure(stored_states(LAYERS), CLASSES, settings=TEN, groups=range(G * M))
    for name, curve in plain.curves.items():
        assert np.array_equal(curve.values, alone[name].values, equal_nan=True)
        assert np.array_equal(curve.errors, alone[name].errors, equal_nan=True)
    assert np.array_equal(plain.overlap.errors, alone.overlap.errors, equal_nan=True)
    assert plain.decimation == alone.decimation
    assert plain.warnings == alone.warnings
    assert alone.provenance["groups"] == {"groups": G * M, "largest": 1, "rows": G * M}


def test_the_states_know_their_groups(grouped: Profile) -> None:
    states = replace(stored_states(LAYERS), groups=tuple(GROUPS))
    found = measure.measure(states, CLASSES, settings=TEN)
    assert found.dimension.values.tolist() == grouped.dimension.values.tolist()
    facts = {"groups": G, "largest": M, "rows": G * M}
    assert found.provenance["groups"] == grouped.provenance["groups"] == facts
    assert found.provenance["key"] == grouped.provenance["key"]
    assert "between groups" in found.provenance["estimators"]["dimension"]


def test_excluded_classes_and_groups_go_together() -> None:
    family = np.arange(G * M) % 40  # crosses the groups
    found = measure.measure(stored_states(LAYERS), CLASSES, family, TEN, groups=GROUPS)
    X, shares, chance = LAYERS["a"], [], []
    for i in range(G * M):
        others = np.flatnonzero((CODES[i] != CODES) & (family != family[i]))
        near = others[np.argsort(np.linalg.norm(X[others] - X[i], axis=1))[:10]]
        shares.append((CLASSES[near] == CLASSES[i]).mean())
        chance.append((CLASSES[others] == CLASSES[i]).mean())
    assert found.label_overlap.values[0] == pytest.approx(np.mean(shares))
    assert found.label_overlap.chance is not None
    assert found.label_overlap.chance[0] == pytest.approx(np.mean(chance))


def test_keys_follow_the_groups() -> None:
    states = stored_states(LAYERS)
    given = [None, GROUPS, CODES // 2]
    keys = [profile_key(states, None, None, TEN, groups) for groups in given]
    assert len(set(keys)) == 3
    assert profile_key(states, None, None, TEN, [f"s{i:02}" for i in CODES]) != keys[0]
    assert keys[0] == profile_key(states, None, None, TEN)
    known = replace(states, groups=tuple(GROUPS))
    assert profile_key(known, None, None, TEN) == keys[1]


def test_graphs_are_kept_by_their_groups(tmp_path: Path) -> None:
    states = stored_states(LAYERS, Store(tmp_path))
    family = np.arange(G * M) % 40
    ways = [(None, None), (None, CODES), (family, None), (family, CODES)]
    first = [layer_graph(states, "a", states["a"], TEN, *way) for way in ways]
    assert len(Store(tmp_path).names()) == 4
    for way, graph in zip(ways, first, strict=True):
        again = layer_graph(states, "a", states["a"], TEN, *way)
        for name, array in graph.packed().items():
            assert np.array_equal(array, again.packed()[name]), name
    assert (
        twonn(layer_graph(states, "a", states["a"], TEN, None, CODES)).value
        == twonn(first[1]).value
    )


def test_rows_without_a_family_exclude_nobody() -> None:
    family = np.where(np.arange(G * M) % 3, -1, 0)
    graph = layer_graph(stored_states(LAYERS), "a", LAYERS["a"], TEN, family)
    lone = np.flatnonzero(family < 0)
    whole = neighbor_graph(LAYERS["a"], graph.k)
    assert np.array_equal(graph.indices[lone], whole.indices[lone])


def test_a_profile_is_answered_only_for_its_groups(tmp_path: Path) -> None:
    states = stored_states(LAYERS)
    first = measure.measure_once(states, None, None, TEN, tmp_path, groups=GROUPS)
    again = measure.measure_once(states, None, None, TEN, tmp_path, groups=GROUPS)
    assert first.provenance["created"] == again.provenance["created"]
    other = measure.measure_once(states, None, None, TEN, tmp_path)
    assert other.provenance["groups"] is None
    assert other.dimension.values[0] != first.dimension.values[0]


# ── refused, told ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["all"] * (G * M), "all 300 rows are of one group"),
        (["big"] * 291 + ["small"] * 9, "group 'big' has 291 of the 300 rows.* 9 neighbours.* 10 "),
        (GROUPS[1:], "groups have length 299 but there are 300 rows"),
    ],
)
def test_groups_that_cannot_serve_are_refused(groups: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure.measure(stored_states(LAYERS), settings=TEN, groups=groups)


def test_two_groups_have_overlaps_and_no_dimension() -> None:
    found = measure.measure(stored_states(LAYERS), settings=TEN, groups=np.arange(G * M) % 2)
    assert set(found.undefined) == set(LAYERS)
    assert "all of one other group" in found.undefined["a"]
    assert np.isfinite(found.overlap.values).all()
    assert np.isnan(found.dimension.values).all()


def test_few_groups_are_told(grouped: Profile) -> None:
    assert sum("rest on 60 groups" in warning for warning in grouped.warnings) == 1
    many = measure.measure(stored_states(LAYERS), settings=TEN, groups=np.arange(G * M) // 2)
    assert not any("rest on" in warning for warning in many.warnings)


def test_near_twins_are_told_where_groups_are_missing() -> None:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((400, 8))
    twins = np.vstack([X, X[:40] + 0.01 * rng.standard_normal((40, 8))])
    told = measure.measure(stored_states({"a": twins}), settings=TEN).warnings
    assert any("have a near twin" in w and "give groups=" in w for w in told)
    pairs = np.append(np.arange(400), np.arange(40))
    assert not any(
        "near twin" in w
        for w in measure.measure(stored_states({"a": twins}), settings=TEN, groups=pairs).warnings
    )
