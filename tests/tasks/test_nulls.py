"""Nulls of a profile: made once, kept, drawn beside its curves, and older files still open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layergeom as lg
from layergeom.errors import InputError, StoreError
from layergeom.geometry import permutation_level
from layergeom.profiles import FILE, load
from layergeom.tasks import null_runs, nulls, protocol_runs
from layergeom.tasks.protocol_runs import dynamics_by
from states.tiny import texts

ALL = ["permuted", "gaussian", "shuffled", "untrained", "length"]


@pytest.fixture(scope="module")
def rows() -> list[str]:
    return texts(60, longest=15)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, bert_folder: Path, rows: list[str]) -> Any:
    place = tmp_path_factory.mktemp("run")
    options = {"labels": [i % 2 for i in range(60)], "k": 5, "seed": 1, "folder": place}
    return lg.profile(bert_folder, rows, nulls=ALL, **options), place, options


def test_every_null_has_its_curves_over_the_layers(finished: Any) -> None:
    profile, place, _ = finished
    assert list(profile.nulls) == ALL
    assert set(profile.nulls["permuted"]) == {
        "overlap_next", "overlap_next_upper", "label_overlap", "label_overlap_upper"
    }  # fmt: skip
    assert set(profile.nulls["gaussian"]) == {"dimension", "anisotropy"}
    for kind in ("shuffled", "untrained"):
        assert set(profile.nulls[kind]) == set(profile.curves)
        own = load(place / f"null-{kind}")
        assert np.array_equal(
            own["dimension"].values, profile.nulls[kind]["dimension"].values, equal_nan=True
        )
        assert kind in own.provenance["states"]["model"] or "shuffled" in str(own.provenance)
    assert profile.undefined == {}
    assert all(
        np.isfinite(null["dimension"].values).all()
        for kind, null in profile.nulls.items()
        if "dimension" in null
    )


def test_permuted_levels_are_those_of_the_layers_graphs(clusters: tuple) -> None:
    layers, classes = clusters
    profile = lg.profile(layers, labels=classes, k=10, nulls="permuted")
    null = profile.nulls["permuted"]
    graphs = [lg.neighbor_graph(X, k=64) for X in layers.values()]
    expected = permutation_level(graphs[0], graphs[1], k=10)
    assert null["overlap_next"].values[0] == pytest.approx(expected.mean)
    assert null["overlap_next_upper"].values[0] == pytest.approx(expected.quantile)
    assert np.isnan(null["overlap_next"].values[-1])
    for name in ("overlap_next", "label_overlap"):
        curve = null[name]
        away = (curve.values - profile[name].chance) / curve.errors
        assert np.nanmax(np.abs(away)) < 4
        assert np.array_equal(curve.chance, profile[name].chance)


def test_the_gaussian_null_has_the_spectrum_of_distinct_rows(clusters: tuple) -> None:
    layers, _ = clusters
    doubled = {name: np.vstack([X, X[:100]]) for name, X in layers.items()}
    profile = lg.profile(doubled, k=10, nulls="gaussian")
    plain = lg.profile(layers, k=10)
    null = profile.nulls["gaussian"]
    assert null["anisotropy"].values == pytest.approx(plain.anisotropy.values)
    assert (null["dimension"].errors > 0).all()


def test_a_layer_without_numbers_has_no_null(clusters: tuple) -> None:
    layers, classes = clusters
    broken = {**layers, "block_1": np.ones_like(layers["block_1"])}
    profile = lg.profile(broken, labels=classes, k=10, nulls=["permuted", "gaussian"])
    assert np.isnan(profile.nulls["gaussian"]["dimension"].values).tolist() == [
        False, True, False, False
    ]  # fmt: skip
    assert np.isnan(profile.nulls["permuted"]["overlap_next"].values[:3]).tolist() == [
        True, True, False
    ]  # fmt: skip


def test_the_same_call_makes_nothing_again(
    finished: Any, bert_folder: Path, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, _, options = finished

    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for module, name in ((nulls, "row_level"), (nulls, "gaussian_numbers"), (null_runs, "extract")):
        monkeypatch.setattr(module, name, never)
    again = lg.profile(bert_folder, rows, nulls=ALL, **options)
    assert again.to_json() == profile.to_json()
    plain = lg.profile(bert_folder, rows, **options)
    assert plain.to_json() == profile.to_json()  # not asked for is not taken away


def test_a_run_that_stopped_goes_on(
    tmp_path: Path, bert_folder: Path, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(nulls, "gaussian_numbers", full)
        with pytest.raises(OSError, match="disk full"):
            lg.profile(bert_folder, rows, k=5, folder=tmp_path, nulls=ALL[:2])
    assert list(load(tmp_path).nulls) == ["permuted"]
    with monkeypatch.context() as patch:
        patch.setattr(nulls, "row_level", full)
        found = lg.profile(bert_folder, rows, k=5, folder=tmp_path, nulls=ALL[:2])
    assert list(found.nulls) == ALL[:2]


def test_another_k_is_another_null(tmp_path: Path, clusters: tuple) -> None:
    layers, _ = clusters
    first = lg.profile(layers, k=10, folder=tmp_path, nulls="permuted")
    other = lg.profile(layers, k=20, folder=tmp_path, nulls="permuted")
    means = [p.nulls["permuted"]["overlap_next"].values[0] for p in (first, other)]
    assert means == pytest.approx([10 / 239, 20 / 239], rel=0.05)


def test_saved_nulls_come_back_and_files_without_them_open(finished: Any, tmp_path: Path) -> None:
    profile, place, _ = finished
    assert load(place).to_json() == profile.to_json()
    content = json.loads((place / FILE).read_text())
    del content["nulls"], content["sha256"]
    (tmp_path / FILE).write_text(json.dumps(content))
    older = load(tmp_path)
    assert older.nulls == {}
    assert replace(older, nulls=profile.nulls).to_json() == profile.to_json()


def test_a_null_of_another_length_is_no_profile(finished: Any, tmp_path: Path) -> None:
    content = json.loads((finished[1] / FILE).read_text())
    content["nulls"]["gaussian"]["dimension"]["values"].pop()
    del content["sha256"]
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(StoreError, match="not a whole profile"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["shuffled", "untrained", "length"])
def test_states_alone_have_no_model_to_run(kind: str, clusters: tuple) -> None:
    with pytest.raises(InputError, match=f"{kind}' needs the model and its data"):
        lg.profile(clusters[0], k=10, nulls=kind)


def test_what_cannot_be_made_is_said_before_anything_is_run(
    bert_folder: Path, rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_runs, "extract", None)
    with pytest.raises(InputError, match="no null 'bayes'; there are permuted, gaussian"):
        lg.profile(bert_folder, rows, nulls=["bayes"])
    with pytest.raises(InputError, match="'shuffled' needs texts"):
        lg.profile(bert_folder, np.zeros((9, 8, 8), np.uint8), k=2, nulls="shuffled")
    with pytest.raises(InputError, match="'length' needs texts"):
        lg.profile(bert_folder, rows, k=2, pool="token", nulls="length")
    with pytest.raises(InputError, match="nulls belong to profile"):
        dynamics_by(None, bert_folder, rows, nulls=["gaussian"])


def test_every_view_has_its_nulls(bert_folder: Path, rows: list[str], tmp_path: Path) -> None:
    views = lg.profile_views(
        bert_folder, rows, pools=["mean", "last"], k=5, seed=1, nulls=["shuffled"], folder=tmp_path
    )
    first, second = (p.nulls["shuffled"]["dimension"].values for p in views.values())
    assert not np.allclose(first, second)
    alone = lg.profile(bert_folder, rows, pool="last", k=5, seed=1, nulls="shuffled")
    assert np.array_equal(alone.nulls["shuffled"]["dimension"].values, second)
    assert (tmp_path / "last" / "null-shuffled" / FILE).is_file()


def test_groups_are_kept_apart_in_nulls(bert_folder: Path, rows: list[str]) -> None:
    groups = [i // 2 for i in range(60)]
    found = lg.profile(bert_folder, rows, groups=groups, k=5, seed=1, nulls=["permuted", "length"])
    null = found.nulls["permuted"]["overlap_next"]
    assert null.chance == pytest.approx(5 / 58)
    assert abs(null.values[0] - 5 / 58) < 4 * null.errors[0]
    assert found.nulls["length"]["overlap_length"].chance == pytest.approx(5 / 58)
