"""The selection benchmark: rules choose from numbers, regrets are against the best layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import layergeom as lg
from benchmarks import records
from benchmarks.selection.__main__ import prompt_entropy, scored
from benchmarks.selection.cases import Case, of_largest_classes
from benchmarks.selection.page import PAGE, RECORDS, page, regrets
from benchmarks.selection.published import published
from benchmarks.selection.rules import RULES, by_prompt_entropy
from layergeom.profiles import Profile
from layergeom.states.inputs import read_samples
from states.tiny import texts

CASE = {
    "job": "selection",
    "case": {
        "name": "a",
        "model": "m",
        "pool": "auto",
        "seen": False,
        "layers": ["embedding", "block_1"],
    },
    "prompt_entropy": {},
    "scores": {"label_overlap": [0.25, 0.5], "retrieval": [None, 0.75]},
    "choices": {"first": "embedding", "second": "block_1"},
    "found": False,
}


@pytest.fixture(scope="module")
def profile() -> Profile:
    """Four layers of dimension 2, 8, 4 and 6, all in 10 coordinates."""
    rng = np.random.default_rng(0)
    keys = ("embedding", "block_1", "block_2", "block_3")
    layers = {
        key: rng.uniform(size=(600, d)) @ np.eye(d, 10)
        for key, d in zip(keys, (2, 8, 4, 6), strict=True)
    }
    return lg.profile(layers, k=5)


def test_every_rule_chooses_what_it_says(profile: Profile) -> None:
    chosen = {name: rule(profile) for name, rule in RULES.items()}
    assert chosen["smallest ID"] == chosen["lowest effective rank"] == "embedding"
    assert chosen["largest ID"] == chosen["LOES, label-free"] == "block_1"
    assert chosen["largest entropy"] == "block_1"
    assert chosen["smallest ID behind the largest"] == "block_2"
    assert chosen["last block"] == "block_3"
    assert chosen["middle"] in ("block_1", "block_2")


def test_nothing_lies_behind_a_largest_dimension_at_the_end(profile: Profile) -> None:
    values = profile.dimension.values
    rising = replace(profile.dimension, values=np.sort(values))
    turned = replace(profile, curves={**profile.curves, "dimension": rising})
    assert RULES["smallest ID behind the largest"](turned) == "block_3"


def test_prompt_entropy_chooses_both_ways_along_the_depth() -> None:
    chosen = by_prompt_entropy({"embedding": 2.0, "block_1": 3.0, "block_2": 2.5, "final": 9.0})
    assert chosen == {
        "largest prompt entropy": "block_1",
        "smallest prompt entropy": "embedding",
    }
    assert by_prompt_entropy({}) == {}


def test_prompt_entropy_is_that_of_the_clouds_of_texts(bert_folder: Path, tmp_path: Path) -> None:
    case = Case("m", bert_folder, "d", read_samples(texts(6)))
    found = prompt_entropy(case, tmp_path)
    clouds = lg.token_clouds(bert_folder, texts(6))
    means = np.mean([cloud.prompt_entropy for cloud in clouds.clouds], axis=0)
    assert found == pytest.approx(dict(zip(clouds.layers, means, strict=True)))
    assert prompt_entropy(replace(case, pool="last"), tmp_path) == {}
    assert prompt_entropy(replace(case, samples=read_samples([[1, 2], [3, 4]])), tmp_path) == {}


def test_rows_of_the_largest_classes_are_kept_in_their_order() -> None:
    samples = read_samples(list("abcdefg"), labels=["x", "y", "z", "y", "x", "w", "x"])
    kept = of_largest_classes(samples, most=2)
    assert kept.items == ("a", "b", "d", "e", "g")
    assert of_largest_classes(samples, most=4) is samples


def test_scores_are_kept_for_the_same_states_only(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.selection.__main__.METRICS", ("retrieval",))
    samples = read_samples(texts(60), labels=[row % 2 for row in range(60)])
    lg.profile(bert_folder, samples, folder=tmp_path, k=5)
    found = scored(samples, tmp_path, "key")
    assert len(found["retrieval"]) == len(lg.load(tmp_path).layers)
    kept = tmp_path / "scores.json"
    kept.write_text(json.dumps({"key": "key", "scores": {"retrieval": [2.0]}}))
    assert scored(samples, tmp_path, "key") == {"retrieval": [2.0]}
    assert scored(samples, tmp_path, "another") == found


def test_the_largest_participation_ratio_is_the_largest_isotropy(profile: Profile) -> None:
    p = profile["participation_ratio"].values
    isotropy = np.sqrt(p / (10 - p))
    variances = np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 0, 0])  # four equal directions of ten
    assert variances.mean() / variances.std() == pytest.approx(np.sqrt(4 / (10 - 4)))
    assert int(isotropy.argmax()) == int(p.argmax()) == 1


def test_regret_is_against_the_best_layer_in_points() -> None:
    assert regrets(CASE, "label_overlap") == {"first": 25.0, "second": 0.0}


def test_the_page_says_how_many_models_and_refusals() -> None:
    told = page([CASE, CASE | {"case": CASE["case"] | {"name": "b", "model": "n"}}])
    assert "refused in 2 of 2 cases" in told
    assert "label overlap, n = 2" in told
    assert "| second | 0.0 (worst 0.0) |" in told


def test_records_of_an_older_form_are_left_out() -> None:
    older = {key: value for key, value in CASE.items() if key != "prompt_entropy"}
    older |= {"case": CASE["case"] | {"name": "older"}}
    assert "| older |" not in page([CASE, older])


def test_a_rule_that_covers_fewer_models_says_so_and_the_best_layer_loses_nothing() -> None:
    other = CASE | {"case": CASE["case"] | {"name": "b", "model": "n"}}
    other |= {"choices": {**CASE["choices"], "third": "embedding"}}
    told = page([CASE, other])
    assert "| third | 25.0 (worst 25.0; n = 1) |" in told
    assert "| best layer, by the labels | 0.0 (worst 0.0) |" in told
    assert "| a | 0.500 (block_1) | refused | 25.0 | 0.0 | – |" in told


def test_last_token_states_stand_apart_beside_the_same_case_by_the_mean() -> None:
    readings = {
        "makers' layer": "block_1",
        "last block": "block_1",
        "smallest ID": "embedding",
        "smallest ID behind the largest": "embedding",
        "largest ID": "block_1",
    }
    scores = {"label_overlap": [0.25, 0.5], "retrieval": [0.5, 0.75], "linear_probe": [0.5, 0.25]}
    mean = CASE | {"choices": readings, "scores": scores}
    last = mean | {"case": CASE["case"] | {"name": "a by the last token", "pool": "last"}}
    told = page([mean, last])
    assert "largest at the last block in 1 of 1 cases" in told
    assert "the peak loses less in 2 of 3 rows" in told
    for name in ("a", "a by the last token"):
        row = "0.500 (block_1) | 0.0 (block_1) | 25.0 (embedding) | 25.0 (embedding)"
        assert f"| {name} | label overlap | {row} | 0.0 (block_1) |" in told
    assert "label overlap, n = 1" in told
    assert "by the last token" not in told.split("## Last token")[0]


def test_published_lists_with_gaps_are_left_out(tmp_path: Path) -> None:
    lists = {"P|1|main|t": [0.5, 0.6, 0.9, 0.7, 0.8], "P|2|main|t": [0.5, None, 0.9, 0.7, 0.8]}
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    [found] = published(tmp_path / "lists.json")
    assert found["case"]["model"] == "P 1"
    assert found["regrets"] == pytest.approx({"embedding": 40, "middle": 0, "last block": 10})


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(records.read([RECORDS]))
