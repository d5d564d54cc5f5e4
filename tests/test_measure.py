"""From hidden states to a profile, on layers whose geometry is known."""

from __future__ import annotations

import re
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from clouds import torus
from layergeom import geometry, measure
from layergeom.errors import DegenerateError, InputError
from layergeom.geometry import uncertainty
from layergeom.measure import Settings, profile_key
from layergeom.profiles import Profile, load
from layergeom.states.store import Store
from layergeom.states.stored import stored_states

N = 600
TEN = Settings(k=10)


def rotated(X: np.ndarray, width: int, seed: int) -> np.ndarray:
    """The same cloud in a larger space."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, X.shape[1])))
    return X @ basis.T


LAYERS = {
    "embedding": rotated(torus(N, 2, 0), 12, 1),
    "block_1": rotated(torus(N, 5, 2), 16, 3),
    "block_2": np.random.default_rng(4).standard_normal((N, 40)),
    "block_3": rotated(torus(N, 5, 2), 20, 5),
}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return measure.measure(stored_states(LAYERS), settings=TEN)


def assert_same(a: Profile, b: Profile, keys: tuple[str, ...], rtol: float = 1e-9) -> None:
    """All numbers of the layers ``keys`` agree; overlaps among them too."""
    i, j = ([p.layers.index(key) for key in keys] for p in (a, b))
    for name in a.curves.keys() & b.curves.keys() - {"overlap_next"}:
        for part in ("values", "errors"):
            left, right = getattr(a[name], part)[i], getattr(b[name], part)[j]
            np.testing.assert_allclose(left, right, rtol, 1e-9, err_msg=f"{name} {part}")
    np.testing.assert_allclose(a.overlap.values[np.ix_(i, i)], b.overlap.values[np.ix_(j, j)], rtol)
    np.testing.assert_allclose(
        a.covariance["dimension"][np.ix_(i, i)], b.covariance["dimension"][np.ix_(j, j)], 1e-6
    )


def test_no_adjacency_of_a_layer_is_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], uncertainty.joined_pairs

    def noted(rows: np.ndarray, columns: np.ndarray, n: int) -> sp.csr_array:
        made.append(len(rows) // n)
        return make(rows, columns, n)

    monkeypatch.setattr(uncertainty, "joined_pairs", noted)
    measure.measure(stored_states({"a": LAYERS["block_1"]}), np.arange(N) % 3, settings=TEN)
    assert sorted(made) == [2, 4, 6, 8, TEN.k, 16, 32, 64]  # Gride's ranks, homogeneity's 6, k


# ── values ────────────────────────────────────────────────────────────────────────────────────


def test_known_dimensions_come_out_within_their_errors(profile: Profile) -> None:
    for layer, truth in ((0, 2), (1, 5), (3, 5)):
        value, error = profile.dimension.values[layer], profile.dimension.errors[layer]
        assert abs(value - truth) < 3 * error
        assert 0.02 * truth < error < 0.12 * truth


def test_the_same_cloud_elsewhere_has_the_same_geometry(profile: Profile) -> None:
    assert profile.overlap.values[1, 3] == 1
    for name in ("dimension", "anisotropy", "effective_rank", "participation_ratio", "r1", "norm"):
        assert profile[name].values[1] == pytest.approx(profile[name].values[3], rel=1e-6)


def test_unrelated_layers_overlap_by_chance(profile: Profile) -> None:
    chance = 10 / (N - 1)
    assert profile.overlap.chance == pytest.approx(chance)
    for i, j in ((0, 1), (1, 2), (0, 2)):
        value, error = profile.overlap.values[i, j], profile.overlap.errors[i, j]
        assert abs(value - chance) < 4 * error
    np.testing.assert_array_equal(np.diag(profile.overlap.values), 1)
    np.testing.assert_array_equal(profile.overlap.values, profile.overlap.values.T)


def test_overlap_next_is_the_diagonal_above(profile: Profile) -> None:
    curve = profile["overlap_next"]
    np.testing.assert_array_equal(curve.values[:-1], np.diag(profile.overlap.values, 1))
    assert np.isnan(curve.values[-1])
    assert np.isnan(curve.errors[-1])


def test_every_quantity_equals_that_of_the_geometry(profile: Profile) -> None:
    X = LAYERS["block_1"]
    graph = geometry.neighbor_graph(X, 64)
    spectrum = geometry.spectrum(X)
    linear = geometry.twonn(graph, "linear", 0.98)
    assert profile.dimension.values[1] == geometry.twonn(graph).value
    assert profile.dimension.errors[1] == geometry.twonn(graph).error
    assert profile["dimension_linear_98"].values[1] == linear.value
    assert profile.anisotropy.values[1] == pytest.approx(spectrum.anisotropy.value)
    assert profile["mean_cosine"].values[1] == pytest.approx(spectrum.mean_cosine.value)
    assert profile["pca_dimension_99"].values[1] == spectrum.pca_dimension_99
    assert profile["r1"].values[1] == pytest.approx(graph.distances[:, 0].mean())
    assert profile["r2"].values[1] == pytest.approx(graph.distances[:, 1].mean())
    assert profile["distinct_points"].values[1] == N


def test_unknown_errors_are_nan_and_known_ones_positive(profile: Profile) -> None:
    for curve in profile.curves.values():
        known = np.isfinite(curve.errors)
        assert (curve.errors[known] > 0).all(), curve.name
    assert np.isnan(profile["pca_dimension_90"].errors).all()
    assert (profile.dimension.errors > 0).all()


def test_covariance_has_the_errors_on_its_diagonal(profile: Profile) -> None:
    V = profile.covariance["dimension"]
    assert V.shape == (4, 4)
    np.testing.assert_allclose(np.diag(V), profile.dimension.errors**2, rtol=1e-6)
    np.testing.assert_allclose(V, V.T)
    assert np.linalg.eigvalsh(V).min() > -1e-12
    correlation = V / np.sqrt(np.outer(np.diag(V), np.diag(V)))
    assert correlation[1, 3] == pytest.approx(1)  # the same cloud: the same estimate
    assert abs(correlation[0, 1]) < 0.3


def test_scales_and_decimation_of_every_layer(profile: Profile) -> None:
    assert set(profile.scales) == set(profile.decimation) == set(profile.layers)
    scale = profile.scales["block_1"]
    assert scale.values[0] == pytest.approx(profile.dimension.values[1])
    assert (np.diff(scale.distances) > 0).all()
    thin = profile.decimation["block_1"]
    assert thin["n"] == [600, 300, 150, 75]
    assert thin["values"][0] == pytest.approx(profile.dimension.values[1])


def test_a_high_dimension_is_called_a_lower_bound(profile: Profile) -> None:
    found = [w for w in profile.warnings if "lower bound" in w]
    assert len(found) == 1
    assert found[0].startswith("block_2: the dimension")
    assert f"0.8 log2 N = {0.8 * np.log2(N):.1f}" in found[0]


def test_counts_names_and_provenance(profile: Profile) -> None:
    assert profile.counts == {"rows": N, "layers": 4}
    assert [name.key for name in profile.names] == list(profile.layers)
    assert profile.provenance["settings"] == asdict(TEN)
    assert profile.provenance["labels"] is None
    assert set(profile.provenance["versions"]) >= {"layergeom", "numpy", "scipy", "python"}
    assert profile.undefined == {}


def test_the_measured_profile_survives_saving(profile: Profile, tmp_path: Path) -> None:
    assert load(profile.save(tmp_path)).to_json() == profile.to_json()


def test_progress_is_called_after_each_layer() -> None:
    seen: list[tuple[int, int, str]] = []
    states = stored_states(dict.fromkeys("abc", torus(80, 2, 0)))
    measure.measure(states, settings=TEN, progress=lambda *call: seen.append(call))
    assert [c[:2] for c in seen if "layers" in c[2]] == [(1, 3), (2, 3), (3, 3)]
    within = dict.fromkeys(c for c in seen if "layers" not in c[2])
    assert list(within) == [(80, 80, f"neighbors of {key}") for key in "abc"]


def test_the_order_of_rows_does_not_matter(profile: Profile) -> None:
    order = np.random.default_rng(9).permutation(N)
    classes = np.arange(N) % 4
    base = measure.measure(stored_states(LAYERS), classes, settings=TEN)
    moved = measure.measure(
        stored_states({key: X[order] for key, X in LAYERS.items()}), classes[order], settings=TEN
    )
    for name, curve in base.curves.items():
        if name != "plateau_dimension":  # beyond n1 = 32 it reads random subsets
            np.testing.assert_allclose(moved[name].values, curve.values, 1e-9, err_msg=name)
            np.testing.assert_allclose(moved[name].errors, curve.errors, 1e-6, err_msg=name)
    np.testing.assert_allclose(moved.overlap.values, base.overlap.values, 1e-12)


def test_the_same_call_gives_the_same_bits(profile: Profile) -> None:
    again = measure.measure(stored_states(LAYERS), settings=TEN)
    assert len({re.sub('"(created|sha256)".*', "", x.to_json()) for x in (profile, again)}) == 1


# ── labels ────────────────────────────────────────────────────────────────────────────────────


def brute_label_overlap(
    X: np.ndarray, classes: np.ndarray, k: int, groups: np.ndarray | None = None
) -> float:
    """Rank all rows, drop those of the row's own group, count the classes of the first k."""
    distances = np.linalg.norm(X[:, None] - X[None, :], axis=2)
    np.fill_diagonal(distances, np.inf)
    shares = []
    for i, row in enumerate(distances):
        others = np.arange(len(X)) if groups is None else np.flatnonzero(groups != groups[i])
        allowed = others[others != i]
        if not (classes[allowed] == classes[i]).any() or len(allowed) < k:
            continue
        nearest = allowed[np.argsort(row[allowed])[:k]]
        shares.append((classes[nearest] == classes[i]).mean())
    return float(np.mean(shares))


def test_label_overlap_equals_its_definition(clusters: tuple) -> None:
    layers, classes = clusters
    found = measure.measure(stored_states(layers), classes, settings=TEN)
    for layer, X in enumerate(layers.values()):
        wanted = brute_label_overlap(X, classes, 10)
        assert found.label_overlap.values[layer] == pytest.approx(wanted)
    assert (np.diff(found.label_overlap.values) > 0).all()
    assert found.label_overlap.chance is not None
    assert found.label_overlap.chance[0] == pytest.approx(79 / 239)
    V = found.covariance["label_overlap"]
    errors = found.label_overlap.errors[:3]  # in the last layer every row counts alike
    np.testing.assert_allclose(np.diag(V)[:3], errors**2, rtol=1e-6)
    assert [*found.provenance["labels"].values()] == ["class", 3, 240, None]


def test_labels_keep_to_their_rows(clusters: tuple) -> None:
    layers, classes = clusters
    shifted = measure.measure(stored_states(layers), np.repeat([0, 1, 2], 80), settings=TEN)
    right = measure.measure(stored_states(layers), classes, settings=TEN)
    assert right.label_overlap.values[-1] > 0.9
    assert shifted.label_overlap.values[-1] < 0.4  # chance is a third


def test_label_overlap_with_excluded_groups_equals_its_definition(clusters: tuple) -> None:
    layers, classes = clusters
    groups = np.arange(len(classes)) // 24  # each holds 8 of each class
    names = [f"family {g}" for g in groups]
    found = measure.measure(stored_states(layers), classes, names, settings=TEN)
    for layer, X in enumerate(layers.values()):
        wanted = brute_label_overlap(X, classes, 10, groups)
        assert found.label_overlap.values[layer] == pytest.approx(wanted)
    plain = measure.measure(stored_states(layers), classes, settings=TEN)
    np.testing.assert_array_equal(found.dimension.values, plain.dimension.values)
    assert found.provenance["labels"]["excluded_groups"] == 10


def test_missing_labels_leave_their_rows_out(clusters: tuple) -> None:
    layers, classes = clusters
    partial = [None if i < 30 else int(c) for i, c in enumerate(classes)]
    found = measure.measure(stored_states(layers), partial, settings=TEN)
    assert any("30 rows do not count in the label overlap" in w for w in found.warnings)
    assert found.provenance["labels"]["labelled"] == 210
    whole = measure.measure(stored_states(layers), classes, settings=TEN)
    np.testing.assert_array_equal(found.dimension.values, whole.dimension.values)


def test_labels_that_do_not_fit(clusters: tuple) -> None:
    layers, classes = clusters
    states = stored_states(layers)
    with pytest.raises(InputError, match="labels have length 239 but there are 240 rows"):
        measure.measure(states, classes[1:], settings=TEN)
    with pytest.raises(InputError, match="exclude have length 3 but there are 240 rows"):
        measure.measure(states, classes, [1, 2, 3], settings=TEN)
    with pytest.raises(InputError, match="exclude was given without labels"):
        measure.measure(states, None, classes, settings=TEN)


# ── layers that cannot be measured ────────────────────────────────────────────────────────────


def test_undefined_layers_say_why_and_the_others_stand(profile: Profile) -> None:
    rng = np.random.default_rng(0)
    broken = np.array(LAYERS["block_2"])
    broken[[3, 17]] = np.nan
    layers = {
        "embedding": np.ones((N, 4)),
        "block_1": LAYERS["block_1"],
        "block_2": rng.standard_normal((7, 5))[np.arange(N) % 7],
        "block_3": LAYERS["block_3"],
        "block_4": broken,
    }
    found = measure.measure(stored_states(layers), settings=TEN)
    assert set(found.undefined) == {"embedding", "block_2", "block_4"}
    assert "same point" in found.undefined["embedding"]
    assert "7" in found.undefined["block_2"]
    assert "distinct" in found.undefined["block_2"]
    assert "NaN values in 2 of 600 rows (first: row 3)" in found.undefined["block_4"]
    for key in found.undefined:
        at = found.layers.index(key)
        assert np.isnan(found.dimension.values[at])
        assert np.isnan(found.dimension.errors[at])
        assert any(w.startswith(f"{key}: ") for w in found.warnings)
    assert np.isnan(found.overlap.values[[0, 4]]).all()
    assert np.isfinite(found.overlap.values[1, 3])
    assert found["distinct_points"].values[2] == 7
    assert_same(found, profile, ("block_1", "block_3"))


def test_a_layer_called_invalid_by_the_extraction_is_not_read() -> None:
    cloud = torus(80, 2, 0)
    states = stored_states({"a": cloud, "b": np.full_like(cloud, np.inf), "c": cloud})
    provenance = {**states.provenance, "invalid": {"b": "80 of 80 rows are not finite in float16"}}
    object.__setattr__(states, "provenance", provenance)
    found = measure.measure(states, settings=TEN)
    assert found.undefined == {"b": "80 of 80 rows are not finite in float16"}
    assert np.isfinite(found.dimension.values[[0, 2]]).all()


def test_no_layer_at_all_is_an_error_that_names_each() -> None:
    with pytest.raises(DegenerateError, match=r"no layer can be measured: a: all 50 .*; b: ") as e:
        measure.measure(
            stored_states({"a": np.ones((50, 2)), "b": np.zeros((50, 3))}), settings=TEN
        )
    assert e.value.exit_code == 3


def test_k_must_stay_below_the_rows() -> None:
    states = stored_states({"a": torus(20, 2, 0)})
    with pytest.raises(InputError, match=r"k is 20 but there are 20 rows; k must be at most 19"):
        measure.measure(states, settings=Settings(k=20))
    assert measure.measure(states, settings=Settings(k=19)).overlap.values[0, 0] == 1


def test_repeated_rows_do_not_bend_the_dimension() -> None:
    cloud = torus(400, 3, 6)
    twice = np.vstack([cloud, cloud[:40]])
    found = measure.measure(stored_states({"a": twice, "b": twice}), settings=TEN)
    alone = measure.measure(stored_states({"a": cloud, "b": cloud}), settings=TEN)
    assert found.dimension.values[0] == pytest.approx(alone.dimension.values[0], rel=1e-9)
    assert found["distinct_points"].values[0] == 400
    assert any("40" in warning and "repeat" in warning for warning in found.warnings)


def test_notes_are_gathered_and_no_warning_escapes(recwarn: pytest.WarningsRecorder) -> None:
    cloud = torus(200, 2, 0)
    twice = np.vstack([cloud, cloud[:50]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure.measure(stored_states({"a": twice, "b": twice, "c": twice}), settings=TEN)
    assert len(found.warnings) == len(set(found.warnings))
    assert any(warning.startswith("a to c: 50 of 250 rows repeat") for warning in found.warnings)


# ── the store ─────────────────────────────────────────────────────────────────────────────────


def test_neighbour_lists_come_from_the_store(
    tmp_path: Path, clusters: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, classes = clusters
    groups = np.arange(len(classes)) // 24

    def measured() -> Profile:
        states = stored_states(layers, Store(tmp_path))
        return measure.measure(states, classes, groups, settings=TEN)

    first = measured()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the neighbours were searched again")

    monkeypatch.setattr(geometry, "neighbor_graph", never)
    second = measured()
    assert_same(second, first, first.layers, rtol=0)
    with pytest.raises(AssertionError, match="searched again"):  # other content, same folder
        measure.measure(
            stored_states({**layers, "final": layers["final"] + 1}, Store(tmp_path)), settings=TEN
        )


def test_keys_follow_the_content(clusters: tuple) -> None:
    layers, classes = clusters
    states = stored_states(layers)
    key = profile_key(states, classes, None, TEN)
    assert key == profile_key(stored_states(dict(layers)), classes.tolist(), None, TEN)
    others = [
        profile_key(states, None, None, TEN),
        profile_key(states, np.roll(classes, 1), None, TEN),
        profile_key(states, classes, classes, TEN),
        profile_key(states, classes, None, Settings(k=11)),
        profile_key(stored_states({**layers, "final": layers["final"] * 2}), classes, None, TEN),
    ]
    assert len({key, *others}) == 6
    assert measure.measure(states, classes, settings=TEN).provenance["key"] == key


def test_labels_without_a_single_match_leave_the_geometry_standing(clusters: tuple) -> None:
    layers, classes = clusters
    alone = [f"row {i}" for i in range(len(classes))]
    found = measure.measure(stored_states(layers), alone, settings=TEN)
    assert "label_overlap" not in found.curves
    assert any("label_overlap is unknown: no row has a label" in w for w in found.warnings)
    whole = measure.measure(stored_states(layers), classes, settings=TEN)
    np.testing.assert_array_equal(found.dimension.values, whole.dimension.values)
