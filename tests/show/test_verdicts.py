"""The answer in a few words, the figures in a sentence, the warnings by their kind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from layergeom.show.findings import curves_finding, map_finding, overlap_finding
from layergeom.show.verdicts import gain_over_last, verdicts
from layergeom.show.warning_groups import warning_groups


@pytest.fixture(scope="module")
def labelled(profile):
    """The profile with errors of 0.012 at every layer that are correlated by 0.5."""
    n = len(profile.layers)
    covariance = 0.012**2 * (0.5 + 0.5 * np.eye(n))
    return replace(profile, covariance={"label_overlap": covariance})


def answers(profile, reading):
    return {one.question: (one.answer, one.remark) for one in verdicts(profile, reading)}


def test_the_gain_has_the_error_of_a_difference(labelled, reading):
    values = labelled.curves["label_overlap"].values
    gain, error = gain_over_last(labelled, "block_7")
    assert gain == pytest.approx(values[7] - values[-1])
    assert error == pytest.approx(0.012)  # of two independent layers it would be 0.017
    told = answers(labelled, reading)
    assert told["Over the last layer"][0] == f"+{gain:.3f} ± 0.012"
    assert told["Found"][0] == "yes"
    assert told["Repeatable"][0] == "97 %"
    assert told["Useful"][0] == f"{values[7]:.3f} ± 0.012"


def test_without_labels_nothing_is_claimed(profile, reading):
    curves = {name: c for name, c in profile.curves.items() if name != "label_overlap"}
    told = answers(replace(profile, curves=curves), reading)
    assert told["Useful"] == ("not tested", "no labels were given")
    assert told["Over the last layer"] == ("not tested", "no labels were given")


def test_the_last_layer_gains_nothing_and_the_best_by_labels_is_named(labelled, reading):
    last = replace(reading.recommendation, layer=labelled.layers[-1], repeatability=math.nan)
    told = answers(labelled, replace(reading, recommendation=replace(last, found=False)))
    assert told["Over the last layer"][0] == "–"
    assert "by the labels block_7 gains +" in told["Over the last layer"][1]
    assert told["Repeatable"] == ("–", "no minimum to repeat")
    assert told["Found"][0] == "no"


def test_an_error_that_is_not_known_is_not_zero(profile):
    assert math.isnan(gain_over_last(profile, "block_7")[1])


def test_a_finding_names_both_ends_and_both_extremes(profile):
    values = profile.curves["label_overlap"].values
    best = int(np.argmax(values))
    words = curves_finding(profile, ["label_overlap"])
    assert words.startswith(f"Label overlap goes from {values[0]:.3f} ± 0.012 at embedding to ")
    assert f"; largest {values[best]:.3f} ± 0.012 at block_{best}" in words
    assert "smallest" not in words  # it is the first layer


def test_findings_of_nothing_and_of_no_change(profile):
    n = len(profile.layers)
    flat, none = np.full(n, 2000.0), np.full(n, np.nan)
    curve = profile.curves["norm"]
    for values, words in ((flat, "and the same at every layer"), (none, "not known at any layer")):
        changed = replace(curve, values=values, errors=np.full(n, np.nan))
        assert words in curves_finding(replace(profile, curves={"norm": changed}), ["norm"])
    assert map_finding(np.full((2, 3), np.nan), ("a", "b"), ("x", "y", "z")) == "No value is known."


def test_the_overlap_map_names_the_greatest_change(profile):
    found = profile.maps["overlap"]
    values = found.values.copy()
    values[4, 5] = values[5, 4] = 0.2
    words = overlap_finding(replace(profile, maps={"overlap": replace(found, values=values)}))
    assert "share 0.20 to 0.90" in words
    assert "between block_4 and block_5" in words


def test_warnings_of_other_words_or_of_many_layers():
    told = [f"run: block_{i}: {i}.5% are twins." for i in range(12)]
    groups = warning_groups(["note: 3 rows were cut.", *told, "block_1: 2 rows are empty."])
    assert [len(group.others) for group in groups] == [0, 11, 0]
    assert groups[1].rest == "Likewise 11 more"
    assert groups[1].others[0] == "run: block_1: 1.5% are twins."
    assert groups[1].where[0] == "run: block_1"
