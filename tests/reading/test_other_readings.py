"""Where what a network was trained for speaks for another layer than the rule."""

from __future__ import annotations

import pytest
from courses import DEEP, HUNCHBACK, profile_of

from layergeom.reading import read
from layergeom.show.table import reading_lines

LAST = {"causal": True, "pooling": "last over tokens without special tokens"}
MEAN = LAST | {"pooling": "mean over tokens without special tokens"}
OWN = {"causal": False, "pooling": "the model's own (modules.json: Transformer, Pooling): mean"}


@pytest.mark.parametrize("course", [DEEP, HUNCHBACK])
def test_last_tokens_of_a_decoder_are_read_at_the_peak_too(course: tuple[float, ...]) -> None:
    profile = profile_of(course, states=LAST)
    advice = read(profile).recommendation
    assert advice.other is not None
    assert advice.other.layer == profile.layers[course.index(max(course))]
    assert advice.other.layer != advice.layer
    assert "Cheng et al." in advice.other.reason
    said = [line for line in reading_lines(read(profile)) if line.startswith("Another reading")]
    assert said == [f"Another reading: {advice.other.layer}: {advice.other.reason}"]


def test_mean_pooled_and_bidirectional_states_have_one_reading() -> None:
    for facts in (MEAN, LAST | {"causal": False}, {}):
        assert read(profile_of(DEEP, states=facts)).recommendation.other is None


def test_without_a_peak_beyond_error_there_is_no_second_reading() -> None:
    rising = profile_of((5, 6, 7, 8, 9, 10.0), states=LAST)
    assert read(rising).recommendation.other is None


def test_a_sentence_encoder_is_read_at_its_output_too() -> None:
    found = profile_of(DEEP, states=OWN)
    advice = read(found).recommendation
    assert advice.other is not None
    assert advice.other.layer == found.layers[-1] != advice.layer
    refused = profile_of(HUNCHBACK, states=OWN)  # what the makers use is named already
    assert read(refused).recommendation.layer == refused.layers[-1]
    assert read(refused).recommendation.other is None
