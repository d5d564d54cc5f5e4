"""Shuffled tokens and untrained weights: what is fed, and to which network."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.states.tokenization import Limits, Wording, tokenize
from layergeom.tasks.null_models import null_inputs, special_tokens
from layergeom.tasks.row_tokens import row_tokens
from layergeom.tasks.shuffled_tokens import ShuffledTokenizer, shuffled_rows
from states.hub_cache import faked, offline
from states.tiny import folder, network, texts, token_rows, tokenizer

LIMITS = Limits(12, "truncate", 1.0)
NAMES = tuple(map(str, range(20)))


def sequences(words, rows, limits=LIMITS):
    return tokenize(rows, NAMES[: len(rows)], words, Wording(), limits)


# ── shuffled tokens ───────────────────────────────────────────────────────────────────────────


def test_tokens_change_places_and_special_ones_do_not() -> None:
    rows = texts(20)
    own, null = sequences(tokenizer(), rows), sequences(ShuffledTokenizer(tokenizer(), 0), rows)
    moved = 0
    for a, b, counted in zip(own.ids, null.ids, own.counted, strict=True):
        assert Counter(a.tolist()) == Counter(b.tolist())  # of a cut row: what the model has seen
        assert (a[~counted] == b[~counted]).all()
        moved += not np.array_equal(a, b)
    assert moved > 15
    assert all(np.array_equal(a, b) for a, b in zip(own.counted, null.counted, strict=True))
    assert own.truncated == null.truncated != ()


def test_equal_texts_are_shuffled_alike_and_seeds_differ() -> None:
    row = texts(1, longest=20, seed=3)[0] + " w1 w2 w3 w4"
    first, other = (ShuffledTokenizer(tokenizer(), seed) for seed in (0, 1))
    a, b = sequences(first, [row, "w1", row]).ids[::2]
    assert np.array_equal(a, b)
    assert not np.array_equal(a, sequences(other, [row]).ids[0])
    assert first.to_str() != other.to_str() != tokenizer().backend_tokenizer.to_str()


def test_token_ids_are_shuffled_but_for_marks_and_what_all_rows_begin_with() -> None:
    rows = [np.array([60, *row, 0, 0]) for row in token_rows(9)]
    found = shuffled_rows(rows, {0}, seed=0)
    for a, b in zip(rows, found, strict=True):
        assert b[0] == 60
        assert (b[-2:] == 0).all()
        assert Counter(a.tolist()) == Counter(b.tolist())
    assert any(not np.array_equal(a, b) for a, b in zip(rows, found, strict=True))


def test_the_mean_embedding_does_not_see_the_shuffling_but_the_blocks_do(tmp_path: Path) -> None:
    """Positions are added, so their mean is the same too."""
    model, samples = folder(tmp_path, "GPT2"), read_samples(texts(10))
    with null_inputs("shuffled", model, samples, {"pool": "mean"}) as fed:
        null = extract(fed.model, fed.samples, **fed.options)
    own = extract(model, samples, pool="mean")
    assert np.allclose(null["embedding"], own["embedding"], atol=1e-5)
    assert not np.allclose(null["block_3"], own["block_3"], atol=1e-2)
    assert null.key != own.key
    assert null.ids == own.ids


def test_images_have_no_tokens_to_shuffle(bert_folder: Path) -> None:
    images = read_samples(np.zeros((3, 8, 8), dtype=np.uint8))
    with (
        pytest.raises(InputError, match=r"null 'shuffled' needs texts.* data are images"),
        null_inputs("shuffled", bert_folder, images, {}),
    ):
        pass


def test_a_module_without_tokenizer_is_told_so() -> None:
    with (
        pytest.raises(InputError, match="give one with tokenizer="),
        null_inputs("shuffled", network("Bert"), read_samples(texts(5)), {}),
    ):
        pass


# ── untrained weights ─────────────────────────────────────────────────────────────────────────


def test_the_same_architecture_with_fresh_weights(bert_folder: Path) -> None:
    own = load(bert_folder)
    with null_inputs("untrained", bert_folder, read_samples(["w1"]), {"revision": None}, 1) as fed:
        null, place = load(fed.model), Path(fed.model)
        assert null.tokenizer.get_vocab() == own.tokenizer.get_vocab()
        assert "revision" not in fed.options
    assert not place.exists()
    assert [b.path for b in null.blocks] == [b.path for b in own.blocks]
    a, b = dict(own.module.named_parameters()), dict(null.module.named_parameters())
    assert {k: v.shape for k, v in a.items()} == {k: v.shape for k, v in b.items()}
    weight = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(a[weight], b[weight])
    assert float(b[weight].detach().std()) == pytest.approx(0.5, rel=0.2)  # the config's range


def test_the_seed_decides_and_nobody_else_s_random_numbers_move(bert_folder: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    weights = []
    for seed in (1, 1, 2):
        with null_inputs("untrained", bert_folder, read_samples(["w1"]), {}, seed) as fed:
            weights.append(load(fed.model).module.embeddings.word_embeddings.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.rand(3), expected)


def test_a_module_is_not_changed_and_another_is_made() -> None:
    module = network("GPT2").to(torch.bfloat16)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with null_inputs("untrained", module, read_samples(token_rows()), {}, 1) as fed:
        fresh = fed.model
    assert type(fresh) is type(module)
    assert fresh.dtype is torch.bfloat16
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert not torch.equal(fresh.wte.weight, module.wte.weight)


def test_a_model_of_the_hub_needs_its_small_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = folder(tmp_path / "own")
    hub = faked(monkeypatch, tmp_path / "cache", "acme/bert", {"v1": own})
    hub.add("v1", "*.json", "*.txt")
    offline(monkeypatch, tmp_path / "cache")
    samples = read_samples(texts(6))
    with null_inputs("untrained", "acme/bert", samples, {"revision": "v1"}, 1) as fed:
        assert fed.name == "acme/bert (untrained, seed 1)"
        assert len(extract(fed.model, fed.samples, **fed.options).layers) == 4
        assert not any(path.is_symlink() for path in Path(fed.model).iterdir())
    with null_inputs("shuffled", "acme/bert", samples, {"revision": "v1"}) as fed:
        assert fed.options["revision"] == "v1"
        assert fed.options["tokenizer"].get_vocab() == tokenizer().get_vocab()


def test_a_network_without_configuration_is_refused() -> None:
    with (
        pytest.raises(InputError, match="no configuration"),
        null_inputs("untrained", torch.nn.Linear(2, 2), read_samples(["a"]), {}),
    ):
        pass


def test_steps_behind_the_pooling_are_kept(tmp_path: Path) -> None:
    model = folder(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 16, "pooling_mode_cls_token": true}'
    )
    (tmp_path / "modules.json").write_text(
        '[{"type": "sentence_transformers.models.Transformer", "path": ""},'
        ' {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]'
    )
    samples = read_samples(texts(6))
    with null_inputs("untrained", model, samples, {}, 1) as fed:
        hidden = extract(fed.model, samples, **fed.options)
    assert "modules.json" in hidden.provenance["pooling"]
    assert hidden.layers == extract(model, samples).layers


# ── tokens of the rows ────────────────────────────────────────────────────────────────────────


def test_tokens_of_rows_are_those_that_were_pooled(bert_folder: Path) -> None:
    samples = read_samples(texts(8, longest=30))
    hidden = extract(bert_folder, samples, max_length=10)
    found = row_tokens(bert_folder, samples, hidden, {})
    pieces = [row.split()[:8] for row in samples.items]  # without [CLS] and [SEP]
    vocabulary = tokenizer().get_vocab()
    assert [row.tolist() for row in found] == [[vocabulary[w] for w in row] for row in pieces]


def test_rows_that_were_skipped_are_left_out_and_windows_are_whole(bert_folder: Path) -> None:
    samples = read_samples(texts(8, longest=30))
    words = [len(row.split()) for row in samples.items]
    short = extract(bert_folder, samples, max_length=10, long="skip")
    lengths = [len(row) for row in row_tokens(bert_folder, samples, short, {})]
    assert lengths == [n for n in words if n <= 8] != words
    whole = extract(bert_folder, samples, max_length=10, long="window", pool="mean")
    assert [len(row) for row in row_tokens(bert_folder, samples, whole, {})] == words


def test_token_ids_count_without_marks() -> None:
    module, rows = network("Bert"), [np.append(row, 0) for row in token_rows()]
    hidden = extract(module, read_samples(rows))
    assert special_tokens(module, None) >= {0}
    found = row_tokens(module, read_samples(rows), hidden, {})
    assert [row.tolist() for row in found] == [row[:-1].tolist() for row in rows]


def test_single_tokens_have_no_length(bert_folder: Path) -> None:
    samples = read_samples(texts(8))
    hidden = extract(bert_folder, samples, pool="token")
    with pytest.raises(InputError, match=r"null 'length'.*rows are single tokens"):
        row_tokens(bert_folder, samples, hidden, {})
