import math

import numpy as np
import pytest

from layergeom.show.cells import number, short_layer, sparkline, visible, with_error

NAN = math.nan


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (12.345, 0.31, "12.35 ± 0.31"),
        (12.345, NAN, "12.3 ± –"),
        (NAN, 0.1, "–"),
        (0.98, 0.004, "0.9800 ± 0.0040"),
        (1234.0, 250.0, "1,234 ± 250"),
        (2.0, 1e-9, "2.00 ± 1e-09"),
        (-0.02, 0.005, "−0.0200 ± 0.0050"),
        (-3.0, NAN, "−3 ± –"),
    ],
)
def test_value_with_error(value, error, text):
    assert with_error(value, error) == text


def test_an_unknown_error_is_never_zero():
    assert "0" not in with_error(NAN, NAN)
    assert with_error(5.5, NAN).endswith("± –")


def test_escape_codes_and_bidi_marks_go():
    assert visible("a\x1b]0;title\x07b\u202ec\nd") == "a]0;titlebc d"


def test_long_text_is_cut():
    assert visible("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (np.inf, "∞"),
        (2e7, "2.0e+07"),
        (-1.5, "−1.50"),
        (-2e7, "−2.0e+07"),
        (-np.inf, "−∞"),
    ],
)
def test_extreme_numbers(value, text):
    assert number(value) == text


def test_sparkline_has_a_place_for_every_layer():
    assert len(sparkline(np.array([NAN, 1.0, 2.0, NAN]))) == 4
    assert sparkline([NAN]) == ""


@pytest.mark.parametrize(
    ("key", "short"), [("embedding", "emb"), ("block_7", "7"), ("block_x", "block_x")]
)
def test_short_layer(key, short):
    assert short_layer(key) == short
