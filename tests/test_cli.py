"""The command line: what a run leaves and prints."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from layergeom import api
from layergeom.cli import app
from layergeom.profiles import load
from layergeom.show import run_folder
from layergeom.tasks import demo
from layergeom.version import VERSION
from states.tiny import texts, tokenizer

LEFT = ("report.html", "profile.csv", "profile.json", "figures", "methods.txt", "references.bib")
COMMANDS = (
    *("demo", "run", "dynamics", "report", "recommend", "check", "compare", "protocols", "claims"),
    *("embed", "truncate", "evaluate", "clouds", "partitions", "fetch", "plan", "merge"),
)
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def finished(states_file: Path, clusters: tuple, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A whole run on stored states with labels, as the shell sees it."""
    place = tmp_path_factory.mktemp("finished")
    (place / "labels.txt").write_text("\n".join(map(str, clusters[1])) + "\n")
    arguments = ["run", "--states", states_file, "--labels", place / "labels.txt"]
    arguments += ["--k", "10", "-o", place / "run"]
    command = [sys.executable, "-m", "layergeom", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, place / "run"


# ── a run ─────────────────────────────────────────────────────────────────────────────────────


def test_a_run_leaves_everything_and_prints_where(finished: Any) -> None:
    done, folder = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for name in LEFT:
        assert (folder / name).exists()
        assert str(folder / name) in done.stdout
    for kind in ("pdf", "svg", "png"):
        assert list((folder / "figures").glob(f"*.{kind}"))
    assert "block_2" in done.stdout
    assert "±" in done.stdout
    assert "Written:" in done.stdout


def test_the_table_has_a_row_per_layer_and_every_value_with_its_error(finished: Any) -> None:
    with (finished[1] / "profile.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    profile = load(finished[1])
    assert [row["layer"] for row in rows] == list(profile.layers)
    for name, curve in profile.curves.items():
        assert float(rows[1][name]) == pytest.approx(curve.values[1], rel=0, abs=0, nan_ok=True)
        assert f"{name}_error" in rows[1]


def test_recommend_from_the_run(finished: Any, main: Main) -> None:
    code, out, err = main("recommend", finished[1])
    assert (code, err) == (0, "")
    reading = api.load(finished[1]).reading
    assert out.startswith(reading.sentence)
    code, out, _ = main("recommend", finished[1] / "profile.json", "--json")
    assert code == 0
    assert json.loads(out)["recommendation"]["layer"] == reading.recommendation.layer


def test_report_is_made_again_from_the_profile_alone(
    finished: Any, main: Main, tmp_path: Path
) -> None:
    load(finished[1]).save(tmp_path / "only")
    code, _, err = main("report", tmp_path / "only", "-o", tmp_path / "again")
    assert (code, err) == (0, "")
    for name in LEFT:
        assert (tmp_path / "again" / name).exists()
    assert load(tmp_path / "again").to_json() == load(finished[1]).to_json()
    assert [path.name for path in (tmp_path / "only").iterdir()] == ["profile.json"]


@pytest.mark.usefixtures("no_views")
def test_report_writes_beside_the_profile_by_default(
    finished: Any, main: Main, tmp_path: Path
) -> None:
    file = load(finished[1]).save(tmp_path)
    for given in (tmp_path, file):
        code, out, _ = main("report", given)
        assert code == 0
        assert str(file) in out


@pytest.mark.usefixtures("no_views")
def test_json_holds_profile_reading_and_files(
    main: Main, states_file: Path, tmp_path: Path
) -> None:
    code, out, err = main("run", "--states", states_file, "--k", 10, "-o", tmp_path, "--json")
    assert (code, err) == (0, "")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    content = json.loads(out, parse_constant=refuse)
    assert content["profile"]["layers"] == ["embedding", "block_1", "block_2", "final"]
    assert content["reading"]["recommendation"]["layer"] in content["profile"]["layers"]
    assert content["files"] == [str(tmp_path / "profile.json")]


@pytest.mark.usefixtures("no_views")
def test_a_model_on_texts_with_labels(main: Main, bert_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.tsv"
    rows = [f"{text}\t{'xyz'[i % 3]}" for i, text in enumerate(texts(60, longest=15))]
    data.write_text("\n".join(["words\ttopic", *rows]) + "\n")
    arguments = ["run", bert_folder, data, "--text-column", "words", "--labels", "topic"]
    arguments += ["--k", 10, "-o", tmp_path / "run", "--pool", "last", "--max-samples", "48"]
    code, out, err = main(*arguments, "--json")
    assert code == 0, err
    profile = json.loads(out)["profile"]
    assert profile["counts"]["rows"] == 48
    assert profile["provenance"]["states"]["pooling"].startswith("last")
    assert "label_overlap" in profile["curves"]


def test_the_same_command_computes_nothing_twice(
    main: Main,
    bert_folder: Path,
    lines: Path,
    tmp_path: Path,
    no_views: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("run", bert_folder, lines, "--k", 10, "-o", tmp_path / "run", "--json")
    first = main(*arguments)
    never = lambda *_, **__: pytest.fail("measured again")  # noqa: E731
    monkeypatch.setattr("layergeom.measure.measured_layer", never)
    second = main(*arguments)
    assert second == first
    assert first[0] == 0


def test_dynamics_over_checkpoints(
    main: Main, training_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer().save_pretrained(tmp_path / "words")
    run = tmp_path / "training"
    for step in ("step0", "step10", "step100"):
        (run / step).mkdir(parents=True)
        for file in (training_run / step).iterdir():
            (run / step / file.name).symlink_to(file)
        tokenizer().save_pretrained(run / step)
    data = tmp_path / "texts.txt"
    data.write_text("\n".join(texts(60, longest=15)) + "\n")
    common = (run, data, "--k", 10, "-o", tmp_path / "out")
    code, out, err = main("dynamics", *common, "--revisions", "step0,step100")
    assert (code, err) == (0, "")
    assert out.startswith(("Expansion", "Compression", "Neither expansion nor compression: "))
    assert all((tmp_path / "out" / name).exists() for name in LEFT)
    monkeypatch.setattr(run_folder, "write_run", lambda *_: ())
    code, out, _ = main("dynamics", *common, "--revisions", "step*", "--json")
    content = json.loads(out)["dynamics"]
    assert content["checkpoints"] == ["step0", "step10", "step100"]
    assert content["overlap_to_final"][-1] == [1.0] * 5
    assert len(content["profiles"]) == 3
    course = content["course"]
    assert sorted(course) == ["layer_from", "layers", "moves", "still_from"]
    assert len(course["layers"]) == 3
    assert {course["still_from"], course["layer_from"]} <= {*content["checkpoints"], None}


@pytest.mark.usefixtures("no_views")
def test_demo_is_the_demonstration_and_a_report(
    main: Main, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def demonstrate(folder: Path, progress: object) -> tuple[Any, None]:
        asked.append(folder)
        return load(finished[1]), None

    monkeypatch.setattr(demo, "demonstrate", demonstrate)
    code, out, _ = main("demo", "-o", tmp_path / "demo")
    assert code == 0
    assert asked == [tmp_path / "demo"]
    assert "profile.json" in out


def test_check_says_what_is_there(main: Main) -> None:
    code, out, err = main("check")
    assert (code, err) == (0, "")
    assert out.startswith("layergeom  ")
    for name in ("torch", "threads", "neighbour kernel", "device"):
        assert f"\n{name} " in out
    assert json.loads(main("check", "--json")[1])["layergeom"] == VERSION


# ── help ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", COMMANDS)
def test_help_mentions_every_option_with_its_meaning(command: str) -> None:
    group: Any = typer.main.get_command(app)
    assert set(group.commands) == set(COMMANDS)
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for parameter in group.commands[command].params:
        assert parameter.help, parameter.name
        names = parameter.opts if parameter.param_type_name == "option" else [parameter.name]
        for name in names:
            assert name.lower() in shown.stdout.lower()
    assert " ".join(group.commands[command].help.split()) in " ".join(shown.stdout.split())


def test_version_and_bare_call(main: Main) -> None:
    assert main("--version") == (0, f"{VERSION}\n", "")
    shown = CliRunner().invoke(app, [])
    for command in COMMANDS:
        assert command in shown.output


def test_help_is_quick() -> None:
    resource = pytest.importorskip("resource")

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "layergeom", "--help"]
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert statistics.median(seconds() for _ in range(3)) < 0.5
