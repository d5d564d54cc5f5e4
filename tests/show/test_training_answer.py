"""The answer about a training: only what exceeds the errors, and plainly that nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layergeom.profiles import Curve
from layergeom.show.training_answer import (
    training_facts,
    training_lines,
    training_sentences,
    training_warnings,
)
from layergeom.tasks.dynamics import Dynamics
from layergeom.tasks.turning_point import maximum, turning_point
from reading.courses import DEEP, FLAT, TWO_PEAKS, profile_of

STEPS = np.array([0.0, 10, 100, 1000])
NAMES = tuple(f"step{step:g}" for step in STEPS)
NOWHERE = (FLAT, FLAT, FLAT, FLAT)


def training(values, error=0.1, courses=NOWHERE, **changes):
    """A training with these means; the layers of its profiles have courses of their own."""
    names, steps = NAMES[: len(values)], STEPS[: len(values)]
    means = Curve("mean_dimension", np.array(values, float), np.full(len(values), error))
    known = np.isfinite(error)
    found = Dynamics(
        checkpoints=names,
        steps=steps,
        profiles=tuple(profile_of(course) for course in courses[: len(values)]),
        overlap_to_final=np.full((len(values), len(courses[0])), np.nan),
        mean_dimension=means,
        turning_point=turning_point(names, means) if known else "",
        peak=maximum(names, steps, means),
    )
    return replace(found, **changes)


def test_how_the_mean_moved():
    said, _ = training_sentences(training([5, 9, 6, 6]))
    assert said == (
        "Expansion, then compression: the layer-mean dimension starts at 5.00 ± 0.10 at step0, "
        "rises to 9.00 ± 0.10 at step10, then falls to 6.00 ± 0.10 at step100; from step100 on "
        "it no longer changes beyond error and 5 %."
    )


RISE = "Expansion, no compression beyond error and 5 %"
FALL = "Compression, no expansion beyond error and 5 %"
ENDS = "it still changes from step100 to step1000."
STILL = "from step10 on it no longer changes beyond error and 5 %."


@pytest.mark.parametrize(
    ("values", "moves", "end"),
    [
        ([9, 5, 5, 6], "Compression, then expansion", ENDS),
        ([5, 6, 7, 9], RISE, ENDS),
        ([9, 6, 6.1, 6], FALL, STILL),
        ([9, 6, 6.25, 6.2], FALL, STILL),  # beyond error, but below 5 %
        ([9, 6, 8, 5], "Compression, then expansion, then compression", ENDS),
    ],
)
def test_the_moves_stand_first_and_the_end_last(values, moves, end):
    said, _ = training_sentences(training(values, 0.02))
    assert said.startswith(f"{moves}: the layer-mean dimension starts at ")
    assert said.endswith(f"; {end}")


def test_nothing_that_moves_is_said():
    said, _ = training_sentences(training([9, 9.1, 9, 9.1]))
    assert said == (
        "Neither expansion nor compression: the layer-mean dimension does not move beyond its "
        "error and 5 % over training."
    )


def test_the_same_values_with_large_errors_say_nothing():
    assert training_sentences(training([5, 9, 6, 6], 3.0))[0].startswith("Neither expansion nor")


def test_unknown_errors_are_said():
    said, _ = training_sentences(training([5, 9, 6, 6], float("nan")))
    assert said == (
        "Whether the layer-mean dimension moves cannot be told: its errors are not known."
    )


def test_of_two_checkpoints_nothing_is_said_of_the_end():
    said, _ = training_sentences(training([5, 9]))
    assert said.startswith(RISE)
    assert said.endswith(" rises to 9.00 ± 0.10 at step10.")


NONE = "No layer stands out beyond error"
LEVEL = (*FLAT, *FLAT)
APART = (8, 14, 20, 15, 9, 6, 9, 12, 14, 15, 16, 17)


@pytest.mark.parametrize(
    ("courses", "answer"),
    [
        (
            (DEEP, DEEP, DEEP, DEEP),
            "The layer to use is block_6, or tied with it, at every checkpoint.",
        ),
        (
            (LEVEL, APART, DEEP, DEEP),
            "The layer to use is block_6, or tied with it, from step100 on.",
        ),
        (
            (LEVEL, LEVEL, APART, DEEP),
            "The layer to use still moves: block_5 at step100, block_6 at step1000.",
        ),
        (
            (DEEP, DEEP, LEVEL, DEEP),
            "A layer to use stands out beyond error at step1000, block_6, but none at step100.",
        ),
        (NOWHERE, f"{NONE} at any checkpoint."),
        (
            (LEVEL, DEEP, LEVEL, LEVEL),
            f"{NONE} at the last checkpoint; before it: block_6 at step10.",
        ),
    ],
)
def test_since_when_the_layer_is_the_same(courses, answer):
    assert training_sentences(training([9, 9, 9, 9], courses=courses))[1] == answer


def test_facts_name_the_largest_mean_and_the_checkpoints():
    found = training([5, 9, 6, 6])
    assert training_facts(found) == [
        ("Mean dimension", "largest at step10 (95 %: steps 0 to 100)"),
        ("Checkpoints", "4: step0, step10, step100, step1000"),
    ]
    assert [head for head, _ in training_facts(replace(found, peak=None))] == ["Checkpoints"]


def test_of_many_checkpoints_the_ends_are_named():
    many = tuple(f"step{i}" for i in range(13))
    [(_, text)] = training_facts(replace(training([9, 9]), checkpoints=many, peak=None))
    assert text == "13: step0 to step12"


def test_lines_are_the_sentences_and_the_facts():
    found = training([5, 9, 6, 6])
    lines = training_lines(found)
    assert tuple(lines[:2]) == training_sentences(found)
    assert lines[-1] == "Checkpoints: 4: step0, step10, step100, step1000"


def test_names_bring_no_control_characters():
    found = training([5, 9], checkpoints=("step0", "\x1b[31mstep\u202e9"))
    assert not set("\x1b\u202e") & set("".join(training_lines(found)))


def test_warnings_of_all_checkpoints_once_and_of_some_by_name():
    found = training([9, 9, 9, 9], courses=(TWO_PEAKS,) * 4, warnings=("The hub is out of reach.",))
    told = (("3 rows were cut.", "block_1: 2% are twins."), *[("3 rows were cut.",)] * 3)
    profiles = tuple(replace(p, warnings=w) for p, w in zip(found.profiles, told, strict=True))
    last = replace(profiles[-1], warnings=("3 rows were cut.", "block_2: a hole."))
    assert training_warnings(replace(found, profiles=profiles), last) == (
        "The hub is out of reach.",
        "3 rows were cut.",
        "step0: block_1: 2% are twins.",
        "step1000: block_2: a hole.",
    )
