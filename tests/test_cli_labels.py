"""--label-type of run and evaluate: what is inferred is printed, and can be overridden."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from layergeom import evaluate, profiles
from layergeom.api import dynamics, profile
from layergeom.errors import InputError
from layergeom.profile_result import ProfileResult
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


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    """Sixty texts with codes of SCOPe: three superfamilies of two families."""
    lines = sorted(set(texts(90)))[:60]
    rows = [f"r{i},{line},a.1.{i % 3}.{i % 6 // 3}" for i, line in enumerate(lines)]
    (tmp_path / "domains.csv").write_text("\n".join(["id,text,sccs", *rows]) + "\n")
    return tmp_path / "domains.csv"


def made(bert_folder: Path, data: Path, out: Path, **given: Any) -> Path:
    """Make a run without its figures."""
    profile(bert_folder, data, text_column="text", k=5, folder=out, **given)
    return out


def test_evaluate_by_the_names_that_the_run_was_made_with(
    main: Main, bert_folder: Path, domains: Path, tmp_path: Path
) -> None:
    out = made(bert_folder, domains, tmp_path / "run")
    asked = ("evaluate", out, "--metrics", "knn", "--json")
    code, _, told = main(*asked)
    assert code == 2
    assert "labels are missing, and the states know none of their own" in told
    made(bert_folder, domains, out, labels=":superfamily", exclude=":family")
    by_file = json.loads(main(*asked, "--labels", f"{domains}:superfamily")[1])
    for name in ("superfamily", ":superfamily"):
        code, said, told = main(*asked, "--labels", name)
        assert (code, told) == (0, "")
        assert json.loads(said)["layers"] == by_file["layers"]
    assert main(*asked, "--labels", ":fold")[0] == 3  # one fold only
    apart = json.loads(main(*asked, "--labels", "superfamily", "--exclude", "family")[1])
    assert apart["counts"]["groups"] == 6


def test_evaluate_by_the_only_labels_of_the_run(
    main: Main, bert_folder: Path, domains: Path, tmp_path: Path
) -> None:
    out = made(bert_folder, domains, tmp_path / "run", labels="superfamily", exclude="family")
    asked = ("evaluate", out, "--metrics", "knn", "--json")
    code, said, told = main(*asked)
    assert code == 0
    assert "layergeom: --labels superfamily was taken, the run's own: the level" in told
    found = json.loads(said)
    assert found["layers"] == json.loads(main(*asked, "--labels", "superfamily")[1])["layers"]
    assert found["provenance"]["sources"]["labels"]["name"] == "superfamily"
    told_of = " ".join(found["warnings"])
    assert "No labels were given: those of the run, 'superfamily', were taken." in told_of
    assert "unless exclude='family' (--exclude family) is given" in told_of
    made(bert_folder, domains, out, labels="family")
    code, _, told = main(*asked)
    assert code == 2
    assert "the run was made with several (" in told
    assert "name those that are meant: --labels " in told


def test_names_that_a_run_does_not_know(
    main: Main, bert_folder: Path, domains: Path, tmp_path: Path
) -> None:
    out = made(bert_folder, domains, tmp_path / "run", labels="sccs")
    for labels, told in {
        "kind": "the run has no column 'kind' for labels, and there is no such file; it has 'sccs'",
        ":kind": "the run has no column 'kind' for labels; it has 'sccs'",
        "none.csv:kind": "There is no file none.csv for labels",
    }.items():
        code, _, said = main("evaluate", out, "--labels", labels)
        assert code == 2
        assert told in said


def test_runs_that_keep_no_states_of_their_own(main: Main, states: Path, tmp_path: Path) -> None:
    profile(states, labels=["a", "b"] * 30, k=5, folder=tmp_path / "run")
    code, _, told = main("evaluate", tmp_path / "run", "--labels", "labels")
    assert code == 2
    assert "keeps no states; give the states it was made of in its place" in told


def test_evaluate_a_profile(bert_folder: Path, domains: Path, tmp_path: Path) -> None:
    out = made(bert_folder, domains, tmp_path / "run", labels="superfamily")
    known = ProfileResult.of(profiles.load(out), out / profiles.FILE)
    found = evaluate(known, labels="superfamily", metrics=("knn",))
    assert found.counts["classes"] == 3
    assert found.provenance["sources"]["labels"]["name"] == "superfamily"
    with pytest.raises(InputError, match="made without folder=… has kept no states"):
        evaluate(ProfileResult.of(profiles.load(out)), labels="superfamily")


def test_a_training_run_is_evaluated_by_its_checkpoints(
    main: Main, annotated: Path, tmp_path: Path
) -> None:
    for step in (0, 8):
        folder(tmp_path / "run" / f"step{step}", initializer_range=0.2 + step / 10)
    given = {"text_column": "text", "labels": "tm", "k": 5, "folder": tmp_path / "out"}
    dynamics(tmp_path / "run", annotated, **given)
    code, _, told = main("evaluate", tmp_path / "out")
    assert code == 2
    checkpoint = tmp_path / "out" / "checkpoints" / "step8"
    assert f"is a training run; evaluate a checkpoint of it, as {checkpoint}" in told
    code, said, _ = main("evaluate", checkpoint, "--metrics", "knn", "--json")
    assert code == 0
    assert json.loads(said)["label_type"] == "number"
