"""The measurements of doubt: smooth maps, spectra of runs, similarities, traps, and their page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import layergeom as lg
from benchmarks import records
from calibration import doubt, doubt_maps, doubt_page, doubt_runs, doubt_similarity, doubt_traps
from layergeom.geometry.mutual_neighbors import unit_rows
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.finished_runs import FinishedRun
from states.tiny import texts

RNG = np.random.default_rng(0)


# ── smooth maps ───────────────────────────────────────────────────────────────────────────────


def test_the_torus_has_its_dimension_and_a_gentle_network_leaves_it() -> None:
    gentle = doubt_maps.Network("tanh", 256, 1)
    X = doubt_maps.torus(2000, seed=0)
    first = lg.twonn(lg.neighbor_graph(X, 2))
    *_, last = doubt_maps.images(gentle, X)
    assert last.shape == (2000, 256)
    found = lg.twonn(lg.neighbor_graph(last, 2))
    assert first.value == pytest.approx(5, abs=0.4)
    assert found.value == pytest.approx(first.value, abs=0.4)


def test_a_folding_network_raises_the_estimate_and_more_points_lower_it() -> None:
    wild = doubt_maps.Network("tanh", 64, 3)
    few, many = (
        lg.twonn(lg.neighbor_graph(list(doubt_maps.images(wild, doubt_maps.torus(n, 0)))[-1], 2))
        for n in (500, 4000)
    )
    assert few.value > many.value > 8
    assert few.lower_bound  # although the truth is 5


def test_gelu_is_that_of_torch() -> None:
    import torch

    x = np.linspace(-4, 4, 33)
    expected = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    assert doubt_maps.ACTIVATIONS["gelu"](x) == pytest.approx(expected, abs=1e-12)


def test_networks_are_measured_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubt_maps, "NETWORKS", (doubt_maps.Network("gelu", 8, 1, (200, 400)),))
    monkeypatch.setattr(doubt_maps, "FULL", 400)
    small, full = doubt_maps.measured()
    assert small["case"]["name"] == "gelu, width 8, gain 1, 200 points"
    assert {len(curve) for curve in full["layers"].values()} == {doubt_maps.LAYERS + 1}
    assert "gaussian" in full["layers"]
    assert "gaussian" not in small["layers"]


# ── finished runs ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def run() -> FinishedRun:
    """A run of Gaussian layers, which have nothing but a spectrum, of growing dimension."""
    rng = np.random.default_rng(0)
    layers = {f"block_{d}": rng.standard_normal((800, d)) @ np.eye(d, 12) for d in range(2, 11, 2)}
    states = replace(stored_states(layers), store=Store.temporary())
    return FinishedRun("gaussian", measure(states, settings=Settings(k=10)), states, states)


def test_of_gaussian_layers_the_null_leaves_nothing(run: FinishedRun) -> None:
    found = doubt_runs.of_run(run)
    assert found["case"] == {"name": "gaussian", "rows": 800}
    ratio, line = doubt_runs.left(found)
    assert ratio < 0.02
    assert line < 0.02
    assert doubt_runs.ranks(found)["Gaussian null"] == pytest.approx(1)
    assert doubt_runs.ranks(found)["effective rank"] == pytest.approx(1)


def test_runs_are_found_below_a_folder_and_named_by_it(bert_folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "bert" / "checkpoints" / "step7"
    lg.profile(bert_folder, texts(80), k=5, folder=place)
    [found] = doubt_runs.measured(tmp_path)
    assert found["case"] == {"name": "bert-step7", "rows": 80}
    assert len(found["curves"]["Gaussian null"]) == len(found["layers"]) > 2


def test_runs_without_states_are_left_out(run: FinishedRun, tmp_path: Path) -> None:
    run.profile.save(tmp_path)
    assert doubt_runs.folders(tmp_path) == []
    with pytest.raises(ValueError, match="gaussian kept no states"):
        doubt_runs.curves(replace(run, states=None))


def test_a_null_that_runs_against_the_profile_leaves_more_than_all() -> None:
    curves = {"dimension": [4.0, 8.0, 16.0], "Gaussian null": [16.0, 8.0, 4.0]}
    assert doubt_runs.left({"curves": curves}) == (4.0, 0.0)


def test_it_is_counted_how_the_dimension_goes_with_the_number_of_points() -> None:
    curves = [([9.0, 8.0], [0.1, 0.1]), ([7.0, 8.0], [0.1, 0.1]), ([8.5, 8.0], [0.3, 0.1])]
    decimation = {str(i): {"values": v, "errors": e} for i, (v, e) in enumerate(curves)}
    profile = SimpleNamespace(decimation=decimation)
    assert doubt_runs.against_n(profile) == {"rising": 1, "falling": 1}


def test_relative_distances_are_in_units_of_the_spread(run: FinishedRun) -> None:
    found = doubt_runs.curves(run)
    relative, r1 = found["relative r1"], found["log r1"]
    spread = [np.sqrt(2 * d) for d in range(2, 11, 2)]  # of normal coordinates
    assert np.exp(r1) / relative == pytest.approx(spread, rel=0.05)


# ── similarities ──────────────────────────────────────────────────────────────────────────────


def expected(kind: str, X: np.ndarray, Y: np.ndarray) -> float:
    if kind == "overlap":
        return lg.neighborhood_overlap(*(lg.neighbor_graph(Z, 10) for Z in (X, Y)), 10).value
    return lg.linear_cka(X, Y, debiased=kind == "debiased CKA").value


@pytest.mark.parametrize("kind", doubt_similarity.KERNELS)
def test_inner_products_of_flat_kernels_are_the_packages_similarities(kind: str) -> None:
    X = RNG.standard_normal((60, 6))
    Y = X[:, :4] + 0.5 * RNG.standard_normal((60, 4))
    order = np.random.default_rng(3).permutation(60)
    values, dealt = doubt_similarity.similarities([X], [X, Y], kind, 1, seed=3)
    assert values[0] == pytest.approx([1, expected(kind, X, Y)])
    assert dealt[0, 0] == pytest.approx([expected(kind, X, Z[order]) for Z in (X, Y)])


def test_the_best_of_many_is_compared_with_the_best_of_many() -> None:
    dealt = RNG.uniform(0, 0.5, (400, 3, 3))
    values = np.full((3, 3), 0.2)
    values[1, 2] = 0.49
    found = doubt_similarity.best(values, dealt)
    assert found["value"] == 0.49
    assert found["of_pair"] == pytest.approx(0.475, abs=0.02)  # 95 % of a uniform draw
    assert found["of_largest"] == pytest.approx(0.5 * 0.95 ** (1 / 9), abs=0.004)
    assert found["of_pair"] < found["value"] < found["of_largest"]


def test_cosine_neighbours_by_width_are_those_of_the_package() -> None:
    X, Y = RNG.standard_normal((2, 80, 5))
    found = dict(doubt_similarity._of_pair(X, Y))
    assert found["mutual kNN"]["value"] == pytest.approx(lg.mutual_knn(X, Y).value, abs=1e-5)
    assert found["raw CKA"]["value"] == pytest.approx(expected("raw CKA", X, Y), abs=1e-5)
    graphs = [lg.neighbor_graph(unit_rows(Z), 10) for Z in (X, Y)]
    level = lg.permutation_level(*graphs, k=10, permutations=40)
    assert found["mutual kNN"]["level"] == pytest.approx(level.mean, abs=1e-5)


def test_models_of_other_rows_are_not_compared(tmp_path: Path) -> None:
    for model, n in (("minilm", 120), ("stories", 130)):
        states = {"embedding": RNG.standard_normal((n, 4))}
        lg.profile(states, k=5, folder=tmp_path / f"{model}-on-SST-2")
    with pytest.raises(ValueError, match="minilm and stories on SST-2 kept no states of the same"):
        list(doubt_similarity.pairs(tmp_path))


# ── traps ─────────────────────────────────────────────────────────────────────────────────────


def test_the_plain_formula_is_right_on_a_clean_cloud_and_agrees_with_ours() -> None:
    X = doubt_maps.torus(500, 1)
    naive = doubt_traps.plain_twonn(doubt_traps.brute_force(X))
    assert naive == pytest.approx(lg.twonn(lg.neighbor_graph(X, 2)).value)
    assert doubt_traps.plain_twonn(doubt_traps.expanded(X)) == pytest.approx(naive, rel=1e-3)


def test_bfloat16_is_that_of_torch() -> None:
    import torch

    x = RNG.standard_normal((20, 30)).astype(np.float32)
    rounded = torch.from_numpy(x).bfloat16().float().numpy()
    assert np.array_equal(doubt_traps._bfloat16(x), rounded)


@pytest.mark.parametrize("name", ["repeats with another last bit", "cancellation"])
def test_a_trap_misleads_the_formula_and_not_the_package(name: str) -> None:
    found = doubt_traps.TRAPS[name]()
    truth = float(found.truth.split()[0])
    assert abs(found.told - truth) < 2 * found.error
    assert abs(found.naive - truth) > 10 * found.error


def test_siblings_leak_labels_that_mean_nothing() -> None:
    found = doubt_traps.leaking_groups()
    assert found.naive > 0.8
    assert abs(found.told - 0.25) < 3 * found.error


# ── the page ──────────────────────────────────────────────────────────────────────────────────


def test_a_number_that_no_record_gives_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubt_page, "TEXT", "It is <<no_such_number>>.")
    with pytest.raises(KeyError, match="no_such_number"):
        doubt_page.page(records.read([doubt_page.RECORDS]))


def test_the_newest_record_of_a_trap_is_shown() -> None:
    found = records.read([doubt_page.RECORDS])
    newer = next(r for r in found if r["job"] == "doubt-trap") | {"said": "seen anew"}
    assert "| seen anew |" in doubt_page.page([*found, newer])


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    found = doubt_page.page(records.read([doubt_page.RECORDS]))
    assert doubt_page.PAGE.read_text(encoding="utf-8") == found


def test_the_command_adds_records_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = doubt_traps.Trap("1", 2.0, 1.0, 0.1, "said")
    monkeypatch.setattr(doubt_traps, "TRAPS", {"one": lambda: trap})
    monkeypatch.setattr(doubt, "RECORDS", tmp_path / "doubt.jsonl")
    monkeypatch.setattr(doubt, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(doubt, "page", lambda found: str([r["case"]["name"] for r in found]))
    monkeypatch.setattr("sys.argv", ["doubt", "--only", "traps"])
    doubt.main()
    assert (tmp_path / "page.md").read_text() == "['one']"
    monkeypatch.setattr("sys.argv", ["doubt", "--page"])
    doubt.main()
    assert len((tmp_path / "doubt.jsonl").read_text().splitlines()) == 1


def test_every_part_has_its_measurements() -> None:
    parts = {part: doubt.measured(part, []) for part in doubt.PARTS}
    assert list(parts["runs"]) == []
    assert next(parts["similarity"])["job"] == "doubt-width"
