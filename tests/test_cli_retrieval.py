"""evaluate by retrieval, and recommend for a limit, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from states.tiny import texts

torch.set_num_threads(1)
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    place = tmp_path / "set"
    (place / "qrels").mkdir(parents=True)
    lines = sorted(set(texts(90)))[:30]
    for name, rows in (("corpus", lines), ("queries", lines[:10])):
        records = [
            json.dumps({"_id": f"{name[0]}{i}", "text": line}) for i, line in enumerate(rows)
        ]
        (place / f"{name}.jsonl").write_text("\n".join(records) + "\n")
    pairs = "".join(f"q{i}\tc{i}\t1\nq{i}\tc{i + 10}\t1\n" for i in range(10))
    (place / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + pairs)
    return place


def test_a_folder(main: Main, bert_folder: Path, beir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, _ = main("evaluate", bert_folder, beir, "-o", out, "--draws", 200)
    assert code == 0
    for words in ("ndcg@10", "mrr@10", "recall@100", "loss of ndcg@10", "at most", "block_2"):
        assert words in said
    assert "10 queries among 30 documents by cosine; relevant by judgments" in said
    assert "200 paired bootstrap draws" in said
    assert f"Written: {out / 'retrieval.json'}" in said
    assert (out / "corpus" / "manifest.json").is_file()
    code, said, _ = main("recommend", out, "--max-loss", 1, "--metric", "ndcg@10")
    assert code == 0
    assert "block_1, 1 of 3 blocks: gains" in said
    assert "loses at most" in said
    code, said, _ = main("recommend", out, "--max-loss", 0, "--json")
    told = json.loads(said)
    assert (code, told["limit"], told["metric"]) == (0, 0, "ndcg@10")
    assert [x["layer"] for x in told["tried"]] == ["block_2", "block_1"]


def test_three_files_as_json(main: Main, bert_folder: Path, beir: Path) -> None:
    code, said, _ = main(
        "evaluate", bert_folder, "--corpus", beir / "corpus.jsonl", "--queries",
        beir / "queries.jsonl", "--qrels", beir / "qrels", "--split", "test",
        "--metrics", "precision@5, ndcg@5", "--query-prompt", "w1 ", "--max-samples", 6, "--json",
    )  # fmt: skip
    told = json.loads(said)
    assert code == 0
    assert told["reference"] == "block_3"
    assert told["counts"]["queries"] == 6
    assert {"layer", "precision@5", "ndcg@5_loss_bound"} <= told["layers"][0].keys()
    assert told["provenance"]["prompts"]["query"] == "w1 "
    assert told["files"] == []


def test_without_judgments(main: Main, bert_folder: Path, beir: Path) -> None:
    code, said, _ = main(
        "evaluate", bert_folder, "--corpus", beir / "corpus.jsonl", "--queries",
        beir / "queries.jsonl", "--truth", 3,
    )  # fmt: skip
    assert code == 0
    assert "relevant by the first 3 documents of block_3, the model's own output" in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("DATA", "--labels", "topic"), "--labels is of evaluation by labels"),
        (("DATA", "--metrics", "knn"), "no retrieval score 'knn'"),
        (("DATA", "--corpus", "c.jsonl"), "give DATA, a folder"),
        (("--corpus", "c.jsonl"), "give DATA, a folder"),
        (("DATA", "--split", "dev"), "no judgments dev.tsv"),
        (("DATA", "--text-column", "text"), "text_column is no option of retrieval"),
        (("nowhere", "--draws", "200"), "is no folder with corpus.jsonl"),
        (("DATA", "--draws", "5"), "draws must be at least 100"),
    ],
)
def test_what_is_wrong(
    main: Main, bert_folder: Path, beir: Path, options: tuple[str, ...], told: str
) -> None:
    given = [beir if x == "DATA" else x for x in options]
    code, said, wrong = main("evaluate", bert_folder, *given)
    assert (code, said) == (2, "")
    assert told in wrong
    assert len(wrong.strip().splitlines()) == 1


def test_recommend_says_what_is_wrong(main: Main, tmp_path: Path) -> None:
    code, _, wrong = main("recommend", tmp_path, "--max-loss", 0.01)
    assert code == 2
    assert "There is no retrieval.json" in wrong
    code, _, wrong = main("recommend", tmp_path, "--metric", "ndcg@10")
    assert code == 2
    assert "--metric is of --max-loss" in wrong
