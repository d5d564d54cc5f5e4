"""What is particular to some families: parts, padding, spelling, palettes; see tests/traps too."""

import numpy as np
import pytest
import torch
import transformers
from tiny import tokenizer
from tiny_families import (
    DECODERS,
    ENCODERS,
    HALF,
    ROWS,
    SPECIAL,
    VISION,
    Memory,
    esm_tokenizer,
    fed,
    images,
    protein_tokenizer,
    relative,
    states,
    there,
)

from layergeom.errors import InputError
from layergeom.states import families
from layergeom.states.extract import extract
from layergeom.states.families import Family, register_family
from layergeom.states.forward import Target, run
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.states.patches import check_pixels, palette_tokens
from layergeom.states.plans import Plan
from layergeom.states.tokenization import Limits, Padding, check_tokens

torch.set_num_threads(1)


@pytest.mark.parametrize("case", there(VISION), ids=str)
def test_special_tokens_of_images(case):
    module = case.build(**({"mask_ratio": 0.0} if case.name == "mae" else {}))
    loaded = load(module, part="vision")
    assert (loaded.anatomy.special, loaded.anatomy.positions) == (
        SPECIAL[case.name],
        9 + SPECIAL[case.name],
    )
    everything = check_pixels(images(), list("abcde"), loaded, special=True)
    assert all(mask.all() for mask in everything.counted)
    assert [int(mask.sum()) for mask in fed(case, loaded).counted] == [9] * 5


def test_a_masked_autoencoder_hides_nothing():
    case = next(case for case in VISION if case.name == "mae")
    hiding, open_ = case.build(mask_ratio=0.75), case.build(mask_ratio=0.0)
    found, wanted = (states(case, load(m, part="vision")) for m in (hiding, open_))
    for key in wanted:
        np.testing.assert_array_equal(found[key], wanted[key])
    assert hiding.config.mask_ratio == 0.75


def test_padding_that_also_ends_sequences_is_refused_when_repeated():
    limits, shared = Limits(None, "error", 0.01), Padding(0, True)
    kept = check_tokens([[0, 5, 6, 0]], ["a"], 64, limits, shared)
    assert kept.ids[0].tolist() == [0, 5, 6, 0]
    for row in ([0, 0, 5], [5, 0, 0], [0, 0]):
        with pytest.raises(InputError, match="Row 'a' begins or ends with several tokens 0"):
            check_tokens([row], ["a"], 64, limits, shared)
    with pytest.raises(InputError, match="Row 'a' holds nothing but padding"):
        check_tokens([[0, 0]], ["a"], 64, limits, Padding(0, False))
    assert check_tokens([[5, 0, 6]], ["a"], 64, limits, Padding(0, False)).ids[0].tolist() == [
        5, 0, 6,
    ]  # fmt: skip


def test_whether_padding_is_shared_is_read_from_the_tokenizer():
    words, module = tokenizer(), DECODERS[0].build()
    assert load(module, tokenizer=words).padding == Padding(0, False)
    words.pad_token = words.sep_token
    assert load(module, tokenizer=words).padding == Padding(3, True)
    assert load(DECODERS[0].build(pad_token_id=None)).padding == Padding(3, True)
    assert load(DECODERS[0].build(pad_token_id=None, eos_token_id=None)).padding is None


def test_extract_realigns_padded_ids():
    module = DECODERS[0].build()
    padded = [np.pad(row, (24 - len(row), 0)) for row in ROWS]
    wanted, found = (extract(module, read_samples(rows)) for rows in (ROWS, padded))
    np.testing.assert_array_equal(found["final"], wanted["final"])


def test_extract_takes_part_and_blocks():
    case = next(case for case in HALF if case.name == "t5_decoder")
    halves = [extract(case.build(), read_samples(ROWS), part=p) for p in (None, "decoder")]
    assert halves[0].key != halves[1].key
    wanted = states(case, load(case.build(), part="decoder"))["final"]
    np.testing.assert_array_equal(halves[1]["final"], wanted)
    hidden = extract(Oddity(), read_samples(ROWS), blocks=["first", "second"])
    assert hidden.layers == ("embedding", "block_1", "block_2")


# parts


def both_towers(name):
    kind = getattr(transformers, f"{name}Config")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 32}  # fmt: skip
    text = small | {"vocab_size": 64, "max_position_embeddings": 40}
    vision = small | {"image_size": 12, "patch_size": 4}
    return getattr(transformers, f"{name}Model")(kind(text_config=text, vision_config=vision))


@pytest.mark.parametrize("name", ["CLIP", "Siglip"])
def test_a_part_for_texts_and_one_for_images(name):
    whole = both_towers(name)
    assert load(whole, part="text").module is whole.text_model
    assert load(whole, part="vision").module is whole.vision_model
    with pytest.raises(InputError, match="parts for text and vision; choose one with part='text'"):
        load(whole)


def test_parts_that_are_not_there(tmp_path):
    gpt2, t5 = DECODERS[0].build(), next(case for case in ENCODERS if case.name == "t5")
    for module, part in ((gpt2, "decoder"), (gpt2, "encoder"), (gpt2, "vision"),
                         (torch.nn.Linear(2, 2), "text")):  # fmt: skip
        with pytest.raises(InputError, match=f"has no part '{part}'; leave part out"):
            load(module, part=part)
    with pytest.raises(InputError, match="part must be one of encoder, decoder, text, vision"):
        load(gpt2, part="head")
    assert "part='decoder' reads the other" in load(t5.build()).warnings[0]
    assert load(t5.build(), part="encoder").warnings == ()
    with pytest.raises(InputError, match="takes pixel_values, not token ids"):
        load(VISION[0].build())


def test_an_encoder_alone_is_a_whole_checkpoint_of_its_part(tmp_path):
    """ProtT5 is given away without its decoder; AutoModel makes a random one up."""
    case = next(case for case in ENCODERS if case.name == "prott5_encoder_only")
    module = case.build()
    module.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    found, wanted = states(case, loaded), states(case, load(module))
    for key in wanted:
        np.testing.assert_array_equal(found[key], wanted[key])
    with pytest.raises(InputError, match=r"lacks .* weights .*decoder.*random"):
        load(tmp_path, part="decoder")


def test_images_and_token_ids_are_not_mixed_up():
    vit, gpt2 = load(VISION[0].build(), part="vision"), load(DECODERS[0].build())
    pixels, ids = fed(VISION[0], vit), fed(DECODERS[0], gpt2)
    for loaded, wrong, message in ((vit, ids, "takes images, but token ids"),
                                   (gpt2, pixels, "takes token ids, but images")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            run([Target(Plan(loaded, ("mean",)), wrong, Memory(), "key")])
    with pytest.raises(InputError, match=r"Image '0' has shape \(3, 8, 8\), .* = \(3, 12, 12\)"):
        fed(VISION[0], vit, images(size=8))
    broken = images()
    broken[1, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="Image '1' holds values that are not finite"):
        fed(VISION[0], vit, broken)


# any module, by block names


class Oddity(torch.nn.Module):
    """Two kinds of blocks outside of any list, called in another order than they are written."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(64, 8)
        self.second = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh())
        self.first = torch.nn.Linear(8, 8)

    def forward(self, ids):
        return self.second(self.first(self.words(ids)))


def test_any_module_by_the_names_of_its_blocks():
    module = Oddity()
    with pytest.raises(InputError, match="No stack of blocks"):
        load(module)
    loaded = load(module, blocks=["first", "second"])
    assert [name.module for name in loaded.anatomy.names] == ["words", "first", "second"]
    found = states(DECODERS[0], loaded)
    for number, row in enumerate(ROWS):
        table = module.words(torch.as_tensor(row)).detach()
        wanted = module.first(table).mean(0).detach().numpy()
        assert relative(found["block_1"][number], wanted) < 1e-5
    with pytest.raises(InputError, match="There is no module 'third' in a Oddity"):
        load(module, blocks=["first", "third"])
    with pytest.raises(InputError, match="blocks names no module"):
        load(module, blocks=[])


# spelling and special tokens

SEQUENCES = ["MKTAYIAKQR", "GAVLW", "CDEFHPNSTY"]


@pytest.mark.parametrize("family", ["Bert", "T5"])
def test_residues_are_spaced_and_rare_ones_become_x(family):
    name = "protbert" if family == "Bert" else "prott5"
    module = next(case for case in ENCODERS if case.name == name).build()
    loaded = load(module, tokenizer=protein_tokenizer(family))
    wanted = protein_tokenizer(family)("M K X X X X")["input_ids"]
    for text in ("MKUZOB", "M K U Z O B", "MKXXXX"):
        assert loaded.tokenizer(text)["input_ids"] == wanted
    assert any("letters are spaced; U, Z, O, B become X" in line for line in loaded.warnings)
    with pytest.raises(InputError, match="are unknown to the tokenizer, more than 1 %"):
        extract(module, read_samples(["MKTAY", "mktay"]), tokenizer=protein_tokenizer(family))


def test_words_are_not_spaced():
    loaded = load(ENCODERS[3].build(), tokenizer=tokenizer())
    assert loaded.tokenizer("w1 w2")["input_ids"] == [2, 5, 6, 3]
    assert loaded.warnings == ()


def test_an_unknown_alphabet_is_an_error_beyond_one_percent(tmp_path):
    module = ENCODERS[0].build(pad_token_id=1, mask_token_id=31)
    words = esm_tokenizer(tmp_path)
    sequences = ["MKTAYIAKQR" * 3, "MKTAYIAKQR" * 3, "MKTAYIAKQR" * 3, "MKTAYIAKJ"]
    with pytest.raises(InputError, match=r"1\.0 % of the tokens \(1 of 99\) are unknown"):
        extract(module, read_samples(sequences), tokenizer=words)
    sequences[3] = "MKTAYIAKQJ"
    hidden = extract(module, read_samples(sequences), tokenizer=words)
    assert hidden.counts["unknown_tokens"] == 1


@pytest.fixture
def table(monkeypatch):
    monkeypatch.setattr(families, "_TABLE", dict(families._TABLE))


def test_a_family_can_be_added_from_outside(table):
    register_family("gpt2", Family(prefix="w9 ", rare="!"))
    loaded = load(DECODERS[0].build(), tokenizer=tokenizer(special=False))
    assert loaded.tokenizer(["w1", "w2"])["input_ids"] == [[13, 5], [13, 6]]
    assert loaded.tokenizer.pad_token_id == 0
    with pytest.raises(InputError, match="register_family takes a model_type"):
        register_family("", Family())
    with pytest.raises(InputError, match="and a str"):
        register_family("gpt2", "spaced")


# palettes


def test_images_by_a_palette():
    rng = np.random.default_rng(0)
    palette = rng.uniform(-1, 1, (17, 3)).astype(np.float32)
    pictures = rng.uniform(-1, 1, (3, 4, 5, 3)).astype(np.float32)
    ids = palette_tokens(pictures, palette)
    assert ids.shape == (3, 20)
    assert (ids[:, 0] == 17).all()
    for picture, row in zip(pictures, ids, strict=True):
        for pixel, token in zip(picture.reshape(-1, 3), row[1:], strict=False):
            assert token == min(range(17), key=lambda c: np.linalg.norm(pixel - palette[c]))
    module = DECODERS[1].build(vocab_size=18, pad_token_id=None)
    assert extract(module, read_samples(ids))["final"].shape == (3, 16)
    with pytest.raises(InputError, match="palette_tokens takes images"):
        palette_tokens(pictures[..., :2], palette)
    with pytest.raises(InputError, match="not finite"):
        palette_tokens(pictures * np.inf, palette)
