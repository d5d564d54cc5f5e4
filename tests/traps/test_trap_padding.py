"""Batches, padding and masks: a row's states are its own."""

import numpy as np
import pytest
import torch
import transformers
from trap_cases import (
    BIDIRECTIONAL,
    RELATIVE,
    TABLES,
    alone,
    listed,
    network,
    quick,
    ready,
    rows_of,
    some,
    together,
    token_ids,
    worst,
)

from layergeom.errors import InputError
from layergeom.geometry import anisotropy, neighbor_graph, twonn
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from states.tiny import texts, tokenizer
from states.tiny_families import DECODERS, FAMILIES, READERS, ROWS, states

SEVEN = some("gpt2", "llama", "neox", "opt", "esm2", "bert", "t5", "imagegpt", "mamba")
UNMASKED = [name for name in ("FNet", "ConvBert", "Nystromformer")
            if hasattr(transformers, f"{name}Model")]  # fmt: skip


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_pad_mean(case):
    found, names = together(case), {name.key: name for name in ready(case).anatomy.names}
    for number, row in enumerate(rows_of(case)):
        own, (hidden, _) = alone(case, row), listed(case, row)
        assert set(own) == set(found)
        for key, tokens in own.items():
            assert worst(found[key][number], tokens.mean(0)) <= 1e-5, key
            index = names[key].hidden_states
            if index is not None:
                assert worst(found[key][number], hidden[index].mean(0)) <= 1e-5, key


@pytest.mark.parametrize("case", SEVEN, ids=str)
def test_T_pad_mean_anisotropy(case):
    rows = token_ids(48, seed=1)
    found = states(case, ready(case), rows, batch_size=16)
    own = [alone(case, row) for row in rows]
    for key in ("block_2", list(found)[-1]):
        wanted = np.stack([tokens[key].mean(0) for tokens in own])
        for quantity in (anisotropy, lambda x: twonn(neighbor_graph(x, k=8))):
            assert quantity(found[key]).value == pytest.approx(quantity(wanted).value, rel=1e-3)


@pytest.mark.parametrize("case", TABLES, ids=str)
def test_T_pad_left_absolute_positions(case):
    check_padded(case, "left")


@pytest.mark.parametrize("case", RELATIVE, ids=str)
def test_T_pad_left_rope(case):
    check_padded(case, "left")


@pytest.mark.parametrize("case", READERS, ids=str)
def test_T_plus_pad_right_by_the_user(case):
    check_padded(case, "right")


def check_padded(case, side):
    """Rows that the user has padded give the states of the same rows unpadded, bit by bit."""
    pad = ready(case).padding.code
    ends = (24, 0) if side == "left" else (0, 24)
    padded = [np.pad(row, [end - len(row) * (end > 0) for end in ends], constant_values=pad)
              for row in ROWS]  # fmt: skip
    assert {len(row) for row in padded} == {24}
    again = states(case, ready(case), padded)
    for key, wanted in together(case).items():
        np.testing.assert_array_equal(again[key], wanted)


@pytest.mark.parametrize("case", some("gpt2", "bert", "opt", "mamba"), ids=str)
def test_T_pad_left_absolute_positions__a_mask_alone_would_not_do(case):
    """What the realignment is for: positions, or a recurrence, begin at the first token fed."""
    row, module = torch.as_tensor(ROWS[0])[None], network(case)
    mask = torch.ones_like(row)
    takes_mask = {} if case.name == "mamba" else {"attention_mask": torch.nn.functional.pad(
        mask, (3, 0))}  # fmt: skip
    with torch.no_grad():
        wanted = module(row).last_hidden_state
        before = module(torch.nn.functional.pad(row, (3, 0)), **takes_mask).last_hidden_state
    if case.name == "opt":  # counts its positions from the mask
        assert worst(before[:, 3:].numpy(), wanted.numpy()) < 1e-5
    else:
        assert worst(before[:, 3:].numpy(), wanted.numpy()) > 1e-3


@pytest.mark.parametrize("case", READERS, ids=str)
def test_T_last_token_index(case):
    found = together(case, "last")
    for number, row in enumerate(ROWS):
        for key, tokens in alone(case, row).items():
            assert worst(found[key][number], tokens[-1]) <= 1e-5, key
    assert max(worst(found[key], together(case)[key]) for key in found) > 1e-3


@pytest.mark.parametrize("case", BIDIRECTIONAL, ids=str)
def test_T_mask_passed(case):
    loaded, masks = ready(case), []
    heard = loaded.module.whole.get_encoder() if case.part == "decoder" else loaded.module
    handle = heard.register_forward_pre_hook(
        lambda _, __, kwargs: masks.append(kwargs["attention_mask"]), with_kwargs=True
    )
    states(case, loaded)
    handle.remove()
    assert [mask.sum(dim=1).tolist() for mask in masks] == [sorted(map(len, ROWS))[::-1]]
    assert all(set(mask.unique().tolist()) == {0, 1} for mask in masks)


@pytest.mark.parametrize("case", BIDIRECTIONAL, ids=str)
def test_T_mask_passed__without_it_the_states_would_differ(case):
    row = torch.as_tensor(ROWS[0])[None]
    ids = torch.nn.functional.pad(row, (0, 9), value=5)
    mask = torch.nn.functional.pad(torch.ones_like(row), (0, 9))
    read = ready(case).module
    with torch.no_grad():
        masked, open_ = (
            read(input_ids=ids, attention_mask=m).last_hidden_state[:, : row.shape[1]].numpy()
            for m in (mask, torch.ones_like(ids))
        )
    assert worst(masked[0].mean(0), together(case)[list(together(case))[-1]][0]) <= 1e-5
    assert worst(open_, masked) > 1e-4


@pytest.mark.parametrize("name", UNMASKED)
def test_T_plus_networks_that_do_not_mask(name):
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(
        vocab_size=64, hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40, pad_token_id=0, initializer_range=0.5,
    )  # fmt: skip
    module = getattr(transformers, f"{name}Model")(config).eval()
    rows = [*token_ids(7), *token_ids(3, shortest=6, longest=7)]
    hidden = extract(module, read_samples(rows), batch_size=8)
    assert f"A {name}Model does not mask what fills up shorter rows" in " ".join(hidden.warnings)
    for number, row in enumerate(rows):
        with torch.no_grad():
            own = module(torch.as_tensor(row)[None], output_hidden_states=True).hidden_states
        for layer, tokens in enumerate(own):
            assert worst(hidden[layer][number], tokens[0].mean(0).numpy()) <= 1e-5


class Mixer(torch.nn.Module):
    """Mixes all tokens of a batch's row and knows no mask."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(64, 8)
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(2))

    def forward(self, ids):
        stream = self.words(ids)
        for block in self.blocks:
            stream = block(stream + stream.mean(dim=1, keepdim=True))
        return stream


def test_T_plus_attention_mask_absent():
    module, rows = Mixer(), token_ids(9)
    hidden = extract(module, read_samples(rows))
    for number, row in enumerate(rows):
        with torch.no_grad():
            wanted = module(torch.as_tensor(row)[None])[0].mean(0).numpy()
        assert worst(hidden["block_2"][number], wanted) <= 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("case", quick(2, some("gpt2", "bert", "llama", "t5", "opt")), ids=str)
def test_T_plus_padding_side_of_the_tokenizer(case, side):
    words, lines = tokenizer(), texts(9)
    words.padding_side = words.truncation_side = side
    hidden = extract(network(case), read_samples(lines), tokenizer=words)
    for number, line in enumerate(lines):
        own = alone(case, words(line)["input_ids"])
        for key in hidden.layers:
            assert worst(hidden[key][number], own[key][1:-1].mean(0)) <= 1e-5


@pytest.mark.parametrize("case", some("gpt2", "llama", "bert"), ids=str)
def test_T_plus_tokenizer_without_pad_token(case):
    words, lines = tokenizer(), texts(9)
    words.pad_token = None
    module = case.build(pad_token_id=None)
    hidden = extract(module, read_samples(lines), tokenizer=words)
    for number, line in enumerate(lines):
        ids = torch.as_tensor(words(line)["input_ids"])[None]
        with torch.no_grad():
            tokens = module(ids).last_hidden_state[0].numpy()
        assert worst(hidden[hidden.layers[-1]][number], tokens[1:-1].mean(0)) <= 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("case", some("gpt2", "llama", "neox", "clip_text"), ids=str)
def test_T_plus_rows_filled_up_with_the_end_token(case, side):
    """Where no padding token is named, the end token serves; of a repeated one nobody can tell."""
    module = case.build(pad_token_id=None, eos_token_id=3)
    ends = (24, 0) if side == "left" else (0, 24)
    padded = [np.pad(row, [end - len(row) * (end > 0) for end in ends], constant_values=3)
              for row in ROWS]  # fmt: skip
    with pytest.raises(InputError, match="Row '0' begins or ends with several tokens 3"):
        extract(module, read_samples(padded))


@pytest.mark.parametrize("case", quick(12, FAMILIES[::-1]), ids=str)
def test_T_plus_batch_of_one(case):
    for mode in ("mean", "last"):
        one = states(case, ready(case), mode=mode, batch_size=1)
        for key, wanted in together(case, mode).items():
            assert worst(one[key], wanted) <= 1e-5, key
            assert np.ptp(wanted, axis=0).max() > 1e-3, key  # rows differ: the comparison can fail


@pytest.mark.parametrize("case", quick(12, READERS), ids=str)
def test_T_plus_one_token_and_equal_lengths(case):
    for rows in ([[5], [9], [7]], token_ids(4, shortest=7, longest=8), [[5], [9] * 30]):
        found = states(case, ready(case), rows)
        for number, row in enumerate(rows):
            for key, tokens in alone(case, row).items():
                assert worst(found[key][number], tokens.mean(0)) <= 1e-5, key


def test_T_plus_padding_of_the_model_reaches_the_rows_of_any_tokenizer():
    words = tokenizer()
    words.pad_token = words.sep_token
    loaded = load(DECODERS[0].build(), tokenizer=words)
    assert (loaded.padding.code, loaded.padding.shared) == (3, True)
