"""--label-type of run and evaluate: what is inferred is printed, and can be overridden."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from states.tiny import folder, texts

torch.set_num_threads(1)
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    """Sixty texts with a real number, a whole one and two terms, for two rows of three."""
    lines = sorted(set(texts(90)))[:60]
    rows = [
        f"r{i},{line},{'' if i % 3 else len(line) / 7},{len(line)},GO:000000{i % 2};GO:0000009"
        for i, line in enumerate(lines)
    ]
    path = tmp_path / "annotated.csv"
    path.write_text("\n".join(["id,text,tm,size,go", *rows]) + "\n")
    return path


@pytest.fixture
def states(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((60, 4))
    np.savez(tmp_path / "states.npz", embedding=points, block_1=points[:, :2])
    return tmp_path / "states.npz"


@pytest.mark.parametrize(
    ("column", "options", "curve"),
    [
        ("tm", (), "label_agreement"),
        ("size", (), "label_overlap"),
        ("size", ("--label-type", "number"), "label_agreement"),
        ("go", (), "label_jaccard"),
        ("go", ("--label-type", "class"), "label_overlap"),
    ],
)
def test_run(
    main: Main,
    states: Path,
    annotated: Path,
    tmp_path: Path,
    column: str,
    options: tuple[str, ...],
    curve: str,
) -> None:
    ids = [line.split(",")[0] for line in annotated.read_text().splitlines()[1:]]
    values = [line.split(",")[-3:] for line in annotated.read_text().splitlines()[1:]]
    place = ["tm", "size", "go"].index(column)
    file = tmp_path / "labels.tsv"
    numbered = range(len(ids))
    file.write_text("".join(f"{i}\t{values[i][place]}\n" for i in numbered))
    arguments = ["run", "--states", states, "--labels", file, "--k", "5", *options]
    code, said, _ = main(*arguments, "-o", tmp_path / "run")
    assert code == 0
    profile = json.loads((tmp_path / "run" / "profile.json").read_text())
    assert curve in profile["curves"]
    heads = {
        "label_agreement": "A labels",
        "label_jaccard": "J labels",
        "label_overlap": "χ labels",
    }
    assert heads[curve] in said
    assert ("are read as" in said) == (curve != "label_overlap")


def test_model_and_data(main: Main, bert_folder: Path, annotated: Path, tmp_path: Path) -> None:
    arguments = ["run", bert_folder, annotated, "--text-column", "text", "--labels", "tm"]
    code, said, _ = main(*arguments, "--k", "5", "-o", tmp_path / "run")
    assert code == 0
    assert "labels are read as numbers: 20 of 60 rows" in " ".join(said.split())
    facts = json.loads((tmp_path / "run" / "profile.json").read_text())["provenance"]["labels"]
    assert (facts["kind"], facts["labelled"]) == ("number", 20)
    code, said, _ = main("evaluate", tmp_path / "run", "--labels", f"{annotated}:go", "--json")
    assert code == 0
    told = json.loads(said)
    assert told["label_type"] == "multi"
    code, said, _ = main(
        *("evaluate", tmp_path / "run", "--labels", f"{annotated}:size"),
        *("--label-type", "number", "--metrics", "knn"),
    )
    assert code == 0
    assert "kNN R²" in said
    assert "60 rows with a number each" in said


def test_evaluate_several_labels(main: Main, bert_folder: Path, annotated: Path) -> None:
    arguments = ["evaluate", bert_folder, annotated, "--text-column", "text", "--labels", "go"]
    code, said, _ = main(*arguments, "--metrics", "knn,linear_probe", "--layer", "block_1")
    assert code == 0
    assert "ridge F1" in said
    assert "60 rows with 2.0 of 3 labels on average" in said


def test_bad_kinds(main: Main, states: Path, annotated: Path) -> None:
    code, _, told = main("run", "--states", states, "--label-type", "number")
    assert code == 2
    assert "there are none; give labels" in " ".join(told.split())
    code, _, told = main("run", "--states", states, "--labels", annotated, "--label-type", "real")
    assert code == 2
    assert "'real' is not one of" in " ".join(told.split())


def test_dynamics(main: Main, annotated: Path, tmp_path: Path) -> None:
    for step in (0, 8):
        folder(tmp_path / "run" / f"step{step}", initializer_range=0.2 + step / 10)
    code, said, _ = main(
        *("dynamics", tmp_path / "run", annotated, "--text-column", "text", "--labels", "size"),
        *("--label-type", "number", "--k", "5", "-o", tmp_path / "out"),
    )
    assert code == 0
    assert "A labels" in said
