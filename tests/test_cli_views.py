"""The options of a forward pass on the command line: several views, protocols, groups."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from layergeom import api
from layergeom.cli import app
from layergeom.profiles import load
from layergeom.tasks.experiments import EXPERIMENTS, Experiment
from states.tiny import folder, texts

Main = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("no_views")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of a tiny GPT-2, each with its tokenizer."""
    place = tmp_path_factory.mktemp("steps")
    for step in ("step0", "step100"):
        folder(place / step, "GPT2")
    return place


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences with a label and a document each."""
    path = tmp_path_factory.mktemp("table") / "rows.tsv"
    rows = [f"{text}\t{i % 2}\td{i // 2}" for i, text in enumerate(texts(220, longest=15))]
    path.write_text("\n".join(["sentence\tlabel\tdocument", *rows]) + "\n")
    return path


def test_several_views_are_one_run_with_a_folder_each(
    main: Main, checkpoints: Path, table: Path, tmp_path: Path
) -> None:
    model = checkpoints / "step100"
    asked = ["--text-column", "sentence", "--labels", "label", "--k", "5"]
    several = ["--pool", "mean,last", "--hook-point", "residual,first_norm"]
    status, out, _ = main("run", model, table, *asked, *several, "-o", tmp_path / "all", "--json")
    assert status == 0
    found = json.loads(out)["views"]
    assert list(found) == ["mean", "mean-first_norm", "last", "last-first_norm"]
    for name, facts in found.items():
        assert (tmp_path / "all" / name / "profile.json").is_file()
        assert all(Path(path).exists() for path in facts["files"])
    alone = ["--pool", "last", "--hook-point", "first_norm"]
    assert main("run", model, table, *asked, *alone, "-o", tmp_path / "one")[0] == 0
    one, same = load(tmp_path / "one"), load(tmp_path / "all" / "last-first_norm")
    np.testing.assert_array_equal(one.dimension.values, same.dimension.values)
    np.testing.assert_array_equal(one.label_overlap.values, same.label_overlap.values)
    other = load(tmp_path / "all" / "mean-first_norm")
    assert not np.allclose(one.dimension.values, other.dimension.values)


def test_views_are_printed_under_their_names(
    main: Main, checkpoints: Path, table: Path, tmp_path: Path
) -> None:
    model, asked = checkpoints / "step100", ["--text-column", "sentence", "--k", "5"]
    status, out, _ = main("run", model, table, *asked, "--pool", "mean,first", "-o", tmp_path)
    assert status == 0
    assert out.index("mean\n\n") < out.index("first\n\n")


def test_one_view_that_does_not_exist_ends_the_run_before_it_begins(
    main: Main, checkpoints: Path, table: Path, tmp_path: Path
) -> None:
    model, asked = checkpoints / "step100", ["--text-column", "sentence", "--k", "5"]
    status, _, told = main("run", model, table, *asked, "--pool", "mean,median", "-o", tmp_path)
    assert status == 2
    assert "median" in told
    assert not list(tmp_path.iterdir())


def test_a_protocol_is_run_and_what_is_given_departs(
    main: Main, checkpoints: Path, table: Path, tmp_path: Path
) -> None:
    model, asked = checkpoints / "step100", ["--text-column", "sentence", "--labels", "label"]
    given = ["--protocol", "valeriani2023-text", "--k", "5", "-o", tmp_path]
    assert main("run", model, table, *asked, *given)[0] == 0
    made = load(tmp_path)
    record = made.provenance["protocol"]
    assert record["name"] == "valeriani2023-text"
    assert record["departures"] == {"k": {"recipe": 30, "given": 5}}
    assert made.provenance["states"]["settings"]["hook_point"] == "first_norm"
    assert "dimension_protocol" in made.curves


def test_every_view_of_a_protocol_records_its_own_departures(
    checkpoints: Path, table: Path
) -> None:
    found = api.profile_views(
        checkpoints / "step100",
        table,
        pools=["mean", "last"],
        protocol="valeriani2023-text",
        text_column="sentence",
        k=5,
    )
    departs = [set(p.provenance["protocol"]["departures"]) for p in found.values()]
    assert [view.name for view in found] == ["mean-first_norm", "last-first_norm"]
    assert departs == [{"k"}, {"k", "pool"}]


def test_checkpoints_take_a_protocol_and_groups(
    main: Main, checkpoints: Path, table: Path, tmp_path: Path
) -> None:
    asked = ["--text-column", "sentence", "--labels", "label", "--groups", "document", "--k", "5"]
    given = ["--protocol", "valeriani2023-text", "--revisions", "step0,step100", "-o", tmp_path]
    assert main("dynamics", checkpoints, table, *asked, *given)[0] == 0
    for name in ("step0", "step100"):
        made = load(tmp_path / "checkpoints" / name)
        assert set(made.provenance["protocol"]["departures"]) == {"k", "groups"}
        assert made.provenance["groups"]["groups"] == 110


@pytest.mark.parametrize("given", [["--pool", "mean"], ["--protocol", "valeriani2023-text"]])
def test_stored_states_take_nothing_that_runs_a_model(
    main: Main, states_file: Path, given: list[str], tmp_path: Path
) -> None:
    status, _, told = main("run", "--states", states_file, *given, "-o", tmp_path)
    assert status == 2
    assert given[0].removeprefix("--") in told
    assert "no data" in told


def test_a_part_of_the_layers(main: Main, checkpoints: Path, table: Path, tmp_path: Path) -> None:
    model, asked = checkpoints / "step100", ["--text-column", "sentence", "--k", "5"]
    assert main("run", model, table, *asked, "--layers", "block_1", "-o", tmp_path)[0] == 0
    assert load(tmp_path).layers == ("block_1",)


def test_tokens_as_rows(main: Main, checkpoints: Path, table: Path, tmp_path: Path) -> None:
    asked: list[Any] = ["--text-column", "sentence", "--k", "5", "--pool", "token"]
    drawn = ["--max-tokens", "120", "--token-rule", "random", "--token-seed", "3"]
    status, _, told = main("run", checkpoints / "step100", table, *asked, *drawn, "-o", tmp_path)
    assert (status, told) == (0, "")
    made = load(tmp_path)
    assert made.counts["rows"] == 120
    assert made.provenance["states"]["settings"]["token_seed"] == 3


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.command.split(" --")[0])
def test_worked_command_lines_are_understood(experiment: Experiment) -> None:
    _, name, *arguments = experiment.command.split()
    command: Any = get_command(app)
    given = command.commands[name].make_context(name, list(arguments)).params
    assert given["protocol"] == experiment.protocol
    assert [given["model"], given["data"]] == arguments[:2]
