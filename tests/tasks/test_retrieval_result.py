"""What is written is what is read; damaged and newer files are told."""

import json

import numpy as np
import pytest

from layergeom.errors import InputError, StoreError
from layergeom.show.retrieval_table import retrieval_lines, retrieval_tables
from layergeom.tasks.retrieval import evaluate_retrieval_states
from layergeom.tasks.retrieval_limit import layer_within_limit
from layergeom.tasks.retrieval_result import FILE, load_retrieval


@pytest.fixture(scope="module")
def found():
    """One layer knows nothing, one differs at a single query (no bound), the last is right."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 6))
    near = X.copy()
    near[3] *= -1
    corpus = {"block_1": rng.standard_normal((20, 6)), "block_2": near, "block_3": X}
    queries = dict.fromkeys(corpus, X[:8])
    judgments = {str(i): {str(i): 1} for i in range(8)}
    return evaluate_retrieval_states(corpus, queries, judgments, metrics=("mrr@10", "ndcg@10"))


def test_saved_and_loaded(found, tmp_path):
    path = found.save(tmp_path / "new" / "folder")
    assert path.name == FILE
    again = load_retrieval(path.parent)
    assert again.layers == found.layers
    assert (again.blocks, again.queries, again.ties) == (found.blocks, found.queries, found.ties)
    assert (again.truth, again.warnings) == (found.truth, found.warnings)
    assert dict(again.counts) == dict(found.counts)
    assert json.dumps(again.facts()) == json.dumps(found.facts())
    assert np.isposinf(found.scores["mrr@10"].loss.bounds[1])  # JSON has no infinity
    for name, score in found.scores.items():
        np.testing.assert_array_equal(again.scores[name].per_query, score.per_query)
        for loss in ("loss", "loss_to_best"):
            ours, theirs = getattr(score, loss), getattr(again.scores[name], loss)
            assert ours.against == theirs.against
            for column in ("values", "errors", "low", "high", "bounds"):
                np.testing.assert_array_equal(getattr(ours, column), getattr(theirs, column))
    assert load_retrieval(path).reference == "block_3"


def test_the_table(found):
    frame = found.to_frame()
    assert list(frame.index) == ["block_1", "block_2", "block_3"]
    assert frame.loc["block_2", "mrr@10_loss"] == found.scores["mrr@10"].loss.values[1]
    with pytest.raises(InputError, match=r"no score 'recall@10'; there are mrr@10, ndcg@10"):
        found.score("recall@10")


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"no retrieval\.json at .*layergeom evaluate"):
        load_retrieval(tmp_path)


def places(content, before=()):
    """Every place of nested JSON but the states' provenance, which is only handed on."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        if key != "states":
            yield (*before, key)
            if isinstance(value, (dict, list)):
                yield from places(value, (*before, key))


def test_every_value_exchanged_is_told_or_read(found, tmp_path):
    path = found.save(tmp_path)
    content = path.read_text()
    refused = 0
    for *way, last in places(json.loads(content)):
        for value in (None, "x", -1, [], {}, True, "inf", 10**400):
            changed = json.loads(content)
            inner = changed
            for key in way:
                inner = inner[key]
            inner[last] = value
            path.write_text(json.dumps(changed))
            try:
                again = load_retrieval(path)
            except StoreError:
                refused += 1
                continue
            again.facts()
            retrieval_lines(again)
            retrieval_tables(again)
            layer_within_limit(again, 0.1, "mrr@10")
    assert refused > 1000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: x | {"schema": 99}, "schema 99, newer"),
        (lambda x: x | {"layers": ["block_1"]}, "no whole evaluation"),
        (lambda x: x | {"queries": ["0"]}, "queries of shape"),
        (lambda x: x | {"blocks": ["1", "2", "3"]}, "blocks are whole numbers"),
        (lambda x: {k: v for k, v in x.items() if k != "scores"}, "KeyError"),
        (lambda x: x | {"scores": 3}, "AttributeError"),
        (lambda x: x | {"provenance": {}}, "KeyError"),
        (lambda x: [x], "TypeError"),
    ],
)
def test_damage_is_told(found, tmp_path, change, told):
    path = found.save(tmp_path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(StoreError, match=told):
        load_retrieval(tmp_path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(StoreError, match="no whole evaluation"):
        load_retrieval(tmp_path)
