"""Hook points of every family, against the network's own modules called by hand."""

import numpy as np
import pytest
import torch
from tiny_families import (
    BLOCKS,
    FAMILIES,
    ROWS,
    SPECIAL,
    images,
    relative,
    snapshot,
    states,
)

from layergeom.errors import InputError
from layergeom.states.hooks import lead_of, untouched
from layergeom.states.models import load
from layergeom.states.norms import find_norms
from layergeom.states.plans import Plan

torch.set_num_threads(1)

POST_NORM = {
    "protbert", "bert", "roberta", "xlm_roberta", "albert", "distilbert", "electra", "deberta_v2",
    "bart", "bart_decoder", "opt_350m",
}  # fmt: skip
REORDERED = {"olmo2"}  # norms what its sublayers give: a final norm, but none on a block's input
NORMED = [case for case in FAMILIES if case.name not in POST_NORM]
PRE_NORM = [case for case in NORMED if case.name not in REORDERED]
FIRST = {  # the module of a block that is called first, as the families' code says
    "esm2": "attention.LayerNorm", "esm1b": "attention.LayerNorm", "esmc": "input_layernorm",
    "prott5": "layer.0.layer_norm", "prott5_encoder_only": "layer.0.layer_norm",
    "t5": "layer.0.layer_norm", "umt5": "layer.0.layer_norm", "t5_decoder": "layer.0.layer_norm",
    "modernbert": "attn_norm", "siglip_text": "layer_norm1", "clip_text": "layer_norm1",
    "gpt2": "ln_1", "imagegpt": "ln_1", "gptj": "ln_1", "opt": "self_attn_layer_norm",
    "mamba": "norm", "vit": "layernorm_before", "deit": "layernorm_before",
    "beit": "layernorm_before", "mae": "layernorm_before", "dinov2": "norm1",
    "dinov2_registers": "norm1", "dinov3": "norm1", "clip_vision": "layer_norm1",
    "siglip_vision": "layer_norm1", "olmo2": "post_attention_layernorm",
}  # fmt: skip
FINAL = {"beit": "pooler.layernorm", "clip_vision": "post_layernorm"}  # norm what they pool


def seen(case, loaded, row):
    """Input of each block and what its first norm gave, of one row, by hooks of our own."""
    inputs, normed, network = [], [], loaded.module
    lead, skip = lead_of(network), SPECIAL.get(case.name, 0)

    def keep(where):
        def hook(_part, args, output=None):
            where.append((args[0] if output is None else output)[0, lead + skip :])

        return hook

    with untouched(network):
        for block in loaded.blocks:
            block.module.register_forward_pre_hook(keep(inputs))
            norm = block.module.get_submodule(FIRST.get(case.name, "input_layernorm"))
            norm.register_forward_hook(keep(normed))
        if case.part == "vision":
            extra = {"noise": torch.arange(9)[None]} if case.name == "mae" else {}
            network(torch.as_tensor(row)[None], **extra)
        else:
            ids = torch.as_tensor(row)[None]
            network(input_ids=ids, attention_mask=torch.ones_like(ids))
    return inputs, normed


@pytest.mark.parametrize("case", PRE_NORM, ids=str)
def test_first_norm_is_what_the_first_module_of_the_next_block_gives(case):
    module = case.build(**({"mask_ratio": 0.0} if case.name == "mae" else {}))
    loaded = load(module, part=case.part)
    found = states(case, loaded, point="first_norm")
    assert list(found) == ["embedding", *(f"block_{i + 1}" for i in range(BLOCKS))]
    for number, row in enumerate(images() if case.part == "vision" else ROWS):
        _, normed = seen(case, loaded, row)
        assert len(normed) == BLOCKS
        for layer, wanted in enumerate(normed):
            key = f"block_{layer}" if layer else "embedding"
            assert relative(found[key][number], wanted.mean(0).numpy()) < 1e-5, key


@pytest.mark.parametrize("case", NORMED, ids=str)
def test_final_norm_is_applied_to_every_layer(case):
    module = case.build(**({"mask_ratio": 0.0} if case.name == "mae" else {}))
    loaded = load(module, part=case.part)
    found = states(case, loaded, point="final_norm")
    norms = find_norms(loaded.module, loaded.blocks)
    assert norms.final == FINAL.get(case.name, loaded.anatomy.final_norm)
    norm = loaded.module.get_submodule(norms.final)
    row = (images() if case.part == "vision" else ROWS)[0]
    inputs, _ = seen(case, loaded, row)
    for layer, stream in enumerate(inputs):
        key = f"block_{layer}" if layer else "embedding"
        with torch.no_grad():
            wanted = norm(stream[None])[0].mean(0).numpy()
        assert relative(found[key][0], wanted) < 1e-5, key


@pytest.mark.parametrize("case", [c for c in NORMED if c.final], ids=str)
def test_behind_the_last_block_both_norms_give_the_final_layer(case):
    loaded = load(case.build(), part=case.part)
    wanted = states(case, loaded)["final"]
    for point in ("first_norm", "final_norm") if case in PRE_NORM else ("final_norm",):
        found = states(case, loaded, point=point)
        assert "final" not in found
        np.testing.assert_array_equal(found[f"block_{BLOCKS}"], wanted)


@pytest.mark.parametrize("point", ["first_norm", "final_norm"])
@pytest.mark.parametrize("case", [c for c in FAMILIES if c.name in POST_NORM], ids=str)
def test_post_norm_networks_are_refused(case, point):
    loaded = load(case.build(), part=case.part)
    wanted = "is not pre-norm" if point == "first_norm" else "has no norm behind its last block"
    with pytest.raises(InputError, match=rf"{wanted}.*choose hook_point='residual'"):
        Plan(loaded, ("mean",), point=point).layers  # noqa: B018


def test_norms_behind_the_sublayers_are_no_first_norms():
    case = next(case for case in FAMILIES if case.name == "olmo2")
    with pytest.raises(InputError, match="A Olmo2Model is not pre-norm"):
        states(case, load(case.build()), point="first_norm")


@pytest.mark.parametrize("case", PRE_NORM, ids=str)
def test_nothing_is_left_behind(case):
    module = case.build().train()
    before, randomness = snapshot(module), torch.random.get_rng_state()
    states(case, load(module, part=case.part), point="first_norm")
    assert snapshot(module) == before
    assert torch.equal(torch.random.get_rng_state(), randomness)


def test_hooks_of_others_hear_the_final_norm_once():
    case = next(case for case in FAMILIES if case.name == "llama")
    loaded, heard = load(case.build()), []
    assert loaded.norms.final == "norm"
    loaded.module.norm.register_forward_hook(lambda *_: heard.append(1))
    states(case, loaded, point="final_norm", batch_size=8)
    assert heard == [1]


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_norms_are_found_whatever_the_size_of_the_stream(scale):
    case = next(case for case in FAMILIES if case.name == "gpt2")
    module = case.build()
    with torch.no_grad():
        module.wte.weight *= scale
        module.wpe.weight *= scale
    loaded = load(module)
    assert find_norms(module, loaded.blocks).first["h.0"] == "h.0.ln_1"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_norms_are_found_in_half_precision(dtype):
    for name in ("gpt2", "llama", "t5", "esm2"):
        case = next(case for case in FAMILIES if case.name == name)
        loaded = load(case.build().to(dtype))
        wanted = load(case.build()).norms
        assert loaded.norms == wanted


class ZeroBlock(torch.nn.Module):
    """Its first module gives zeros for everything, as a new adapter does: that is no norm."""

    def __init__(self):
        super().__init__()
        self.adapter = torch.nn.Linear(8, 8)
        torch.nn.init.zeros_(self.adapter.weight)
        self.norm = torch.nn.LayerNorm(8)
        self.inner = torch.nn.Linear(8, 8)

    def forward(self, stream):
        return stream + self.adapter(stream) + self.inner(self.norm(stream))


class TwiceBlock(torch.nn.Module):
    """One norm for both of its sublayers."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(8)
        self.inner = torch.nn.Linear(8, 8)

    def forward(self, stream):
        stream = stream + self.inner(self.norm(stream))
        return stream + self.inner(self.norm(stream))


class Stack(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(64, 8)
        self.blocks = torch.nn.ModuleList(kind() for _ in range(2))
        self.norm = torch.nn.LayerNorm(8)

    def forward(self, ids):
        stream = self.words(ids)
        for block in self.blocks:
            stream = block(stream)
        return self.norm(stream)


def test_what_gives_a_constant_is_no_norm():
    loaded = load(Stack(ZeroBlock))
    assert loaded.norms.first == {"blocks.0": "blocks.0.norm", "blocks.1": "blocks.1.norm"}


def test_a_norm_that_a_block_calls_again_is_heard_once():
    case = next(case for case in FAMILIES if case.name == "gpt2")
    module = Stack(TwiceBlock)
    found = states(case, load(module), point="first_norm")
    raw = states(case, load(module))
    row = module.words(torch.as_tensor(ROWS[0])).detach()
    wanted = module.blocks[0].norm(row).mean(0).detach().numpy()
    assert relative(found["embedding"][0], wanted) < 1e-5
    assert relative(raw["embedding"][0], row.mean(0).numpy()) < 1e-5


def test_layers_in_each_tools_words():
    case = next(case for case in FAMILIES if case.name == "gpt2")
    loaded = load(case.build())
    first = Plan(loaded, ("mean",), point="first_norm").names
    assert [name.module for name in first] == ["h.0.ln_1", "h.1.ln_1", "h.2.ln_1", "ln_f"]
    assert [name.hidden_states for name in first] == [None, None, None, BLOCKS]
    assert [name.final_norm for name in first] == [False, False, False, True]
    final = Plan(loaded, ("mean",), point="final_norm").names
    assert {name.module for name in final} == {"ln_f"}
    assert all(name.final_norm for name in final)
    assert [name.depth for name in final] == [0, 1 / 3, 2 / 3, 1]
