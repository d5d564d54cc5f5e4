"""The commands about the papers: protocols as text and JSON, claims of finished runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layergeom.errors import InputError
from layergeom.measure import measure
from layergeom.profiles import load
from layergeom.reading.verdicts import Claim
from layergeom.show.claims_table import claims_table
from layergeom.show.protocol_lines import protocol_lines, protocol_list
from layergeom.states.stored import stored_states
from layergeom.tasks.claim_runs import checkpoint_profiles, claims_of_runs, evaluation_of
from layergeom.tasks.experiments import EXPERIMENTS
from layergeom.tasks.protocols import PROTOCOLS, protocol

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "protocols.md"
NAMES = [*(f"A{i}" for i in range(1, 14)), *(f"B{i}" for i in range(1, 6))]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, clusters: tuple) -> Path:
    layers, classes = clusters
    folder = tmp_path_factory.mktemp("run")
    measure(stored_states(layers), classes).save(folder)
    return folder


# ── protocols ─────────────────────────────────────────────────────────────────────────────────


def test_the_list_has_every_protocol_and_its_source(main: Callable) -> None:
    code, out, _ = main("protocols")
    assert code == 0
    assert out.splitlines() == protocol_list(list(PROTOCOLS.values()))
    assert [line.split()[0] for line in out.splitlines()] == list(PROTOCOLS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_one_protocol_is_told_in_full_and_stands_on_the_page(name: str, main: Callable) -> None:
    code, out, _ = main("protocols", name)
    assert code == 0
    assert out.splitlines() == protocol_lines(protocol(name))
    commands = [e.command for e in EXPERIMENTS if e.protocol == name]
    assert set(commands) <= set(out.splitlines())
    block = f"## `{name}`\n\n```text\n{out}```\n"
    assert block in PAGE.read_text(encoding="utf-8")


def test_numbers_of_the_papers_are_in_the_text(main: Callable) -> None:
    _, out, _ = main("protocols", "valeriani2023-protein")
    assert "k = 10" in out
    assert "TwoNN, linear fit of the lowest 90 %, mean of 4 disjoint subsets" in out
    assert "superfamily, without neighbours of the same family" in out
    _, out, _ = main("protocols", "razzhigaev2024")
    assert "128 random chunks of 512 characters" in out
    assert "the first 4,096" in out
    assert "lowest 20 %, all points" in out
    assert "k = 30, also of the same chunk" in out
    _, out, _ = main("protocols", "cheng2025")
    assert "5 disjoint partitions of 10,000 sequences of 20 words" in out
    assert "Gride, n2 = 2 n1, at one n1 for all layers" in out
    assert "standard error" not in out  # what the figures show was not verified
    _, out, _ = main("protocols", "viswanathan2025")
    assert "2,244 prompts, the first 1,024 tokens of each as a cloud of its own" in out
    assert "50 of the prompts, 4^S blocks" in out
    assert "Gride, n1 = 2, n2 = 4" in out


def test_json_has_recipe_and_experiments(main: Callable) -> None:
    _, out, _ = main("protocols", "--json")
    found = json.loads(out)["protocols"]
    assert [one["name"] for one in found] == list(PROTOCOLS)
    assert found[0]["fraction"] == 0.9
    assert sum(len(one["experiments"]) for one in found) == len(EXPERIMENTS)
    _, out, _ = main("protocols", "razzhigaev2024", "--json")
    assert json.loads(out)["protocols"][0]["max_tokens"] == 4096


def test_an_unknown_protocol_exits_with_2(main: Callable) -> None:
    code, _, error = main("protocols", "valeriani")
    assert code == 2
    assert "there are valeriani2023-protein," in error


# ── claims ────────────────────────────────────────────────────────────────────────────────────


def test_claims_of_a_run_as_a_table_and_as_json(
    run: Path, main: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    code, out, _ = main("claims", run)
    assert code == 0
    first_words = [line.split()[0] for line in out.splitlines() if line[:1] in "AB"]
    assert first_words == NAMES
    assert "cannot be told" in out
    code, out, _ = main("claims", run, "--json")
    found = json.loads(out)["claims"]
    assert [one["name"] for one in found] == NAMES
    assert set(found[0]) == {"name", "statement", "verdict", "evidence", "needs"}


def test_a_row_has_numbers_and_needs() -> None:
    rows = claims_table([Claim("A1", "s", "cannot be told", "5 ± 4", "more")]).columns
    assert [str(cell) for column in rows for cell in column.cells][-1] == "5 ± 4; needs more"


def test_every_option_reaches_its_claim(run: Path, tmp_path: Path, main: Callable) -> None:
    profile = load(run)
    for step, level in ((0, 1.0), (9, 2.0), (10, 3.0)):
        shifted = {
            "anisotropy": replace(profile.anisotropy, values=profile.anisotropy.values * level)
        }
        told = replace(profile, curves={**profile.curves, **shifted})
        told.save(tmp_path / "dynamics" / "checkpoints" / f"step{step}")
    profile.save(tmp_path / "dynamics" / "checkpoints" / "main")
    steps = checkpoint_profiles(tmp_path / "dynamics")
    assert steps is not None
    assert [step for step, _ in steps] == [0, 9, 10]
    (tmp_path / "probe.csv").write_text("layer,value,error\nblock_1,0.5,\nblock_2,0.9,0.01\n")
    arguments = ("--training", tmp_path / "dynamics", "--comparison", run, "--variant", run)
    evaluated = ("--evaluation", tmp_path / "probe.csv", "--json")
    code, out, _ = main("claims", run, run, *arguments, *evaluated)
    assert code == 0
    found = {one["name"]: one for one in json.loads(out)["claims"]}
    assert found["A2"]["evidence"].startswith("peaks")
    assert "at step 0," in found["B2"]["evidence"]
    assert found["B2"]["verdict"] == "holds"


def test_a_dynamics_run_is_its_own_training(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for step in (0, 9):
        load(run).save(tmp_path / "run" / "checkpoints" / f"step{step}")
    found = {claim.name: claim for claim in claims_of_runs([tmp_path / "run"])}
    assert "difference 0.000 ±" in found["B2"].evidence
    alone = {claim.name: claim for claim in claims_of_runs([run])}
    assert not alone["B2"].evidence


def test_a_table_of_values_per_layer(tmp_path: Path) -> None:
    path = tmp_path / "probe.csv"
    path.write_text("layer,value,error\nembedding,0.5,0.1\nblock_1, 0.75 ,\n")
    found = evaluation_of(path)
    assert found["embedding"] == (0.5, 0.1)
    assert found["block_1"][0] == 0.75
    assert np.isnan(found["block_1"][1])


def test_the_scores_of_evaluate_are_a_table_of_values_per_layer(
    run: Path, tmp_path: Path, main: Callable
) -> None:
    rng = np.random.default_rng(0)
    classes = np.arange(90) % 3
    apart = zip(load(run).layers, range(9), strict=False)
    layers = {k: rng.standard_normal((90, 4)) + i * np.eye(4)[classes] for k, i in apart}
    np.savez(tmp_path / "states.npz", **layers)
    (tmp_path / "labels.txt").write_text("\n".join(map(str, classes)))
    given = ("--labels", tmp_path / "labels.txt", "--layer", "block_1", "--json")
    code, out, _ = main("evaluate", tmp_path / "states.npz", *given)
    assert code == 0
    path = tmp_path / "scores.json"
    path.write_text(out)
    scores = {row["layer"]: row for row in json.loads(out)["layers"]}
    for name in ("knn", "retrieval", "knn_macro"):
        found = evaluation_of(f"{path}:{name}")
        assert list(found) == list(layers)
        for layer, row in scores.items():
            unknown = row[f"{name}_error"] is None
            expected = (row[name], float("nan") if unknown else row[f"{name}_error"])
            np.testing.assert_equal(found[layer], expected)
    pd.DataFrame(scores.values()).to_csv(tmp_path / "scores.csv", index=False)
    np.testing.assert_equal(
        evaluation_of(f"{tmp_path / 'scores.csv'}:knn"), evaluation_of(f"{path}:knn")
    )
    needed = []
    for extra in ((), ("--evaluation", f"{path}:retrieval")):
        code, out, _ = main("claims", run, *extra, "--json")
        assert code == 0
        [claim] = [one for one in json.loads(out)["claims"] if one["name"] == "A12"]
        needed.append("right nearest neighbours" in claim["needs"])
    assert needed == [True, False]
    code, _, error = main("claims", run, "--evaluation", path)
    assert code == 2
    assert "several scores (knn, knn_macro, linear_probe" in error
    assert "scores.json:retrieval" in error


def test_one_score_needs_no_name(tmp_path: Path) -> None:
    layers = [{"layer": "block_1", "knn": 0.5, "knn_error": None, "knn_macro": 0.4}]
    (tmp_path / "scores.json").write_text(json.dumps({"layers": layers}))
    found = evaluation_of(tmp_path / "scores.json")
    assert found["block_1"][0] == 0.5
    assert np.isnan(found["block_1"][1])


@pytest.mark.parametrize("text", ["[]", "{", '{"layers": []}', '{"layers": ["block_1"]}'])
def test_json_without_scores_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(InputError, match="holds no scores by layer"):
        evaluation_of(tmp_path / "scores.json")
    with pytest.raises(InputError, match=r"no\.json cannot be read"):
        evaluation_of(f"{tmp_path / 'no.json'}:knn")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,value\nembedding,0.5\n", "no column 'error'"),
        ("layer,value,error\nembedding,good,0.1\n", "line 2: 'good' is no number"),
        ("layer,value,error\nlayer_9,0.5,0.1\n", "names layer_9"),
    ],
)
def test_a_table_that_cannot_be_used(
    text: str, message: str, run: Path, tmp_path: Path, main: Callable
) -> None:
    (tmp_path / "probe.csv").write_text(text)
    code, _, error = main("claims", run, "--evaluation", tmp_path / "probe.csv")
    assert code == 2
    assert message in error


def test_folders_that_hold_nothing_are_refused(run: Path, tmp_path: Path, main: Callable) -> None:
    code, _, error = main("claims", tmp_path)
    assert (code, "there is no profile at" in error) == (2, True)
    code, _, error = main("claims", run, "--training", run)
    assert (code, "holds no checkpoints" in error) == (2, True)
