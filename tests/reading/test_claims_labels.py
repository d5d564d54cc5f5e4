"""Claims on what the layer at the minimum is good for, each with its three verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from courses import DEEP, RISING, profile_of

from layergeom.profiles import Profile
from layergeom.reading.claims_labels import (
    chosen_layer_claim,
    label_overlap_claim,
    retrieval_claim,
    text_labels_claim,
)

HOLDS, NOT, OPEN = "holds", "does not hold", "cannot be told"
# DEEP has its peak at block_3 and its minimum at block_6 to block_8; chance is 0.05
GOOD = [0.06, 0.1, 0.15, 0.2, 0.4, 0.7, 0.8, 0.8, 0.8, 0.7, 0.6, 0.5]
AT_START = [0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
AT_END = [0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.6, 0.7, 0.9]
NOTHING = [0.05] * 12


def labelled(labels: list[float], error: float = 0.005, **more: Any) -> Profile:
    return profile_of(DEEP, labels=labels, label_error=error, **more)


def of(profile: Profile, **provenance: Any) -> Profile:
    return replace(profile, provenance={**profile.provenance, **provenance})


# ── A4 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("labels", "error", "verdict"),
    [
        (GOOD, 0.005, HOLDS),
        (GOOD, 0.2, OPEN),
        (AT_START, 0.005, NOT),  # far above chance at the embedding
        (AT_END, 0.005, NOT),  # best at the last layer
        (NOTHING, 0.005, OPEN),  # no gain over chance: nothing is near or far
    ],
)
def test_a4(labels: list[float], error: float, verdict: str) -> None:
    assert label_overlap_claim(labelled(labels, error)).verdict == verdict


def test_a4_is_served_by_any_layer_tied_with_the_minimum() -> None:
    labels = [*GOOD[:6], 0.7, 0.75, 0.9, *GOOD[9:]]  # of block_6 to block_8, only the last is best
    assert label_overlap_claim(labelled(labels, 0.002)).verdict == HOLDS


def test_a4_pairs_the_layers() -> None:
    labels = [*GOOD[:6], 0.78, 0.78, 0.78, 0.79, *GOOD[10:]]  # 1 % below the best
    assert label_overlap_claim(labelled(labels, 0.01)).verdict == OPEN
    assert label_overlap_claim(labelled(labels, 0.01, label_correlation=0.95)).verdict == HOLDS


def test_a4_without_a_minimum_or_labels() -> None:
    assert label_overlap_claim(profile_of(DEEP)).verdict == OPEN
    start_far = profile_of(RISING, labels=[0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    start_near = profile_of(RISING, labels=[0.05, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert label_overlap_claim(start_far).verdict == NOT
    assert label_overlap_claim(start_near).verdict == OPEN


# ── A5 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("labels", "error", "verdict"),
    [(GOOD, 0.005, HOLDS), (GOOD, 0.2, OPEN), (AT_END, 0.005, NOT), (AT_START, 0.005, NOT)],
)
def test_a5(labels: list[float], error: float, verdict: str) -> None:
    assert chosen_layer_claim(labelled(labels, error)).verdict == verdict


def test_a5_goes_by_the_evaluation_where_there_is_one() -> None:
    probe = {"block_6": (0.9, 0.01), "block_11": (0.6, 0.01), "embedding": (0.3, 0.01)}
    assert chosen_layer_claim(labelled(AT_END), probe).verdict == HOLDS
    other_way = probe | {"block_11": (0.9, 0.01), "block_6": (0.6, 0.01)}
    found = chosen_layer_claim(labelled(GOOD), other_way)
    assert found.verdict == NOT
    assert "evaluation: 0.600 ± 0.010 at block_6" in found.evidence
    assert chosen_layer_claim(labelled(GOOD), {"embedding": (0.3, 0.01)}).verdict == OPEN


def test_a5_needs_a_minimum_and_something_to_go_by() -> None:
    assert chosen_layer_claim(profile_of(DEEP)).verdict == OPEN
    assert chosen_layer_claim(profile_of(RISING, labels=[0.5] * 6)).verdict == OPEN


# ── A12 ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("chosen", "last", "error", "verdict"),
    [
        (0.66, 0.60, 0.005, HOLDS),
        (0.60, 0.66, 0.005, NOT),
        (0.605, 0.60, 0.0005, NOT),  # surely less than a percentage point
        (0.66, 0.60, 0.05, OPEN),
    ],
)
def test_a12(chosen: float, last: float, error: float, verdict: str) -> None:
    found = {"block_6": (chosen, error), "block_11": (last, error)}
    assert retrieval_claim(profile_of(DEEP), found).verdict == verdict


def test_a12_reads_the_label_overlap_of_one_neighbour_only() -> None:
    profile = labelled(GOOD)
    assert retrieval_claim(of(profile, settings={"k": 30})).verdict == OPEN
    assert "gain 0.300" in retrieval_claim(of(profile, settings={"k": 1})).evidence
    assert retrieval_claim(of(profile, settings={"k": 1})).verdict == HOLDS
    rising = profile_of(RISING, labels=[0.5] * 6)
    assert retrieval_claim(of(rising, settings={"k": 1})).verdict == OPEN


# ── A13 ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("labels", "error", "verdict"),
    [(GOOD, 0.005, HOLDS), (AT_START, 0.005, NOT), (AT_END, 0.005, NOT), (GOOD, 0.2, OPEN)],
)
def test_a13(labels: list[float], error: float, verdict: str) -> None:
    assert text_labels_claim(labelled(labels, error)).verdict == verdict


def test_a13_is_about_texts() -> None:
    profile = labelled(GOOD)
    assert text_labels_claim(of(profile, states={"data_kind": "tokens"})).verdict == OPEN
    for name, verdict in (("valeriani2023-protein", OPEN), ("valeriani2023-text", HOLDS)):
        assert text_labels_claim(of(profile, protocol={"name": name})).verdict == verdict


def test_a13_without_labels_or_minimum() -> None:
    assert text_labels_claim(profile_of(DEEP)).verdict == OPEN
    assert text_labels_claim(profile_of(RISING, labels=[0.5] * 6)).verdict == OPEN
    below_chance = profile_of(RISING, labels=[0.01] * 6, label_error=0.001)
    assert text_labels_claim(below_chance).verdict == NOT
