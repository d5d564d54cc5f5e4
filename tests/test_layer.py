"""One layer: its settings are checked, its graph is kept and asked for by content."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from clouds import torus
from layergeom.errors import InputError, StoreError, StoreWarning
from layergeom.layer import Labels, Settings, layer_graph, measured_layer
from layergeom.states.store import Store
from layergeom.states.stored import stored_states

TEN = Settings(k=10)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "10", float("nan"), None])
def test_k_is_a_whole_number_above_zero(wrong: object) -> None:
    with pytest.raises(InputError, match="k must be"):
        Settings(k=wrong)  # type: ignore[arg-type]


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(InputError, match="seed must be at least 0 but is -1"):
        Settings(seed=-1)


def test_a_whole_float_is_kept_as_the_whole_number() -> None:
    assert Settings(k=10.0) == TEN  # type: ignore[arg-type]
    assert type(Settings(k=10.0).k) is int  # type: ignore[arg-type]
    assert type(Settings(k=np.int64(10)).k) is int  # type: ignore[arg-type]


def test_only_a_search_that_may_miss_is_part_of_a_key() -> None:
    assert "neighbors" not in TEN.content
    assert TEN.content | {"neighbors": "exact"} == asdict(TEN)
    assert Settings(neighbors="approximate").content["neighbors"] == "approximate"


def test_the_graph_reaches_far_enough_for_scales_and_overlaps() -> None:
    states = stored_states({"a": torus(100, 2, 0)})
    for settings, k in ((TEN, 64), (Settings(k=80), 80), (Settings(k=10, ranks=200), 99)):
        assert layer_graph(states, "a", states["a"], settings).k == k


def test_graphs_with_and_without_groups_are_kept_apart(tmp_path: Path) -> None:
    states = stored_states({"a": torus(100, 2, 0)}, Store(tmp_path))
    groups = np.arange(100) // 5
    plain = layer_graph(states, "a", states["a"], TEN)
    outside = layer_graph(states, "a", states["a"], TEN, groups)
    assert len(Store(tmp_path).names()) == 2
    assert (groups[outside.indices] != groups[:, None]).all()
    for again, first, given in ((plain, plain, None), (outside, outside, groups)):
        again = layer_graph(states, "a", states["a"], TEN, given)  # noqa: PLW2901
        np.testing.assert_array_equal(again.indices, first.indices)
        np.testing.assert_array_equal(again.distances, first.distances)
    regrouped = layer_graph(states, "a", states["a"], TEN, np.arange(100) // 4)
    assert not np.array_equal(regrouped.indices, outside.indices)


def test_a_layer_drops_its_states_and_keeps_k_neighbours() -> None:
    states = stored_states({"a": torus(100, 2, 0)})
    layer = measured_layer(states, "a", Labels(np.arange(100) % 2), TEN)
    assert layer.graph is not None
    assert layer.graph.k == 10
    assert set(layer.influence) == {"dimension", "label_overlap"}
    assert all(len(psi) == 100 for psi in layer.influence.values())
    assert layer.undefined == ""


def test_huge_values_are_measured_or_refused_but_never_crash() -> None:
    for size in (1e30, 1e-30):
        layer = measured_layer(stored_states({"a": size * torus(60, 2, 0)}), "a", None, TEN)
        if not layer.undefined:
            assert np.isfinite(layer.numbers["dimension"][0])


def test_a_full_disk_is_no_property_of_the_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full; free space there.")

    states = stored_states({"a": torus(100, 2, 0)}, Store(tmp_path))
    monkeypatch.setattr(Store, "put", full)
    with pytest.raises(StoreError, match="disk is full"):
        measured_layer(states, "a", None, TEN)


def test_damaged_neighbour_lists_are_searched_again_and_it_is_said(tmp_path: Path) -> None:
    states = stored_states({"a": torus(100, 2, 0)}, Store(tmp_path))
    first = measured_layer(states, "a", None, TEN)
    assert first.notes == []
    (piece,) = tmp_path.glob("*.safetensors")
    content = bytearray(piece.read_bytes())
    content[-1] ^= 1
    piece.write_bytes(content)
    states = stored_states({"a": torus(100, 2, 0)}, Store(tmp_path))
    with pytest.warns(StoreWarning, match="It is computed anew"):
        again = measured_layer(states, "a", None, TEN)
    assert again.numbers == first.numbers
    assert again.notes == []  # the result is what it was


def test_seven_points_many_times_over_are_measured_where_they_can() -> None:
    for n in (20, 60, 600):
        cloud = np.random.default_rng(0).standard_normal((7, 4))[np.arange(n) % 7]
        layer = measured_layer(stored_states({"a": cloud}), "a", None, Settings(k=5))
        assert layer.numbers["distinct_points"][0] == 7
        assert layer.graph is not None
