"""What layer L is, and what layer 0 can say."""

import numpy as np
import pytest
import torch
from trap_cases import (
    NO_PLACE,
    SMALL,
    TABLES,
    alone,
    listed,
    network,
    profile,
    quick,
    ready,
    rows_of,
    some,
    together,
    token_ids,
    worst,
)

from layergeom.geometry import neighbor_graph
from layergeom.measure import measure
from layergeom.reading import read
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from states.tiny_families import BLOCKS, FAMILIES, states

KEYS = ["embedding", *(f"block_{i + 1}" for i in range(BLOCKS))]
CAUSAL = some("gpt2", "llama", "neox", "opt", "bloom", "mamba", "gemma")


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_layer_count(case):
    loaded = ready(case)
    names = loaded.anatomy.names
    assert [name.key for name in names] == KEYS + ["final"] * case.final
    blocks = names[: BLOCKS + 1]
    raw = tuple(i for i, name in enumerate(blocks) if name.hidden_states is not None)
    assert raw == case.raw
    assert [name.depth for name in blocks] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [name.blocks for name in blocks] == [0, 1, 2, 3]
    assert all(loaded.module.get_submodule(name.module) for name in names if name.module)
    assert loaded.is_decoder == case.causal
    assert list(together(case)) == [name.key for name in names]
    assert len(listed(case, rows_of(case)[0])[0]) == BLOCKS + 1


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_final_norm(case):
    """The last block, by a hook, and the normed output are two entries, and transformers' last
    ``hidden_states`` is the one that the names say."""
    found = states(case, ready(case), batch_size=1)
    names = {name.key: name for name in ready(case).anatomy.names}
    assert (ready(case).final_norm is not None) == case.final == ("final" in names)
    for number, row in enumerate(rows_of(case)):
        own, (hidden, output) = alone(case, row), listed(case, row)
        assert worst(found["block_3"][number], own["block_3"].mean(0)) <= 1e-6
        assert worst(found[list(names)[-1]][number], output.mean(0)) <= 1e-6
        (last,) = (key for key in names if names[key].hidden_states == BLOCKS)
        assert worst(found[last][number], hidden[BLOCKS].mean(0)) <= 1e-6
    if case.final:
        same_width = found["final"].shape == found["block_3"].shape  # OPT 350m projects instead
        assert not same_width or worst(found["final"], found["block_3"]) > 0.01
        _, norm = ready(case).final_norm
        with torch.no_grad():
            normed = norm(torch.as_tensor(own["block_3"])[None])[0].numpy()
        assert worst(normed, own["final"]) <= 1e-5


@pytest.mark.parametrize("names", [
    ("final", ("gpt2", "llama", "neox", "opt", "esm2", "imagegpt", "t5")),
    ("block_3", ("bert", "vit")),
])  # fmt: skip
def test_T_final_norm__where_the_table_says(names):
    key, families = names
    for case in some(*families):
        (last,) = (n.key for n in ready(case).anatomy.names if n.hidden_states == BLOCKS)
        assert last == key, case


@pytest.mark.parametrize("case", quick(2, CAUSAL), ids=str)
def test_T_last_token_layer0(case):
    """One letter ends all inputs: at layer 0 as many points as places where it stands."""
    rows = [np.append(row, 4) for row in token_ids(250, seed=7, longest=12, shortest=6)]
    reason = "all 250 rows of X are the same point"
    if case in TABLES:
        reason = "undefined: 6 distinct points among 250 rows are too few for a dimension"
    check_undefined(profile(network(case), rows, pool="last"), reason)


@pytest.mark.parametrize("case", quick(2, [case for case in CAUSAL if case in NO_PLACE]), ids=str)
def test_T_last_token_layer0_aa(case):
    """Twenty letters, as proteins have: twenty points."""
    rows = [row % 20 + 4 for row in token_ids(250, seed=7, longest=12, shortest=6)]
    check_undefined(
        profile(network(case), rows, pool="last"),
        "undefined: 20 distinct points among 250 rows are too few for a dimension",
    )


def check_undefined(found, reason):
    assert list(found.undefined) == ["embedding"]
    assert found.undefined["embedding"].startswith(reason)
    assert np.isnan(found["dimension"].values[0])
    assert np.isfinite(found["dimension"].values[1:]).all()
    reading = read(found)
    assert "embedding" not in (reading.recommendation.layer, *reading.recommendation.ties)
    assert f"embedding: {reason}" in " ".join(found.warnings)


@pytest.mark.parametrize("case", NO_PLACE, ids=str)
def test_T_bag_of_words_layer0(case):
    rng = np.random.default_rng(8)
    rows = token_ids(20, seed=8, shortest=5)
    anagrams = [rng.permutation(row) for row in rows]
    found = states(case, ready(case), [*rows, *anagrams])
    assert worst(found["embedding"][20:], found["embedding"][:20]) <= 1e-6
    assert neighbor_graph(found["embedding"], k=4).n_distinct == 20
    assert neighbor_graph(found["block_2"], k=4).n_distinct == 40


@pytest.mark.parametrize("case", some("llama", "esm2"), ids=str)
def test_T_bag_of_words_layer0__in_a_profile(case):
    rng = np.random.default_rng(8)
    rows = token_ids(40, seed=8, shortest=5)
    found = profile(network(case), [*rows, *(rng.permutation(row) for row in rows)])
    assert found["distinct_points"].values[:2].tolist() == [40, 80]
    assert "40 of 80 rows repeat another row" in " ".join(found.warnings)


def test_T_igpt_layer0():
    """The places of an image's pixels are always the same: only its histogram is left."""
    (case,) = some("imagegpt")
    rng = np.random.default_rng(9)
    pictures = rng.integers(0, 60, (40, 16))
    pictures[20:] = rng.permuted(pictures[:20], axis=1)
    module = case.build(pad_token_id=None, eos_token_id=None)  # as ImageGPT's own
    hidden = extract(module, read_samples(pictures))
    table, places = module.wte.weight, module.wpe.weight[:16]
    wanted = (table[torch.as_tensor(pictures)].double().mean(1) + places.double().mean(0)).detach()
    assert worst(hidden["embedding"], wanted.numpy()) <= 1e-6
    found = measure(hidden, settings=SMALL)
    assert found["distinct_points"].values.tolist() == [20, *[40] * BLOCKS, 40]


@pytest.mark.parametrize("case", some("esm2", "esm1b"), ids=str)
def test_T_esm_token_dropout(case):
    """ESM scales its embeddings in evaluation too, by what share of the tokens is masked."""
    rows = [np.append(row, [3, 3]) for row in rows_of(case)]  # two <mask>
    last, mean = (states(case, ready(case), rows, mode=mode) for mode in ("last", "mean"))
    for number, row in enumerate(rows):
        own = listed(case, row)[0][0]
        np.testing.assert_array_equal(last["embedding"][number], own[-1])
        assert worst(mean["embedding"][number], own.mean(0)) <= 1e-6
    plain = load(case.build(token_dropout=False))
    wanted = states(case, plain, rows_of(case))["embedding"]
    scaled = states(case, ready(case))["embedding"]
    if case.name == "esm2":
        assert worst(scaled, 0.88 * wanted) <= 1e-6
    else:  # a norm follows, and undoes it but for the positions
        assert worst(scaled, wanted) > 1e-3


@pytest.mark.parametrize("case", some("albert"), ids=str)
def test_T_plus_tied_blocks(case):
    """One module that is called three times is three layers, each with its own states."""
    assert len(ready(case).blocks) == 1
    found = together(case)
    for one, other in (("block_1", "block_2"), ("block_2", "block_3")):
        assert worst(found[other], found[one]) > 0.01
    only = states(case, ready(case), batch_size=2)
    for key, wanted in found.items():
        assert worst(only[key], wanted) <= 1e-5


@pytest.mark.parametrize("case", some("gemma", "gemma2", "gemma3"), ids=str)
def test_T_plus_scaled_embeddings(case):
    """Layer 0 is what enters the first block, not the table of words."""
    table = network(case).get_input_embeddings().weight.detach().numpy()
    bare = np.stack([table[row].mean(0) for row in rows_of(case)])
    assert worst(together(case)["embedding"], bare * 4) <= 1e-5  # the root of the width


@pytest.mark.parametrize("case", some("bert", "gpt2", "opt_350m", "electra"), ids=str)
def test_T_plus_embedding_is_what_enters_the_first_block(case):
    """With positions, types, norms and projections, whatever the family adds."""
    table = network(case).get_input_embeddings().weight.detach().numpy()
    found = together(case)["embedding"]
    for number, row in enumerate(rows_of(case)):
        assert worst(found[number], alone(case, row)["embedding"].mean(0)) <= 1e-5
        bare = table[row].mean(0)
        assert bare.shape != found[number].shape or worst(found[number], bare) > 1e-2
