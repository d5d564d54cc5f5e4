"""The selection benchmark: rules choose from numbers, regrets are against the best layer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import layergeom as lg
from benchmarks import records
from benchmarks.selection.page import PAGE, RECORDS, page, regrets
from benchmarks.selection.published import published
from benchmarks.selection.rules import RULES
from layergeom.profiles import Profile

CASE = {
    "job": "selection",
    "case": {"name": "a", "model": "m", "seen": False, "layers": ["embedding", "block_1"]},
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
    assert chosen["last block"] == "block_3"
    assert chosen["middle"] in ("block_1", "block_2")


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


def test_published_lists_with_gaps_are_left_out(tmp_path: Path) -> None:
    lists = {"P|1|main|t": [0.5, 0.6, 0.9, 0.7, 0.8], "P|2|main|t": [0.5, None, 0.9, 0.7, 0.8]}
    (tmp_path / "lists.json").write_text(json.dumps(lists))
    [found] = published(tmp_path / "lists.json")
    assert found["case"]["model"] == "P 1"
    assert found["regrets"] == pytest.approx({"embedding": 40, "middle": 0, "last block": 10})


def test_the_page_of_the_repository_is_that_of_its_records() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(records.read([RECORDS]))
