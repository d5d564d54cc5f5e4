"""The linearity from layer to layer in a profile: measured once, on halves that are apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layergeom as lg
from layergeom.errors import InputError
from layergeom.geometry.linearity import linearity
from layergeom.tasks import layer_pairs


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pairs are measured."""
    calls: list[int] = []

    def count(*given: Any, **options: Any) -> Any:
        calls.append(len(given[0]))
        return linearity(*given, **options)

    monkeypatch.setattr(layer_pairs, "linearity", count)
    return calls


@pytest.fixture
def layers() -> dict[str, np.ndarray]:
    """A layer, a linear map of it, a small change that is not linear, and another width."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))
    Y = X @ rng.standard_normal((5, 5))
    return {
        "embedding": X,
        "block_1": Y,
        "block_2": Y + 0.02 * np.cos(4 * Y),
        "final": rng.standard_normal((400, 3)),
    }


def test_the_curves_are_those_of_each_pair(layers: dict[str, np.ndarray]) -> None:
    found = lg.profile(layers, k=10, quantities=["linearity"])
    whole, update = found["linearity_next"], found["linearity_update_next"]
    assert whole.values[0] == pytest.approx(1, abs=1e-9)
    assert whole.values[1] > 0.999 > 0.5 > update.values[1]
    expected = linearity(layers["block_1"], layers["block_2"])
    assert (whole.values[1], whole.errors[1]) == (expected.value, expected.error)
    assert abs(whole.values[2]) < 0.05
    assert np.isnan(whole.values[3])
    assert np.isnan(update.values[2:]).all()
    assert any(
        "block_2: linearity_update_next is unknown: the widths 5 and 3" in w for w in found.warnings
    )


def test_it_is_kept_and_added_to_a_kept_profile(
    layers: dict[str, np.ndarray], tmp_path: Path, counted: list[int]
) -> None:
    plain = lg.profile(layers, k=10, folder=tmp_path)
    assert "linearity_next" not in plain.curves
    first = lg.profile(layers, k=10, folder=tmp_path, quantities="linearity")
    assert first.provenance["created"] == plain.provenance["created"]  # nothing else made again
    assert len(counted) == 5
    again = lg.profile(layers, k=10, folder=tmp_path, quantities="linearity")
    assert len(counted) == 5
    assert again.to_json() == first.to_json()
    assert lg.load(tmp_path).to_json() == first.to_json()
    lg.profile(layers, k=10, folder=tmp_path, quantities="linearity", seed=1)
    assert len(counted) == 10


def test_it_goes_together_with_other_quantities(layers: dict[str, np.ndarray]) -> None:
    def spread(points: np.ndarray, graph: lg.NeighborGraph) -> float:
        return float(points.std())

    asked = [spread, "linearity", "dimension_levina_bickel", "rankme", "dataset_entropy"]
    found = lg.profile(layers, k=10, quantities=asked)
    names = [facts["name"] for facts in found.provenance["quantities"]]
    assert names == [
        *("spread", "dimension_levina_bickel", "rankme", "dataset_entropy"),
        *("linearity_next", "linearity_update_next"),
    ]
    for name in names[1:]:
        known = np.isfinite(found[name].values)
        known[0] &= not name.startswith("linearity")  # that map is exact
        assert known.any()
        assert (found[name].errors[known] > 0).all()
    rank = lg.geometry.matrix_entropy.rankme(layers["final"])
    assert found["rankme"].values[3] == rank.value
    assert found["rankme"].errors[3] == pytest.approx(rank.error, rel=1e-12)


def test_more_rows_than_enough_are_sampled(
    layers: dict[str, np.ndarray], counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_pairs, "ROWS", 100)
    lg.profile(layers, k=10, quantities="linearity")
    assert set(counted) == {100}


def test_rows_of_a_group_are_in_one_half(layers: dict[str, np.ndarray]) -> None:
    """Six copies of fifty rows of noise: what is in both halves is remembered."""
    rng = np.random.default_rng(1)
    noise = {
        key: np.repeat(rng.standard_normal((50, 80)), 6, axis=0)
        + 1e-3 * rng.standard_normal((300, 80))
        for key in ("embedding", "block_1")
    }
    alone = lg.profile(noise, k=10, quantities="linearity")
    apart = lg.profile(noise, k=10, quantities="linearity", groups=np.arange(300) // 6)
    assert alone["linearity_next"].values[0] > 0.7
    assert apart["linearity_next"].values[0] < 0.1


def test_a_layer_that_cannot_be_read_is_a_warning(layers: dict[str, np.ndarray]) -> None:
    layers["block_1"] = np.ones((400, 5))
    found = lg.profile(layers, k=10, quantities="linearity")
    assert np.isnan(found["linearity_next"].values[0])
    assert any("embedding: linearity_next is unknown: all rows of Y" in w for w in found.warnings)


def test_through_a_model(bert_folder: Path, lines: Path, counted: list[int]) -> None:
    found = lg.profile(bert_folder, lines, k=10, quantities="linearity")
    assert len(counted) == 2 * (len(found.layers) - 1)
    assert np.isfinite(found["linearity_next"].values[:-1]).all()


def test_an_unknown_name_lists_what_there_is(layers: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"dimension_levina_bickel, rankme, .* linearity"):
        lg.profile(layers, quantities="linear")
