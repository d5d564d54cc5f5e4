"""Neighbours by the cosine between the layers of two models, in a comparison that asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import layergeom as lg
from layergeom import geometry
from layergeom.geometry.mutual_neighbors import mutual_knn
from layergeom.show.comparison import write_comparison
from layergeom.show.comparison_charts import comparison_charts
from layergeom.show.comparison_tables import comparison_lines
from layergeom.tasks.compare import Comparison, compare

K = 10


@pytest.fixture(scope="module")
def models() -> dict[str, dict[str, np.ndarray]]:
    """Two models whose second layers differ in the lengths of the rows only."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    Y = X @ rng.standard_normal((4, 9))
    lengths = rng.uniform(0.2, 5, (120, 1))
    return {
        "a": {"embedding": X, "block_1": Y},
        "b": {"embedding": rng.standard_normal((120, 3)), "block_1": Y * lengths},
    }


@pytest.fixture(scope="module")
def found(models: dict[str, dict[str, np.ndarray]]) -> Comparison:
    return compare(models, k=K, permutations=20, cosine=True)


def test_the_map_is_that_of_each_two_layers(
    found: Comparison, models: dict[str, dict[str, np.ndarray]]
) -> None:
    [maps] = found.mutual_knns
    for i, key in enumerate(models["a"]):
        for j, other in enumerate(models["b"]):
            expected = mutual_knn(models["a"][key], models["b"][other], K)
            assert maps.values[i, j] == pytest.approx(expected.value, abs=1e-12)
            assert maps.errors[i, j] == pytest.approx(expected.error, rel=1e-9, nan_ok=True)
    assert maps.values[1, 1] == 1 > found.overlaps[0].values[1, 1]
    assert maps.best == ("block_1", "block_1")
    assert maps.chance == pytest.approx(K / 119)
    assert maps.level is not None
    assert maps.level.quantile < 0.2


def test_it_is_left_out_unless_asked_for(models: dict[str, dict[str, np.ndarray]]) -> None:
    plain = compare(models, k=K, permutations=0)
    assert plain.mutual_knns == ()
    assert [m.quantity for m in plain.maps] == ["overlap", "cka"]


def test_it_is_shown_and_written(found: Comparison, tmp_path: Path) -> None:
    assert any(
        line.startswith("By neighbours by cosine (mNN), a and b are most alike")
        for line in comparison_lines(found)
    )
    [chart] = [c for c in comparison_charts(found) if c.key == "mutual_knn_1_2"]
    assert chart.quantities == ("mutual_knn",)
    paths = write_comparison(tmp_path, found)
    text = next(p for p in paths if p.name == "similarities.csv").read_text()
    assert sum(line.startswith("mutual_knn,") for line in text.splitlines()) == 4
    facts = json.loads(next(p for p in paths if p.suffix == ".json").read_text())
    assert facts["mutual_knns"][0]["values"][1][1] == 1


def test_lists_are_kept_beside_the_runs(
    bert_folder: Path, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pool in ("mean", "first"):
        lg.profile(bert_folder, lines, pool=pool, k=K, folder=tmp_path / pool)
    searched: list[int] = []
    search = geometry.neighbor_graph

    def count(X: np.ndarray, k: int, **options: object) -> geometry.NeighborGraph:
        searched.append(len(X))
        return search(X, k, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(geometry, "neighbor_graph", count)
    options = {"k": K, "permutations": 0, "allow": "pooling", "cosine": True}
    runs = [tmp_path / "mean", tmp_path / "first"]
    first = compare(runs, **options)  # type: ignore[arg-type]
    layers = sum(np.isfinite(first.mutual_knns[0].values).any(axis=axis).sum() for axis in (0, 1))
    assert len(searched) == layers > 4
    again = compare(runs, **options)  # type: ignore[arg-type]
    assert len(searched) == layers
    np.testing.assert_array_equal(again.mutual_knns[0].values, first.mutual_knns[0].values)


def test_the_command_line_asks_for_it(
    main: Callable[..., tuple[int, str, str]],
    models: dict[str, dict[str, np.ndarray]],
    bert_folder: Path,
    lines: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from layergeom.show import comparison as page

    monkeypatch.setattr(page, "write_comparison", lambda *_: ())
    for pool in ("mean", "first"):
        lg.profile(bert_folder, lines, pool=pool, k=K, folder=tmp_path / pool)
    options = ("--allow", "pooling", "--k", K, "--permutations", 0, "--cosine")
    code, out, err = main("compare", tmp_path / "mean", tmp_path / "first", *options)
    assert code == 0, err
    assert "By neighbours by cosine (mNN), mean and first are most alike" in out


def test_a_layer_without_directions_is_told(models: dict[str, dict[str, np.ndarray]]) -> None:
    zero = {**models["a"], "block_1": models["a"]["block_1"].copy()}
    zero["block_1"][3] = 0
    found = compare({"a": zero, "b": models["b"]}, k=K, permutations=0, cosine=True)
    assert np.isnan(found.mutual_knns[0].values[1]).all()
    assert np.isfinite(found.mutual_knns[0].values[0]).all()
    assert any(w.startswith("a at block_1 have no neighbours by cosine") for w in found.warnings)
