"""embed, truncate and evaluate from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from layergeom.cli.act import numbered
from states.tiny import texts

torch.set_num_threads(1)
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    lines = sorted(set(texts(90)))[:60]
    path = tmp_path / "labelled.csv"
    rows = [f"r{i},{line},{'ab'[i % 2]}" for i, line in enumerate(lines)]
    path.write_text("\n".join(["id,text,topic", *rows]) + "\n")
    return path


def test_embed(main: Main, bert_folder: Path, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "e.npz"
    code, said, _ = main("embed", bert_folder, labelled, "--layer", 2, "-o", out)
    assert code == 0
    assert "60 rows, 16 features, block_2: mean over tokens" in said
    assert f"Written: {out}" in said
    with np.load(out) as file:
        assert file["ids"].tolist()[:3] == ["r0", "r1", "r2"]
        assert file["embeddings"].shape == (60, 16)


def test_embed_as_json_says_where_the_vectors_come_from(
    main: Main, bert_folder: Path, labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "e.safetensors"
    code, said, _ = main(
        "embed", bert_folder, labelled, "--layer", "block_1", "-o", out, "--pool", "first", "--json"
    )
    told = json.loads(said)
    assert code == 0
    assert (told["layer"], told["rows"], told["features"]) == ("block_1", 60, 16)
    assert told["provenance"]["pooling"].startswith("first over tokens")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--layer", "9", "-o", "e.npz"), "There is no layer 'block_9'"),
        (("--layer", "1", "-o", "e.csv"), "not as '.csv'"),
        (("--layer", "recommended", "-o", "e.npz"), "needs the run"),
        (("--layer", "recommended", "--run", "nowhere", "-o", "e.npz"), "no profile at nowhere"),
    ],
)
def test_embed_says_what_is_wrong(
    main: Main, bert_folder: Path, labelled: Path, options: tuple[str, ...], told: str
) -> None:
    code, said, wrong = main("embed", bert_folder, labelled, *options)
    assert (code, said) == (2, "")
    assert told in wrong
    assert len(wrong.strip().splitlines()) == 1


def test_truncate(main: Main, bert_folder: Path, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "short"
    code, said, _ = main("truncate", bert_folder, "--layer", "2", "-o", out, "--data", labelled)
    assert code == 0
    for words in ("2 of 3 blocks", "parameters", "tokens/s", "Checked on 16 rows", "rebuilt"):
        assert words in said
    code, said, _ = main("embed", out, labelled, "--layer", "2", "-o", tmp_path / "cut.npz")
    main("embed", bert_folder, labelled, "--layer", "2", "-o", tmp_path / "full.npz",
         "--special-tokens")  # fmt: skip
    with np.load(tmp_path / "cut.npz") as cut, np.load(tmp_path / "full.npz") as full:
        np.testing.assert_allclose(cut["embeddings"], full["embeddings"], atol=1e-5)


def test_truncate_as_json_and_an_occupied_folder(
    main: Main, bert_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "short"
    code, said, _ = main("truncate", bert_folder, "--layer", "block_1", "-o", out, "--json")
    told = json.loads(said)
    assert code == 0
    assert told["blocks"] == [3, 1]
    assert told["parameters"][1] < told["parameters"][0]
    assert main("truncate", bert_folder, "--layer", "1", "-o", out)[0] == 2


def test_evaluate_a_model(main: Main, bert_folder: Path, labelled: Path) -> None:
    code, said, _ = main(
        "evaluate", bert_folder, labelled, "--labels", "topic", "--metrics", "knn, retrieval",
        "--layer", "block_1",
    )  # fmt: skip
    assert code == 0
    assert "kNN" in said
    assert "linear probe" not in said
    assert "kNN, chosen (block_1):" in said
    assert "60 rows of 2 classes (30 to 30 rows each); errors over 60 rows" in said


def test_evaluate_a_run_as_json(
    main: Main, no_views: None, bert_folder: Path, labelled: Path, tmp_path: Path
) -> None:
    main("run", bert_folder, labelled, "-o", tmp_path / "run")
    options = ("--labels", f"{labelled}:topic", "--metrics", "knn", "--json")
    code, said, _ = main("evaluate", tmp_path / "run", *options)
    told = json.loads(said)
    assert code == 0
    assert told["layers"][0]["layer"] == "embedding"
    assert {"recommended", "last", "middle", "embedding"} >= set(told["choices"])
    assert told["counts"]["rows"] == 60


def test_macro_scores_are_shown_where_classes_are_unequal(
    main: Main, states_file: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join("a" if i % 4 else "b" for i in range(240)))
    options = ("--labels", labels, "--metrics", "knn", "--layer", "final")
    code, said, _ = main("evaluate", states_file, *options)
    assert code == 0
    assert "kNN (macro)" in said


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ((), 2, "labels are missing"),
        (("--labels", "nowhere.txt"), 2, "no file nowhere.txt"),
        (("--labels", "LABELS", "--pool", "last"), 2, "there are no data"),
        (("--labels", "LABELS", "--metrics", "mlp"), 2, "metrics must be among"),
        (("--labels", "SAME", "--layer", "final"), 3, "two are needed"),
    ],
)
def test_evaluate_says_what_is_wrong(
    main: Main, states_file: Path, tmp_path: Path, options: tuple[str, ...], code: int, told: str
) -> None:
    files = {"LABELS": "\n".join("ab"[i % 2] for i in range(240)), "SAME": "\n".join("a" * 240)}
    for name, content in files.items():
        (tmp_path / f"{name}.txt").write_text(content)
    given = [tmp_path / f"{x}.txt" if x in files else x for x in options]
    found, said, wrong = main("evaluate", states_file, *given)
    assert (found, said) == (code, "")
    assert told in wrong


def test_layers_by_number() -> None:
    assert [numbered(text) for text in ("0", "12", "block_3", "final")] == [
        0,
        12,
        "block_3",
        "final",
    ]
