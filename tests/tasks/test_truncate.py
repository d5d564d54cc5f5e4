"""The cut model gives the states of the layer it was cut behind, in every library that reads it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from layergeom.errors import InputError
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.tasks import cut_check
from layergeom.tasks import truncate as module
from layergeom.tasks.cut_check import difference, made_up_rows, rows_of, speed
from layergeom.tasks.truncate import RECORD, truncate

sys.path.append(str(Path(__file__).parents[1] / "states"))  # its modules import each other so

from tiny import folder, network, texts, token_rows, tokenizer
from tiny_families import BLOCKS, FAMILIES

torch.set_num_threads(1)
REFUSED = {
    "esmc": "depend on their number",  # the residual is scaled by the depth
    "bart": "no model of its own",
    "t5_decoder": "no model of its own",
    "bart_decoder": "no model of its own",
    "siglip_text": "cannot be loaded",  # AutoModel knows it as a part of SigLIP only
}
CUT = [case for case in FAMILIES if case.name not in REFUSED]


def hidden_states(model, ids, layer):
    """The raw states of a layer by transformers' own means."""
    output = model(torch.as_tensor(ids)[None], output_hidden_states=True)
    return output.hidden_states[layer]


@pytest.mark.parametrize("case", CUT, ids=str)
def test_every_family(case, tmp_path):
    case.build().save_pretrained(tmp_path / "full")
    found = truncate(tmp_path / "full", tmp_path / "cut", layer=2, part=case.part, device="cpu")
    assert found.difference == 0.0
    assert found.blocks == (BLOCKS, 2)
    assert found.parameters[1] < found.parameters[0]
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    kept = load(tmp_path / "cut", part=case.part, device="cpu")
    assert kept.anatomy.names[-1].blocks == 2
    assert len(config.get("layer_types") or [0, 0]) == 2


@pytest.mark.parametrize("case", [c for c in FAMILIES if c.name in REFUSED], ids=str)
def test_families_that_cannot_be_cut_are_refused_and_leave_nothing(case, tmp_path):
    case.build().save_pretrained(tmp_path / "full")
    with pytest.raises(InputError, match=REFUSED[case.name]):
        truncate(tmp_path / "full", tmp_path / "cut", layer=2, part=case.part, device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize(("family", "norm"), [("GPT2", "ln_f"), ("Llama", "norm"), ("Bert", None)])
def test_auto_model_gives_the_layer_after_the_final_norm(family, norm, tmp_path):
    full = network(family)
    full.save_pretrained(tmp_path / "full")
    found = truncate(tmp_path / "full", tmp_path / "cut", layer="block_2", device="cpu")
    assert found.final_norm == norm
    cut = transformers.AutoModel.from_pretrained(tmp_path / "cut")
    for row in token_rows(3):
        with torch.no_grad():
            raw = hidden_states(full, row, 2)
            wanted = raw if norm is None else full.get_submodule(norm)(raw)
            given = cut(torch.as_tensor(row)[None]).last_hidden_state
        torch.testing.assert_close(given, wanted, rtol=0, atol=0)
    assert ("after the model's final norm" in found.emits) == (norm is not None)


@pytest.mark.parametrize("family", ["Bert", "GPT2", "T5", "Esm"])
@pytest.mark.parametrize("pool", ["mean", "first"])
def test_sentence_transformers_pools_as_asked(family, pool, tmp_path):
    st = pytest.importorskip("sentence_transformers")
    folder(tmp_path / "full", family)
    lines = texts(6)
    found = truncate(
        tmp_path / "full", tmp_path / "cut", layer=2, data=lines, pool=pool, device="cpu"
    )
    assert found.rows == len(lines)
    model = st.SentenceTransformer(str(tmp_path / "cut"), device="cpu")
    given = model.encode(lines, show_progress_bar=False)
    full = load(tmp_path / "full", device="cpu")
    for line, row in zip(lines, given, strict=True):
        ids = torch.tensor(tokenizer()(line)["input_ids"])[None]
        with torch.no_grad():
            states = full.module(ids, output_hidden_states=True).hidden_states[2]
            states = states if full.final_norm is None else full.final_norm[1](states)
        wanted = states[0, 0] if pool == "first" else states[0].mean(dim=0)
        np.testing.assert_allclose(row, wanted, rtol=1e-4, atol=1e-5)


def test_a_pipeline_keeps_pooling_and_prompt_and_loses_what_was_learnt_after_it(tmp_path):
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers import models

    word = models.Transformer(str(folder(tmp_path / "base")), max_seq_length=17)
    parts = [word, models.Pooling(16, pooling_mode="cls"), models.Dense(16, 6), models.Normalize()]
    chosen = {"prompts": {"own": "w1 "}, "default_prompt_name": "own"}
    st.SentenceTransformer(modules=parts, device="cpu", **chosen).save(str(tmp_path / "full"))
    found = truncate(tmp_path / "full", tmp_path / "cut", layer=1, device="cpu")
    assert any("Dense" in line for line in found.warnings)
    pipeline = load(tmp_path / "cut", device="cpu").pipeline
    assert (pipeline.modes, pipeline.prompt, pipeline.max_length) == (("first",), "w1 ", 17)
    assert pipeline.names == ("Transformer", "Pooling", "Normalize")
    model = st.SentenceTransformer(str(tmp_path / "cut"), device="cpu")
    assert np.linalg.norm(model.encode(["w2"])[0]) == pytest.approx(1, abs=1e-5)


def test_weights_keep_their_dtype_and_ties(tmp_path):
    full = network("T5").to(torch.bfloat16)
    full.save_pretrained(tmp_path / "full")
    found = truncate(tmp_path / "full", tmp_path / "cut", layer=1, device="cpu")
    assert found.loads_with == "T5EncoderModel"
    cut = transformers.T5EncoderModel.from_pretrained(tmp_path / "cut", dtype="auto")
    assert {p.dtype for p in cut.parameters()} == {torch.bfloat16}
    assert cut.shared.weight.data_ptr() == cut.encoder.embed_tokens.weight.data_ptr()
    assert torch.equal(cut.shared.weight, full.shared.weight)
    # two bytes a number, embeddings once, and a header
    assert 2 * found.parameters[1] <= found.bytes[1] < 2 * found.parameters[1] + 4000


def test_a_loaded_module_is_cut_and_left_as_it_was(tmp_path):
    full = network("Llama").train()
    before = {name: tensor.clone() for name, tensor in full.state_dict().items()}
    found = truncate(full, tmp_path / "cut", layer=1, tokenizer=tokenizer())
    assert found.bytes[0] is None
    assert full.training
    assert full.config.num_hidden_layers == BLOCKS
    assert all(torch.equal(before[name], tensor) for name, tensor in full.state_dict().items())
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "cut")("w1")["input_ids"]


def test_the_folder_holds_tokenizer_and_record(tmp_path):
    folder(tmp_path / "full")
    found = truncate(tmp_path / "full", tmp_path / "cut", layer=2, device="cpu")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "full" / name).read_bytes()
    record = json.loads((tmp_path / "cut" / RECORD).read_text())
    assert record["layer"] == "block_2"
    assert "rebuilt" in record["advice"]
    assert (
        record["left_out"] == list(found.left_out) == ["pooler.dense.weight", "pooler.dense.bias"]
    )
    assert record["disk"][1] == on_disk(tmp_path / "cut", RECORD)
    assert found.disk[0] == on_disk(tmp_path / "full") > found.bytes[0]


def on_disk(place, *but):
    return sum(p.stat().st_size for p in place.rglob("*") if p.is_file() and p.name not in but)


def test_speed_is_of_paired_timings_of_the_rows_that_are_given(tmp_path):
    folder(tmp_path / "full")
    lines = texts(40)
    found = truncate(tmp_path / "full", tmp_path / "cut", layer=1, data=lines, device="cpu")
    assert (found.timed, found.rows) == (40, 16)
    assert found.speedup_range[0] <= found.speedup <= found.speedup_range[1]
    tokens = sum(len(tokenizer()(line)["input_ids"]) for line in lines)
    for rows, fed in zip(found.rows_per_second, found.tokens_per_second, strict=True):
        assert fed / rows == pytest.approx(tokens / 40)
    said = " ".join(found.lines())
    for words in ("rows/s instead of", "in paired timings of 40 rows", "on the disk (before: "):
        assert words in said


def test_the_rows_that_are_timed_end_before_too_many_tokens(tmp_path, monkeypatch):
    full = load(folder(tmp_path / "full"), device="cpu")
    rows = rows_of(full, read_samples(texts(30)))
    lengths = [len(mask) for mask in rows.counted]
    monkeypatch.setattr(cut_check, "TOKENS", sum(lengths[:7]) + 1)
    assert speed(full, full, rows).timed == 7
    monkeypatch.setattr(cut_check, "TOKENS", 1)
    found = speed(full, full, rows)
    assert found.timed == 1
    assert found.tokens[0] == pytest.approx(found.rows[0] * lengths[0])


@pytest.mark.parametrize("layer", ["embedding", "final", 0, 3, "block_3", "block_9", 1.5, True])
def test_other_layers_are_refused(layer, tmp_path):
    full = network("GPT2")
    with pytest.raises(InputError, match="block_1 to block_2"):
        truncate(full, tmp_path / "cut", layer=layer)
    assert not (tmp_path / "cut").exists()


def test_a_folder_in_use_and_token_pooling_are_refused(tmp_path):
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        truncate(network("GPT2"), tmp_path / "cut", layer=1)
    assert (tmp_path / "cut" / "mine.txt").read_text() == "keep"
    with pytest.raises(InputError, match="'token'"):
        truncate(network("GPT2"), tmp_path / "new", layer=1, pool="token")


def test_a_difference_is_an_error_and_nothing_stays(tmp_path, monkeypatch):
    """A fault in the written weights: one number of a kept block."""
    written = module.Shortened.write

    def spoilt(self, place):
        weights = dict(self.weights)
        name = next(name for name in weights if "h.1.mlp" in name)
        weights[name] = weights[name] * 1.01
        written(module.Shortened(self.network, weights, (), self.blocks), place)

    monkeypatch.setattr(module.Shortened, "write", spoilt)
    with pytest.raises(InputError, match="nothing was kept"):
        truncate(network("GPT2"), tmp_path / "cut", layer=2)
    assert list(tmp_path.iterdir()) == []


def test_the_check_sees_another_layer_and_another_norm(tmp_path):
    folder(tmp_path / "full", "GPT2")
    full = load(tmp_path / "full", device="cpu")
    truncate(tmp_path / "full", tmp_path / "cut", layer=2, device="cpu")
    cut = load(tmp_path / "cut", device="cpu")
    rows = rows_of(full, read_samples(texts(4)))
    assert difference(full, cut, 2, rows) == 0
    assert difference(full, cut, 1, rows) > 0.01
    with torch.no_grad():
        cut.module.ln_f.weight.mul_(1.1)
    assert difference(full, cut, 2, made_up_rows(full, 0)) > 0.01
