"""The whole reading: one sentence first, then its parts."""

from __future__ import annotations

import numpy as np
from courses import DEEP, HUNCHBACK, NAN, profile_of

from layergeom.profiles import ScaleCurve
from layergeom.reading import Phase, Reading, Recommendation, read


def scale(plateau: bool) -> ScaleCurve:
    ranks = np.array([1, 2, 4])
    values = np.full(3, 6.0)
    return ScaleCurve(ranks, values, values, values / 50, (0, 2) if plateau else None, 6.0, 0.1)


def test_a_found_layer_is_said_with_its_three_answers() -> None:
    reading = read(profile_of(DEEP))
    assert reading.sentence == (
        "Use block_6: found beyond error, repeatable (100 % of draws), usefulness not tested (no "
        "labels)."
    )
    assert isinstance(reading, Reading)
    assert isinstance(reading.recommendation, Recommendation)
    assert all(isinstance(phase, Phase) for phase in reading.phases)
    assert [p.kind for p in reading.phases][1] == "peak"
    assert "anisotropy is largest" in reading.anisotropy


def test_a_marginal_layer_is_not_called_repeatable() -> None:
    reading = read(profile_of((8, 12, 10.3, 12, 12.2), 0.4))
    assert "not repeatable (" in reading.sentence


def test_labels_enter_the_sentence() -> None:
    overlaps = np.linspace(0.1, 0.6, len(DEEP))
    reading = read(profile_of(DEEP, labels=overlaps))
    assert "usefulness tested: label overlap" in reading.sentence


def test_a_refusal_still_names_a_layer() -> None:
    reading = read(profile_of(HUNCHBACK))
    assert reading.sentence == (
        "No layer stands out by geometry: use block_7 meanwhile, what the model's makers use."
    )


def test_a_refusal_does_not_credit_the_makers_with_another_layer() -> None:
    reading = read(profile_of((*HUNCHBACK, NAN)))
    assert "use block_7 meanwhile" in reading.sentence
    assert "makers" not in reading.sentence


def test_further_statements_count_what_is_missing() -> None:
    scales = {"block_1": scale(True), "block_2": scale(True), "block_3": scale(False)}
    reading = read(profile_of((NAN, *DEEP), scales=scales))
    assert reading.statements[0] == "1 layer has no dimension: embedding."
    assert reading.statements[1].startswith("At 2 of 3 layers the dimension stays within 15 %")
    assert read(profile_of((NAN, NAN, *DEEP))).statements == (
        "2 layers have no dimension: embedding, block_1.",
    )
    assert read(profile_of(DEEP)).statements == ()


def test_few_layers_have_no_phases() -> None:
    reading = read(profile_of((8, 9)))
    assert reading.phases == ()
    assert not reading.recommendation.found


def test_the_same_profile_gives_the_same_reading() -> None:
    profile = profile_of((8, 12, 10.2, 12, 12.2), 0.4)
    assert read(profile) == read(profile)
