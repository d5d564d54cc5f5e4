"""States of single tokens as rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import folder, network, texts, token_rows, tokenizer

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.feeds import chosen_tokens
from layergeom.states.hidden import open_states
from layergeom.states.inputs import read_samples
from layergeom.states.sequences import Sequences
from layergeom.states.settings import Extraction
from layergeom.states.store import Store

torch.set_num_threads(1)

FIRST = {"token_rule": "first"}


def tokens_of(module, row):
    """The states of one row by transformers' own means, by layer (tokens, features)."""
    ids = torch.as_tensor(np.asarray(row))[None]
    with torch.no_grad():
        output = module(input_ids=ids, output_hidden_states=True)
    return [entry[0].numpy() for entry in output.hidden_states]


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_every_token_is_a_row(batch_size):
    module, rows = network("GPT2"), token_rows()
    hidden = extract(module, read_samples(rows), pool="token", batch_size=batch_size)
    lengths = [len(row) for row in rows]
    assert hidden.n == sum(lengths) == hidden.counts["rows"]
    whole = [tokens_of(module, row) for row in rows]
    for layer in range(3):
        wanted = np.concatenate([states[layer] for states in whole])
        assert relative(hidden[layer], wanted) < 1e-5
        norms = np.linalg.norm(wanted, axis=1)
        key = hidden.layers[layer]
        np.testing.assert_allclose(hidden.token_norms[key], np.c_[norms, norms], rtol=1e-5)
    assert hidden.rows == tuple(np.repeat(np.arange(len(rows)), lengths))
    wanted = [f"{i}:{j}" for i, length in enumerate(lengths) for j in range(length)]
    assert hidden.ids == tuple(wanted)
    assert hidden.groups == tuple(name.split(":")[0] for name in wanted)
    assert hidden.inputs is None
    assert not any("tokens are rows" in line for line in hidden.warnings)


def test_special_tokens_are_no_rows_unless_asked_for(tmp_path):
    path, words, lines = folder(tmp_path), tokenizer(), texts(5)
    module, samples = network("Bert"), read_samples(lines)
    without = extract(path, samples, pool="token")
    with_them = extract(path, samples, pool="token", special_tokens=True)
    ids = [words(line)["input_ids"] for line in lines]
    wanted = [tokens_of(module, row)[3] for row in ids]
    assert relative(with_them["block_3"], np.concatenate(wanted)) < 1e-5
    assert relative(without["block_3"], np.concatenate([w[1:-1] for w in wanted])) < 1e-5
    assert without.ids[0] == "0:1"  # the position as fed, behind [CLS]
    assert "single tokens of tokens without special tokens" in without.provenance["pooling"]


def test_the_first_tokens_of_the_data():
    module, rows = network("GPT2"), token_rows()
    all_, first = (
        extract(module, read_samples(rows), pool="token", max_tokens=limit, **FIRST)
        for limit in (None, 25)
    )
    assert first.n == 25
    assert first.ids == all_.ids[:25]
    for layer in first.layers:
        np.testing.assert_array_equal(first[layer], np.asarray(all_[layer])[:25])
    assert f"25 of {all_.n} tokens are rows (the first); max_tokens=None keeps every token." in (
        first.warnings
    )


def test_drawn_tokens_are_those_of_the_whole():
    module, samples = network("GPT2"), read_samples(token_rows())
    whole = extract(module, samples, pool="token", max_tokens=None)
    options = {"pool": "token", "max_tokens": 30}
    drawn = extract(module, samples, **options)
    places = [whole.ids.index(name) for name in drawn.ids]
    assert places == sorted(set(places))
    assert len(places) == 30
    for layer in drawn.layers:
        np.testing.assert_array_equal(drawn[layer], np.asarray(whole[layer])[places])
    assert drawn.rows == tuple(whole.rows[place] for place in places)
    assert extract(module, samples, **options).ids == drawn.ids
    other = extract(module, samples, **options, token_seed=1)
    assert other.ids != drawn.ids
    assert other.key != drawn.key
    assert any("drawn at random, seed 1" in line for line in other.warnings)


def test_every_token_is_as_likely_whatever_its_row():
    counted = (np.ones(1, bool), np.array([False, True, True, True, False]), np.ones(6, bool))
    sequences = Sequences((None,) * 3, counted, (0, 1, 2))
    seen = np.zeros((3, 6))
    for seed in range(2000):
        chosen = chosen_tokens(sequences, Extraction("token", max_tokens=4, token_seed=seed))
        assert chosen.of == 10
        assert len(set(zip(chosen.sequences, chosen.positions, strict=True))) == 4
        seen[chosen.sequences, chosen.positions] += 1
    drawn = np.r_[seen[0, :1], seen[1, 1:4], seen[2]]
    assert drawn.sum() == seen.sum() == 8000  # none that does not count
    # 2,000 draws of probability 0.4 each: 4.5 standard deviations are 99
    assert np.abs(drawn - 800).max() < 99


def test_groups_are_the_samples_where_these_have_groups(tmp_path):
    module = network("GPT2")
    samples = replace(read_samples([[5, 6], [7], [8, 9]]), groups=("a", None, "a"))
    store = Store(tmp_path)
    hidden = extract(module, samples, pool="token", store=store)
    assert hidden.groups == ("a", "a", "row 1", "a", "a")
    assert open_states(store).groups == hidden.groups
    pooled = extract(module, samples, pool="mean")
    assert pooled.groups == ("a", "row 1", "a")


def test_stored_tokens_take_their_names_from_the_data(tmp_path):
    module, store = network("GPT2"), Store(tmp_path)
    samples = read_samples([[5, 6], [7]])
    extract(module, samples, pool="token", store=store)
    renamed = replace(samples, ids=("x:1", "y"))
    again = extract(module, renamed, pool="token", store=store)
    assert again.ids == ("x:1:0", "x:1:1", "y:0")
    assert again.groups == ("x:1", "x:1", "y")
    assert again.rows == (0, 0, 1)


def test_rows_left_out_keep_the_numbers_of_the_others(tmp_path):
    samples = read_samples(["w1 w2", " ".join(["w3"] * 30), "w4"])
    hidden = extract(folder(tmp_path), samples, pool="token", max_length=8, long="skip")
    assert hidden.ids == ("0:1", "0:2", "2:1")
    assert hidden.rows == (0, 0, 2)


def test_settings_of_tokens_are_in_the_key_of_tokens_only():
    content = Extraction("token", max_tokens=5).content
    assert (content["max_tokens"], content["token_rule"], content["token_seed"]) == (5, "random", 0)
    assert Extraction("mean", max_tokens=5).content == Extraction("mean").content
    with pytest.raises(InputError, match="token_rule must be one of random, first, not 'last'"):
        Extraction("token", token_rule="last")  # noqa: S106  no password
    with pytest.raises(InputError, match="max_tokens must be at least 1"):
        Extraction("token", max_tokens=0)


def test_an_overflow_of_a_token_marks_the_layer():
    module = network("Llama")
    with torch.no_grad():
        module.embed_tokens.weight[9] = float("inf")
    samples = read_samples([[5, 6], [7, 9, 8]])
    hidden = extract(module, samples, pool="token")
    assert hidden.provenance["invalid"]["embedding"].startswith("1 of 5 rows is not finite")
    last = extract(module, samples, pool="token", max_tokens=2, **FIRST)
    assert last.provenance["invalid"] == {}
