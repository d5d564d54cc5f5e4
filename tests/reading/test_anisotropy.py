"""The course of anisotropy: a bell, flat, or neither."""

from __future__ import annotations

import pytest
from courses import NAN, profile_of

from layergeom.reading.anisotropy import anisotropy_course


def course(values: tuple[float, ...], error: float = 0.01, final: bool = False) -> str:
    return anisotropy_course(
        profile_of((8,) * len(values), anisotropy=values, anisotropy_error=error, final=final)
    )


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.1, 0.5, 0.9, 0.6, 0.1), "a bell"),
        ((0.2, 0.21, 0.19, 0.2, 0.2), "flat"),
        ((0.1, 0.2, 0.3, 0.6, 0.9), "neither a bell nor flat"),
        ((0.9, 0.6, 0.3, 0.2, 0.1), "neither a bell nor flat"),
        ((0.9, 0.3, 0.1, 0.3, 0.9), "neither a bell nor flat"),
        ((0.1, 0.5, 0.9, 0.8, 0.8), "neither a bell nor flat"),  # the end is no foot of a bell
    ],
)
def test_verdicts(values: tuple[float, ...], verdict: str) -> None:
    assert course(values).endswith(f": {verdict}.")


def test_a_bell_must_exceed_its_errors() -> None:
    values = (0.10, 0.15, 0.20, 0.15, 0.10)
    assert course(values, error=0.01).endswith("a bell.")
    assert course(values, error=0.04).endswith("neither a bell nor flat.")
    assert course(values, error=NAN).endswith("neither a bell nor flat.")


def test_the_maximum_is_named_with_its_depth_and_error() -> None:
    text = course((0.1, 0.5, 0.9, 0.6, 0.2))
    assert "largest at block_2 (depth 0.50), 0.900 ± 0.010" in text
    assert "from 0.100 at embedding to 0.200 at block_4" in text


def test_final_is_left_out() -> None:
    text = course((0.1, 0.5, 0.9, 0.6, 0.1, 0.99), final=True)
    assert "largest at block_2" in text
    assert text.endswith("a bell.")


def test_unknown_layers_are_passed_over() -> None:
    text = course((NAN, 0.1, 0.9, 0.1, NAN))
    assert "from 0.100 at block_1 to 0.100 at block_3: a bell." in text
    assert "fewer than three" in course((NAN, 0.1, 0.9, NAN))
