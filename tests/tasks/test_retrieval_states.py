"""What is decided at the edges: own documents, missing ids, empty rows, ties, rows of zeros."""

import numpy as np
import pytest

from layergeom.errors import DegenerateError, InputError
from layergeom.states.retrieval_texts import read_retrieval_texts
from layergeom.tasks.retrieval import evaluate_retrieval_states
from layergeom.tasks.retrieval_judged import Judged, own_documents

N, Q = 30, 10
METRICS = ("ndcg@10", "mrr@10", "recall@10")


@pytest.fixture
def sides():
    """The last layer finds each query's document first; the first layer knows nothing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 8))
    noise = rng.standard_normal((N, 8))
    return {"block_1": noise, "block_2": X}, {"block_1": X[:Q], "block_2": X[:Q]}


def own_judgments(extra=()):
    return {str(i): {str(i): 1, **dict(extra)} for i in range(Q)}


def test_the_own_document_is_kept_between_different_sides(sides):
    found = evaluate_retrieval_states(*sides, own_judgments(), metrics=METRICS)
    assert found.scores["mrr@10"].values[-1] == 1
    assert found.scores["mrr@10"].values[0] < 0.6
    assert "own_documents" not in found.counts
    assert found.counts == {"relevant": Q, "documents": N, "queries": Q}


def test_the_own_document_is_left_out_where_it_is_asked(sides):
    nearest = {str(i): {str((i + 1) % N): 1} for i in range(Q)}
    kept = evaluate_retrieval_states(*sides, nearest, metrics=METRICS, identical_ids="keep")
    found = evaluate_retrieval_states(*sides, nearest, metrics=METRICS, identical_ids="exclude")
    assert found.counts["own_documents"] == Q
    assert any("10 queries have a document of their own id" in line for line in found.warnings)
    X = sides[0]["block_2"] / np.linalg.norm(sides[0]["block_2"], axis=1, keepdims=True)
    table = X[:Q] @ X.T
    table[np.arange(Q), np.arange(Q)] = -2
    ranks = [int((row > row[(i + 1) % N]).sum()) + 1 for i, row in enumerate(table)]
    wanted = [1 / rank if rank <= 10 else 0 for rank in ranks]
    np.testing.assert_allclose(found.scores["mrr@10"].per_query[-1], wanted)
    assert (kept.scores["mrr@10"].per_query[-1] <= found.scores["mrr@10"].per_query[-1]).all()


def test_one_set_asks_itself(sides):
    corpus = sides[0]
    judgments = {str(i): {str((i + 1) % N): 1} for i in range(N)}
    found = evaluate_retrieval_states(corpus, corpus, judgments, metrics=METRICS)
    assert found.counts["own_documents"] == N
    found = evaluate_retrieval_states(corpus, corpus, metrics=METRICS)
    assert found.counts["own_documents"] == N
    assert found.scores["ndcg@10"].values[-1] == 1


def test_texts_decide_by_auto():
    """As in ArguAna (the text without its title) and Quora; numbers that happen to agree do not."""
    corpus = read_retrieval_texts(
        {"1": {"title": "T", "text": "same"}, "2": "same too", "3": "document", "4": "x"}, "corpus"
    )
    queries = read_retrieval_texts(
        {"1": "same", "2": "same too", "3": "query", "9": "y"}, "queries"
    )
    assert own_documents(corpus, queries, "auto") == {"1", "2"}
    assert own_documents(corpus, queries, "exclude") == {"1", "2", "3"}
    assert own_documents(corpus, queries, "keep") == set()


def test_relevant_documents_that_are_not_there_count_as_missed(sides):
    judgments = own_judgments({"gone": 1}.items())
    found = evaluate_retrieval_states(*sides, judgments, metrics=METRICS)
    assert found.counts["judged_missing"] == Q
    assert any("10 relevant documents are not in the index" in line for line in found.warnings)
    assert found.scores["recall@10"].values[-1] == 0.5
    assert found.scores["ndcg@10"].values[-1] == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_queries_without_relevant_documents_and_unknown_ones_are_counted(sides):
    judgments = own_judgments() | {"3": {"3": 0, "4": -1}, "900": {"1": 1}}
    del judgments["5"]
    found = evaluate_retrieval_states(*sides, judgments, metrics=METRICS)
    assert "3" not in found.queries
    assert "5" not in found.queries
    assert (found.counts["queries"], found.counts["queries_without_relevant"]) == (Q - 2, 2)
    assert found.counts["queries_unknown"] == 1
    with pytest.raises(DegenerateError, match="no query has a relevant document"):
        evaluate_retrieval_states(*sides, {"900": {"1": 1}})


def test_graded_judgments_have_the_linear_gain(sides):
    """The own document is found first but has the lower grade of two."""
    corpus, queries = sides
    judgments = {str(i): {str(i): 1, str(i + 15): 3} for i in range(Q)}
    found = evaluate_retrieval_states(corpus, queries, judgments, metrics=("ndcg@1", "ndcg@30"))
    np.testing.assert_allclose(found.scores["ndcg@1"].per_query[-1], 1 / 3)
    assert found.provenance["settings"]["gain"] == "linear"


def test_copies_in_the_corpus_that_are_judged_differently_are_told(sides):
    corpus = {name: np.vstack([X, X[:Q]]) for name, X in sides[0].items()}
    last = {str(i): {str(i + N): 1} for i in range(Q)}
    found = evaluate_retrieval_states(corpus, sides[1], last, metrics=METRICS)
    np.testing.assert_array_equal(found.scores["mrr@10"].per_query[-1], 0.5)  # the first row wins
    assert found.ties[-1] == Q
    assert any("of up to 10 queries" in line for line in found.warnings)
    both = {str(i): {str(i): 1, str(i + N): 1} for i in range(Q)}
    assert evaluate_retrieval_states(corpus, sides[1], both, metrics=METRICS).ties == (0, 0)


def test_rows_of_zeros_are_told(sides):
    corpus, queries = ({name: X.copy() for name, X in side.items()} for side in sides)
    corpus["block_2"][[2, 20]] = 0
    queries["block_2"][7] = 0
    found = evaluate_retrieval_states(corpus, queries, own_judgments(), metrics=METRICS)
    scores = found.scores["mrr@10"].per_query[-1]
    assert (scores[7], scores[2]) == (0, 0)
    assert scores.sum() == Q - 2
    told = " ".join(found.warnings)
    assert "block_2: 1 query has norm 0" in told
    assert "block_2: 2 documents have norm 0" in told
    with pytest.raises(DegenerateError, match="1 query finds nothing at block_2"):
        evaluate_retrieval_states(corpus, queries)


def test_a_layer_that_is_not_finite_has_no_scores(sides):
    corpus, queries = ({name: X.copy() for name, X in side.items()} for side in sides)
    corpus["block_1"][4, 4] = np.nan
    found = evaluate_retrieval_states(corpus, queries, own_judgments(), metrics=METRICS)
    score = found.scores["mrr@10"]
    assert np.isnan(score.values[0])
    assert np.isnan(score.loss.bounds[0])
    assert score.values[1] == 1
    assert any(line.startswith("block_1 has no scores: ") for line in found.warnings)
    corpus["block_2"][4, 4] = np.nan
    with pytest.raises(DegenerateError, match="block_2, the model's own output, has no scores"):
        evaluate_retrieval_states(corpus, queries, own_judgments())


def test_sides_that_do_not_fit(sides):
    corpus, queries = sides
    with pytest.raises(InputError, match="queries have block_2"):
        evaluate_retrieval_states(corpus, {"block_2": queries["block_2"]}, own_judgments())
    with pytest.raises(InputError, match="corpus has ids that repeat"):
        evaluate_retrieval_states(corpus, queries, own_judgments(), corpus_ids=["a"] * N)
    narrow = {name: X[:, :5] for name, X in queries.items()}
    with pytest.raises(DegenerateError, match="5 features but documents have 8"):
        evaluate_retrieval_states(corpus, narrow, own_judgments())


def test_documents_of_one_text_get_one_vector(sides):
    """Batches round them differently, which would order them by chance."""
    from dataclasses import replace

    from layergeom.states.stored import stored_states

    corpus = {name: np.vstack([X, X[:Q]]) for name, X in sides[0].items()}
    corpus["block_2"][N:] *= 1 + 1e-6 * np.random.default_rng(0).standard_normal((Q, 8))
    states = stored_states(corpus)
    inputs = tuple(str(row % N if row >= N else row) for row in range(N + Q))
    judgments = {str(i): {str(i + N): 1} for i in range(Q)}
    apart = evaluate_retrieval_states(states, sides[1], judgments, metrics=METRICS)
    found = evaluate_retrieval_states(
        replace(states, inputs=inputs), sides[1], judgments, metrics=METRICS
    )
    assert (apart.ties[-1], found.ties[-1]) == (0, Q)
    np.testing.assert_array_equal(found.scores["mrr@10"].per_query[-1], 0.5)


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("queries_empty", "1 query has no text", "2 queries have no text"),
        (
            "queries_unknown",
            "1 query that the judgments name is not there.",
            "2 queries that the judgments name are not there.",
        ),
        ("documents_empty", "1 document has no text", "2 documents have no text"),
        ("judged_missing", "1 relevant document is not", "2 relevant documents are not"),
        ("judgments_repeated", "1 judgment repeats an", "2 judgments repeat an"),
        (
            "own_documents",
            "1 query has a document of its own",
            "2 queries have a document of their",
        ),
        ("queries_too_long", "1 query was left out", "2 queries were left out"),
    ],
)
def test_one_is_told_in_the_singular(name, one, two):
    judged = Judged(np.zeros(1, dtype=np.int64), None, None, 3, {})
    assert judged.told({name: 1})[0].startswith(one)
    assert judged.told({name: 2})[0].startswith(two)
