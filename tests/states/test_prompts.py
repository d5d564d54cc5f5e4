"""Prompts of a folder are those that sentence-transformers puts before queries and documents."""

import json

import pytest

from layergeom.errors import InputError
from layergeom.states.pipelines import Pipeline
from layergeom.states.prompts import Prompts, prompts_of, put_before
from layergeom.states.sentence_folder import PROMPTS


@pytest.fixture
def folder(tmp_path):
    def write(prompts):
        (tmp_path / PROMPTS).write_text(json.dumps({"prompts": prompts}))
        return tmp_path

    return write


def pipeline(prompt="", include=True):
    return Pipeline(("mean",), include, prompt, False, None, (), ("Transformer", "Pooling"), ())


def test_the_model_s_own(folder):
    found = prompts_of(folder({"query": "q: ", "passage": "p: ", "corpus": "c: "}))
    assert found == Prompts("q: ", "p: ", "the model's")
    assert prompts_of(folder({"document": "d: ", "passage": "p: "})).document == "d: "
    assert prompts_of(folder({"query": None})) == Prompts("", "", "none")
    assert prompts_of(folder(None)) == Prompts("", "", "none")


def test_what_is_given_comes_first_also_if_it_is_nothing(folder):
    place = folder({"query": "q: ", "document": "d: "})
    assert prompts_of(place, query="") == Prompts("", "d: ", "given")
    assert prompts_of(place, "x ", "y ") == Prompts("x ", "y ", "given")


def test_no_folder_and_a_damaged_one(folder):
    assert prompts_of(None) == Prompts("", "", "none")
    with pytest.raises(InputError, match="are no mapping"):
        prompts_of(folder(["q: "]))


def test_what_the_pipeline_puts_there_itself_is_not_put_there_again():
    assert put_before("q: ", None, "queries") == "q: "
    assert put_before("q: ", pipeline(), "queries") == "q: "
    assert put_before("q: ", pipeline("q: "), "queries") == ""
    assert put_before("", pipeline(include=False), "queries") == ""
    with pytest.raises(InputError, match=r"default prompt 'd: '.*of the queries is 'q: '"):
        put_before("q: ", pipeline("d: "), "queries")
    with pytest.raises(InputError, match="does not pool over the tokens of a prompt"):
        put_before("q: ", pipeline(include=False), "queries")
