import json

import numpy as np
import pytest
import torch
from tiny import BLOCKS, FAMILIES, folder, network, texts, tokenizer

from layergeom.errors import InputError, InputTypeError
from layergeom.states.extract import extract, extract_views
from layergeom.states.inputs import read_samples
from layergeom.states.loading import pick_device, quiet
from layergeom.states.models import load
from layergeom.states.sources import identify

torch.set_num_threads(1)
DECODERS = {"GPT2", "Llama", "GPTNeoX", "ImageGPT"}


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_limits_and_direction_of_a_family(family):
    loaded = load(network(family))
    names = loaded.anatomy.names
    assert [n.key for n in names][1 : BLOCKS + 1] == [f"block_{i + 1}" for i in range(BLOCKS)]
    assert [n.hidden_states for n in names[:BLOCKS]] == list(range(BLOCKS))
    assert all(loaded.module.get_submodule(n.module) is not None for n in names if n.module)
    assert loaded.is_decoder == (family in DECODERS)
    assert loaded.positions == 40
    assert (loaded.width, loaded.vocabulary, loaded.dtype) == (16, 64, "float32")


def test_a_shared_layer_is_counted_by_its_calls():
    loaded = load(network("Albert"))
    assert len(loaded.blocks) == 1
    assert len({n.module for n in loaded.anatomy.names[1:]}) == 1


def test_the_final_norm_is_found_by_what_it_gives():
    path, module = load(network("GPT2")).final_norm
    assert (path, type(module)) == ("ln_f", torch.nn.LayerNorm)
    assert load(network("Llama")).final_norm[0] == "norm"
    assert load(network("Bert")).final_norm is None


def test_a_head_is_left_out():
    from transformers import GPT2Config, GPT2LMHeadModel

    whole = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2))
    loaded = load(whole)
    assert loaded.module is whole.transformer
    assert loaded.anatomy.names[1].module == "h.0"


def test_an_encoder_decoder_is_read_by_its_encoder():
    assert "the encoder is read" in load(network("T5")).warnings[0]


def test_any_module_with_a_list_of_blocks():
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.words = torch.nn.Embedding(9, 4)
            self.stack = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))

        def forward(self, ids):
            states = self.words(ids)
            for part in self.stack:
                states = part(states)
            return states

    names = load(Plain()).anatomy.names
    assert [n.key for n in names] == ["embedding", "block_1", "block_2", "block_3"]
    assert [n.module for n in names] == ["words", "stack.0", "stack.1", "stack.2"]


def test_a_module_without_blocks_is_refused():
    with pytest.raises(InputError, match="No stack of blocks"):
        load(torch.nn.Linear(3, 3))


def test_weights_of_another_shape_are_refused(tmp_path):
    folder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}))
    with pytest.raises(InputError, match=r"cannot be loaded|lacks"):
        load(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "cut"])
def test_damaged_weights_are_bad_input(damage, tmp_path):
    file = folder(tmp_path) / "model.safetensors"
    file.write_bytes(b"" if damage == "empty" else file.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be loaded"):
        load(tmp_path)


def test_a_model_that_takes_pixels_is_refused():
    from transformers import ViTConfig, ViTModel

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    vit = ViTModel(ViTConfig(**small, intermediate_size=8, image_size=8, patch_size=4))
    with pytest.raises(InputError, match="takes pixel_values, not token ids"):
        load(vit)


def test_the_default_dtype_is_float32(tmp_path):
    network("Bert").bfloat16().save_pretrained(tmp_path)
    assert load(tmp_path).dtype == "float32"
    assert load(tmp_path, dtype="auto").dtype == "bfloat16"
    assert load(tmp_path, dtype=torch.float16).dtype == "float16"


def test_a_loaded_module_is_not_converted():
    with pytest.raises(InputError, match="convert it yourself"):
        load(network("Bert"), dtype="float16")
    with pytest.raises(InputError, match="move it yourself"):
        load(network("Bert"), device="meta")


def test_devices():
    assert pick_device("auto") in ("cpu", "cuda", "mps")
    with pytest.raises(InputError, match="cannot be used here"):
        pick_device("nonsense")


def test_the_tokenizer_may_be_given(tmp_path):
    assert load(folder(tmp_path / "a", words=False)).tokenizer is None
    given = load(tmp_path / "a", tokenizer=tokenizer())
    assert given.tokenizer("w1")["input_ids"] == [2, 5, 3]
    folder(tmp_path / "b")
    assert load(tmp_path / "a", tokenizer=tmp_path / "b").tokenizer is not None
    assert given.source.identity != load(tmp_path / "a").source.identity


def test_loading_writes_nothing_and_keeps_the_settings(tmp_path, capfd):
    from transformers.utils import logging

    folder(tmp_path)
    capfd.readouterr()
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(tmp_path)
    with pytest.raises(KeyError), quiet():
        raise KeyError
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_identity_is_the_content(tmp_path):
    first = identify(folder(tmp_path / "a"))
    assert identify(folder(tmp_path / "b")).identity == first.identity
    (tmp_path / "a" / "README.md").write_text("words about it")
    assert identify(tmp_path / "a").identity == first.identity
    (tmp_path / "a" / "tokenizer_config.json").write_text("{}")
    assert identify(tmp_path / "a").identity != first.identity
    module = network("Bert")
    before = identify(module).identity
    assert identify(network("Bert")).identity == before
    with torch.no_grad():
        module.encoder.layer[0].output.dense.bias[0] += 1
    assert identify(module).identity != before


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ("./nowhere", {}, InputError, "neither a folder nor a hub id"),
        ("a/b/c", {}, InputError, "neither a folder nor a hub id"),
        (3, {}, InputTypeError, "is a int"),
    ],
)
def test_what_is_no_model(model, options, error, message):
    with pytest.raises(error, match=message):
        load(model, **options)


def test_folders_that_are_no_models(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        load(tmp_path)
    with pytest.raises(InputError, match="revision='main' belongs to a hub id"):
        load(folder(tmp_path), revision="main")
    with pytest.raises(InputError, match="a loaded module has none"):
        load(network("Bert"), revision="main")


COMMIT = "c" * 40


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub cache that holds one model, without a network."""
    import huggingface_hub.constants as settings

    cache = tmp_path / "hub" / "models--own--tiny"
    folder(cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "step16").write_text(COMMIT)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(settings, name, str(tmp_path / "hub"), raising=False)
    monkeypatch.setattr(settings, "HF_HUB_OFFLINE", True)
    return cache


def test_a_hub_id_is_known_by_its_commit(hub):
    source = identify("own/tiny", revision="step16")
    assert (source.kind, source.commit) == ("hub", COMMIT)
    assert identify("own/tiny", revision=COMMIT).identity == source.identity
    loaded = load("own/tiny", revision="step16")
    assert loaded.tokenizer is not None
    assert len(loaded.blocks) == BLOCKS


def test_a_revision_reaches_the_states(hub):
    samples = read_samples(texts(4))
    hidden = extract("own/tiny", samples, revision="step16")
    assert hidden.provenance["commit"] == COMMIT
    (view,) = extract_views("own/tiny", samples, revision=COMMIT).values()
    assert view.key == hidden.key
    with pytest.raises(InputError, match="'own/tiny'"):
        extract("own/tiny", samples, revision="step32")


@pytest.mark.parametrize("point", ["residual", "first_norm", "final_norm"])
@pytest.mark.parametrize("dtype", ["bfloat16", torch.bfloat16, "auto"])
def test_states_of_half_precision_weights(tmp_path, dtype, point):
    network("Llama").bfloat16().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    samples = read_samples(texts(6))
    exact, half = (
        extract(tmp_path, samples, dtype=kind, hook_point=point) for kind in (None, dtype)
    )
    assert (exact.provenance["dtype"], half.provenance["dtype"]) == ("float32", "bfloat16")
    assert exact.key != half.key
    for layer in exact.layers:
        assert half[layer].dtype == np.float32
        gap = np.abs(half[layer] - exact[layer]).max() / np.abs(exact[layer]).max()
        assert gap < 0.05, layer  # eight bits of mantissa through three blocks


def test_a_device_map_needs_accelerate(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"device_map='auto' needs the package accelerate; ins"):
        load(folder(tmp_path), device_map="auto")


def test_a_device_map_gives_the_same_states(tmp_path):
    pytest.importorskip("accelerate")
    path, samples = folder(tmp_path, "Llama"), read_samples(texts(4))
    for options in ({}, {"hook_point": "first_norm"}, {"layers": ["block_1"]}):
        plain = extract(path, samples, **options)
        mapped = extract(path, samples, device_map={"": "cpu"}, **options)
        for layer in plain.layers:
            np.testing.assert_array_equal(mapped[layer], plain[layer])


def test_a_hub_id_that_is_not_there(hub):
    with pytest.raises(InputError, match=r"'own/none'.*cannot be fetched from the hub"):
        identify("own/none")
