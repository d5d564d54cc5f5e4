import numpy as np
import pytest
import torch
from tiny import folder, network, texts, token_rows, tokenizer

from layergeom.errors import InputError
from layergeom.states.extract import Extraction, extract
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store

torch.set_num_threads(1)


def reference(module, row):
    """The same states by transformers' own means, one row at a time, without padding."""
    ids = torch.as_tensor(np.asarray(row))[None]
    with torch.no_grad():
        return module(input_ids=ids, output_hidden_states=True)


def test_token_norms_are_those_of_the_pooled_tokens():
    module, rows = network("GPT2"), token_rows()
    hidden = extract(module, read_samples(rows))
    for number, row in enumerate(rows):
        norms = reference(module, row).hidden_states[1][0].norm(dim=-1)
        wanted = [float(norms.mean()), float(norms.max())]
        np.testing.assert_allclose(hidden.token_norms["block_1"][number], wanted, rtol=1e-5)


def test_equal_inputs_have_equal_hashes():
    hidden = extract(network("GPT2"), read_samples([[5, 6, 7], [5, 6], [5, 6, 7]]))
    assert hidden.inputs[0] == hidden.inputs[2] != hidden.inputs[1]


def test_images_as_tokens():
    pixels = np.random.default_rng(0).integers(0, 17, (20, 36))
    hidden = extract(network("ImageGPT", vocab_size=18), read_samples(pixels))
    assert hidden["final"].shape == (20, 16)
    assert "all positions" in hidden.provenance["pooling"]


class InterruptedRunError(Exception):
    pass


def _interrupt(*_):
    raise InterruptedRunError


def test_a_second_run_passes_nothing_through_the_model(tmp_path):
    path, store = folder(tmp_path / "model"), Store(tmp_path / "run")
    seen = []
    samples = read_samples(texts())
    first = extract(path, samples, store=store, progress=lambda *_: seen.append(1))
    again = extract(path, samples, store=Store(tmp_path / "run"), progress=_interrupt)
    assert seen
    assert again.key == first.key
    for layer in first.layers:
        np.testing.assert_array_equal(first[layer], again[layer])
        np.testing.assert_array_equal(first.token_norms[layer], again.token_norms[layer])
    assert (again.ids, again.inputs, dict(again.counts), again.warnings, again.names) == (
        first.ids,
        first.inputs,
        dict(first.counts),
        first.warnings,
        first.names,
    )


def test_the_key_follows_the_content(tmp_path):
    samples, path = read_samples(texts()), folder(tmp_path / "a")
    key = extract(path, samples).key
    assert extract(folder(tmp_path / "b"), samples).key == key
    assert extract(path, samples, batch_size=1).key == key
    assert extract(path, samples, pool="last").key != key
    assert extract(path, read_samples(texts(seed=1)), tokenizer=tokenizer()).key != key
    assert extract(folder(tmp_path / "c", initializer_range=0.4), samples).key != key


def test_the_default_length_is_the_models_own():
    samples = read_samples([[5] * 60, [6] * 3])
    hidden = extract(network("GPT2"), samples)
    assert (hidden.provenance["max_length"], hidden.counts["truncated"]) == (40, 1)
    with pytest.raises(InputError, match="beyond the 40 positions"):
        extract(network("GPT2"), samples, max_length=50)
    assert extract(network("Roberta"), samples).provenance["max_length"] == 40
    llama = extract(network("Llama"), samples, max_length=50)
    assert any("beyond the 40 positions" in line for line in llama.warnings)


def test_texts_need_a_tokenizer(tmp_path):
    for model in (network("GPT2"), folder(tmp_path, words=False)):
        with pytest.raises(InputError, match=r"has no tokenizer.*tokenizer=, or token ids"):
            extract(model, read_samples(texts()))
    assert (
        extract(network("GPT2"), read_samples(texts()), tokenizer=tokenizer(special=False)).n == 12
    )


def test_a_foreign_language_is_refused(tmp_path):
    path = folder(tmp_path)
    lines = ["w1 w2 w3 nonsense", "w1 w2", "w3 w4"]
    with pytest.raises(InputError, match=r"12.5 % of the tokens \(1 of 8\) are unknown"):
        extract(path, read_samples(lines))
    assert extract(path, read_samples(lines), max_unknown=0.2).counts["unknown_tokens"] == 1


def test_an_overflow_marks_the_layer_and_names_the_module():
    module = network("Llama")
    with torch.no_grad():
        module.layers[1].mlp.down_proj.weight[:, :] = float("inf")
    hidden = extract(module, read_samples(token_rows()))
    assert set(hidden.provenance["invalid"]) == {"block_2", "block_3", "final"}
    reason = hidden.provenance["invalid"]["block_2"]
    assert "8 of 8 rows are not finite in float32, first in module layers.1.mlp.down_proj" in reason
    assert any(line.startswith("Layer block_2:") for line in hidden.warnings)
    assert np.isfinite(hidden["block_1"]).all()
    with pytest.raises(InputError, match="block_2"):
        hidden["block_2"]


def test_progress_ends_at_all_rows():
    seen = []
    extract(
        network("Bert"),
        read_samples(token_rows()),
        batch_size=3,
        progress=lambda done, total, what: seen.append((done, total, what)),
    )
    assert seen == [(3, 8, "states"), (6, 8, "states"), (8, 8, "states")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": "median"}, "pool must be one of auto, mean"),
        ({"long": "cut"}, "long must be one of truncate"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"max_unknown": 2}, "max_unknown must be between 0 and 1"),
        ({"batchsize": 3}, "There is no setting 'batchsize'"),
        ({"dtype": "int8"}, "dtype must be one of float32"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        extract(network("Bert"), read_samples(token_rows()), **settings)


def test_settings_have_defaults():
    assert Extraction().content == {
        "pool": "auto",
        "hook_point": "residual",
        "layers": None,
        "special_tokens": False,
        "max_length": None,
        "long": "truncate",
        "dtype": None,
    }
