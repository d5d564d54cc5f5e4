"""Bad input on the command line: one line that says what, where and what to do; exit 2 or 3."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from layergeom import api
from states.tiny import network, tokenizer

Main = Callable[..., tuple[int, str, str]]


def explained(result: tuple[int, str, str], code: int, *parts: str) -> None:
    """The exit code, nothing on stdout, and one line on stderr that holds these parts."""
    found, out, err = result
    assert (found, out) == (code, ""), err
    assert err.startswith("layergeom: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    for part in parts:
        assert part in err


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
    kept = "the same command keeps what is finished and goes on from there."
    assert err == f"layergeom: interrupted; {kept}\n"
