"""Documents and queries as BEIR lays them out, and as Python holds them."""

import gzip
import json

import pandas as pd
import pytest

from layergeom.errors import InputError, InputTypeError
from layergeom.states.retrieval_texts import (
    is_retrieval_folder,
    read_retrieval_texts,
    retrieval_files,
)

ROWS = [
    {"_id": "d1", "title": "Fox", "text": "It runs. "},
    {"_id": "d2", "title": "", "text": "A dog."},
    {"_id": "d3", "title": "Only a title", "text": None},
    {"_id": "d4", "title": " ", "text": ""},
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_titles_stand_before_texts_and_empty_rows_are_left_out(corpus):
    found = read_retrieval_texts(corpus, "corpus")
    assert found.ids == ("d1", "d2", "d3")
    assert found.texts == ("Fox It runs.", "A dog.", "Only a title")
    assert found.bodies == ("It runs.", "A dog.", "")
    assert found.empty == ("d4",)
    assert read_retrieval_texts(corpus, "queries", titles=False).texts == ("It runs.", "A dog.")


def test_samples_carry_the_prompt_and_the_ids(corpus):
    found = read_retrieval_texts(corpus, "corpus").samples("passage: ")
    assert found.items == ("passage: Fox It runs.", "passage: A dog.", "passage: Only a title")
    assert found.ids == ("d1", "d2", "d3")
    assert found.notes == ()


@pytest.mark.parametrize(
    "source",
    [
        {"d1": {"title": "Fox", "text": "It runs."}, "d2": "A dog."},
        {"_id": ["d1", "d2"], "title": ["Fox", ""], "text": ["It runs.", "A dog."]},
        {"id": ["d1", "d2"], "text": ["Fox It runs.", "A dog."]},
        pd.DataFrame({"_id": ["d1", "d2"], "text": ["Fox It runs.", "A dog."]}),
    ],
)
def test_what_python_holds(source):
    found = read_retrieval_texts(source, "corpus")
    assert dict(zip(found.ids, found.texts, strict=True)) == {
        "d1": "Fox It runs.",
        "d2": "A dog.",
    }


def test_a_list_is_called_by_its_numbers():
    assert read_retrieval_texts(["a", "b"], "queries").ids == ("0", "1")


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ({"_id": ["a", "a", "b"], "text": ["x", "y", "z"]}, InputError, "'a'.*an id of its own"),
        ({"_id": ["a"], "body": ["x"], "more": ["y"]}, InputError, "no column 'text'"),
        ({"a": " ", "b": ""}, InputError, "no row with a text"),
        ({"_id": ["a"], "text": [3]}, InputTypeError, "row 0: the text is a int"),
        ("nowhere.jsonl", InputError, "no file nowhere"),
        (7, InputTypeError, "cannot be read from int"),
    ],
)
def test_what_cannot_be_read_is_told(source, error, told):
    with pytest.raises(error, match=told):
        read_retrieval_texts(source, "corpus")


def test_the_folder(corpus, tmp_path):
    assert not is_retrieval_folder(tmp_path)
    with pytest.raises(InputError, match="is no retrieval set"):
        retrieval_files(tmp_path)
    with gzip.open(tmp_path / "queries.jsonl.gz", "wt") as file:
        file.write('{"_id": "q1", "text": "fox"}\n')
    assert is_retrieval_folder(str(tmp_path))
    assert not is_retrieval_folder(["a"])
    assert retrieval_files(tmp_path) == (corpus, tmp_path / "queries.jsonl.gz", None)
    (tmp_path / "qrels").mkdir()
    assert retrieval_files(tmp_path)[2] == tmp_path / "qrels"
    assert read_retrieval_texts(tmp_path / "queries.jsonl.gz", "queries").texts == ("fox",)
