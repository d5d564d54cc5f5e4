"""The network that is handed over: read in evaluation mode, whole, and left as it was."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from trap_cases import network, opened, ready, rows_of, some, together, token_ids, worst

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.loading import quiet
from layergeom.states.models import load
from layergeom.states.store import Store
from states.tiny_families import FAMILIES, fed, relative, snapshot, states


def with_dropout(case):
    module = opened(case)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.5
    return module


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_dropout_off(case):
    module = with_dropout(case).train()
    list(module.modules())[-1].eval()  # not all of one mind
    flags = [part.training for part in module.modules()]
    found = states(case, load(module, part=case.part))
    for key, wanted in together(case).items():
        np.testing.assert_array_equal(found[key], wanted)
    assert [part.training for part in module.modules()] == flags


def test_T_dropout_off__dropout_would_show():
    case = some("bert")[0]
    module, row = with_dropout(case).train(), torch.as_tensor(rows_of(case)[0])[None]
    with torch.no_grad():
        first, second = (module(row).last_hidden_state.numpy() for _ in range(2))
    assert relative(first, second) > 0.01


def traits(module):
    """All that a run could change: flags, hooks, configuration, parameters, buffers."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    kept = {name: (x.detach().clone(), x.dtype, x.device, x.requires_grad, x.data_ptr())
            for name, x in tensors.items()}  # fmt: skip
    return snapshot(module), kept, {name: set(vars(part)) for name, part in module.named_modules()}


def assert_same(now, before):
    assert now[0] == before[0]
    assert now[2] == before[2]
    assert now[1].keys() == before[1].keys()
    for name, (values, *facts) in before[1].items():
        assert facts == list(now[1][name][1:]), name
        assert torch.equal(now[1][name][0].nan_to_num(), values.nan_to_num()), name


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_model_untouched(case):
    module = case.build().train()
    list(module.modules())[-1].eval()
    next(module.parameters()).requires_grad_(False)
    before, randomness = traits(module), torch.random.get_rng_state()
    loaded = load(module, part=case.part)
    states(case, loaded)
    assert_same(traits(module), before)
    assert torch.equal(torch.random.get_rng_state(), randomness)
    assert torch.is_grad_enabled()


class InterruptedRunError(Exception):
    pass


def _interrupt(*_):
    raise InterruptedRunError


@pytest.mark.parametrize("case", some("bert", "llama", "t5", "gpt2"), ids=str)
def test_T_model_untouched__by_a_run_that_breaks_off(case):
    module, store = case.build().train(), Store.temporary()
    before = traits(module)
    with pytest.raises(InterruptedRunError):
        extract(module, read_samples(token_ids(8)), progress=_interrupt, store=store)
    assert store.names() == ()
    assert_same(traits(module), before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("case", some("bert", "llama", "t5", "gpt2"), ids=str)
def test_T_plus_a_network_in_training_goes_on_training(case):
    """The states of a run in between change no gradient."""
    gradients = []
    for between in (False, True):
        module = case.build().train()
        ids = torch.as_tensor(token_ids(1)[0])[None]
        torch.manual_seed(1)
        extra = {"decoder_input_ids": ids} if case.name == "t5" else {}
        loss = module(ids, **extra).last_hidden_state.square().mean()
        if between:
            extract(module, read_samples(token_ids(8)))
        loss.backward()
        gradients.append({name: p.grad for name, p in module.named_parameters()})
    for name, gradient in gradients[0].items():
        if gradient is not None:
            assert torch.equal(gradients[1][name], gradient)


@pytest.mark.parametrize("case", FAMILIES, ids=str)
def test_T_no_autograd(case):
    """No block's output asks for gradients, and nothing is kept for a backward pass."""
    loaded, asked, kept = ready(case), [], []
    assert any(p.requires_grad for block in loaded.blocks for p in block.module.parameters())

    def hook(_part, _args, output):
        tensor = output if isinstance(output, torch.Tensor) else output[0]
        asked.append(tensor.requires_grad or torch.is_grad_enabled())

    handles = [block.module.register_forward_hook(hook) for block in loaded.blocks]
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        states(case, loaded)
    for handle in handles:
        handle.remove()
    assert asked
    assert not any(asked)
    assert not kept


def test_T_no_autograd__a_graph_would_show():
    kept, case = [], some("bert")[0]
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        network(case)(torch.as_tensor(rows_of(case)[0])[None])
    assert kept


def lacking(case, tmp_path, which):
    """A checkpoint of a family without the weights of one block; their names."""
    module = case.build()
    block = load(module, part=case.part).blocks[which].module
    inside = {id(p) for p in block.parameters()}
    gone = [name for name, p in module.named_parameters() if id(p) in inside]
    with quiet():
        module.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    kept = {name: tensor for name, tensor in weights.items()
            if not any(name.endswith(x.split(".", 1)[-1]) or name == x for x in gone)}  # fmt: skip
    assert 0 < len(kept) < len(weights)
    return file, kept


LOADABLE = [case for case in FAMILIES if case.name != "siglip_text"]  # a half of no AutoModel


@pytest.mark.parametrize("case", LOADABLE, ids=str)
def test_T_missing_weights(case, tmp_path):
    file, kept = lacking(case, tmp_path, -1)
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks .* weights .*random"):
        load(tmp_path, part=case.part)


@pytest.mark.parametrize("case", some("bert", "gpt2", "llama", "t5", "vit"), ids=str)
def test_T_missing_weights__a_whole_checkpoint_loads(case, tmp_path):
    with quiet():
        case.build().save_pretrained(tmp_path)
    found = states(case, load(tmp_path, part=case.part))
    for key, wanted in together(case).items():
        np.testing.assert_array_equal(found[key], wanted)


@pytest.mark.parametrize("case", some("bert", "gpt2", "llama"), ids=str)
def test_T_plus_a_configuration_with_a_block_too_many(case, tmp_path):
    with quiet():
        case.build().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    name = "n_layer" if "n_layer" in config else "num_hidden_layers"
    file.write_text(json.dumps(config | {name: 4, "layer_types": None}))
    with pytest.raises(InputError, match=r"lacks .* weights .*random"):
        load(tmp_path)


@pytest.mark.parametrize("case", some("bert", "gpt2"), ids=str)
def test_T_plus_a_missing_head_or_pooler_is_no_loss(case, tmp_path):
    with quiet():
        case.build().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: x for name, x in load_file(file).items() if not name.startswith("pooler")}
    save_file(kept, file, metadata={"format": "pt"})
    assert worst(states(case, load(tmp_path))["block_2"], together(case)["block_2"]) == 0


@pytest.mark.parametrize("case", some("llama", "bert", "esm2"), ids=str)
def test_T_plus_parts_of_several_dtypes(case):
    """Blocks in half precision between embeddings in single: pooled in float32 all the same."""
    module = case.build()
    loaded = load(module)
    wanted = states(case, loaded)
    middle = loaded.blocks[1].module.to(torch.bfloat16)
    middle.register_forward_pre_hook(_to(torch.bfloat16), with_kwargs=True)
    middle.register_forward_hook(lambda _p, _a, out: _wide(out))
    found = states(case, load(module))
    assert found["block_2"].dtype == np.float32
    np.testing.assert_array_equal(found["block_1"], wanted["block_1"])
    assert 0 < worst(found["block_2"], wanted["block_2"]) < 0.1  # eight bits of mantissa
    assert len(fed(case, loaded).ids) == len(wanted["final" if case.final else "block_3"])


def _to(dtype):
    def change(value):
        if isinstance(value, tuple):
            return tuple(change(x) for x in value)
        floating = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.to(dtype) if floating else value

    return lambda _part, args, kwargs: (
        change(args), {key: change(value) for key, value in kwargs.items()}
    )  # fmt: skip


def _wide(output):
    if isinstance(output, tuple):
        return (output[0].float(), *output[1:])
    return output.float()
