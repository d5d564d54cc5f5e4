"""The command line: what a run leaves, and one line that helps when the input is wrong."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from layergeom import api, cli
from layergeom.cli import app
from layergeom.profiles import load
from layergeom.show import run_folder
from layergeom.tasks import demo
from layergeom.version import VERSION
from states.tiny import network, texts, tokenizer

LEFT = ("report.html", "profile.csv", "profile.json", "figures", "methods.txt", "references.bib")
COMMANDS = ("demo", "run", "dynamics", "report", "recommend", "check")
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    """Run the command line as the console does: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["layergeom", *map(str, arguments)])
        capsys.readouterr()  # what saving a model has said
        with pytest.raises(SystemExit) as done:
            cli.main()
        captured = capsys.readouterr()
        code = done.value.code
        return (code if isinstance(code, int) else 0), captured.out, captured.err

    return call


@pytest.fixture
def no_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the profile only: figures and report have tests of their own and take seconds."""

    def write(folder: Path, profile: Any, *_: object) -> tuple[Path, ...]:
        return (profile.save(folder),)

    monkeypatch.setattr(run_folder, "write_run", write)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts(60, longest=15)) + "\n")
    return path


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


def explained(result: tuple[int, str, str], code: int, *parts: str) -> None:
    """The exit code, nothing on stdout, and one line on stderr that holds these parts."""
    found, out, err = result
    assert (found, out) == (code, ""), err
    assert err.startswith("layergeom: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    for part in parts:
        assert part in err


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
    assert "Training: the layer-mean dimension" in out
    assert all((tmp_path / "out" / name).exists() for name in LEFT)
    monkeypatch.setattr(run_folder, "write_run", lambda *_: ())
    code, out, _ = main("dynamics", *common, "--revisions", "step*", "--json")
    content = json.loads(out)["dynamics"]
    assert content["checkpoints"] == ["step0", "step10", "step100"]
    assert content["overlap_to_final"][-1] == [1.0] * 5
    assert len(content["profiles"]) == 3


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
    assert group.commands[command].help in " ".join(shown.stdout.split())


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


# ── bad input ─────────────────────────────────────────────────────────────────────────────────


def stored(folder: Path, **layers: np.ndarray) -> Path:
    path = folder / "given.npz"
    np.savez(path, **layers)
    return path


def cloud(n: int = 60) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 4))


def test_rows_with_nan(main: Main, tmp_path: Path) -> None:
    bad = cloud()
    bad[[7, 9]] = np.nan
    result = main("run", "--states", stored(tmp_path, a=bad), "--k", 5, "-o", tmp_path / "run")
    explained(result, 3, "a: ", "NaN values in 2 of 60 rows (first: row 7)", "remove those rows")


def test_no_more_rows_than_neighbours(main: Main, tmp_path: Path) -> None:
    result = main("run", "--states", stored(tmp_path, a=cloud(30)), "-o", tmp_path / "run")
    explained(result, 2, "k is 30 but there are 30 rows", "at most 29", "--k")


def test_constant_data(main: Main, tmp_path: Path) -> None:
    given = stored(tmp_path, a=np.ones((60, 3)), b=np.zeros((60, 3)))
    result = main("run", "--states", given, "--k", 5, "-o", tmp_path / "run")
    explained(result, 3, "a: all 60 rows", "b: all 60 rows", "same point")


@pytest.mark.usefixtures("no_views")
def test_a_few_distinct_points_are_undefined_but_no_crash(main: Main, tmp_path: Path) -> None:
    given = stored(tmp_path, a=cloud(7)[np.arange(60) % 7], b=cloud(7)[np.arange(60) % 7])
    code, out, err = main("run", "--states", given, "--k", 5, "-o", tmp_path / "run")
    assert (code, err) == (0, "")
    assert "distinct" in out


def test_an_empty_text_names_file_and_line(main: Main, bert_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "texts.txt"
    data.write_text("w1 w2\nw3\n   \nw4\n")
    result = main("run", bert_folder, data, "-o", tmp_path / "run")
    explained(result, 2, "texts.txt", "3", "empty", "remove the row or fill it")


def test_an_unknown_column(main: Main, bert_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("text,topic\nw1,a\nw2,b\n")
    result = main("run", bert_folder, data, "--text-column", "body", "-o", tmp_path / "run")
    explained(result, 2, "data.csv", "'body'", "topic")
    result = main("run", bert_folder, data, "--labels", "subject", "-o", tmp_path / "run")
    explained(result, 2, "data.csv", "'subject'", "topic")


def test_labels_of_another_length(
    main: Main, bert_folder: Path, lines: Path, states_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    common = ("--labels", tmp_path / "labels.txt", "--k", 5, "-o", tmp_path / "run")
    for source, rows in (((bert_folder, lines), 60), (("--states", states_file), 240)):
        result = main("run", *source, *common)
        explained(result, 2, "labels.txt", "length 3", f"{rows} rows")


def test_a_model_without_a_tokenizer(main: Main, lines: Path, tmp_path: Path) -> None:
    network("GPT2").save_pretrained(tmp_path / "model")
    result = main("run", tmp_path / "model", lines, "-o", tmp_path / "run")
    explained(result, 2, "tokenizer")


def overflowing(folder: Path, *, everywhere: bool) -> Path:
    """A GPT-2 that overflows in its last block, or at once."""
    module = network("GPT2")
    with torch.no_grad():
        if everywhere:
            module.wte.weight.fill_(3e38)
            module.wpe.weight.fill_(3e38)
        else:
            module.h[2].mlp.c_fc.weight.fill_(1e38)
    module.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("no_views")
def test_a_layer_that_overflows_is_left_out_and_the_others_stand(
    main: Main, lines: Path, tmp_path: Path
) -> None:
    model = overflowing(tmp_path / "model", everywhere=False)
    code, out, err = main("run", model, lines, "--k", 10, "-o", tmp_path / "run", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert set(content["profile"]["undefined"]) == {"block_3", "final"}
    assert "of 60 rows are not finite in float32" in content["profile"]["undefined"]["block_3"]
    dimension = content["profile"]["curves"]["dimension"]["values"]
    assert dimension[1] > 0
    assert dimension[2] > 0
    assert dimension[3:] == [None, None]
    assert content["reading"]["recommendation"]["layer"] in {"embedding", "block_1", "block_2"}
    assert any("block_3" in warning for warning in content["profile"]["warnings"])


def test_a_model_that_overflows_everywhere(main: Main, lines: Path, tmp_path: Path) -> None:
    model = overflowing(tmp_path / "model", everywhere=True)
    result = main("run", model, lines, "--k", 10, "-o", tmp_path / "run")
    explained(result, 3, "no layer can be measured", "embedding: 60 of 60 rows are not finite")


def test_model_or_data_missing(main: Main, states_file: Path, tmp_path: Path) -> None:
    explained(main("run"), 2, "MODEL is missing", "--states DIR", "layergeom demo")
    explained(main("run", "gpt2"), 2, "DATA is missing")
    explained(main("run", "gpt2", "x.txt", "--states", states_file), 2, "not both")


@pytest.mark.parametrize("text", ["many", "-5", "2.5", "", "0", "²"])
def test_nonsense_for_max_samples(
    main: Main, bert_folder: Path, lines: Path, tmp_path: Path, text: str
) -> None:
    result = main("run", bert_folder, lines, "--max-samples", text, "-o", tmp_path / "run")
    explained(result, 2, "max")


@pytest.mark.parametrize(
    "options",
    [
        ("--pool", "median"),
        ("--long", "cut"),
        ("--device", "abacus"),
        ("--dtype", "int7"),
        ("--batch-size", "0"),
        ("--max-length", "0"),
        ("--k", "0"),
        ("--seed", "-1"),
    ],
    ids=" ".join,
)
def test_nonsense_for_an_option(
    main: Main, bert_folder: Path, lines: Path, tmp_path: Path, options: tuple[str, str]
) -> None:
    result = main("run", bert_folder, lines, *options, "-o", tmp_path / "run")
    word = options[0].removeprefix("--").split("-")[-1]
    explained(result, 2, word, options[1])


@pytest.mark.parametrize("option", [("--pool", "last"), ("--max-samples", "9")], ids=" ".join)
def test_options_of_a_model_are_not_ignored_for_states(
    main: Main, states_file: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    result = main("run", "--states", states_file, *option, "-o", tmp_path / "run")
    explained(result, 2, option[0].removeprefix("--").replace("-", "_"), "there are no data")


def test_files_that_are_absent_or_nothing(main: Main, bert_folder: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "run")
    explained(main("run", bert_folder, tmp_path / "gone.txt", *out), 2, "gone.txt")
    explained(main("run", "--states", tmp_path / "gone", *out), 2, "gone", "check the name")
    explained(main("recommend", tmp_path), 2, str(tmp_path), "layergeom run")
    explained(main("report", tmp_path / "gone"), 2, "gone", "layergeom run")
    explained(main("dynamics", tmp_path, tmp_path / "gone.txt", *out), 2, "gone.txt")
    (tmp_path / "states").mkdir()
    explained(main("run", "--states", tmp_path / "states", *out), 2, "holds no states")
    (tmp_path / "profile.json").write_text("{}")
    explained(main("recommend", tmp_path), 2, "profile.json", "not a whole profile")


def test_an_output_folder_that_is_a_file(main: Main, states_file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    result = main("run", "--states", states_file, "--k", 10, "-o", tmp_path / "taken")
    explained(result, 2, "taken", "Not a directory", "choose another folder")


def test_an_interrupted_run_says_how_it_goes_on(
    main: Main, states_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "profile", interrupt)
    code, out, err = main("run", "--states", states_file)
    assert (code, out) == (130, "")
    assert err == "layergeom: interrupted; the same command continues.\n"
