"""The shallowest layer within a limit, and the honest answer where there is none."""

import re

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.tasks import retrieval_limit
from layergeom.tasks.retrieval_limit import layer_within_limit, shorter
from layergeom.tasks.retrieval_result import RetrievalEvaluation
from layergeom.tasks.retrieval_scores import RetrievalSettings, retrieval_score

Q = 400
SMALL = {"noise": 0.1, "draws": 200, "queries": 60}  # for many of them


def evaluation(
    losses, keys=None, blocks=None, seed=0, metric="ndcg@10", noise=0.05, draws=2000, queries=Q
):
    """Layers that lose so much on average, the last nothing."""
    rng = np.random.default_rng(seed)
    last = rng.uniform(0.5, 0.9, queries)
    rows = [last - loss - noise * rng.standard_normal(queries) for loss in losses]
    layers = tuple(keys or [f"block_{i + 1}" for i in range(len(losses) + 1)])
    scores = {
        metric: retrieval_score(
            metric, np.vstack([*rows, last]), layers, RetrievalSettings(draws=draws)
        )
    }
    return RetrievalEvaluation(
        layers, tuple(blocks or range(1, len(layers) + 1)), scores,
        tuple(map(str, range(queries))), (0,) * len(layers), "judgments", {"documents": 9}, (),
        {"settings": {"confidence": 0.95, "draws": 2000}},
    )  # fmt: skip


def test_the_shallowest_that_passes_with_all_deeper_ones():
    found = layer_within_limit(evaluation([0.2, 0.03, 0.02, 0.01]), 0.05)
    assert found.layer == "block_2"
    assert found.blocks == (2, 5)
    assert [x.layer for x in found.tried] == ["block_4", "block_3", "block_2", "block_1"]
    assert [x.within for x in found.tried] == [True, True, True, False]
    assert all(x.loss < x.bound for x in found.tried)
    assert "block_2, 2 of 5 blocks: loses 0.02" in found.lines()[0]


def test_a_deeper_layer_that_fails_ends_the_search():
    found = layer_within_limit(evaluation([0.2, 0.01, 0.3, 0.01]), 0.05)
    assert found.layer == "block_4"
    assert found.alone == ("block_2",)
    assert any(line.startswith("By itself block_2 is within it") for line in found.lines())


def test_a_loss_within_and_its_bound_beyond_is_not_enough():
    near = evaluation([0.049], noise=0.2)
    assert near.scores["ndcg@10"].loss.values[0] < 0.055
    found = layer_within_limit(near, 0.055)
    assert (found.layer, found.blocks) == (None, None)
    lines = " ".join(found.lines())
    assert "No shorter model is shown to lose at most 0.055 of ndcg@10." in lines
    assert "The deepest, block_1, loses" in lines
    assert "more queries may narrow it" in lines
    assert "the loss itself exceeds the limit" in " ".join(layer_within_limit(near, 0.01).lines())
    assert layer_within_limit(near, found.tried[0].bound).layer == "block_1"


def test_a_layer_whose_loss_has_no_bound_never_passes():
    found = layer_within_limit(evaluation([0.0], noise=0.0), 0.5)
    assert found.layer is None
    assert "not bounded by these queries" in found.lines()[1]


def test_neither_the_embedding_nor_the_last_block_is_a_shorter_model():
    keys = ["embedding", "block_1", "block_2", "final"]
    found = evaluation([0.01, 0.01, 0.01], keys, [0, 1, 2, 2])
    assert [found.layers[at] for at in shorter(found)] == ["block_1"]
    arrays = evaluation([0.01, 0.01, 0.01], keys, [None] * 4)
    assert [arrays.layers[at] for at in shorter(arrays)] == ["block_1"]
    own = evaluation([0.01, 0.01], ["a", "b", "c"], [None] * 3)
    assert [own.layers[at] for at in shorter(own)] == ["b", "a"]
    assert layer_within_limit(own, 0.1).blocks is None


def test_another_metric_and_what_is_no_limit():
    found = evaluation([0.01], metric="recall@100")
    assert layer_within_limit(found, 0.1, "recall@100").layer == "block_1"
    with pytest.raises(InputError, match="no score 'ndcg@10'; there are recall@100"):
        layer_within_limit(found, 0.1)
    for limit in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="max_loss must be a number from 0 on"):
            layer_within_limit(found, limit, "recall@100")


def test_no_layers_but_the_last():
    found = layer_within_limit(evaluation([]), 0.1)
    assert (found.layer, found.tried) == (None, ())
    assert len(found.lines()) == 2


def test_a_layer_beyond_the_limit_is_named_at_most_as_often_as_promised():
    """Ten layers that all lose a little more than allowed: 5 % of answers may be wrong."""
    wrong = sum(
        layer_within_limit(evaluation([0.051] * 10, seed=seed, **SMALL), 0.05).layer is not None
        for seed in range(200)
    )
    assert wrong / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_taking_the_shallowest_that_passes_alone_would_err_more_often():
    """Why the search stops: independent layers each have their chance to err."""
    found = [
        layer_within_limit(evaluation([0.05] * 10, seed=seed, **SMALL), 0.05) for seed in range(100)
    ]
    stopped = sum(x.layer is not None for x in found) / 100
    anywhere = sum(any(y.within for y in x.tried) for x in found) / 100
    assert stopped < 0.15 < 0.25 < anywhere


def test_the_default_metric_is_evaluated_by_default():
    assert retrieval_limit.METRIC in RetrievalSettings().metrics


def test_a_loss_below_zero_is_told_as_a_gain():
    gaining = layer_within_limit(evaluation([-0.1]), 0.01)
    [told, *_] = gaining.lines()
    assert "block_1, 1 of 2 blocks: gains 0.1" in told
    assert ", at least 0.0" in told
    assert "loses" not in told
    close = layer_within_limit(evaluation([-0.001], noise=0.2), 0.05)
    assert close.tried[0].loss < 0 < close.tried[0].bound
    assert ", loses at most 0.0" in close.lines()[0]


def test_no_number_in_the_answer_has_a_hyphen_for_its_sign():
    for losses in ([-0.1], [0.1], [-0.001]):
        for limit in (0.0001, 0.05):
            text = " ".join(layer_within_limit(evaluation(losses), limit).lines())
            assert not re.search(r"(?<![\w-])-\d", text)
