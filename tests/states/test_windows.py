"""Rows beyond the network's length, read in overlapping windows."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tiny import WORDS, folder, network, tokenizer

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.settings import Extraction
from layergeom.states.tokenization import Limits, Wording, check_tokens, tokenize
from layergeom.states.windows import cuts

torch.set_num_threads(1)

OPTIONS = {"pool": "mean", "long": "window"}


def lines(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, length)) for length in lengths]


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def tokens_of(module, ids):
    with torch.no_grad():
        output = module(input_ids=torch.as_tensor(ids)[None], output_hidden_states=True)
    return [entry[0].numpy() for entry in output.hidden_states]


@pytest.mark.parametrize("stride", [None, 0, 1, 4])
def test_windows_are_those_of_the_tokenizer(stride):
    words, texts = tokenizer(), lines(3, 8, 9, 10, 23, 40)
    found = tokenize(texts, list("abcdef"), words, Wording(), Limits(10, "window", 0.01, stride))
    wanted = words(
        texts, truncation=True, max_length=10, stride=4 if stride is None else stride,
        return_overflowing_tokens=True, return_special_tokens_mask=True,
    )  # fmt: skip
    assert [row.tolist() for row in found.ids] == wanted["input_ids"]
    assert found.rows == tuple(wanted["overflow_to_sample_mapping"])
    counted = [[not flag for flag in row] for row in wanted["special_tokens_mask"]]
    assert [row.tolist() for row in found.counted] == counted
    assert found.windowed == (2, 3, 4, 5)
    assert found.kept == tuple(range(6))


def test_every_token_is_in_a_window_and_every_window_has_a_new_token():
    for tokens in range(1, 30):
        for room in range(1, 9):
            for stride in range(room):
                spans = cuts(tokens, room, stride)
                assert {i for span in spans for i in range(*span)} == set(range(tokens))
                assert all(stop - start <= room for start, stop in spans)
                assert all(b[1] > a[1] for a, b in pairwise(spans))
                shared = {a[1] - b[0] for a, b in pairwise(spans)}
                assert shared <= {stride}


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_a_row_is_the_mean_of_its_windows_by_their_tokens(batch_size):
    module, rng = network("GPT2"), np.random.default_rng(0)
    rows = [rng.integers(4, 64, n) for n in (12, 95, 40, 41)]
    hidden = extract(module, read_samples(rows), **OPTIONS, stride=10, batch_size=batch_size)
    assert (hidden.n, hidden.counts["windowed"]) == (4, 2)
    for number, row in enumerate(rows):
        starts = range(0, max(1, len(row) - 10), 30)
        windows = [tokens_of(module, row[start : start + 40]) for start in starts]
        for layer in range(3):
            tokens = np.concatenate([states[layer] for states in windows])
            assert relative(hidden[layer][number], tokens.mean(0)) < 1e-5
            norms = np.linalg.norm(tokens, axis=1)
            wanted = [norms.mean(), norms.max()]
            key = hidden.layers[layer]
            np.testing.assert_allclose(hidden.token_norms[key][number], wanted, rtol=1e-5)


def test_short_rows_are_what_they_are_without_windows(tmp_path):
    path, samples = folder(tmp_path), read_samples(lines(5, 100, 20))
    cut, pieces = extract(path, samples, pool="mean"), extract(path, samples, **OPTIONS)
    for layer in cut.layers:
        np.testing.assert_allclose(pieces[layer][[0, 2]], cut[layer][[0, 2]], rtol=1e-6)
        assert relative(pieces[layer][1], cut[layer][1]) > 1e-3
    assert pieces.ids == ("0", "1", "2")
    assert pieces.rows == (0, 1, 2)
    assert "1 row was read in overlapping windows of 40 tokens: row 1 (id '1')." in (
        pieces.warnings
    )
    assert "of each window, then the mean over windows weighted" in pieces.provenance["pooling"]
    assert pieces.provenance["max_length"] == 40
    assert pieces.key != cut.key


def test_nothing_changes_where_no_row_is_too_long(tmp_path):
    path, samples = folder(tmp_path), read_samples(lines(5, 12, 20))
    cut, pieces = extract(path, samples, pool="mean"), extract(path, samples, **OPTIONS)
    for layer in cut.layers:
        np.testing.assert_array_equal(pieces[layer], cut[layer])
    assert pieces.counts["windowed"] == 0


def test_long_rows_that_are_equal_have_equal_hashes():
    rows = [[5] * 90, [6] * 90, [5] * 90, [5] * 89, [5] * 4]
    hidden = extract(network("GPT2"), read_samples(rows), **OPTIONS)
    first, second, third, fourth, fifth = hidden.inputs
    assert first == third
    assert len({first, second, fourth, fifth}) == 4
    np.testing.assert_allclose(hidden["block_3"][0], hidden["block_3"][2], rtol=1e-5)


def test_an_overflow_in_one_window_marks_the_row_once():
    module = network("Llama")
    with torch.no_grad():
        module.embed_tokens.weight[9] = float("nan")
    rows = [[5] * 30, [9] * 90]
    hidden = extract(module, read_samples(rows), **OPTIONS)
    assert hidden.provenance["invalid"]["embedding"].startswith("1 of 2 rows is not finite")


def test_windows_need_the_mean_and_room():
    for pool in ("auto", "last", "max", "weighted_mean", "token"):
        with pytest.raises(InputError, match=f"long='window' needs pool='mean', not '{pool}'"):
            Extraction(pool=pool, long="window")
    with pytest.raises(InputError, match="room for 8, but stride=8 of them are the window's befor"):
        tokenize(lines(20), ["a"], tokenizer(), Wording(), Limits(10, "window", 0.01, 8))
    with pytest.raises(InputError, match="with 2 special ones have room for 0"):
        tokenize(lines(20), ["a"], tokenizer(), Wording(), Limits(2, "window", 0.01))
    with pytest.raises(InputError, match="stride must be at least 0"):
        Extraction("mean", long="window", stride=-1)
    whole = check_tokens([[5, 6, 7]], ["a"], 64, Limits(2, "window", 0.01))
    assert [row.tolist() for row in whole.ids] == [[5, 6], [6, 7]]


def test_the_stride_is_in_the_key_of_windows_only():
    plain = Extraction("mean", stride=3)
    assert plain.content == Extraction("mean").content
    assert Extraction(stride=3, **OPTIONS).content["stride"] == 3
