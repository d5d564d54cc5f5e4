"""Which tokens are read, and which of them count."""

import numpy as np
import pytest
import torch
import transformers
from tokenizers import processors
from tokenizers.normalizers import Replace
from trap_cases import BIDIRECTIONAL, alone, network, profile, quick, ready, some, token_ids, worst

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from states.tiny import folder, texts, tokenizer
from states.tiny_families import (
    ENCODERS,
    READERS,
    ROWS,
    VOCABULARY,
    esm_tokenizer,
    fed,
    images,
    protein_tokenizer,
    reference,
    there,
)

DECODERS = some("gpt2", "llama", "neox", "opt", "mamba")


@pytest.mark.parametrize("case", READERS, ids=str)
@pytest.mark.parametrize("length", [0, 1, 9])
def test_T_empty_sequence(case, length):
    row = [ready(case).padding.code] * length
    with pytest.raises(ValueError, match="Row '1'"):
        fed(case, ready(case), [ROWS[0], row, ROWS[1]])


def test_T_empty_sequence__texts():
    words = tokenizer(special=False)
    words.backend_tokenizer.normalizer = Replace("w7", "")
    with pytest.raises(InputError, match=r"Row 1 \(id '1'\) holds no tokens"):
        extract(network(DECODERS[0]), read_samples(["w1", "w7", "w2"]), tokenizer=words)
    with pytest.raises(InputError, match="row 1: the text is empty"):
        read_samples(["w1", "  ", "w2"])


@pytest.mark.parametrize("options", [{}, {"special_tokens": True}, {"pool": "last"}])
def test_T_plus_texts_of_special_tokens_only(options):
    with pytest.raises(InputError, match=r"Row 1 \(id '1'\) holds no tokens"):
        extract(network(DECODERS[0]), read_samples(["w1", "[SEP] [CLS]"]), tokenizer=tokenizer(),
                **options)  # fmt: skip


@pytest.mark.parametrize("case", quick(2, some("bert", "llama", "roberta", "t5", "gpt2")), ids=str)
def test_T_special_tokens(case):
    lines, words = texts(5), tokenizer()
    without, whole = (
        extract(network(case), read_samples(lines), tokenizer=words, special_tokens=kept)
        for kept in (False, True)
    )
    for number, line in enumerate(lines):
        for key, tokens in alone(case, words(line)["input_ids"]).items():
            assert worst(without[key][number], tokens[1:-1].mean(0)) <= 1e-5
            assert worst(whole[key][number], tokens.mean(0)) <= 1e-5
    assert "without special tokens" in without.provenance["pooling"]
    assert "with special tokens" in whole.provenance["pooling"]


@pytest.mark.parametrize("case", quick(1, DECODERS), ids=str)
def test_T_special_tokens__a_beginning_alone(case):
    words, lines = tokenizer(), texts(5)
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 2)]
    )
    hidden = extract(network(case), read_samples(lines), tokenizer=words)
    for number, line in enumerate(lines):
        for key, tokens in alone(case, words(line)["input_ids"]).items():
            assert worst(hidden[key][number], tokens[1:].mean(0)) <= 1e-5


@pytest.mark.parametrize("case", some("bert", "gpt2", "t5"), ids=str)
def test_T_plus_special_tokens_in_the_text_itself(case):
    line, words = "w1 w2 [SEP] w3 [CLS] w4 [UNK]", tokenizer()
    ids = words(line)["input_ids"]
    assert ids == [2, 5, 6, 3, 7, 2, 8, 1, 3]
    for kept, places in ((False, [1, 2, 4, 6, 7]), (True, list(range(9)))):
        hidden = extract(network(case), read_samples([line, "w5", "w6 w7"]), tokenizer=words,
                         special_tokens=kept, max_unknown=1)  # fmt: skip
        for key, tokens in alone(case, ids).items():
            assert worst(hidden[key][0], tokens[places].mean(0)) <= 1e-5


SEQUENCES = ["MKTAYIAKQR", "GAVLW", "CDEFHPNSTY"]


@pytest.mark.parametrize(
    ("name", "special"),
    [("protbert", (1, 1)), ("prott5", (0, 1)), ("esm2", (1, 1)), ("esmc", (1, 1))],
)
def test_T_special_tokens__proteins(name, special, tmp_path):
    case = next(case for case in ENCODERS if case.name == name)
    if case not in READERS:
        pytest.skip("the installed transformers lacks the family")
    words = {
        "protbert": lambda: protein_tokenizer("Bert"),
        "prott5": lambda: protein_tokenizer("T5"),
        "esm2": lambda: esm_tokenizer(tmp_path),
        "esmc": getattr(transformers, "EsmcTokenizer", None),
    }[name]()
    module = case.build(**({"pad_token_id": 1, "mask_token_id": 31} if name == "esm2" else {}))
    hidden = extract(module, read_samples(SEQUENCES), tokenizer=words)
    whole = extract(module, read_samples(SEQUENCES), tokenizer=words, special_tokens=True)
    before, after = special
    for number, text in enumerate(SEQUENCES):
        ids = words(" ".join(text) if name.startswith("prot") else text)["input_ids"]
        assert len(ids) == len(text) + before + after
        with torch.no_grad():
            _, output = reference(case, module, ids)
        real = output[before : len(ids) - after].mean(0).numpy()
        assert worst(hidden[hidden.layers[-1]][number], real) < 1e-5
        assert worst(whole[whole.layers[-1]][number], output.mean(0).numpy()) < 1e-5
    assert hidden.counts["unknown_tokens"] == 0


def test_T_truncation(tmp_path):
    path, samples = folder(tmp_path), read_samples(
        ["w1 w2", *[" ".join(["w3"] * n) for n in (30, 31, 32, 33, 34)], "w4 w5 w6", "w7"]
    )  # fmt: skip
    cut = extract(path, samples, max_length=8)
    assert (cut.n, cut.counts["truncated"]) == (8, 5)
    assert cut.provenance["truncated"] == [1, 2, 3, 4, 5]
    named = "5 rows were cut to 8 tokens: row 1 (id '1'), row 2 (id '2'), row 3 (id '3') …."
    assert named in cut.warnings
    whole = extract(path, read_samples(["w1 w2", " ".join(["w3"] * 6), "w4 w5 w6", "w7"]))
    for at, row in enumerate((0, 1, 6, 7)):
        assert worst(cut["block_3"][row], whole["block_3"][at]) < 1e-5
    less = extract(path, samples, max_length=8, long="skip")
    assert (less.n, less.ids) == (3, ("0", "6", "7"))
    assert (less.provenance["skipped"], less.provenance["truncated"]) == ([1, 2, 3, 4, 5], [])
    with pytest.raises(InputError, match=r"5 rows are longer than 8 tokens \(row 1 \(id '1'\)"):
        extract(path, samples, max_length=8, long="error")


@pytest.mark.parametrize("case", some("gpt2", "llama", "bert", "roberta", "esm2", "t5"), ids=str)
def test_T_truncation__token_ids(case):
    limit = ready(case).max_length or 12
    rows = [ROWS[0], np.resize(ROWS[1], limit + 5), ROWS[2]]
    hidden = extract(network(case), read_samples(rows), max_length=limit)
    assert hidden.provenance["truncated"] == [1]
    for key, tokens in alone(case, rows[1][:limit]).items():
        assert worst(hidden[key][1], tokens.mean(0)) <= 1e-5
    with pytest.raises(InputError, match=rf"1 row is longer than {limit} tokens \(row 1 "):
        extract(network(case), read_samples(rows), max_length=limit, long="error")


@pytest.mark.parametrize("case", READERS, ids=str)
@pytest.mark.parametrize("strange", [VOCABULARY, -1, 10**9])
def test_T_plus_ids_beyond_the_vocabulary(case, strange):
    with pytest.raises(InputError, match=rf"'1' holds token ids.*knows 0 to {VOCABULARY - 1}"):
        fed(case, ready(case), [[5, 6], [5, strange, 6]])


@pytest.mark.parametrize("row", [[5.0, 6.0], [True, False], ["5", "6"], [[5], [6]], 5])
def test_T_plus_rows_that_are_no_ids(row):
    with pytest.raises(InputError, match="Row '1'"):
        fed(DECODERS[0], ready(DECODERS[0]), [[5, 6], row])


SINK = 5  # the coordinate that the first token blows up


def with_sink(case):
    """A network whose first token carries a thousandfold coordinate from the first block on."""
    module = case.build(initializer_range=0.1)

    def blow(_part, _args, output):
        states = output if isinstance(output, torch.Tensor) else output[0]
        states[:, 0, SINK] = 1000 * states.std()

    ready_blocks = module.h if case.name == "gpt2" else module.layers
    ready_blocks[0].register_forward_hook(blow)
    return module


@pytest.mark.parametrize("case", quick(1, some("gpt2", "llama", "neox")), ids=str)
def test_T_sink_token(case):
    rows = token_ids(30, seed=2, shortest=5)
    found = profile(with_sink(case), rows, pool="token")
    clean = profile(case.build(initializer_range=0.1), rows, pool="token")
    at = found.layers.index("block_1")
    whole, without = (found.curves[name] for name in ("anisotropy", "anisotropy_without_first"))
    assert whole.values[at] > 0.98
    assert without.values[at] < 0.5
    # the other tokens of block 1 have not seen the sink yet
    assert without.values[at] == pytest.approx(
        clean.curves["anisotropy_without_first"].values[at], rel=1e-6
    )
    assert 0 < without.errors[at] < 0.5
    told = " ".join(found.warnings)
    assert f"coordinate {SINK} carries" in told
    assert "the first tokens of their samples" in told
    assert "the first tokens of their samples" not in " ".join(clean.warnings)


def test_T_sink_token__is_measured_only_where_first_tokens_are_rows():
    case, rows = DECODERS[0], token_ids(30)
    assert "anisotropy_without_first" not in profile(network(case), rows).curves
    words = profile(network(case), texts(30), pool="token", tokenizer=tokenizer())
    assert "anisotropy_without_first" not in words.curves  # [CLS] is the first, and no row


def clip():
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 32}  # fmt: skip
    torch.manual_seed(0)
    return transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config=small | {"vocab_size": 64, "max_position_embeddings": 40,
                                 "bos_token_id": 2, "eos_token_id": 3},
            vision_config=small | {"image_size": 12, "patch_size": 4},
        )
    ).eval()  # fmt: skip


def test_T_plus_clip_pools_the_end_of_its_texts():
    module, words, lines = clip(), tokenizer(), texts(7)
    hidden = extract(module, read_samples(lines), tokenizer=words, part="text", pool="last",
                     special_tokens=True)  # fmt: skip
    for number, line in enumerate(lines):
        ids = torch.as_tensor(words(line)["input_ids"])[None]
        with torch.no_grad():
            own = module.text_model(ids).pooler_output[0].numpy()
        assert worst(hidden["final"][number], own) <= 1e-5


def test_T_plus_image_sizes_that_differ():
    case = next(case for case in some("vit"))
    different = [*images(2), images(1, size=8)[0]]
    with pytest.raises(InputError, match=r"Image '2' has shape \(3, 8, 8\), .* = \(3, 12, 12\)"):
        fed(case, ready(case), different)
    pictures = [np.full((size, size, 3), 40 * size, np.uint8) for size in (3, 4, 5)]
    processor = transformers.ViTImageProcessor(size={"height": 12, "width": 12})
    from PIL import Image

    given = [Image.fromarray(picture) for picture in pictures]
    hidden = extract(network(case), read_samples(given), image_processor=processor)
    for number, picture in enumerate(given):
        pixels = processor(picture, return_tensors="np")["pixel_values"][0]
        own = alone(case, pixels)["block_3"].mean(0)
        assert worst(hidden["block_3"][number], own) <= 1e-3  # resized by another library


@pytest.mark.parametrize("case", there(BIDIRECTIONAL[-2:]), ids=str)
def test_T_plus_both_parts_of_an_encoder_decoder(case):
    """The encoder's states are not the decoder's, and each equals its own."""
    module, rows = network(case), token_ids(6)
    both = [extract(module, read_samples(rows), part=part) for part in ("encoder", "decoder")]
    for number, row in enumerate(rows):
        ids = torch.as_tensor(row)[None]
        with torch.no_grad():
            encoder = module.get_encoder()(ids).last_hidden_state[0].mean(0).numpy()
        last = both[0].layers[-1]
        assert worst(both[0][last][number], encoder) <= 1e-5
        assert worst(both[1][last][number], alone(case, row)[last].mean(0)) <= 1e-5
    assert worst(both[1][last], both[0][last]) > 1e-2
