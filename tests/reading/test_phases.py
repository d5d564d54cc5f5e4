"""Phases of a dimension profile and the numbers that stand behind them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from courses import (
    DEEP,
    DIGITS,
    FALLING,
    FLAT,
    HUNCHBACK,
    NAN,
    RISING,
    TWO_PEAKS,
    profile_of,
)

from layergeom.reading.phases import phases
from layergeom.reading.recommend import dimension_curve


def read(course: tuple[float, ...], **options: object) -> list[tuple[str, str, str]]:
    curve = dimension_curve(profile_of(course, **options))  # type: ignore[arg-type]
    assert curve is not None
    return [(p.kind, p.first, p.last) for p in phases(curve)]


@pytest.mark.parametrize(
    ("course", "wanted"),
    [
        (RISING, [("expansion", "embedding", "block_5")]),
        (FALLING, [("compression", "embedding", "block_5")]),
        (FLAT, [("flat", "embedding", "block_5")]),
        (
            HUNCHBACK,
            [
                ("expansion", "embedding", "block_3"),
                ("peak", "block_3", "block_3"),
                ("compression", "block_3", "block_7"),
            ],
        ),
        (
            DIGITS,
            [
                ("compression", "embedding", "block_2"),
                ("minimum", "block_2", "block_2"),
                ("rise", "block_2", "block_5"),
            ],
        ),
        (
            DEEP,
            [
                ("expansion", "embedding", "block_3"),
                ("peak", "block_2", "block_3"),
                ("compression", "block_3", "block_6"),
                ("plateau", "block_6", "block_8"),
                ("final ascent", "block_6", "block_11"),
            ],
        ),
        (
            TWO_PEAKS,
            [
                ("expansion", "embedding", "block_2"),
                ("peak", "block_2", "block_2"),
                ("compression", "block_2", "block_4"),
                ("minimum", "block_4", "block_4"),
                ("rise", "block_4", "block_6"),
                ("second peak", "block_6", "block_6"),
                ("compression", "block_6", "block_8"),
            ],
        ),
    ],
)
def test_phases_of_plain_courses(
    course: tuple[float, ...], wanted: list[tuple[str, str, str]]
) -> None:
    assert read(course) == wanted


def test_evidence_holds_the_numbers() -> None:
    curve = dimension_curve(profile_of(DEEP, 0.1))
    assert curve is not None
    evidence = {p.kind: p.evidence for p in phases(curve)}
    assert "from 8.00 ± 0.10 at embedding to 21.00 ± 0.10 at block_3" in evidence["expansion"]
    assert "a change of +13.00 ± 0.14" in evidence["expansion"]
    assert "highest at block_3, 21.00 ± 0.10" in evidence["peak"]
    assert "a change of −15.00 ± 0.14" in evidence["compression"]
    assert "3 layers cannot be told apart" in evidence["plateau"]
    needed = re.search(r"where (\d+\.\d+) is needed", evidence["expansion"])
    assert needed is not None
    assert float(needed[1]) == pytest.approx(0.05 * 21)  # 5 % exceeds the errors here


def test_flat_says_between_which_values() -> None:
    curve = dimension_curve(profile_of(FLAT))
    assert curve is not None
    assert "between 9.90 and 10.10" in phases(curve)[0].evidence


def test_undefined_layers_and_final_are_left_out_of_the_curve() -> None:
    curve = dimension_curve(profile_of((NAN, *DEEP, 30.0), final=True))
    assert curve is not None
    assert curve.keys == tuple(f"block_{i}" for i in range(1, 13))
    np.testing.assert_array_equal(curve.values, DEEP)
    assert curve.differ.errors.shape == (12, 12)


def test_two_layers_have_no_course() -> None:
    assert dimension_curve(profile_of((5, 6))) is None
    assert dimension_curve(profile_of((5, 6, 7), final=True)) is None
    assert dimension_curve(profile_of((5, 6, NAN, NAN))) is None
    assert dimension_curve(profile_of((5, 6, 7))) is not None
