"""The layer to use: found beyond error, repeatable, useful; a refusal is an answer too."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import replace

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
    correlated,
    profile_of,
)

from layergeom.profiles import Profile
from layergeom.reading import read
from layergeom.reading.recommend import (
    Recommendation,
    dimension_curve,
    layer_words,
    recommendation,
)
from layergeom.reading.turns import draws
from layergeom.states.hidden import HEAD, LayerName


def choose(profile: Profile) -> Recommendation:
    return recommendation(profile, dimension_curve(profile))


# ── found ─────────────────────────────────────────────────────────────────────────────────────


def test_the_minimum_after_the_peak_with_its_ties() -> None:
    found = choose(profile_of(DEEP))
    assert found.found
    assert found.layer == "block_6"
    assert found.ties == ("block_6", "block_7", "block_8")
    assert "21.00 ± 0.10 at the peak (block_3)" in found.reason
    assert "6.00 ± 0.10 at block_6" in found.reason
    assert "block_6 is the shallowest" in found.reason
    assert found.failed is None
    assert found.settle is None
    assert found.useful == "not tested (no labels)"
    assert found.best_by_labels is None


def test_on_a_plateau_the_shallowest_layer_is_chosen_wherever_the_lowest_lies() -> None:
    for dip in ((6, 6.1, 6.05), (6.1, 6.05, 6), (6.05, 6, 6.1)):
        course = (*DEEP[:6], *dip, *DEEP[9:])
        found = choose(profile_of(course))
        assert found.layer == "block_6"
        assert set(found.ties) == {"block_6", "block_7", "block_8"}


def test_a_single_minimum_has_no_ties_but_itself() -> None:
    found = choose(profile_of(TWO_PEAKS))
    assert (found.layer, found.ties) == ("block_4", ("block_4",))
    assert "shallowest" not in found.reason


def test_the_first_of_two_minima_is_chosen() -> None:
    assert choose(profile_of((5, 20, 10, 20, 6, 20))).layer == "block_2"


def test_a_minimum_before_any_peak_is_never_chosen() -> None:
    found = choose(profile_of((12, 4, 9, 15, 9.5, 14)))
    assert (found.found, found.layer) == (True, "block_4")  # though block_1 lies far lower
    assert not choose(profile_of(DIGITS)).found
    assert not choose(profile_of((20, 3, 10, 15))).found


def test_deep_dips_repeat_and_marginal_ones_do_not() -> None:
    deep = choose(profile_of(DEEP, 0.1))
    assert deep.repeatability > 0.99
    shares = []
    for depth in (3.0, 2.0, 1.7):
        course = (8, 12, 12 - depth, 12, 12.2)
        found = choose(profile_of(course, 0.4))
        assert found.found, depth
        shares.append(found.repeatability)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9
    assert shares[-1] < 0.8


def test_repeatability_is_the_same_every_time() -> None:
    profile = profile_of((8, 12, 10.2, 12, 12.2), 0.4)
    assert choose(profile).repeatability == choose(profile).repeatability


def test_the_covariance_decides() -> None:
    course = (8, 12, 10, 12, 13)
    apart = choose(profile_of(course, 1.0))
    alike = choose(profile_of(course, 1.0, correlation=0.95))
    assert not apart.found
    assert alike.found
    assert alike.layer == "block_2"
    assert alike.repeatability > 0.9


def test_final_is_no_place_of_the_depth() -> None:
    blocks = choose(profile_of((8, 20, 6, 12), final=False))
    assert blocks.layer == "block_2"
    with_final = choose(profile_of((8, 20, 6, 12), final=True))  # the rise is at final alone
    assert not with_final.found
    assert with_final.layer == "final"


def test_undefined_layers_are_passed_over() -> None:
    found = choose(profile_of((NAN, 8, 20, NAN, 6, 12)))
    assert (found.found, found.layer) == (True, "block_4")


# ── refused ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("course", "shape"),
    [
        (HUNCHBACK, "hunchback"),
        (RISING, "only rises"),
        (FALLING, "only falls"),
        (FLAT, "flat"),
        (DIGITS, "falls first and then rises"),
    ],
)
def test_a_refusal_names_a_layer_the_failure_and_one_command(
    course: tuple[float, ...], shape: str
) -> None:
    refused = choose(profile_of(course))
    assert not refused.found
    assert math.isnan(refused.repeatability)
    assert refused.ties == ()
    assert refused.layer == f"block_{len(course) - 1}"
    assert "what the model's makers use" in refused.reason
    assert refused.failed is not None
    assert shape in refused.failed
    assert refused.settle is not None
    assert refused.settle.startswith("layergeom run gpt2 ")
    assert re.search(r" --labels FILE$| --max-samples \d+$", refused.settle)


def test_without_any_dip_labels_would_settle_it() -> None:
    refused = choose(profile_of(RISING))
    assert refused.failed == (
        "the profile only rises: after a rise no layer lies below both an earlier and a later one"
    )
    assert refused.settle == "layergeom run gpt2 DATA --labels FILE"


def test_a_dip_within_its_error_is_told_with_what_it_lacks_and_how_many_rows_would_do() -> None:
    course, error = (8, 12, 10.5, 12, 12.2), 0.6
    profile = profile_of(course, error, rows=1000, sampled_from=100_000)
    refused = choose(profile)
    assert not refused.found
    assert refused.failed is not None
    assert "the deepest dip after a rise is at block_2 (10.50 ± 0.60" in refused.failed
    lack = re.search(r"(\d+\.\d+) short of what the errors ask for", refused.failed)
    assert lack is not None
    curve = dimension_curve(profile)
    assert curve is not None
    needed = curve.differ.factor * error * np.sqrt(2)
    assert float(lack[1]) == pytest.approx(needed - 1.5, abs=0.01)
    assert refused.settle is not None
    rows = re.search(r"^layergeom run gpt2 DATA --max-samples (\d+)$", refused.settle)
    assert rows is not None
    assert int(rows[1]) >= 1000 * (needed / 1.5) ** 2
    again = profile_of(course, error * np.sqrt(1000 / int(rows[1])), rows=int(rows[1]))
    assert choose(again).found  # the command keeps its promise
    assert f"about {int(rows[1]):,} rows would tell" in refused.failed


@pytest.mark.parametrize("sampled_from", [None, 1000])
def test_rows_that_are_not_there_are_not_asked_for(sampled_from: int | None) -> None:
    refused = choose(profile_of((8, 12, 10.5, 12, 12.2), 0.6, sampled_from=sampled_from))
    assert refused.failed is not None
    assert "rows would tell" in refused.failed
    assert refused.settle == "layergeom run gpt2 DATA --labels FILE"


def test_a_ripple_is_not_sent_for_more_rows() -> None:
    refused = choose(profile_of((8, 12, 11.7, 12, 12.2), 0.3))
    assert not refused.found
    assert refused.settle is not None
    assert refused.settle.endswith("--labels FILE")


def test_a_run_of_the_command_line_is_told_its_own_command() -> None:
    typed = ["run", "my gpt", "rows.csv", "-o", "out", "--max-samples", "1000", "--pool=last"]
    made = profile_of((8, 12, 10.5, 12, 12.2), 0.6, rows=1000, sampled_from=100_000)
    made = replace(made, provenance={**made.provenance, "command": typed})
    start = "layergeom run 'my gpt' rows.csv -o out --pool=last --max-samples "
    settle = choose(made).settle
    assert settle is not None
    assert re.fullmatch(re.escape(start) + r"\d+", settle)
    risen = profile_of(RISING)
    risen = replace(risen, provenance={**risen.provenance, "command": typed})
    assert choose(risen).settle == f"{shlex.join(['layergeom', *typed])} --labels FILE"


def test_a_sentence_encoder_is_not_said_to_end_with_a_norm() -> None:
    name = LayerName("final", 1.0, None, f"Pooling, Normalize{HEAD}", 6, False)
    profile = profile_of(RISING)
    profile = replace(profile, names=(*profile.names[:-1], name))
    assert layer_words(profile, profile.layers[-1]) == (
        "final = output of Pooling, Normalize (modules.json) = the whole model of 6 blocks"
    )
    older = replace(name, module=None, final_norm=True)  # as earlier versions named it
    profile = replace(profile, names=(*profile.names[:-1], older))
    assert layer_words(profile, profile.layers[-1]).endswith("own output behind 6 blocks")


def test_stored_states_are_told_how_to_give_labels() -> None:
    refused = choose(profile_of(RISING, states={"source": "states.npz"}))
    assert refused.settle == "layergeom run --states DIR --labels FILE"


def test_with_labels_the_refusal_points_to_them() -> None:
    refused = choose(profile_of(RISING, labels=(0.2, 0.3, 0.9, 0.6, 0.5, 0.4)))
    assert not refused.found
    assert refused.best_by_labels == "block_2"
    assert "the labels are served best by block_2" in refused.reason
    assert refused.settle is not None
    assert "labels" in refused.settle


def test_a_best_layer_by_chance_is_told_as_such() -> None:
    profile = profile_of(RISING, labels=(0.2, 0.3, 0.4, 0.502, 0.5, 0.5))
    refused = choose(profile)
    assert refused.best_by_labels == "block_3"
    assert "by the labels block_3 is best, but not beyond error" in refused.reason
    assert read(profile).sentence.endswith("; by the labels block_3 is best, but not beyond error.")


def test_too_few_layers_are_a_refusal() -> None:
    refused = choose(profile_of((8, 9)))
    assert not refused.found
    assert refused.layer == "block_1"
    assert refused.failed is not None
    assert "fewer than three layers" in refused.failed
    assert refused.settle is not None
    assert "layergeom run" in refused.settle


def test_no_layer_that_could_not_be_measured_is_named() -> None:
    refused = choose(profile_of((4, 6, 8, NAN, NAN)))
    assert refused.layer == "block_2"
    assert "block_2 is the last layer that could be measured" in refused.reason


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_noise_around_a_flat_truth_is_refused(correlation: float) -> None:
    errors = np.full(9, 1.5)
    noise = draws(np.full(9, 10.0), correlated(errors, correlation), 200, seed=3)
    found = sum(choose(profile_of(v, errors, correlation=correlation)).found for v in noise[:60])
    assert found <= 3  # 5 % of 60


# ── useful ────────────────────────────────────────────────────────────────────────────────────

OVERLAPS = (0.1, 0.2, 0.3, 0.3, 0.4, 0.6, 0.80, 0.82, 0.81, 0.7, 0.6, 0.5)


def test_labels_say_what_the_choice_gains_with_a_paired_error() -> None:
    apart = choose(profile_of(DEEP, labels=OVERLAPS, label_error=0.02))
    assert apart.best_by_labels == "block_7"
    assert "label overlap 0.800 ± 0.020" in apart.useful
    assert "+0.300 ± 0.028 against the last layer block_11" in apart.useful
    assert "−0.020 ± 0.028 against the best layer block_7" in apart.useful
    assert "chance 0.050" in apart.useful
    paired = choose(profile_of(DEEP, labels=OVERLAPS, label_error=0.02, label_correlation=0.75))
    assert "+0.300 ± 0.014 against the last layer" in paired.useful


def test_the_last_layer_is_not_compared_with_itself() -> None:
    refused = choose(profile_of(RISING, labels=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)))
    assert refused.layer == refused.best_by_labels == "block_5"
    assert "against" not in refused.useful


def test_layers_without_a_label_overlap_do_not_confuse_the_best() -> None:
    labels = (NAN, 0.2, 0.3, NAN, 0.5, 0.4)
    assert choose(profile_of(RISING, labels=labels)).best_by_labels == "block_4"


# ── words ─────────────────────────────────────────────────────────────────────────────────────


def test_a_layer_in_each_tools_words() -> None:
    profile = profile_of((*DEEP, 9.0), final=True)
    assert layer_words(profile, "block_6") == (
        "block_6 = hidden_states[6] = output of h.5 = a model truncated to 6 blocks, without the "
        "final norm"
    )
    assert layer_words(profile, "block_11") == (
        "block_11 = output of h.10 = a model truncated to 11 blocks, without the final norm"
    )
    assert layer_words(profile, "final") == (
        "final = hidden_states[11] = output of ln_f = a model truncated to 11 blocks, with the "
        "final norm"
    )
    assert choose(profile).words == layer_words(profile, "block_6")


def test_stored_layers_have_only_their_name() -> None:
    profile = profile_of(DEEP)
    bare = tuple(
        replace(name, hidden_states=None, module=None, blocks=None) for name in profile.names
    )
    assert layer_words(replace(profile, names=bare), "block_6") == "block_6"


def test_of_stored_states_nothing_is_said_of_the_models_makers() -> None:
    stored = profile_of(FLAT, states={"source": "arrays"})
    assert "is the last of the layers given" in choose(stored).reason
    assert "makers" not in choose(stored).reason
