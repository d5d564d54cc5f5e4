"""A profile with approximate neighbours says so, and its lists are kept apart from exact ones."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layergeom import api
from layergeom.errors import GeometryWarning, InputError
from layergeom.layer import Settings, approximate_lists, layer_graph
from layergeom.measure import check_samples, measure
from layergeom.states.hidden import HiddenStates
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from states import tiny

APPROXIMATE = Settings(k=10, ranks=16, neighbors="approximate")
EXACT = Settings(k=10, ranks=16)


@pytest.fixture(autouse=True)
def library() -> None:
    pytest.importorskip("faiss")


@pytest.fixture
def hidden(tmp_path: Path) -> HiddenStates:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 5)).astype(np.float32)
    return stored_states(
        {"embedding": X, "block_1": np.tanh(X @ rng.standard_normal((5, 9)).astype(np.float32))},
        Store(tmp_path / "store"),
    )


def test_lists_have_names_and_keys_of_their_own(hidden: HiddenStates) -> None:
    X = hidden["block_1"]
    exact = layer_graph(hidden, "block_1", X, EXACT)
    with pytest.warns(GeometryWarning, match=r"approximate neighbours, recall@16 \d"):
        found = layer_graph(hidden, "block_1", X, APPROXIMATE)
    assert hidden.store is not None
    names = [name for name in hidden.store.names() if "neighbors" in name]
    assert names == ["approximate-neighbors/block_1", "neighbors/block_1"]
    keys = {hidden.store.key(name) for name in names}
    assert len(keys) == 2
    assert (found.indices == exact.indices).mean() > 0.99


def test_kept_lists_are_not_searched_again_but_told_again(
    hidden: HiddenStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for made_once in (False, True):
        if made_once:
            monkeypatch.setattr(approximate_lists, "ApproximatePoints", None)
        with pytest.warns(GeometryWarning) as caught:
            graph = layer_graph(hidden, "block_1", hidden["block_1"], APPROXIMATE)
        told.append((str(caught[-1].message), graph.indices.tolist()))
    assert told[0] == told[1]


def test_the_profile_tells_recall_way_and_setting(hidden: HiddenStates) -> None:
    found, exact = measure(hidden, settings=APPROXIMATE), measure(hidden, settings=EXACT)
    assert found.provenance["estimators"]["neighbours"].startswith("approximate, HNSW of faiss")
    assert found.provenance["settings"]["neighbors"] == "approximate"
    for key in hidden.layers:
        assert any(key in line and "recall@16" in line for line in found.warnings)
    assert not any("wrong in float64" in line for line in found.warnings)
    assert (found.provenance["audit"], len(exact.provenance["audit"])) == ({}, 2)
    assert not any("approximate" in line for line in exact.warnings)
    assert found.dimension.values == pytest.approx(exact.dimension.values, rel=0.01)


def test_label_overlap_with_excluded_classes(hidden: HiddenStates) -> None:
    labels, families = np.arange(600) % 3, np.arange(600) % 30
    found = measure(hidden, labels, families, APPROXIMATE)
    wanted = measure(hidden, labels, families, EXACT)
    assert found.label_overlap is not None
    assert wanted.label_overlap is not None
    assert found.label_overlap.values == pytest.approx(wanted.label_overlap.values, rel=0.02)
    assert any("for the label overlap too" in line for line in found.warnings)


def test_a_missing_library_is_found_before_the_forward_pass(
    hidden: HiddenStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    for pool in ("mean", "token"):
        with pytest.raises(InputError, match=r"install layergeom\[approximate\]"):
            check_samples(100, APPROXIMATE, pool)
    with pytest.raises(InputError, match=r"install layergeom\[approximate\]"):
        measure(hidden, settings=APPROXIMATE)
    check_samples(100, EXACT)


def test_another_way_is_refused() -> None:
    with pytest.raises(InputError, match="neighbors is 'fast'; it must be one of exact, approx"):
        Settings(neighbors="fast")  # type: ignore[arg-type]


def test_a_model_is_profiled_exactly_unless_asked(tmp_path: Path) -> None:
    model, texts = tiny.folder(tmp_path / "model"), tiny.texts(80, longest=15)
    ways = []
    for more in ({}, {"neighbors": "approximate"}):
        with warnings.catch_warnings():
            warnings.simplefilter("error", GeometryWarning)  # told by the profile, not beside it
            found = api.profile(model, texts, k=5, **more)
        ways.append(found.provenance["estimators"]["neighbours"].split(",")[0])
        assert any("recall@" in line for line in found.warnings) == bool(more)
    assert ways == ["exact", "approximate"]


def test_the_command_hands_the_wish_on(monkeypatch: pytest.MonkeyPatch, main: Any) -> None:
    asked: list[dict[str, Any]] = []

    def stop(**given: Any) -> None:
        asked.append(given)
        raise InputError("enough.")

    monkeypatch.setattr(api, "profile", stop)
    for more in ([], ["--approximate-neighbors"]):
        assert main("run", "model", "data.txt", *more)[0] == 2
    assert "neighbors" not in asked[0]
    assert asked[1]["neighbors"] == "approximate"
