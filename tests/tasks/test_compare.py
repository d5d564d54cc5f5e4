"""Finished runs of several models, compared on the rows that they share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layergeom as lg
from layergeom import geometry
from layergeom.errors import InputError, InputTypeError
from layergeom.geometry import linear_cka, neighborhood_overlap, permutation_level
from layergeom.profiles import Profile, load
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.tasks.compare import Comparison, compare
from states.tiny import folder as model_folder
from states.tiny import texts

N, K = 70, 10
LINES = texts(N, longest=15)
QUICK: dict[str, Any] = {"k": K, "permutations": 0}


def rows(path: Path, chosen: range | list[int], words: list[str] = LINES) -> Path:
    """Write texts with ids of their own."""
    lines = [json.dumps({"id": f"text-{i}", "text": words[i]}) for i in chosen]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    return {
        "narrow": model_folder(place / "narrow", "Bert"),
        "wide": model_folder(place / "wide", "GPT2", n_embd=24, n_layer=2, pad_token_id=0),
    }


Run = Callable[..., Path]


@pytest.fixture(scope="module")
def run(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("runs")

    def made(model: str, data: Path, name: str, **options: Any) -> Path:
        lg.profile(models[model], data, k=options.pop("k", K), folder=place / name, **options)
        return place / name

    return made


@pytest.fixture(scope="module")
def whole(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    data = rows(tmp_path_factory.mktemp("data") / "whole.jsonl", range(N))
    return run("narrow", data, "small"), run("wide", data, "large")


@pytest.fixture(scope="module")
def found(whole: tuple[Path, Path]) -> Comparison:
    return compare(whole, k=K, permutations=20)


def states_of(folder: Path) -> HiddenStates:
    states = open_states(Store(folder / "states"))
    assert states is not None
    return states


def test_sizes_are_the_parameters_where_all_runs_recorded_them(
    found: Comparison, whole: tuple[Path, Path]
) -> None:
    counted = [states_of(folder).provenance["parameters"] for folder in whole]
    assert found.size_kind == "parameters"
    assert found.sizes.tolist() == counted
    assert found.profiles[0].provenance["states"]["parameters"] == counted[0]
    profile = found.profiles[0]
    older = {k: v for k, v in profile.provenance["states"].items() if k != "parameters"}
    former = replace(profile, provenance={**profile.provenance, "states": older})
    mixed = compare([(former, states_of(whole[0])), whole[1]], **QUICK)
    assert (mixed.size_kind, mixed.sizes.tolist()) == ("width", [16, 16])


def test_profiles_are_those_of_the_folders(found: Comparison, whole: tuple[Path, Path]) -> None:
    assert found.runs == ("small", "large")
    assert (found.rows, found.k) == (N, K)
    for profile, folder in zip(found.profiles, whole, strict=True):
        assert profile.to_json() == load(folder).to_json()


def test_overlaps_are_those_of_the_states(found: Comparison, whole: tuple[Path, Path]) -> None:
    a, b = map(states_of, whole)
    [overlaps] = found.overlaps
    assert overlaps.runs == ("small", "large")
    assert overlaps.values.shape == (len(a.layers), len(b.layers))
    assert overlaps.chance == pytest.approx(K / (N - 1))
    for i, j in ((0, 0), (2, 1), (3, 3)):
        graphs = [
            geometry.neighbor_graph(s[s.layers[at]], K, inputs=s.inputs)
            for s, at in ((a, i), (b, j))
        ]
        expected = neighborhood_overlap(*graphs, K)
        assert overlaps.values[i, j] == pytest.approx(expected.value, abs=1e-12)
        assert overlaps.errors[i, j] == pytest.approx(expected.error, rel=1e-9)


def test_ckas_are_those_of_the_states(found: Comparison, whole: tuple[Path, Path]) -> None:
    a, b = map(states_of, whole)
    [ckas] = found.ckas
    for i, j in ((0, 0), (2, 1), (3, 3)):
        expected = linear_cka(a[a.layers[i]], b[b.layers[j]])
        assert ckas.values[i, j] == pytest.approx(expected.value, abs=1e-12)
        assert ckas.errors[i, j] == pytest.approx(expected.error, rel=1e-9)
    assert (ckas.chance, ckas.rows) == (0, N)


def test_level_is_of_the_most_alike_layers(found: Comparison, whole: tuple[Path, Path]) -> None:
    a, b = map(states_of, whole)
    [ckas] = found.ckas
    i, j = a.layers.index(ckas.best[0]), b.layers.index(ckas.best[1])
    assert ckas.values[i, j] == np.nanmax(ckas.values)
    expected = permutation_level(a[ckas.best[0]], b[ckas.best[1]], permutations=20)
    assert ckas.level == expected
    [overlaps] = found.overlaps
    assert overlaps.level is not None
    assert abs(overlaps.level.mean - overlaps.chance) < 5 * overlaps.level.error


def test_a_run_is_equal_to_itself(whole: tuple[Path, Path]) -> None:
    same = compare({"one": whole[0], "two": whole[0]}, **QUICK)
    np.testing.assert_array_equal(np.diag(same.overlaps[0].values), 1)
    np.testing.assert_allclose(np.diag(same.ckas[0].values), 1, atol=1e-12)
    assert same.overlaps[0].level is None


def test_cka_on_a_sample_says_so(whole: tuple[Path, Path], found: Comparison) -> None:
    sampled = compare(whole, **QUICK, cka_rows=50)
    assert sampled.ckas[0].rows == 50
    assert any("CKA was estimated on 50 of 70 rows (seed 0)" in text for text in sampled.warnings)
    ours, all_rows = sampled.ckas[0], found.ckas[0]
    off = np.abs(ours.values - all_rows.values)
    assert (off > 0).all()
    assert np.nanmax(off / ours.errors) < 6


def test_more_neighbours_than_kept_come_from_the_states(whole: tuple[Path, Path]) -> None:
    before = {p: p.stat().st_mtime_ns for p in whole[0].rglob("*") if p.is_file()}
    far = compare(whole, k=66, permutations=0)  # 64 are kept
    a, b = map(states_of, whole)
    graphs = [geometry.neighbor_graph(s["block_1"], 66, inputs=s.inputs) for s in (a, b)]
    value = neighborhood_overlap(*graphs, 66).value
    assert far.overlaps[0].values[1, 1] == pytest.approx(value, abs=1e-12)
    assert before == {p: p.stat().st_mtime_ns for p in whole[0].rglob("*") if p.is_file()}


def test_other_rows_are_joined_by_their_ids(
    run: Run, whole: tuple[Path, Path], tmp_path: Path
) -> None:
    chosen = list(range(60, 8, -1))
    part = run("wide", rows(tmp_path / "part.jsonl", chosen), "part")
    joined = compare([whole[0], part], **QUICK)
    assert joined.rows == 52
    assert [p.counts["rows"] for p in joined.profiles] == [52, 52]
    assert any("52 rows have their ids in all runs" in text for text in joined.warnings)
    ours, theirs = states_of(whole[0]), states_of(part)
    a, b = ours["block_2"][9:61], theirs["block_1"][::-1]
    graphs = [
        geometry.neighbor_graph(a, K, inputs=(ours.inputs or ())[9:61]),
        geometry.neighbor_graph(b, K, inputs=(theirs.inputs or ())[::-1]),
    ]
    value = neighborhood_overlap(*graphs, K).value
    assert joined.overlaps[0].values[2, 1] == pytest.approx(value, abs=1e-12)
    assert joined.ckas[0].values[2, 1] == pytest.approx(linear_cka(a, b).value, abs=1e-9)


def test_labels_go_with_the_rows_that_are_measured_again(run: Run, tmp_path: Path) -> None:
    kind = [f"kind {i % 3}" for i in range(N)]
    table = [json.dumps({"id": f"t{i}", "text": LINES[i], "kind": kind[i]}) for i in range(N)]
    chosen = list(range(60, 8, -1))
    for name, kept in (("all", range(N)), ("some", chosen)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(table[i] for i in kept))
    both = [
        run(model, tmp_path / f"{name}.jsonl", f"labelled-{name}", labels="kind")
        for model, name in (("narrow", "all"), ("wide", "some"))
    ]
    ours = compare(both, **QUICK).profiles[0]
    states = states_of(both[0])
    graph = geometry.neighbor_graph(states["block_1"][9:61], K, inputs=(states.inputs or ())[9:61])
    value = geometry.label_overlap(graph, kind[9:61], K).value
    assert ours["label_overlap"].values[1] == pytest.approx(value, abs=1e-12)


def test_it_is_told_which_labels_are_not_known(run: Run, tmp_path: Path) -> None:
    table = [{"text": LINES[i], "kind": f"kind {i % 3}", "sort": f"sort {i % 2}"} for i in range(N)]
    for name, kept in (("all", range(N)), ("some", range(9, 61))):
        lines = [json.dumps({"id": f"t{i}", **table[i]}) for i in kept]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    for column in ("kind", "sort"):
        whole = run("narrow", tmp_path / "all.jsonl", "two-labels", labels=column)
    part = run("wide", tmp_path / "some.jsonl", "one-label", labels="kind")
    joined = compare({"whole": whole, "part": part}, **QUICK)
    assert ["label_overlap" in p.curves for p in joined.profiles] == [False, True]
    assert any(text.startswith("whole kept several labels") for text in joined.warnings)


def test_other_data_is_refused_by_name(run: Run, whole: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text("\n".join(texts(N, seed=1, longest=15)) + "\n")
    other = run("wide", path, "other")
    with pytest.raises(InputError, match=r"differ in data \(small: .*; other: .*--allow data"):
        compare([whole[0], other], **QUICK)
    allowed = compare([whole[0], other], **QUICK, allow="data")
    assert any("differ in data" in text for text in allowed.warnings)


def test_other_data_under_the_same_row_numbers_is_refused(run: Run, tmp_path: Path) -> None:
    folders = []
    for name, n, seed in (("first", 50, 2), ("second", 60, 3)):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(texts(n, seed=seed, longest=15)) + "\n")
        folders.append(run("wide", path, name))
    with pytest.raises(InputError, match=r"first: 50; second: 60.*no ids in common"):
        compare(folders, **QUICK)


def test_samples_of_one_file_are_joined_by_row_numbers(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES) + "\n")
    some = run("narrow", path, "some", max_samples=55, seed=1)
    every = run("wide", path, "every", max_samples="all")
    assert compare([some, every], **QUICK).rows == 55


def arrays(seed: int, n: int = N, width: int = 6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(9).standard_normal((n, 4))
    return {key: base @ rng.standard_normal((4, width)) for key in ("embedding", "block_1")}


def test_lists_are_enough_for_overlaps_but_not_for_ckas(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        lg.profile(arrays(seed), k=K, folder=tmp_path / name)
    found = compare([tmp_path / "a", tmp_path / "b"], **QUICK)
    expected = compare({"a": arrays(0), "b": arrays(1)}, **QUICK)
    np.testing.assert_array_equal(found.overlaps[0].values, expected.overlaps[0].values)
    assert found.ckas == ()
    assert len(expected.ckas) == 1
    assert "CKA with a, b was not measured: the states were not kept." in found.warnings
    assert any("nothing says so" in text for text in found.warnings)
    assert found.size_kind == "unknown"
    with pytest.raises(InputError, match="a kept 64 neighbours of embedding and no states"):
        compare([tmp_path / "a", tmp_path / "b"], k=66)


def test_unequal_rows_without_states_are_refused(tmp_path: Path) -> None:
    for name, n in (("a", N), ("b", N - 5)):
        lg.profile(arrays(0, n), k=K, folder=tmp_path / name)
    with pytest.raises(InputError, match=r"a: 70; b: 65.*a, b did not keep"):
        compare([tmp_path / "a", tmp_path / "b"], **QUICK)


def test_rows_without_an_id_in_common_are_refused() -> None:
    runs = {name: stored_states(arrays(0), ids=[f"{name}{i}" for i in range(N)]) for name in "ab"}
    with pytest.raises(InputError, match=r"differ in data .*ids such as 'a0'"):
        compare(runs, **QUICK)


def measured(seed: int = 0, **changes: Any) -> tuple[Profile, HiddenStates]:
    """A profile with its states, whose provenance says something else."""
    states = stored_states(arrays(seed))
    profile = lg.profile(states, k=K)
    facts = {**profile.provenance}
    for name, value in changes.items():
        facts[name] = {**facts[name], **value}
    return replace(profile, provenance=facts), states


@pytest.mark.parametrize(
    ("what", "facts", "other"),
    [
        ("pooling", {"states": {"pooling": "mean"}}, {"states": {"pooling": "last"}}),
        (
            "hook_point",
            {"states": {"settings": {"hook_point": "residual"}}},
            {"states": {"settings": {"hook_point": "first_norm"}}},
        ),
        ("estimators", {}, {"estimators": {"dimension": "another"}}),
        ("k", {}, {"settings": {"k": 7}}),
        ("ranks", {}, {"settings": {"ranks": 20}}),
    ],
)
def test_runs_that_differ_are_refused_by_name(
    what: str, facts: dict[str, Any], other: dict[str, Any]
) -> None:
    runs = {"a": measured(**facts), "b": measured(1, **other)}
    with pytest.raises(InputError, match=rf"differ in {what} \(a: .*; b: .*--allow {what}"):
        compare(runs, **QUICK)
    allowed = compare(runs, **QUICK, allow=[what])
    assert any(text.startswith(f"the runs differ in {what}") for text in allowed.warnings)


def test_the_same_pooling_by_default_or_by_wish_is_the_same() -> None:
    words = "mean over tokens without special tokens"
    runs = {
        "a": measured(states={"pooling": f"{words} (pool=auto: the model names none)"}),
        "b": measured(1, states={"pooling": words}),
        "c": measured(2),
    }
    found = compare(runs, **QUICK)
    assert "the pooling of c is not recorded; nothing says it is the same." in found.warnings
    assert [m.runs for m in found.overlaps] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert len(found.ckas) == 3


def test_sizes_are_given_recorded_or_widths() -> None:
    runs = {"a": arrays(0), "b": arrays(1, width=9)}
    assert compare(runs, **QUICK).sizes.tolist() == [6, 9]
    assert compare(runs, **QUICK, sizes=[35e6, 650e6]).size_kind == "given"
    assert compare(runs, **QUICK, sizes={"b": 2, "a": 1}).sizes.tolist() == [1, 2]
    recorded = {name: measured(i, states={"parameters": 10**i}) for i, name in enumerate("ab")}
    assert compare(recorded, **QUICK).size_kind == "parameters"
    with pytest.raises(InputError, match="no entry for 'b'"):
        compare(runs, **QUICK, sizes={"a": 1})
    with pytest.raises(InputError, match="2 positive numbers"):
        compare(runs, **QUICK, sizes=[1, -1])


def test_layers_that_cannot_be_measured_are_unknown() -> None:
    broken = arrays(1) | {"block_2": np.ones((N, 3))}
    found = compare({"a": arrays(0), "b": broken}, **QUICK)
    for cross in (found.overlaps[0], found.ckas[0]):
        assert np.isnan(cross.values[:, 2]).all()
        assert np.isfinite(cross.values[:, :2]).all()
    assert any(text.startswith("b: block_2") for text in found.warnings)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputTypeError, match="give a list of runs"):
        compare("run")
    with pytest.raises(InputError, match="at least two runs but there is 1"):
        compare([arrays(0)], **QUICK)
    with pytest.raises(InputTypeError, match="run 2 is a profile alone"):
        compare([arrays(0), measured()[0]], **QUICK)
    with pytest.raises(InputError, match="not those that the profile was made of"):
        compare([arrays(0), (measured()[0], arrays(1))], **QUICK)
    with pytest.raises(InputError, match="there is no profile at"):
        compare([tmp_path, tmp_path], **QUICK)
    with pytest.raises(InputError, match="allow holds 'model'"):
        compare([arrays(0), arrays(1)], **QUICK, allow="model")


def test_progress_counts_pairs_of_models() -> None:
    seen: list[tuple[int, int, str]] = []
    runs = [arrays(0), arrays(1), arrays(2)]
    compare(runs, **QUICK, progress=lambda *call: seen.append(call))
    assert seen == [(i, 3, "pairs of models compared") for i in (1, 2, 3)]
