"""Networks whose weights accelerate keeps on several devices, in memory or on the disk."""

import importlib.util

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import folder, network, token_rows

from layergeom.errors import InputError
from layergeom.states.anatomy import device_of
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load

torch.set_num_threads(1)
SAMPLES = read_samples([row.tolist() for row in token_rows(12)])
VIEWS = (
    {"pool": "mean"},
    {"pool": "token"},
    {"hook_point": "first_norm"},
    {"hook_point": "final_norm"},
    {"layers": ["block_1"]},
)
needs_accelerate = pytest.mark.skipif(
    importlib.util.find_spec("accelerate") is None, reason="accelerate is not installed"
)


def parts(family):
    return [name for name, _ in network(family).named_children()]


def maps(family):
    """The whole on the disk; only the entrance there; all behind it there."""
    names = parts(family)
    first = names[0]
    return (
        dict.fromkeys(names, "disk"),
        {name: "disk" if name == first else "cpu" for name in names},
        {name: "cpu" if name == first else "disk" for name in names},
        "auto",
    )


def same(a, b):
    assert a.layers == b.layers
    assert a.key == b.key
    for layer in a.layers:
        np.testing.assert_array_equal(a[layer], b[layer])


@needs_accelerate
@pytest.mark.parametrize("family", ["Bert", "GPT2", "Llama", "Esm"])
@pytest.mark.parametrize("which", range(4))
def test_states_have_the_bits_of_one_device(tmp_path, family, which):
    path = folder(tmp_path, family, words=False)
    spread = extract(path, SAMPLES, batch_size=4, device_map=maps(family)[which])
    same(spread, extract(path, SAMPLES, batch_size=4))


@needs_accelerate
@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_every_view_of_a_network_on_the_disk(tmp_path, view):
    path = folder(tmp_path, "Llama", words=False)
    same(
        extract(path, SAMPLES, device_map=maps("Llama")[0], **view), extract(path, SAMPLES, **view)
    )


@needs_accelerate
def test_a_loaded_module_whose_weights_are_away_is_refused():
    from accelerate import cpu_offload

    spread = cpu_offload(network("GPT2"), execution_device=torch.device("cpu"))
    assert {p.device.type for p in spread.parameters()} == {"meta"}
    with pytest.raises(InputError, match="of the loaded GPT2Model are in no memory"):
        extract(spread, SAMPLES)


@needs_accelerate
def test_weights_that_are_nowhere_are_told(tmp_path):
    path = folder(tmp_path, "GPT2", words=False)
    weights = load_file(path / "model.safetensors")
    del weights["h.1.mlp.c_fc.weight"]
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="lacks 1 weights"):
        load(path, device_map={"": "cpu"})
    with pytest.raises(InputError, match=r"there are no weights 'h\.1\.mlp\.c_fc\.weight' where"):
        load(path, device_map=maps("GPT2")[0])


@needs_accelerate
@pytest.mark.parametrize(
    ("shared", "others", "says"),
    [("disk", "cpu", r"or another device_map than \{'shared'"), ("cpu", "disk", "shares them")],
)
def test_a_map_that_tears_shared_weights_apart_is_refused(tmp_path, shared, others, says):
    path = folder(tmp_path, "T5", words=False)
    with pytest.raises(InputError, match=says):
        load(path, device_map={"shared": shared, "encoder": others, "decoder": others})


class Hook:
    def __init__(self, device):
        self.execution_device = device


class Hooks:
    hooks = (Hook(None), Hook("cpu"))


def test_the_device_of_weights_that_are_elsewhere_is_that_of_the_calls():
    with torch.device("meta"):
        net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    assert device_of(net) == torch.device("cpu")  # nobody says
    net._hf_hook = Hook(None)
    net[0]._hf_hook = Hooks()
    net[1]._hf_hook = Hook("meta")
    assert device_of(net) == torch.device("cpu")
    net._hf_hook = Hook("cuda:1")
    assert device_of(net) == torch.device("cuda:1")
    assert device_of(torch.nn.ReLU(), without=torch.device("meta")).type == "meta"
