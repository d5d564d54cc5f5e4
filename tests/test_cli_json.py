"""What --json prints: the schema first, and the keys that docs/reference/json.md promises."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import layergeom.cli
from layergeom import api
from layergeom.cli import app
from layergeom.cli.printing import JSON_SCHEMA, print_json
from layergeom.show import run_folder
from states.tiny import texts, tokenizer

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "json.md"
Main = Callable[..., tuple[int, str, str]]
GROUP: Any = typer.main.get_command(app)
SOURCES = sorted(Path(layergeom.cli.__file__).parent.glob("*.py"))


def promised(command: str) -> list[tuple[set[str], bool]]:
    """Return the keys that the page names for a command, and whether there may be more: by case."""
    rows = re.findall(rf"^\| `{command}` \|([^|]*)\|", PAGE.read_text("utf-8"), re.MULTILINE)
    return [(set(re.findall(r"`(\w+)`", row)) | {"schema"}, "…" in row) for row in rows]


def keeps(found: dict[str, Any], command: str) -> bool:
    """Return whether one of the promised cases is what was printed."""
    cases = promised(command)
    return any(named == set(found) or (more and named < set(found)) for named, more in cases)


@pytest.fixture
def labels(tmp_path: Path, clusters: tuple) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(map(str, clusters[1])) + "\n")
    return path


@pytest.fixture
def finished(states_file: Path, labels: Path, tmp_path: Path) -> Path:
    """The folder of a run on stored states with labels."""
    api.profile(str(states_file), labels=str(labels), k=10, folder=tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def read(main: Main, no_views: None) -> Any:
    """Run a command with --json and return what it printed, which has the promised keys."""

    def content(*arguments: object) -> dict[str, Any]:
        code, out, err = main(*arguments, "--json")
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        assert next(iter(found)) == "schema"
        assert found["schema"] == JSON_SCHEMA
        assert keeps(found, str(arguments[0])), sorted(found)
        return found

    return content


def test_every_command_has_a_row_on_the_page() -> None:
    assert [name for name in GROUP.commands if not promised(name)] == []
    for name, command in GROUP.commands.items():
        assert "as_json" in [parameter.name for parameter in command.params], name


def test_only_one_function_writes_json() -> None:
    for path in SOURCES:
        calls = [
            n.func for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)
        ]
        dumped = [c for c in calls if isinstance(c, ast.Attribute) and c.attr == "dumps"]
        assert len(dumped) == (path.name == "printing.py"), path.name


def test_the_schema_on_the_page_is_this_one() -> None:
    assert f"`schema` is {JSON_SCHEMA}" in PAGE.read_text("utf-8")


def test_what_is_no_number_is_null_and_letters_pass(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5], "name": "χ"})
    assert json.loads(capsys.readouterr().out) == {
        "schema": JSON_SCHEMA,
        "a": [None, 1.5],
        "name": "χ",
    }


def test_of_a_run(read: Any, states_file: Path, tmp_path: Path) -> None:
    read("run", "--states", states_file, "--k", 10, "-o", tmp_path / "run")
    read("report", tmp_path / "run")
    read("recommend", tmp_path / "run")
    read("check", tmp_path / "run")
    read("claims", tmp_path / "run")


def test_of_what_needs_no_run(read: Any) -> None:
    read("check")
    read("protocols")


def test_of_a_comparison(read: Any, finished: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("layergeom.show.comparison.write_comparison", lambda *_: ())
    read("compare", finished, finished, "--names", "a,b", "--permutations", 0, "-o", tmp_path)


def test_of_scores(read: Any, bert_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.tsv"
    rows = [f"{text}\t{'xy'[i % 2]}" for i, text in enumerate(texts(40, longest=15))]
    data.write_text("\n".join(["words\ttopic", *rows]) + "\n")
    asked = ("evaluate", bert_folder, data, "--text-column", "words", "--labels", "topic")
    read(*asked, "--metrics", "knn", "--layer", "block_1")


def test_of_what_acts_on_a_model(read: Any, bert_folder: Path, lines: Path, tmp_path: Path) -> None:
    read("embed", bert_folder, lines, "--layer", 1, "-o", tmp_path / "a.npz")
    read("truncate", bert_folder, "--layer", 1, "-o", tmp_path / "short")
    read("clouds", bert_folder, lines, "-o", tmp_path / "clouds")
    read("plan", bert_folder, lines)


def test_of_shards(read: Any, bert_folder: Path, lines: Path, tmp_path: Path) -> None:
    asked = ("run", bert_folder, lines, "--batch-size", 7, "-o", tmp_path / "shared")
    for shard in ("1/2", "2/2"):
        read(*asked, "--shard", shard)
    read("merge", tmp_path / "shared")


def test_of_several_views(read: Any, bert_folder: Path, lines: Path, tmp_path: Path) -> None:
    read("run", bert_folder, lines, "--k", 10, "--pool", "mean,last", "-o", tmp_path / "views")


def test_of_a_training_run(
    read: Any, training_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(training_run, tmp_path / "training"))
    for step in ("step0", "step10", "step100"):
        tokenizer().save_pretrained(run / step)
    data = tmp_path / "texts.txt"
    data.write_text("\n".join(texts(60, longest=15)) + "\n")
    monkeypatch.setattr(run_folder, "write_run", lambda *_: ())
    read("dynamics", run, data, "--k", 10, "-o", tmp_path / "out")
