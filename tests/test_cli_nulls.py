"""``--null`` of ``layergeom run``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layergeom.profiles import load


@pytest.mark.usefixtures("no_views")
def test_nulls_are_asked_for_by_commas(
    main, bert_folder: Path, lines: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, printed, told = main(
        "run", bert_folder, lines, "--k", 5, "-o", out, "--null", "permuted, shuffled", "--json"
    )
    assert code == 0, told
    assert list(json.loads(printed)["profile"]["nulls"]) == ["permuted", "shuffled"]
    assert list(load(out).nulls) == ["permuted", "shuffled"]
    assert load(out / "null-shuffled").layers == load(out).layers


@pytest.mark.usefixtures("no_views")
def test_a_null_that_cannot_be_made_is_bad_input(main, states_file: Path, tmp_path: Path) -> None:
    code, _, told = main("run", "--states", states_file, "-o", tmp_path, "--null", "untrained")
    assert code == 2
    assert "of stored states there are permuted and gaussian" in " ".join(told.split())
    code, _, told = main("run", "--states", states_file, "-o", tmp_path, "--null", "bayes")
    assert code == 2
    assert "no null 'bayes'" in told


@pytest.mark.usefixtures("no_views")
def test_the_answer_says_what_they_say(main, states_file: Path, tmp_path: Path) -> None:
    code, printed, told = main(
        "run", "--states", states_file, "--k", 10, "-o", tmp_path, "--null", "permuted,gaussian"
    )
    assert code == 0, told
    assert "exceeds what permutations reach" in printed
    assert printed.count("at the 5 % level for all layers together (Holm)") == 2
    assert "Gaussian cloud with the same spectrum" in printed
