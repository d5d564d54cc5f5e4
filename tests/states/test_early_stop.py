"""Only the layers that are asked for, without the blocks behind them."""

import numpy as np
import pytest
import torch
from tiny import BLOCKS, folder, network, texts, token_rows
from tiny_families import FAMILIES, snapshot

from layergeom.errors import InputError
from layergeom.states.extract import View, extract, extract_views
from layergeom.states.inputs import read_samples
from layergeom.states.models import load

torch.set_num_threads(1)

SOME = ["esm2", "gpt2", "llama", "t5", "t5_decoder", "albert", "mamba", "bert", "olmo2"]


def of(name):
    return next(case for case in FAMILIES if case.name == name)


def calls_of_blocks(loaded):
    """Which blocks are called from now on, by their number."""
    called = []
    for number, block in enumerate(loaded.blocks):
        block.module.register_forward_hook(lambda *_, number=number: called.append(number))
    return called


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("layer", ["embedding", "block_2"])
def test_the_layer_is_the_full_runs_bit_by_bit(name, layer):
    case, samples = of(name), read_samples(token_rows())
    module = case.build()
    full = extract(module, samples, part=case.part)
    only = extract(module, samples, part=case.part, layers=[layer])
    assert only.layers == (layer,)
    assert only.names[0] == full.names[full.layers.index(layer)]
    np.testing.assert_array_equal(only[layer], full[layer])
    np.testing.assert_array_equal(only.token_norms[layer], full.token_norms[layer])
    assert only.key != full.key


@pytest.mark.parametrize("name", [name for name in SOME if name != "albert"])
def test_later_blocks_are_not_called(name, monkeypatch):
    case, samples = of(name), read_samples(token_rows())
    loaded = load(case.build(), part=case.part)
    monkeypatch.setattr("layergeom.states.request.load_source", lambda *_, **__: loaded)
    called = calls_of_blocks(loaded)
    for layer, wanted in (("embedding", []), ("block_1", [0]), ("block_2", [0, 1])):
        called.clear()
        extract(loaded.module, samples, part=case.part, layers=[layer], batch_size=4)
        assert called == wanted * 2, layer


def test_a_first_norm_needs_the_next_block_only_as_far_as_it(monkeypatch):
    loaded = load(of("llama").build())
    monkeypatch.setattr("layergeom.states.request.load_source", lambda *_, **__: loaded)
    assert loaded.norms.final == "norm"
    called = calls_of_blocks(loaded)
    attention = []
    loaded.module.layers[1].self_attn.register_forward_hook(lambda *_: attention.append(1))
    options = {"hook_point": "first_norm", "layers": ["block_1"]}
    only = extract(loaded.module, read_samples(token_rows()), **options)
    assert (called, attention) == ([0], [])
    full = extract(loaded.module, read_samples(token_rows()), hook_point="first_norm")
    np.testing.assert_array_equal(only["block_1"], full["block_1"])


@pytest.mark.parametrize("name", ["llama", "t5", "t5_decoder"])
def test_the_network_is_left_as_it_was_and_still_runs(name):
    case, samples = of(name), read_samples(token_rows())
    module = case.build().train()
    before = snapshot(module)
    first = extract(module, samples, part=case.part)
    for _ in range(2):
        extract(module, samples, part=case.part, layers=["block_1"])
        assert snapshot(module) == before
        assert torch.is_grad_enabled()
    again = extract(module, samples, part=case.part)
    np.testing.assert_array_equal(again["final"], first["final"])


def test_what_was_not_run_is_recorded():
    module, samples = network("GPT2"), read_samples(token_rows())
    assert extract(module, samples).provenance["stopped"] is None
    assert extract(module, samples, layers=["final"]).provenance["stopped"] is None
    only = extract(module, samples, layers=["block_1", "embedding"])
    assert only.layers == ("embedding", "block_1")
    assert only.provenance["stopped"] == "behind block 1 of 3: no layer needs the others"
    assert only.provenance["settings"]["layers"] == ["block_1", "embedding"]
    assert extract(module, samples, layers=["embedding", "block_1"]).key == only.key


def test_views_stop_behind_the_last_layer_that_any_needs():
    samples = read_samples(token_rows())
    views = extract_views(network("Llama"), samples, pools=["mean", "token"],
                          hook_points=["residual", "first_norm"], layers=["block_1"])  # fmt: skip
    for view, found in views.items():
        alone = extract(network("Llama"), samples, pool=view.pool, hook_point=view.hook_point)
        np.testing.assert_array_equal(found["block_1"], alone["block_1"])
    assert views[View("mean")].layers == ("block_1",)


def test_layers_that_are_not_there(tmp_path):
    module, samples = network("GPT2"), read_samples(token_rows())
    with pytest.raises(InputError, match="no layer 'block_9'; the layers are embedding, block_1"):
        extract(module, samples, layers=["block_1", "block_9"])
    with pytest.raises(InputError, match="There is no layer 'final'"):
        extract(module, samples, layers=["final"], hook_point="final_norm")
    for wrong in ("block_1", [], [1]):
        with pytest.raises(InputError, match="layers must be a list of layer keys"):
            extract(module, samples, layers=wrong)


def test_stored_layers_are_found_again(tmp_path):
    from layergeom.states.store import Store

    path, samples, store = folder(tmp_path / "a"), read_samples(texts()), Store(tmp_path / "b")
    first = extract(path, samples, layers=[f"block_{BLOCKS - 1}"], store=store)
    seen = []
    again = extract(path, samples, layers=["block_2"], store=store, progress=seen.append)
    assert again.key == first.key
    assert not seen
