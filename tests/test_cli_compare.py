"""layergeom compare: parse, one call, print."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import layergeom as lg
from layergeom.profiles import load
from layergeom.show import comparison as show
from layergeom.tasks.compare import compare

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    base = rng.standard_normal((90, 4))
    for name, width in (("a", 6), ("b", 9)):
        layers = {key: base @ rng.standard_normal((4, width)) for key in ("embedding", "block_1")}
        lg.profile(layers, k=8, folder=place / name)
    return [place / "a", place / "b"]


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Leave the files out: they have tests of their own and take seconds."""
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(show, "write_comparison", lambda *args: calls.append(args) or (args[0],))
    return calls


def test_tables_are_printed_and_files_named(
    main: Main, runs: list[Path], no_page: list[tuple[object, ...]], tmp_path: Path
) -> None:
    curve = {"source": "a paper", "quantity": "dimension", "depth": [0, 1], "values": [4, 5]}
    (tmp_path / "curve.json").write_text(json.dumps(curve))
    code, out, _ = main(
        "compare", *runs, "-o", tmp_path / "out", "--k", 8, "--permutations", 20,
        "--names", "one,two", "--sizes", "35e6,650e6", "--published", tmp_path / "curve.json",
    )  # fmt: skip
    assert code == 0
    assert "Models (size: given)" in out
    assert "35,000,000" in out
    assert "By their shared neighbours (χ), one and two are most alike " in out
    assert "Warning: CKA with one, two was not measured" in out
    assert f"Written:\n  {tmp_path / 'out'}" in out
    [(_, _, curves, command)] = no_page
    assert [c.source for c in curves] == ["a paper"]  # type: ignore[attr-defined]
    assert str(command).startswith("layergeom compare")


def test_json(main: Main, runs: list[Path], no_page: object, tmp_path: Path) -> None:
    code, out, _ = main("compare", *runs, "-o", tmp_path, "--k", 8, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["comparison"]["runs"] == ["a", "b"]
    assert found["files"] == [str(tmp_path)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--names", "one"], "--names is 'one'; give one for each of the 2 runs"),
        (["--names", "one,one"], "--names is 'one,one'"),
        (["--sizes", "1,big"], "--sizes is '1,big'; give numbers"),
        (["--allow", "model"], "allow holds 'model'"),
        (["--k", "70"], "kept 64 neighbours"),
        (["--permutations", "3"], "permutations must be at least 20"),
        (["--published", "none.json"], "there is no file none.json"),
    ],
)
def test_bad_input_is_one_line_and_code_two(
    main: Main, runs: list[Path], no_page: object, options: list[str], message: str
) -> None:
    code, out, err = main("compare", *runs, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_one_run_is_not_enough(main: Main, runs: list[Path], no_page: object) -> None:
    code, _, err = main("compare", runs[0])
    assert code == 2
    assert "at least two runs but there is 1" in err


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory, runs: list[Path]) -> list[Path]:
    """The runs with a warning that both have, one that differs, and one of the second alone."""
    place = tmp_path_factory.mktemp("sampled")
    for at, folder in enumerate(runs):
        shutil.copytree(folder, place / folder.name)
        told = ("90 of 200 rows were sampled.", f"block_1: {at + 2}.0% are twins.")
        found = load(folder)
        replace(found, warnings=(*told, *(["3 rows were cut."] * at))).save(place / folder.name)
    return [place / "a", place / "b"]


def test_what_both_runs_say_is_said_once(
    main: Main, sampled: list[Path], no_page: object, tmp_path: Path
) -> None:
    code, out, _ = main("compare", *sampled, "-o", tmp_path, "--k", 8, "--permutations", 0)
    assert code == 0
    told = [line for line in out.splitlines() if line.startswith("Warning: ")]
    assert "Warning: both runs: 90 of 200 rows were sampled." in told
    assert "Warning: a: block_1: 2.0% are twins. (Likewise b: block_1.)" in told
    assert "Warning: b: 3 rows were cut." in told
    assert len([line for line in told if "sampled" in line]) == 1


def test_two_runs_of_one_size_are_not_headed_by_a_claim_on_sizes(
    main: Main, runs: list[Path], no_page: object, tmp_path: Path
) -> None:
    code, out, _ = main("compare", *runs, "-o", tmp_path, "--k", 8, "--sizes", "7,7")
    assert code == 0
    assert "A2" not in out
    assert "whether size moves it" not in out


def test_help_says_how_many_permutations_there_must_be(main: Main) -> None:
    _, out, _ = main("compare", "--help")
    assert "at least 20; 0 leaves it out" in " ".join(out.split())
    assert compare.__doc__ is not None
    assert "permutations : int, from 20 on, or 0" in compare.__doc__
