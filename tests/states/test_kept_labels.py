"""What states keep of the labels that they were used with, and how later commands find them."""

import numpy as np
import pytest

from layergeom.errors import InputError, StoreError, StoreWarning
from layergeom.states.extract import extract
from layergeom.states.hidden import open_states
from layergeom.states.inputs import read_samples
from layergeom.states.kept_labels import kept_contents, kept_labels
from layergeom.states.own_labels import labels_of_states, only_labels, with_labels
from layergeom.states.row_contents import digests
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from states.tiny import folder, texts

DATA = {
    "text": texts(12),
    "topic": [*"aabbccaabbc", None],
    "size": [row / 2 for row in range(12)],
    "go": [["GO:1", "GO:2"], ["GO:1"]] * 6,
    "sccs": [f"a.1.{row // 4}.{row // 2}" for row in range(12)],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("kept") / "bert")


def states(model, place, **given):
    return extract(model, read_samples(DATA, text_column="text", **given), store=Store(place))


def reopened(place):
    found = open_states(Store(place))
    assert found is not None
    return found


def test_each_kind_comes_back_as_it_was(model, tmp_path):
    for column in ("topic", "size", "go"):
        states(model, tmp_path, labels=column)
    kept = {one.name: one for one in kept_labels(reopened(tmp_path))}
    for column, kind in (("topic", "class"), ("size", "number"), ("go", "multi")):
        wanted = read_samples(DATA, text_column="text", labels=column).labels
        assert (kept[column].kind, kept[column].values) == (kind, wanted)
        assert type(kept[column].values) is type(wanted)
        found = labels_of_states(column, reopened(tmp_path), "labels")
        assert found.labels == labels_of_states(f":{column}", reopened(tmp_path), "labels").labels
        assert found.labels == wanted
        assert found.source.origin == f"the run's own: the column {column!r} of data"


def test_a_kind_that_was_said_stays(model, tmp_path):
    data = {"text": DATA["text"], "age": [f"{row}.5" for row in range(12)]}
    samples = read_samples(data, labels="age", label_type="class")
    found = labels_of_states("age", extract(model, samples, store=Store(tmp_path)), "labels")
    assert found.labels == samples.labels == tuple(data["age"])


def test_levels_and_other_roles(model, tmp_path):
    states(model, tmp_path, labels="fold", exclude="family", groups="topic")
    hidden = reopened(tmp_path)
    assert labels_of_states("fold", hidden, "labels").labels == ("a.1",) * 12
    assert labels_of_states("superfamily", hidden, "labels").labels[:5] == ("a.1.0",) * 4 + (
        "a.1.1",
    )
    assert labels_of_states("topic", hidden, "groups").labels == tuple(DATA["topic"])
    assert only_labels(hidden) == "fold"


def test_none_one_or_several(model, tmp_path):
    hidden = states(model, tmp_path)
    with pytest.raises(InputError, match=r"know none of their own: give a file \(--labels"):
        only_labels(hidden)
    with pytest.raises(InputError, match="know no labels by name, so 'topic' for labels must be"):
        labels_of_states("topic", hidden, "labels")
    assert only_labels(states(model, tmp_path, labels="topic")) == "topic"
    with pytest.raises(InputError, match=r"no column 'kind' for labels.*; it has 'topic'"):
        labels_of_states("kind", reopened(tmp_path), "labels")
    states(model, tmp_path, labels="size")
    with pytest.raises(InputError, match=r"several \('size', 'topic'\)|\('topic', 'size'\)"):
        only_labels(reopened(tmp_path))


def test_labels_of_other_states_are_not_these(model, tmp_path):
    states(model, tmp_path, labels="topic")
    other = read_samples([f"{text} w1" for text in DATA["text"]])
    assert kept_labels(extract(model, other, store=Store(tmp_path))) == ()


def test_the_last_labels_of_a_name_count(model, tmp_path):
    states(model, tmp_path, labels="topic")
    again = DATA | {"topic": list("xyxyxyxyxyxy")}
    extract(model, read_samples(again, text_column="text", labels="topic"), store=Store(tmp_path))
    (kept,) = kept_labels(reopened(tmp_path))
    assert kept.values == tuple("xyxyxyxyxyxy")


def test_of_two_of_one_name_each_role_has_its_own(model, tmp_path):
    states(model, tmp_path, labels="topic")
    again = DATA | {"topic": list("xyxyxyxyxyxy")}
    samples = read_samples(again, text_column="text", labels="sccs", exclude="topic")
    hidden = extract(model, samples, store=Store(tmp_path))
    assert labels_of_states("topic", hidden, "labels").labels == tuple(DATA["topic"])
    assert labels_of_states("topic", hidden, "exclude").labels == tuple("xyxyxyxyxyxy")


def test_the_same_codes_twice_are_one_classification(model, tmp_path):
    hidden = states(model, tmp_path, labels="sccs", exclude="family")
    assert labels_of_states("fold", hidden, "labels").labels == ("a.1",) * 12


def test_tokens_have_the_labels_of_their_texts(model, tmp_path):
    samples = read_samples(DATA, text_column="text", labels="topic")
    hidden = extract(model, samples, store=Store(tmp_path), pool="token")
    found = labels_of_states("topic", hidden, "labels").labels
    assert found == tuple(samples.labels[row] for row in hidden.rows)
    of_samples = digests(samples.items)
    assert kept_contents(hidden).digests == tuple(of_samples[row] for row in hidden.rows)
    assert kept_contents(hidden).columns == ("text",)


def test_files_without_ids_are_matched_by_the_texts_of_the_run(model, tmp_path):
    states(model, tmp_path / "store")
    lines = [
        f"{text},{label or ''}" for text, label in zip(DATA["text"], DATA["topic"], strict=True)
    ]
    (tmp_path / "y.csv").write_text("\n".join(["text,kind", *reversed(lines)]))
    found = labels_of_states(tmp_path / "y.csv", reopened(tmp_path / "store"), "labels")
    assert found.labels == tuple(DATA["topic"])
    assert "by their texts" in found.notes[0]


def test_labels_of_arrays(tmp_path):
    arrays = {"embedding": np.eye(6), "block_1": np.eye(6)[::-1].copy()}
    hidden = stored_states(arrays, Store(tmp_path))
    with_labels(hidden, list("aabbcc"), None, None)
    assert labels_of_states("labels", hidden, "labels").labels == tuple("aabbcc")
    assert with_labels(stored_states(arrays), list("aabbcc"), None, None)[1][0] == tuple("aabbcc")


def test_a_store_that_holds_them_is_not_written_again(model, tmp_path, monkeypatch):
    states(model, tmp_path, labels="topic")
    monkeypatch.setattr(Store, "put", None)
    states(model, tmp_path, labels="topic")


def test_a_store_that_cannot_be_written_to_is_a_warning_beside_the_numbers(
    model, tmp_path, monkeypatch
):
    whole = states(model, tmp_path).warnings

    def refuse(*_):
        raise StoreError("no room.")

    monkeypatch.setattr(Store, "put", refuse)
    with pytest.warns(StoreWarning, match="no room. Later commands do not know the labels"):
        assert states(model, tmp_path, labels="topic").warnings == whole


def test_damaged_labels_are_refused_and_mended_by_the_same_run(model, tmp_path):
    states(model, tmp_path, labels="topic")
    (file,) = tmp_path.glob("labels*")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(StoreError, match="is damaged"):
        kept_labels(reopened(tmp_path))
    with pytest.warns(StoreWarning, match="computed anew"):
        states(model, tmp_path, labels="topic")
    assert kept_labels(reopened(tmp_path))[0].values == tuple(DATA["topic"])


def test_foreign_labels_are_refused(model, tmp_path):
    hidden = states(model, tmp_path, labels="topic")
    (piece,) = [name for name in hidden.store.names() if name.startswith("labels/")]
    facts = hidden.store.facts(piece, hidden.key)
    values = {"values": np.frombuffer(b'["a"]', dtype=np.uint8)}
    hidden.store.put(piece, values, hidden.key, facts)
    with pytest.raises(StoreError, match=r"foreign .1 labels for 12 rows.; run it again"):
        kept_labels(hidden)
