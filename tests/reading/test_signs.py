"""Numbers below zero in the sentences of a reading: a minus sign, never a hyphen."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from courses import DEEP, profile_of

from layergeom.profiles import Curve
from layergeom.reading import read
from layergeom.reading.heights import Height, size_trend
from layergeom.reading.verdicts import told

HYPHEN = re.compile(r"(?<![\w.\-/])-\d")


def test_a_reading_of_negative_numbers_has_no_hyphen() -> None:
    profile = profile_of(DEEP, labels=tuple(-0.3 + 0.01 * i for i in range(len(DEEP))))
    own = profile.curves["label_overlap"]
    null = Curve("label_overlap", own.values - 0.5, own.errors)
    profile = replace(profile, nulls={"untrained": {"label_overlap": null}})
    reading = read(profile)
    text = repr(asdict(reading))
    assert "−0.2" in reading.recommendation.useful
    assert "reads −0.8 to" in " ".join(reading.statements)
    assert "a change of −" in text
    assert not HYPHEN.search(text)


@pytest.mark.parametrize(("value", "text"), [(-0.5, "−0.50 ± 0.10"), (0.5, "0.50 ± 0.10")])
def test_numbers_of_claims(value: float, text: str) -> None:
    assert told(value, 0.1) == text


def test_a_height_that_falls_with_size() -> None:
    heights = [Height("block_3", 0.2, value, 0.3) for value in (25.0, 20.0)]
    words = size_trend("peak", np.array([1e7, 1e8]), heights).words
    assert words == (
        "peak: −5.00 ± 0.42 for a tenfold size, −20 % from the smallest to the largest model."
    )
