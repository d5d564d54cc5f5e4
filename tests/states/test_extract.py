import numpy as np
import pytest
import torch
from tiny import BLOCKS, FAMILIES, VOCABULARY, folder, network, texts, token_rows, tokenizer
from tokenizers.normalizers import Replace

from layergeom.errors import InputError
from layergeom.states.extract import Extraction, extract
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store

torch.set_num_threads(1)


def states(hidden):
    return {layer: np.asarray(hidden[layer]) for layer in hidden.layers}


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def hooks(module):
    return sum(len(p._forward_hooks) + len(p._forward_pre_hooks) for p in module.modules())


def reference(module, row):
    """The same states by transformers' own means, one row at a time, without padding."""
    ids = torch.as_tensor(np.asarray(row))[None]
    with torch.no_grad():
        return module(input_ids=ids, output_hidden_states=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_equal_hidden_states(family):
    module = network(family)
    rows = token_rows()
    hidden = extract(module, read_samples(rows))
    own = module.get_encoder() if family == "T5" else module
    assert hidden.layers[: BLOCKS + 1] == ("embedding", *(f"block_{i + 1}" for i in range(BLOCKS)))
    for number, row in enumerate(rows):
        output = reference(own, row)
        for name in hidden.names:
            if name.hidden_states is not None:
                wanted = output.hidden_states[name.hidden_states][0].mean(0).numpy()
                assert relative(hidden[name.key][number], wanted) < 1e-5, name
        last = output.last_hidden_state[0].mean(0).numpy()
        assert relative(hidden[hidden.layers[-1]][number], last) < 1e-5


@pytest.mark.parametrize("family", ["GPT2", "Llama", "GPTNeoX", "ImageGPT", "Esm", "T5"])
def test_final_norm_is_a_layer_of_its_own(family):
    hidden = extract(network(family), read_samples(token_rows()))
    last, final = hidden.names[-2:]
    assert (last.key, final.key) == (f"block_{BLOCKS}", "final")
    assert last.hidden_states is None
    assert (final.hidden_states, final.final_norm, final.depth) == (BLOCKS, True, 1.0)
    assert relative(np.asarray(hidden["final"]), np.asarray(hidden[last.key])) > 0.01


@pytest.mark.parametrize("family", ["Bert", "Roberta", "Albert"])
def test_no_final_layer_without_a_final_norm(family):
    hidden = extract(network(family), read_samples(token_rows()))
    assert hidden.layers[-1] == f"block_{BLOCKS}"
    assert hidden.names[-1].hidden_states == BLOCKS


def test_last_block_is_the_input_of_the_final_norm():
    module, rows, seen = network("GPT2"), token_rows(), []
    hidden = extract(module, read_samples(rows))
    module.ln_f.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for number, row in enumerate(rows):
        reference(module, row)
        assert relative(hidden[f"block_{BLOCKS}"][number], seen[-1][0].mean(0).numpy()) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pool", ["mean", "last"])
def test_a_batch_of_one_equals_a_batch_of_many(family, pool):
    module, samples = network(family), read_samples(token_rows())
    one = extract(module, samples, pool=pool, batch_size=1)
    many = extract(module, samples, pool=pool, batch_size=8)
    assert one.key == many.key
    for layer in one.layers:
        assert relative(np.asarray(many[layer]), np.asarray(one[layer])) < 1e-5
        np.testing.assert_allclose(many.token_norms[layer], one.token_norms[layer], rtol=1e-5)


def test_rows_come_back_in_the_order_of_the_data():
    module, rows = network("GPT2"), token_rows(9)
    forth = extract(module, read_samples(rows), batch_size=2)
    back = extract(module, read_samples(rows[::-1]), batch_size=4)
    for layer in forth.layers:
        assert relative(np.asarray(back[layer])[::-1], np.asarray(forth[layer])) < 1e-5
    assert back.inputs == forth.inputs[::-1]


def test_last_pooling_takes_the_last_real_token():
    module, rows = network("GPT2"), token_rows()
    hidden = extract(module, read_samples(rows), pool="last")
    for number, row in enumerate(rows):
        wanted = reference(module, row).last_hidden_state[0, -1].numpy()
        assert relative(hidden["final"][number], wanted) < 1e-5


def test_special_tokens_are_left_out_unless_asked_for(tmp_path):
    path, words = folder(tmp_path), tokenizer()
    module, lines = network("Bert"), texts(5)
    without = extract(path, read_samples(lines))
    with_them = extract(path, read_samples(lines), special_tokens=True)
    for number, line in enumerate(lines):
        tokens = reference(module, words(line)["input_ids"]).last_hidden_state[0].numpy()
        assert relative(without["block_3"][number], tokens[1:-1].mean(0)) < 1e-5
        assert relative(with_them["block_3"][number], tokens.mean(0)) < 1e-5
    assert "without special tokens" in without.provenance["pooling"]
    assert "with special tokens" in with_them.provenance["pooling"]


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


@pytest.mark.parametrize("family", ["Bert", "Llama"])
@pytest.mark.parametrize("progress", [None, _interrupt])
def test_the_module_is_left_as_it_was(family, progress):
    module = network(family).train()
    module.get_submodule("encoder.layer.1" if family == "Bert" else "layers.1").eval()
    flags = [part.training for part in module.modules()]
    weights = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    config, marks = module.config.to_dict(), set(vars(module))
    store = Store.temporary()
    try:
        extract(module, read_samples(token_rows()), progress=progress, store=store)
    except InterruptedRunError:
        assert store.names() == ()
    else:
        assert progress is None
    assert [part.training for part in module.modules()] == flags
    assert hooks(module) == 0
    assert set(vars(module)) == marks
    assert module.config.to_dict() == config
    assert all(torch.equal(tensor, weights[name]) for name, tensor in module.state_dict().items())
    assert torch.is_grad_enabled()


def test_dropout_is_off_even_in_a_training_module():
    module, samples = network("Bert", hidden_dropout_prob=0.5).train(), read_samples(token_rows())
    first, second = (extract(module, samples) for _ in range(2))
    np.testing.assert_array_equal(first["block_3"], second["block_3"])


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


def test_long_rows_are_cut_skipped_or_refused(tmp_path):
    path = folder(tmp_path)
    lines = ["w1 w2", " ".join(["w3"] * 30), "w4 w5 w6", "w7"]
    samples = read_samples(lines)
    cut = extract(path, samples, max_length=8)
    assert (cut.n, cut.counts["truncated"]) == (4, 1)
    assert "1 rows were cut to 8 tokens: row 1 (id '1')." in cut.warnings
    whole = extract(path, read_samples([lines[0], " ".join(["w3"] * 6), *lines[2:]]))
    np.testing.assert_allclose(cut["block_3"], whole["block_3"], rtol=1e-4, atol=1e-5)
    less = extract(path, samples, max_length=8, long="skip")
    assert (less.n, less.ids, less.provenance["skipped"]) == (3, ("0", "2", "3"), [1])
    np.testing.assert_allclose(less["block_3"], whole["block_3"][[0, 2, 3]], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"1 rows are longer than 8 tokens \(row 1 \(id '1'\)\)"):
        extract(path, samples, max_length=8, long="error")


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


def test_rows_without_tokens_are_named():
    words = tokenizer(special=False)
    words.backend_tokenizer.normalizer = Replace("w7", "")
    with pytest.raises(InputError, match=r"Row 1 \(id '1'\) holds no tokens"):
        extract(network("GPT2"), read_samples(["w1", "w7", "w2"]), tokenizer=words)


def test_a_foreign_language_is_refused(tmp_path):
    path = folder(tmp_path)
    lines = ["w1 w2 w3 nonsense", "w1 w2", "w3 w4"]
    with pytest.raises(InputError, match=r"12.5% of the tokens \(1 of 8\) are unknown"):
        extract(path, read_samples(lines))
    assert extract(path, read_samples(lines), max_unknown=0.2).counts["unknown_tokens"] == 1


def test_ids_beyond_the_vocabulary_are_refused():
    with pytest.raises(InputError, match=f"holds token ids from 5 to {VOCABULARY}"):
        extract(network("GPT2"), read_samples([[5, 6], [5, VOCABULARY]]))


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


def test_half_precision_is_pooled_in_float32():
    module = network("Bert").bfloat16()
    hidden = extract(module, read_samples(token_rows()))
    assert hidden["block_3"].dtype == np.float32
    assert hidden.provenance["dtype"] == "bfloat16"
    row = reference(module, token_rows()[0]).last_hidden_state[0].float().mean(0).numpy()
    assert relative(hidden["block_3"][0], row) < 0.05


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
