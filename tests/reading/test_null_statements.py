"""What is said of nulls: counted layers, their names, and nothing where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layergeom.profiles import Curve, Profile
from layergeom.reading.nulls import null_statements
from layergeom.states.hidden import LayerName

ALL = "at the 5 % level for all layers together (Holm)"
LAYERS = ("embedding", "block_1", "block_2", "block_3")


def curve(name: str, values: list[float], error: float = 0.1, chance: float | None = None) -> Curve:
    level = None if chance is None else np.full(4, chance)
    return Curve(name, np.array(values), np.full(4, error), level)


@pytest.fixture
def profile() -> Profile:
    return Profile(
        layers=LAYERS,
        names=tuple(LayerName(key, i / 3, i, None, i, False) for i, key in enumerate(LAYERS)),
        curves={
            "dimension": curve("dimension", [8, 10, 5, np.nan]),
            "overlap_next": curve("overlap_next", [0.5, 0.05, 0.6, np.nan], 0.01, 0.04),
            "label_overlap": curve("label_overlap", [0.30, 0.50, 0.70, 0.60], 0.01, 0.30),
        },
        maps={}, scales={}, decimation={}, covariance={}, undefined={}, counts={}, warnings=(),
        provenance={},
    )  # fmt: skip


def said(profile: Profile, **nulls: dict[str, Curve]) -> list[str]:
    draws = {"nulls": {"permuted": {"draws": 100}}}
    return list(null_statements(replace(profile, nulls=nulls, provenance=draws)))


def test_nothing_is_said_without_nulls(profile: Profile) -> None:
    assert said(profile) == []


def test_layers_above_the_permutations_are_counted_and_named(profile: Profile) -> None:
    mean = curve("overlap_next", [0.04, 0.04, 0.05, np.nan], 0.001)  # deviations of 0.01
    upper = curve("overlap_next_upper", [0.06, 0.06, 0.07, np.nan])
    [text] = said(profile, permuted={"overlap_next": mean, "overlap_next_upper": upper})
    assert text == (
        "The overlap with the next layer exceeds what permutations reach (upper 95 % of one layer: "
        f"0.070 at most) at 2 of 3 layers (embedding, block_2), {ALL}."
    )


def test_a_layer_just_above_its_own_permutations_does_not_count_among_many(
    profile: Profile,
) -> None:
    """Two deviations: one test at 5 % would count it, three together do not."""
    mean = curve("overlap_next", [0.48, 0.05, 0.6, np.nan], 0.001)
    upper = curve("overlap_next_upper", [0.497, 0.06, 0.62, np.nan])
    [text] = said(profile, permuted={"overlap_next": mean, "overlap_next_upper": upper})
    assert "at 0 of 3 layers" in text


def test_dimensions_below_the_gaussian_are_counted(profile: Profile) -> None:
    null = curve("dimension", [8.2, 12, 9, 9])  # 1.4, 14 and 28 errors away
    [text] = said(profile, gaussian={"dimension": null})
    assert text.startswith("The dimension lies below that of a Gaussian cloud")
    assert f"(8.2 to 12) at 2 of 3 layers (block_1 to block_2), {ALL}; elsewhere" in text


def test_a_dimension_above_the_gaussian_is_not_below(profile: Profile) -> None:
    [text] = said(profile, gaussian={"dimension": curve("dimension", [5, 5, 3, 3])})
    assert "at 0 of 3 layers" in text


def test_other_models_are_told_with_dimension_and_labels(profile: Profile) -> None:
    null = {
        "dimension": curve("dimension", [8, 4, 5, 5]),
        "label_overlap": curve("label_overlap", [0.3, 0.31, 0.32, 0.6], 0.01),
    }
    [text] = said(profile, untrained=null)
    assert text == (
        "With untrained weights the dimension reads 4 to 8 and differs at 1 of 3 layers (block_1); "
        f"the label overlap reads 0.3 to 0.6 and differs at 2 of 4 layers (block_1 to block_2), "
        f"{ALL}."
    )
    assert said(profile, shuffled={})[:1] == []


def test_two_errors_at_one_of_many_layers_are_no_difference(profile: Profile) -> None:
    """2.1 errors: p = 0.036, which counts alone and not among three layers (0.05/3)."""
    away = 2.1 * float(np.hypot(0.1, 0.1))
    text = said(profile, untrained={"dimension": curve("dimension", [8 - away, 10, 5, 5])})[0]
    assert "differs at 0 of 3 layers" in text
    alone = said(profile, untrained={"dimension": curve("dimension", [8 - away] + [np.nan] * 3)})
    assert "differs at 1 of 1 layer (embedding)" in alone[0]


def test_equal_values_without_errors_do_not_differ(profile: Profile) -> None:
    """The embedding of shuffled tokens is that of the tokens, to the last digit."""
    exact = replace(profile, curves={"dimension": curve("dimension", [8, 10, 5, np.nan], 0.0)})
    [text] = said(exact, shuffled={"dimension": curve("dimension", [8, 4, 5, np.nan], 0.0)})
    assert "differs at 1 of 3 layers (block_1)" in text


def test_length_tells_what_remains_at_the_layer_with_most(profile: Profile) -> None:
    names = {"label_overlap": 0.45, "label_overlap_length": 0.55, "label_overlap_tokens": 0.65}
    null = {name: curve(name, [0.0, 0.0, value, 0.0]) for name, value in names.items()}
    [text] = said(profile, length=null)
    assert text == (
        "Neighbours by length alone have a label overlap of 0.550, by bag of tokens 0.650; at "
        "block_2, the layer with the most, it is 0.700, 0.250 of its 0.400 above chance remains at "
        "matched length."
    )


def test_unknown_numbers_are_not_talked_about(profile: Profile) -> None:
    unknown = curve("dimension", [np.nan] * 4)
    assert said(profile, gaussian={"dimension": unknown}, shuffled={"dimension": unknown}) == []
