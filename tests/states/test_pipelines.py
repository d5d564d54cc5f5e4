"""The last layer of a sentence-transformers folder equals ``SentenceTransformer.encode``."""

import json

import numpy as np
import pytest
import torch
from tiny import folder, texts

from layergeom.errors import InputError
from layergeom.states.extract import extract, extract_views
from layergeom.states.inputs import read_samples
from layergeom.states.pipelines import read_pipeline

st = pytest.importorskip("sentence_transformers")
torch.set_num_threads(1)

CASES = {
    "mean, normalised": {"pooling_mode": "mean"},
    "first token": {"pooling_mode": "cls", "dense": "Tanh"},
    "two poolings": {"pooling_mode": ("mean", "max"), "dense": "Identity"},
    "last token": {"pooling_mode": "lasttoken"},
    "weighted": {"pooling_mode": "weightedmean", "dense": "GELU", "normalize": False},
    "square root": {"pooling_mode": "mean_sqrt_len_tokens", "normalize": False},
    "prompt": {"pooling_mode": "mean", "prompt": "w1 w2 "},
    "prompt left out": {"pooling_mode": "mean", "prompt": "w1 w2 ", "include_prompt": False},
    "short": {"pooling_mode": "mean", "max_seq_length": 8},
}


def build(path, pooling_mode, **options):
    """Save a real pipeline around a tiny network; returns it and its folder."""
    from sentence_transformers import models

    base = folder(path / "base", options.get("family", "Bert"))
    word = models.Transformer(str(base), max_seq_length=options.get("max_seq_length", 30))
    pool = models.Pooling(
        16, pooling_mode=pooling_mode, include_prompt=options.get("include_prompt", True)
    )
    parts = [word, pool]
    if "dense" in options:
        torch.manual_seed(1)
        activation = getattr(torch.nn, options["dense"])()
        width = pool.get_embedding_dimension()
        parts.append(models.Dense(width, 6, activation_function=activation))
    if options.get("normalize", True):
        parts.append(models.Normalize())
    prompt = options.get("prompt")
    chosen = {"prompts": {"own": prompt}, "default_prompt_name": "own"} if prompt else {}
    model = st.SentenceTransformer(modules=parts, device="cpu", **chosen)
    model.save(str(path / "saved"))
    return model, path / "saved"


@pytest.mark.parametrize("case", CASES)
def test_the_last_layer_equals_encode(case, tmp_path):
    model, path = build(tmp_path, **CASES[case])
    lines = texts(10)
    hidden = extract(path, read_samples(lines))
    wanted = model.encode(lines, show_progress_bar=False)
    last = hidden[hidden.layers[-1]]
    assert last.shape == wanted.shape
    np.testing.assert_allclose(last, wanted, rtol=1e-5, atol=1e-5)
    assert hidden.provenance["pooling"].startswith("the model's own (modules.json: Transformer")


def test_the_output_of_the_steps_is_no_final_norm(tmp_path):
    """BERT has none: what stands last is pooled and normalised, and is called so."""
    _, path = build(tmp_path, "mean", normalize=True)
    name = extract(path, read_samples(texts(4))).names[-1]
    assert (name.key, name.module) == ("final", "Pooling, Normalize (modules.json)")
    assert not name.final_norm


@pytest.mark.parametrize("family", ["GPT2", "Llama"])
def test_a_decoder_with_a_final_norm_and_steps(family, tmp_path):
    model, path = build(tmp_path, "lasttoken", family=family, dense="Tanh")
    lines = texts(6)
    hidden = extract(path, read_samples(lines))
    assert hidden.layers[-2:] == ("block_3", "final")
    assert (hidden.names[-1].hidden_states, hidden.names[-1].final_norm) == (None, True)
    wanted = model.encode(lines, show_progress_bar=False)
    np.testing.assert_allclose(hidden["final"], wanted, rtol=1e-5, atol=1e-5)


def test_without_steps_the_last_block_is_the_last_layer(tmp_path):
    model, path = build(tmp_path, "mean", normalize=False)
    lines = texts(6)
    hidden = extract(path, read_samples(lines))
    assert hidden.layers[-1] == "block_3"
    wanted = model.encode(lines, show_progress_bar=False)
    np.testing.assert_allclose(hidden["block_3"], wanted, rtol=1e-5, atol=1e-5)


def test_another_pooling_leaves_the_steps_out(tmp_path):
    _, path = build(tmp_path, "mean", dense="Tanh")
    hidden = extract(path, read_samples(texts(6)), pool="mean")
    assert hidden.layers[-1] == "block_3"
    assert "without special tokens" in hidden.provenance["pooling"]


@pytest.mark.parametrize("pool", ["mean", "token"])
def test_single_tokens_and_other_poolings_need_no_pipeline(tmp_path, pool):
    """What is refused names a pooling of one's own as the remedy, so that must work."""
    path, samples = folder(tmp_path), read_samples(texts(6))
    plain = extract(path, samples, pool=pool)
    (path / "modules.json").write_text('[{"path": "", "type": "x.Router"}]')
    hidden = extract(path, samples, pool=pool)
    np.testing.assert_array_equal(hidden["block_3"], plain["block_3"])
    ignored = "prompt, pooling and steps of modules.json are not applied"
    assert (ignored in hidden.provenance["pooling"]) == (pool == "token")
    with pytest.raises(InputError, match="lists Router, but only"):
        extract(path, samples)


def test_a_prompt_is_a_pass_of_its_own(tmp_path):
    _, path = build(tmp_path, "mean", prompt="w1 w2 ")
    samples, seen = read_samples(texts(6)), []
    views = extract_views(
        path, samples, pools=["auto", "mean", "max"], progress=lambda *step: seen.append(step)
    )
    assert seen == [(6, 6, "states")] * 2
    for view, found in views.items():
        alone = extract(path, samples, pool=view.pool)
        assert found.key == alone.key
        for layer in alone.layers:
            np.testing.assert_array_equal(found[layer], alone[layer])


def test_special_tokens_of_the_models_own_pooling_do_not_reach_the_others(tmp_path):
    _, path = build(tmp_path, "mean")
    samples, seen = read_samples(texts(6)), []
    views = extract_views(
        path, samples, pools=["auto", "mean"], progress=lambda *step: seen.append(step)
    )
    assert seen == [(6, 6, "states")]  # one pass: the same tokens are fed
    own, mean = (np.asarray(hidden["block_3"]) for hidden in views.values())
    np.testing.assert_array_equal(own, extract(path, samples)["block_3"])
    np.testing.assert_array_equal(mean, extract(path, samples, pool="mean")["block_3"])
    assert np.abs(own - mean).max() > 0.01


def test_norms_leave_the_steps_out_and_say_so(tmp_path):
    _, path = build(tmp_path, "lasttoken", family="Llama", dense="Tanh")
    samples = read_samples(texts(6))
    hidden = extract(path, samples, hook_point="final_norm")
    assert hidden.layers[-1] == "block_3"
    assert hidden.provenance["pooling"].endswith("without the steps after the pooling")
    last = extract(path, samples, pool="last", special_tokens=True)
    np.testing.assert_allclose(hidden["block_3"], last["final"], rtol=1e-5, atol=1e-6)


def test_only_the_layer_behind_the_steps(tmp_path):
    _, path = build(tmp_path, "mean", dense="Tanh")
    samples = read_samples(texts(6))
    only = extract(path, samples, layers=["final"])
    assert only.layers == ("final",)
    np.testing.assert_array_equal(only["final"], extract(path, samples)["final"])


def test_a_changed_step_is_another_model(tmp_path):
    _, path = build(tmp_path, "mean")
    samples = read_samples(texts(6))
    key = extract(path, samples).key
    (path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert extract(path, samples).key != key


def test_flags_of_older_folders_and_lower_case(tmp_path):
    _, path = build(tmp_path, "mean")
    flags = {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    (path / "sentence_bert_config.json").write_text('{"max_seq_length": 9, "do_lower_case": true}')
    read = read_pipeline(path)
    assert (read.modes, read.max_length, read.lower) == (("first", "max"), 9, True)
    upper = [line.upper() for line in texts(6)]
    lower = extract(path, read_samples(texts(6)))
    np.testing.assert_array_equal(extract(path, read_samples(upper))["final"], lower["final"])


def test_no_modules_no_pipeline(tmp_path):
    assert read_pipeline(None) is None
    assert read_pipeline(folder(tmp_path)) is None


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("modules.json", '[{"path": "", "type": "x.Router"}]', "lists Router, but only"),
        ("modules.json", "{", "cannot be read as JSON"),
        ("1_Pooling/config.json", '{"pooling_mode": "magic"}', "pooling 'magic'.*not understood"),
        ("2_Dense/config.json", '{"activation_function": "os.system"}', "no module of torch.nn"),
        ("2_Dense/config.json", '{"activation_function": "torch.nn.init"}', "no module of torch"),
        ("2_Dense/config.json", '{"use_residual": true}', "has a residual"),
    ],
)
def test_what_is_not_understood_is_refused(place, text, message, tmp_path):
    _, path = build(tmp_path, "mean", dense="Tanh")
    (path / place).write_text(text)
    with pytest.raises(InputError, match=message):
        read_pipeline(path)


def test_a_module_outside_of_the_folder_is_refused(tmp_path):
    _, path = build(tmp_path, "mean")
    entries = json.loads((path / "modules.json").read_text())
    entries[1]["path"] = "../elsewhere"
    (path / "modules.json").write_text(json.dumps(entries))
    with pytest.raises(InputError, match="outside of the folder"):
        read_pipeline(path)


def test_dense_weights_that_are_not_there(tmp_path):
    _, path = build(tmp_path, "mean", dense="Tanh")
    (path / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="holds no weights"):
        read_pipeline(path)
    state = {"linear.weight": torch.ones(2, 16), "linear.bias": torch.zeros(2)}
    torch.save(state, path / "2_Dense" / "pytorch_model.bin")
    assert "no safetensors" in read_pipeline(path).warnings[0]
