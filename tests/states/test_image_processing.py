import json
import tracemalloc
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import layergeom
from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.image_processing import ModelImages, image_processor
from layergeom.states.images import Images
from layergeom.states.inputs import read_samples
from layergeom.states.sources import identify
from layergeom.states.store import Store
from states.tiny_families import PIXELS, SIZES

torch.set_num_threads(1)
SIZE = {"height": 12, "width": 12}
COLOURS = 60


def palette():
    return np.random.default_rng(1).uniform(-1, 1, (COLOURS, 3))


def vision(name, config, processor, **changes):
    return name, {**SIZES, **config}, processor, changes


VIT = vision("ViT", PIXELS, transformers.ViTImageProcessor, size=SIZE)
# as of the real one: trained on larger images than its processor gives
DINO = vision("Dinov2", PIXELS | {"image_size": 20}, transformers.BitImageProcessor,
              size={"shortest_edge": 14}, crop_size=SIZE)  # fmt: skip
CLIP = vision("CLIP", {}, transformers.CLIPImageProcessor,
              size={"shortest_edge": 12}, crop_size=SIZE)  # fmt: skip
SIGLIP = vision("SiglipVision", PIXELS, transformers.SiglipImageProcessor, size=SIZE)
MAE = vision("ViTMAE", PIXELS, transformers.ViTImageProcessor, size=SIZE)
IGPT = vision("ImageGPT", {"vocab_size": COLOURS + 1, "n_positions": 144},
              transformers.ImageGPTImageProcessor, size=SIZE, clusters=palette())  # fmt: skip
MODELS = (VIT, DINO, CLIP, SIGLIP, MAE, IGPT)


def saved(path, model, **changes):
    """Save a tiny random model with its processor, as a folder from the hub lies."""
    name, config, processor, own = model
    if name == "CLIP":
        half = SIZES | {"initializer_factor": 5.0}
        words = half | {"vocab_size": 30, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
        config = {"text_config": words, "vision_config": half | PIXELS}
    torch.manual_seed(0)
    network = getattr(transformers, f"{name}Model")
    network(network.config_class(**config)).save_pretrained(path)
    processor(**(own | changes)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Photographs of several sizes in two classes; smooth, as resizing noise leaves grey."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data") / "images"
    for i in range(60):
        small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((20 + i % 7, 16 + i % 5), Image.Resampling.BILINEAR)
        path = folder / ("cat" if i % 2 else "dog") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {model[0]: saved(place / model[0], model) for model in MODELS}


@pytest.mark.parametrize("name", [model[0] for model in MODELS])
def test_a_profile_of_a_folder_of_images(folders, images, name):
    found = layergeom.profile(folders[name], images, labels="folder", k=5)
    blocks = ("embedding", "block_1", "block_2", "block_3")
    assert found.layers[:4] == blocks
    assert np.isfinite(found.dimension.values).all()
    assert np.isfinite(found.label_overlap.values).all()
    states = found.provenance["states"]
    assert states["data_kind"] == "image"
    assert states["image_processor"]["size"]
    assert found.counts["rows"] == 60


@pytest.mark.parametrize(
    ("name", "special"), [("ViT", 1), ("Dinov2", 1), ("CLIP", 1), ("SiglipVision", 0)]
)
def test_the_states_are_those_of_transformers_own_way(folders, images, name, special):
    samples = read_samples(images, max_samples=7)
    hidden = extract(folders[name], samples)
    processor = transformers.AutoImageProcessor.from_pretrained(folders[name])
    network = transformers.AutoModel.from_pretrained(folders[name])
    network = getattr(network, "vision_model", network)
    files = [Image.open(images / name) for name in samples.ids]
    pixels = processor(images=files, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        states = network(pixels, output_hidden_states=True).hidden_states
    for layer in range(4):
        expected = states[layer][:, special:].mean(dim=1).numpy()
        np.testing.assert_allclose(hidden[layer], expected, atol=2e-6 * np.abs(expected).max())


def test_the_palette_of_imagegpt(folders, images):
    """Transformers gives all pixels; the model was trained with a start token and no last one."""
    samples = read_samples(images)
    source = identify(folders["ImageGPT"])
    ours = ModelImages(samples.items, image_processor(source))
    theirs = image_processor(source)(images=list(samples.items), return_tensors="np")["input_ids"]
    assert len(np.unique(theirs)) > COLOURS // 3
    for row, ids in enumerate(theirs):
        assert ours[row].tolist() == [COLOURS, *ids[:-1]]
    hidden = extract(folders["ImageGPT"], samples)
    tokens = extract(folders["ImageGPT"], read_samples([ours[row] for row in range(60)]))
    for layer in hidden.layers:
        assert (hidden[layer] == tokens[layer]).all()
    assert hidden.provenance["special_tokens"]
    assert hidden.counts["tokens"] == 60 * 144


def test_the_processor_of_imagegpt_as_it_lies_on_the_hub(folders, images, tmp_path):
    own = {"do_normalize": True, "do_resize": True, "resample": 2, "size": 12}
    own |= {"feature_extractor_type": "ImageGPTFeatureExtractor", "clusters": palette().tolist()}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(own))
    (tmp_path / "config.json").write_text((folders["ImageGPT"] / "config.json").read_text())
    stored = read_samples(images).items
    old, new = (
        ModelImages(stored, image_processor(identify(folder)))
        for folder in (tmp_path, folders["ImageGPT"])
    )
    assert all((old[row] == new[row]).all() for row in range(60))


@pytest.mark.parametrize("name", ["ViT", "Dinov2", "ImageGPT"])
def test_an_image_alone_is_the_image_among_others(folders, images, name):
    samples = read_samples(images, max_samples=9)
    many = extract(folders[name], samples, batch_size=9)
    for batch_size in (1, 4):
        few = extract(folders[name], samples, batch_size=batch_size)
        for layer in many.layers:
            np.testing.assert_allclose(few[layer], many[layer], atol=1e-5)
    others = extract(folders[name], samples.take([5, 0, 8]))
    np.testing.assert_allclose(others[3], many[3][[5, 0, 8]], atol=1e-5)


def test_cls_tokens_count_if_asked(folders, images):
    samples = read_samples(images, max_samples=5)
    without, with_cls, cls = (
        extract(folders["ViT"], samples, special_tokens=special, pool=pool)[2]
        for special, pool in ((False, "mean"), (True, "mean"), (True, "first"))
    )
    np.testing.assert_allclose(with_cls * 10, without * 9 + cls, atol=1e-4)


def test_other_settings_of_the_processor_are_other_states(folders, images):
    samples = read_samples(images, max_samples=5)
    module = transformers.AutoModel.from_pretrained(folders["ViT"])
    processors = [transformers.ViTImageProcessor(size=SIZE, resample=how) for how in (0, 2, 2)]
    first, second, third = (
        extract(module, samples, image_processor=processor) for processor in processors
    )
    assert first.key != second.key == third.key
    assert np.abs(first[1] - second[1]).max() > 1e-3
    assert second.key != extract(folders["ViT"], samples).key  # a module, not the folder


def test_the_same_call_is_answered_from_the_store(folders, images, tmp_path, monkeypatch):
    samples = read_samples(images, max_samples=5)
    first = extract(folders["ViT"], samples, store=Store(tmp_path))
    monkeypatch.setattr(ModelImages, "__getitem__", None)  # nothing is decoded again
    again = extract(folders["ViT"], samples, part="vision", store=Store(tmp_path))
    assert again.key == first.key
    assert again.ids == samples.ids


def test_equal_files_are_equal_inputs(folders, images, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        source = "dog/00.png" if name != "b.png" else "cat/01.png"
        (tmp_path / name).write_bytes((images / source).read_bytes())
    inputs = extract(folders["ViT"], read_samples(tmp_path)).inputs
    assert inputs[0] == inputs[2] != inputs[1]


def test_images_are_decoded_when_their_batch_comes_and_once(folders, images, monkeypatch):
    rows = []
    get = Images.__getitem__
    monkeypatch.setattr(Images, "__getitem__", lambda self, row: rows.append(row) or get(self, row))
    seen = []
    samples = read_samples(images)
    extract(folders["ViT"], samples, batch_size=10, progress=lambda *_: seen.append(len(set(rows))))
    assert seen == [10, 20, 30, 40, 50, 60]
    assert len(rows) <= len(samples) + 3  # the first one also shows shape and kind


def test_many_images_do_not_lie_in_memory(folders):
    images = np.broadcast_to(
        np.arange(200, dtype=np.uint8)[:, None, None, None], (200, 256, 256, 3)
    )
    samples = read_samples(images)
    samples.fingerprint  # noqa: B018
    extract(folders["ViT"], samples.take([0]))  # what is loaded and kept for any number
    tracemalloc.start()
    extract(folders["ViT"], samples, batch_size=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6  # all of them decoded: 39 MB; one at a time with its float copies: about 3


def test_a_damaged_image_is_named_when_it_is_decoded(folders, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in "abc":
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    data = bytearray((tmp_path / "b.png").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "b.png").write_bytes(data)
    with pytest.raises(InputError, match=r"b.png cannot be read as an image \("):
        extract(folders["ViT"], read_samples(tmp_path))


def test_a_model_without_a_processor(folders, images, tmp_path):
    samples = read_samples(images, max_samples=5)
    for path in folders["ViT"].iterdir():
        if path.name != "preprocessor_config.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"has no preprocessor_config.json, so how its images"):
        extract(tmp_path, samples)
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(InputError, match=r"The image processor of .* cannot be loaded \("):
        extract(tmp_path, samples)
    module = transformers.AutoModel.from_pretrained(folders["ViT"])
    with pytest.raises(InputError, match=r"loaded module .* image processor with image_processor="):
        extract(module, samples)


SMALL = {"size": {"height": 8, "width": 8}}
LARGE = {"size": {"height": 13, "width": 13}}
AS_THEY_ARE = {"do_resize": False, "do_center_crop": False}


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (VIT, SMALL, r"shape \(3, 8, 8\), which the model .* does not take \(Input image size"),
        (DINO, AS_THEY_ARE, r"the image processor gives the shape \(3, .* must have one size"),
        (IGPT, LARGE, r"gives 169 pixels, but .* takes 144"),
        (IGPT, {"clusters": np.zeros((61, 3))}, r"palette has 61 colours, but .* knows 61 tokens"),
    ],
)
def test_a_processor_of_another_model(images, tmp_path, model, changes, message):
    with pytest.raises(InputError, match=message):
        extract(saved(tmp_path, model, **changes), read_samples(images, max_samples=20))


@pytest.mark.parametrize(("name", "tokens"), [("ViT", 10), ("ImageGPT", 144)])
def test_images_are_not_cut(folders, images, name, tokens):
    samples = read_samples(images, max_samples=5)
    assert extract(folders[name], samples, max_length=tokens).counts["truncated"] == 0
    with pytest.raises(
        InputError, match=rf"has {tokens} tokens, more than max_length={tokens - 1}"
    ):
        extract(folders[name], samples, max_length=tokens - 1)


FORMER = {"do_normalize": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
FORMER |= {"resample": 2, "size": 12}
CROP = {"crop_size": 12, "do_center_crop": True}
NESTED = {"image_processor": FORMER | {"image_processor_type": "ViTImageProcessor"}}


@pytest.mark.parametrize(
    ("family", "file", "settings"),
    [
        ("vit", "preprocessor_config.json", FORMER),
        ("vit_mae", "preprocessor_config.json", FORMER | {"feature_extractor_type": "ViTFeature"
         "Extractor"}),
        ("vit", "preprocessor_config.json", FORMER | {"image_processor_type": "ViTImageProcessor"
         "Fast"}),
        ("clip", "preprocessor_config.json", FORMER | CROP | {"feature_extractor_type": "CLIP"
         "FeatureExtractor"}),
        ("siglip", "processor_config.json", NESTED | {"processor_class": "SiglipProcessor"}),
    ],
)  # fmt: skip
def test_processors_as_they_lie_on_the_hub(images, tmp_path, family, file, settings):
    (tmp_path / file).write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    prepared = ModelImages(read_samples(images).items, image_processor(identify(tmp_path)))
    assert prepared[0].shape == (3, 12, 12)
    assert prepared[0].dtype == np.float32
    assert -1 <= prepared[0].min() < 0 < prepared[0].max() <= 1


def test_a_processor_with_code_of_its_own_is_not_run(images, tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit")
    own = {"auto_map": {"AutoImageProcessor": "evil.X"}, "image_processor_type": "X"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(own))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(InputError, match=r"cannot be loaded \(.* custom code"):
        image_processor(identify(tmp_path))


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is there")
def test_a_processor_that_needs_torchvision_says_so_and_another_serves(images, tmp_path):
    config = transformers.DINOv3ViTConfig(**SIZES, **PIXELS)
    transformers.DINOv3ViTModel(config).save_pretrained(tmp_path)
    own = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": SIZE}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(own))
    with pytest.raises(InputError, match=r"cannot be loaded \(.* Torchvision .*image_processor="):
        image_processor(identify(tmp_path))
    samples = read_samples(images, max_samples=5)
    plain = transformers.ViTImageProcessor(size=SIZE)
    found = extract(tmp_path, samples, image_processor=plain)
    assert np.isfinite(found["block_3"]).all()


def test_pixels_for_a_model_of_tokens(folders, images):
    samples = read_samples(images, max_samples=5)
    with pytest.raises(InputError, match=r"processor gives pixels, but the model .* takes token"):
        extract(folders["CLIP"], samples, part="text")
