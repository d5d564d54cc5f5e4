"""Retrieval by every layer: against brute force, sentence-transformers, and the cut model."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from layergeom.errors import DegenerateError, InputError
from layergeom.tasks.embed import embed
from layergeom.tasks.retrieval import evaluate_retrieval
from layergeom.tasks.truncate import truncate

sys.path.append(str(Path(__file__).parents[1] / "states"))  # its modules import each other so

from tiny import WORDS, folder, texts

torch.set_num_threads(1)
METRICS = ("ndcg@10", "mrr@10", "recall@5", "precision@5")


def retrieval_set(place, documents=40, queries=12):
    """Queries are parts of documents; relevant is that document (2) and another one (1)."""
    lines = sorted(set(texts(200, longest=12)))[:documents]
    corpus = [{"_id": f"d{i}", "title": WORDS[i], "text": line} for i, line in enumerate(lines)]
    asked = [{"_id": f"q{i}", "text": " ".join(lines[3 * i].split()[:3])} for i in range(queries)]
    place.mkdir(exist_ok=True)
    for name, rows in (("corpus", corpus), ("queries", asked)):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "qrels").mkdir(exist_ok=True)
    pairs = [f"q{i}\td{3 * i}\t2\nq{i}\td{3 * i + 1}\t1\n" for i in range(queries)]
    (place / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(pairs))
    return place


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return retrieval_set(tmp_path_factory.mktemp("set") / "data")


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("model") / "bert")


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def by_hand(model, data, layer, **options):
    """Scores of every query at one layer: all cosines, sorted, one query at a time."""
    corpus, queries = read(data / "corpus.jsonl"), read(data / "queries.jsonl")
    sides = [
        embed(model, rows, layer=layer, device="cpu", **options).array.astype(float)
        for rows in (
            [f"{row['title']} {row['text']}" for row in corpus],
            [row["text"] for row in queries],
        )
    ]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in sides]
    found = {name: [] for name in METRICS}
    for i, row in enumerate(unit[1] @ unit[0].T):
        gains = [{3 * i: 2, 3 * i + 1: 1}.get(j, 0) for j in np.argsort(-row, kind="stable")]
        dcg = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains[:10]))
        found["ndcg@10"].append(dcg / (2 + 1 / math.log2(3)))
        first = next((rank for rank, gain in enumerate(gains) if gain), None)
        found["mrr@10"].append(1 / (first + 1) if first < 10 else 0)
        hits = sum(gain > 0 for gain in gains[:5])
        found["recall@5"].append(hits / 2)
        found["precision@5"].append(hits / 5)
    return found


def test_every_layer_against_all_cosines(bert, data):
    found = evaluate_retrieval(str(bert), data, metrics=METRICS, device="cpu")
    assert found.layers == ("embedding", "block_1", "block_2", "block_3")
    assert found.blocks == (0, 1, 2, 3)
    assert found.reference == "block_3"
    for at, layer in enumerate(found.layers):
        wanted = by_hand(str(bert), data, layer)
        for name in METRICS:
            score = found.scores[name]
            np.testing.assert_allclose(score.per_query[at], wanted[name], atol=1e-12)
            lost = score.per_query[-1] - score.per_query[at]
            assert score.loss.values[at] == pytest.approx(lost.mean())
            assert score.values[at] == pytest.approx(np.mean(wanted[name]))
    assert found.counts["relevant"] == 24
    assert np.isnan(found.scores["ndcg@10"].loss.bounds[-1])


def test_losses_are_paired(bert, data):
    score = evaluate_retrieval(str(bert), data, device="cpu").scores["ndcg@10"]
    lost = score.per_query[-1] - score.per_query[1]
    assert score.loss.errors[1] == pytest.approx(lost.std(ddof=1) / math.sqrt(len(lost)))
    best = int(score.values.argmax())
    assert score.loss_to_best.against == ("embedding", "block_1", "block_2", "block_3")[best]
    assert (score.loss_to_best.values >= 0).all()


@pytest.mark.parametrize("family", ["Bert", "GPT2"])
def test_a_layer_scores_what_the_cut_model_scores(family, data, tmp_path):
    """GPT-2 has a final norm, which the cut model applies to the layer."""
    model = folder(tmp_path / "full", family)
    options = {"metrics": METRICS, "device": "cpu", "special_tokens": True}
    full = evaluate_retrieval(str(model), data, **options)
    truncate(model, tmp_path / "cut", layer=2, device="cpu")
    cut = evaluate_retrieval(str(tmp_path / "cut"), data, **(options | {"pool": "mean"}))
    at = full.layers.index("block_2")
    for name in METRICS:
        np.testing.assert_allclose(
            cut.scores[name].per_query[-1], full.scores[name].per_query[at], atol=1e-12
        )
    assert any("final norm (ln_f)" in line for line in full.warnings) == (family == "GPT2")


def test_prompts_of_a_sentence_model_are_used_and_its_evaluator_agrees(data, tmp_path):
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer import modules
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )

    word = modules.Transformer(str(folder(tmp_path / "base")))
    parts = [word, modules.Pooling(16, pooling_mode="mean"), modules.Normalize()]
    prompts = {"query": "w50 w51 ", "document": "w52 "}
    model = st.SentenceTransformer(modules=parts, device="cpu", prompts=prompts)
    model.save(str(tmp_path / "model"))
    found = evaluate_retrieval(str(tmp_path / "model"), data, metrics=METRICS, device="cpu")
    assert found.reference == "final"
    assert found.provenance["prompts"] == {**prompts, "source": "the model's"}
    assert any("'w50 w51 ' before queries" in line for line in found.warnings)
    corpus, queries = read(data / "corpus.jsonl"), read(data / "queries.jsonl")
    evaluator = InformationRetrievalEvaluator(
        {row["_id"]: row["text"] for row in queries},
        {row["_id"]: f"{row['title']} {row['text']}" for row in corpus},
        {f"q{i}": {f"d{3 * i}", f"d{3 * i + 1}"} for i in range(12)},
        precision_recall_at_k=[5],
    )
    theirs = evaluator(model)
    for name in ("mrr@10", "recall@5", "precision@5"):
        ours = found.scores[name].values[-1]
        assert ours == pytest.approx(theirs[f"cosine_{name}"], abs=1e-6)
    plain = evaluate_retrieval(
        str(tmp_path / "model"), data, query_prompt="", document_prompt="", device="cpu"
    )
    assert (plain.scores["mrr@10"].per_query != found.scores["mrr@10"].per_query).any()


def test_without_judgments_the_full_model_is_the_truth(bert, data):
    corpus, queries = (data / f"{name}.jsonl" for name in ("corpus", "queries"))
    found = evaluate_retrieval(
        str(bert), corpus, queries, metrics=("ndcg@10", "recall@10", "recall@20"), truth=10,
        device="cpu",
    )  # fmt: skip
    assert found.truth == "the first 10 documents of block_3, the model's own output"
    assert [found.scores[name].values[-1] for name in found.scores] == [1, 1, 1]
    sides = [
        embed(str(bert), rows, layer=layer, device="cpu").array.astype(float)
        for layer in ("block_1", "block_3")
        for rows in (
            [f"{row['title']} {row['text']}" for row in read(corpus)],
            [row["text"] for row in read(queries)],
        )
    ]
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in sides]
    first, last = (np.argsort(-(unit[i + 1] @ unit[i].T))[:, :10] for i in (0, 2))
    kept = [len(set(a) & set(b)) / 10 for a, b in zip(first, last, strict=True)]
    np.testing.assert_allclose(found.scores["recall@10"].per_query[1], kept)


def test_the_states_are_kept_and_answer_the_next_call(bert, data, tmp_path, monkeypatch):
    first = evaluate_retrieval(str(bert), data, folder=tmp_path, device="cpu")
    from layergeom.states import extract

    monkeypatch.setattr(extract, "passing", None)  # nothing may be run again
    again = evaluate_retrieval(str(bert), data, folder=tmp_path, device="cpu")
    for name, score in first.scores.items():
        np.testing.assert_array_equal(again.scores[name].per_query, score.per_query)
        np.testing.assert_array_equal(again.scores[name].loss.bounds, score.loss.bounds)


def test_some_of_the_queries(bert, data):
    whole = evaluate_retrieval(str(bert), data, device="cpu")
    found = evaluate_retrieval(str(bert), data, max_queries=5, seed=1, device="cpu")
    assert len(found.queries) == 5
    assert found.counts["queries_judged"] == 12
    at = [whole.queries.index(name) for name in found.queries]
    np.testing.assert_allclose(
        found.scores["mrr@10"].per_query, whole.scores["mrr@10"].per_query[:, at]
    )


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"pool": "token"}, InputError, "one vector per text"),
        ({"layers": ["block_1"]}, InputError, "layers is no option of retrieval"),
        ({"metrics": ("map@10",)}, InputError, "no retrieval score 'map@10'"),
        ({"metrics": ()}, InputError, "no retrieval score ''"),
        ({"metrics": ("mrr@10", "mrr@10")}, InputError, "name one twice"),
        ({"identical_ids": "no"}, InputError, "identical_ids must be one of"),
        ({"confidence": 95}, InputError, "confidence must lie"),
        ({"split": "dev"}, InputError, r"no judgments dev\.tsv"),
        ({"qrels": {"q1": {"d1": 0}}}, DegenerateError, "no query has a relevant document"),
        ({"max_queries": 2}, InputError, "max_queries must be at least 3"),
    ],
)
def test_what_cannot_be_done_is_told(bert, data, options, error, told):
    with pytest.raises(error, match=told):
        evaluate_retrieval(str(bert), data, **options)


def test_no_folder_and_a_split_of_nothing(bert, data):
    with pytest.raises(InputError, match=r"no folder with corpus\.jsonl"):
        evaluate_retrieval(str(bert), ["a", "b"])
    with pytest.raises(InputError, match="there are no judgments"):
        evaluate_retrieval(str(bert), ["a"], ["b"], split="test")
