"""What is said of the dimension over distance: a part that is level is not the whole curve."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from courses import DEEP, profile_of

from layergeom.arrays import FloatArray
from layergeom.geometry.plateaus import PLATEAU_SCALES, PLATEAU_SPREAD, plateau
from layergeom.profiles import ScaleCurve
from layergeom.reading.scales import plateau_statement, scale_statements

FALLING: FloatArray = np.array([10 * 0.94**i for i in range(8)])  # by 6 % a doubling of rank


def curve(values: FloatArray, share: float = 1.0) -> ScaleCurve:
    ranks, flat = 2 ** np.arange(len(values)), plateau(values)
    middle = float("nan") if flat is None else float(values[sum(flat) // 2])
    errors = np.full(len(values), 0.1)
    return ScaleCurve(ranks, ranks.astype(np.float64), values, errors, flat, middle, 0.1, share)


def said(*curves: ScaleCurve) -> str:
    scales = {f"block_{i + 1}": one for i, one in enumerate(curves)}
    return plateau_statement(replace(profile_of(DEEP), scales=scales))


def test_a_curve_that_falls_steadily_is_told_with_how_far_it_falls() -> None:
    """The rule finds a plateau on a part of it; the sentence must not stop there."""
    assert plateau(FALLING) == (0, 2)
    assert said(curve(FALLING)) == (
        "At 1 of 1 layer the dimension stays within 15 % over a part of the distances, 3 doublings "
        "of rank or more (a plateau), at 0 over all of them; from the smallest to the largest "
        "distance it changes by −35.2 % to −35.2 % (median −35.2 %)."
    )


def test_level_curves_are_counted_apart() -> None:
    text = said(curve(np.full(8, 5.0)), curve(FALLING), curve(FALLING[:1].repeat(8)))
    assert text.startswith("At 3 of 3 layers")
    assert "at 2 over all of them; from" in text
    assert text.endswith("changes by −35.2 % to +0.0 % (median +0.0 %).")


def test_what_the_errors_leave_open_is_counted() -> None:
    text = said(curve(FALLING, 0.5), curve(np.geomspace(9, 2, 8), 0.2))
    assert text.startswith("At 1 of 2 layers")
    assert "(a plateau; 2 could be otherwise by their errors)" in text


def test_scales_without_a_value_are_no_ends() -> None:
    cut = np.array([np.nan, 8.0, 8.0, 4.0, np.nan])
    assert "changes by −50.0 %" in said(curve(cut))
    assert said(curve(np.full(4, np.nan))).endswith("at 0 over all of them.")


@pytest.mark.parametrize("share", [PLATEAU_SPREAD, PLATEAU_SPREAD + 0.01])
def test_the_words_are_those_of_the_rule(share: float) -> None:
    """Three scales cover ranks 1 to 8: three doublings, as each scale compares n and 2 n."""
    ends = np.array([1 + share / 2, 1.0, 1 - share / 2 + 1e-12])
    assert (plateau(ends) is not None) == (share == PLATEAU_SPREAD)
    assert PLATEAU_SCALES == 3


def test_no_statement_has_a_hyphen_for_a_minus() -> None:
    part = {"values": [4.0, 5.0], "errors": [0.1, 0.1]}
    profile = replace(
        profile_of(DEEP), scales={"block_1": curve(FALLING)}, decimation={"block_1": part}
    )
    text = " ".join(scale_statements(profile))
    assert "−20.0 %" in text
    assert not re.search(r"(?<![\w-])-\d", text)
