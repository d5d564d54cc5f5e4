"""What is recorded of the network and the versions, and that it enters no key."""

from dataclasses import replace

import numpy as np
import PIL
import torch
import transformers

from layergeom.states.extract import extract
from layergeom.states.hidden import open_states, write_facts
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store
from states.tiny import BLOCKS, VOCABULARY, network, token_rows

torch.set_num_threads(1)


def test_parameters_of_a_gpt2_are_those_of_its_tables_and_blocks():
    width, inner, positions = 16, 64, 40
    attention = width * 3 * width + 3 * width + width * width + width
    network_of_two = 2 * width * inner + inner + width
    block = 4 * width + attention + network_of_two  # two norms
    expected = (VOCABULARY + positions) * width + BLOCKS * block + 2 * width
    found = extract(network("GPT2", n_inner=inner), read_samples(token_rows())).provenance
    assert found["parameters"] == expected
    assert type(found["parameters"]) is int


def test_shared_weights_count_once():
    module, samples = network("Bert"), read_samples(token_rows())
    first, second = (module.encoder.layer[at].output.dense for at in (0, 1))
    alone = extract(module, samples).provenance["parameters"]
    second.weight = first.weight
    tied = extract(module, samples).provenance["parameters"]
    assert alone - tied == first.weight.numel() == 16 * 32


def test_states_of_an_earlier_version_are_still_answered(tmp_path, monkeypatch):
    """Which knew no number of parameters: the key does not depend on it."""
    module, samples, store = network("GPT2"), read_samples(token_rows()), Store(tmp_path)
    first = extract(module, samples, store=store)
    older = {name: x for name, x in first.provenance.items() if name != "parameters"}
    kept = open_states(store)
    write_facts(store, replace(kept, provenance=older))
    monkeypatch.setattr(type(module), "forward", None)
    again = extract(module, samples, store=store)
    assert again.key == first.key
    assert "parameters" not in again.provenance
    np.testing.assert_array_equal(again["final"], first["final"])


def test_images_record_the_version_of_pillow_and_texts_do_not(tmp_path):
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=8, patch_size=4,
    )  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path)
    size = {"height": 8, "width": 8}
    transformers.ViTImageProcessor(size=size).save_pretrained(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    assert extract(tmp_path, read_samples(pixels)).provenance["versions"]["pillow"] == (
        PIL.__version__
    )
    words = extract(network("GPT2"), read_samples(token_rows())).provenance["versions"]
    assert set(words) == {"torch", "transformers"}
