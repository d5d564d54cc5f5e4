from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from layergeom.errors import InputError, InputTypeError
from layergeom.states.images import Images
from layergeom.states.inputs import read_samples

RNG = np.random.default_rng(0)


def pixels(height=6, width=8, channels=3):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path, array=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels() if array is None else array).save(path, **options)
    return path


def only(folder, **options):
    """The only image of a folder, as an array, with its samples."""
    samples = read_samples(folder, **options)
    assert len(samples) == 1
    return np.asarray(samples.items[0]), samples


@pytest.fixture
def classes(tmp_path):
    for name in ("dog/2.png", "dog/deep/1.JPG", "cat/a.webp", "cat/b.bmp", "c.ppm", "z/d.gif"):
        save(tmp_path / "images" / name)
    return tmp_path / "images"


def test_a_folder_with_a_sub_folder_per_class(classes):
    samples = read_samples(classes, labels="folder")
    assert samples.kind == "image"
    names = ("c.ppm", "cat/a.webp", "cat/b.bmp", "dog/2.png", "dog/deep/1.JPG", "z/d.gif")
    assert samples.ids == names
    assert samples.labels == (None, "cat", "cat", "dog", "dog", "z")
    assert {(image.mode, image.size) for image in samples.items} == {("RGB", (8, 6))}
    assert samples.counts == {"labels_missing": 1, "images_palette": 1}
    assert samples.notes == ("1 of 6 images was converted to RGB (1 palette).",)


def test_images_are_read_as_they_are(tmp_path):
    array = pixels()
    save(tmp_path / "a.png", array)
    found, samples = only(tmp_path)
    assert (found == array).all()
    assert samples.notes == ()
    assert np.asarray(read_samples(array[None]).items[0]).tolist() == array.tolist()


def test_other_files_are_left_out_and_said(classes):
    (classes / "README.txt").write_text("about")
    (classes / "cat" / ".DS_Store").write_text("hidden")
    (classes / ".cache").mkdir()
    save(classes / ".cache" / "x.png")
    samples = read_samples(classes)
    assert len(samples) == 6
    assert samples.notes[0] == "1 file that is no image was left out: 'README.txt'."
    assert samples.counts["files_left_out"] == 1


@pytest.mark.parametrize("inside", [None, "notes.txt", "empty/deeper/notes.txt"])
def test_a_folder_without_images(tmp_path, inside):
    if inside:
        (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / inside).write_text("no image")
    found = f"other files: '{inside}'" if inside else "no files"
    with pytest.raises(InputError, match=rf"is a folder with no images in it \({found}\); give"):
        read_samples(tmp_path)


def test_a_single_image_is_no_data_set(tmp_path):
    with pytest.raises(InputError, match=r"a.png is a single image; give the folder"):
        read_samples(save(tmp_path / "a.png"))


def test_a_flat_folder_has_no_classes(tmp_path):
    save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no column 'folder' for labels.* it has 'image', 'id'"):
        read_samples(tmp_path, labels="folder")


def test_labels_and_splits_of_a_folder_from_elsewhere(classes, tmp_path):
    (tmp_path / "y.csv").write_text("file_name,y\ncat/a.webp,1\nc.ppm,0\n")
    labels = f"{tmp_path / 'y.csv'}:y"
    assert read_samples(classes, labels=labels).labels == ("0", "1", None, None, None, None)
    assert read_samples(classes, split="folder:cat").ids == ("cat/a.webp", "cat/b.bmp")


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp", "x.bmp", "x.gif", "x.ppm"])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_truncated_image_is_named_before_any_model_runs(tmp_path, name, share):
    save(tmp_path / "a.png")
    cut(save(tmp_path / name, pixels(64, 64)), share)
    with pytest.raises(InputError, match=rf"{name} (cannot be read as an image \(|is no image)"):
        read_samples(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8 and no more"])
def test_a_file_that_is_no_image(tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"x.jpg is no image; replace or remove it"):
        read_samples(tmp_path)


def test_a_fault_in_the_middle_is_found_when_the_image_is_decoded(tmp_path):
    path = save(tmp_path / "x.png", pixels(64, 64))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    images = read_samples(tmp_path).items
    with pytest.raises(InputError, match=r"x.png cannot be read as an image \("):
        images[0]


def test_16_bits_keep_their_upper_8(tmp_path):
    values = np.array([[0, 255, 256], [32767, 32768, 65535]], dtype=np.uint16)
    save(tmp_path / "x.png", values)
    found, samples = only(tmp_path)
    assert found[..., 0].tolist() == [[0, 0, 1], [127, 128, 255]]
    assert samples.counts["images_16_bit"] == 1


def test_numbers_beyond_16_bits(tmp_path):
    wide = Image.fromarray(np.full((2, 2), 70_000, dtype=np.int32))
    with pytest.raises(InputError, match=r"data, row 0: the image holds int32 values beyond 16"):
        read_samples([wide])


@pytest.mark.parametrize(
    ("name", "mode", "count"),
    [
        ("x.png", "1", "images_grey"),
        ("x.png", "L", "images_grey"),
        ("x.png", "LA", "images_with_alpha"),
        ("x.png", "RGBA", "images_with_alpha"),
        ("x.png", "P", "images_palette"),
        ("x.jpg", "CMYK", "images_cmyk"),
        ("x.jpg", "L", "images_grey"),
    ],
)
def test_other_modes_become_rgb_and_are_counted(tmp_path, name, mode, count):
    image = Image.fromarray(pixels(16, 16)).convert(mode)
    image.save(tmp_path / name)
    found, samples = only(tmp_path)
    assert samples.counts[count] == 1
    assert samples.notes[0].startswith("1 of 1 images was converted to RGB (1 ")
    with Image.open(tmp_path / name) as stored:
        assert (found == np.asarray(stored.convert("RGB"))).all()


def test_a_transparent_palette_is_no_warning(tmp_path, recwarn):
    image = Image.fromarray(pixels()).convert("P")
    image.save(tmp_path / "x.png", transparency=b"\x00\x80\xff")
    _, samples = only(tmp_path)
    assert samples.counts == {"images_palette": 1, "images_with_alpha": 1}
    assert not recwarn.list


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp"])
def test_the_exif_orientation_is_applied(tmp_path, name):
    array = np.zeros((8, 16, 3), dtype=np.uint8)
    array[:, 8:] = 255  # the right half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    save(tmp_path / name, array, exif=exif)
    found, samples = only(tmp_path)
    assert found.shape == (16, 8, 3)
    assert found[:6].mean() < 20
    assert found[10:].mean() > 235
    assert samples.notes == ("1 of 1 images was turned as the EXIF orientation says.",)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((4, 4, 3), shade, np.uint8)) for shade in (0, 255)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    found, samples = only(tmp_path)
    assert (found == 0).all()
    assert "1 of 1 images is animated: the first frame." in samples.notes


def test_arrays_of_images(tmp_path):
    arrays = [pixels(channels=c)[None].repeat(2, axis=0) for c in (1, 3, 4)]
    arrays.append(arrays[0][..., None])
    for array in (*arrays, torch.from_numpy(arrays[1])):
        samples = read_samples(array, labels=[0, 1])
        assert (samples.kind, samples.ids, samples.labels) == ("image", ("0", "1"), ("0", "1"))
        assert samples.items[1].mode == "RGB"
        assert samples.notes[-1] == "1 of 2 images repeats an earlier one."
    np.savez(tmp_path / "x.npz", images=arrays[1], labels=np.array([3, 4]))
    samples = read_samples(tmp_path / "x.npz", labels="labels")
    assert (samples.labels, samples.fingerprint) == (
        ("3", "4"),
        read_samples(arrays[1]).fingerprint,
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 3, 8, 8), np.uint8), r"shape \(2, 3, 8, 8\) are no .*move the axis"),
        (np.zeros((2, 8, 8, 3)), "dtype float64 .*images as uint8"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3))], r"data, row 1: an image is a uint8"),
        ([np.zeros((8, 8), np.uint8), None], "data, row 1: the image is missing"),
        ([np.zeros((8, 8), np.uint8), 7], "data, row 1: the image is int"),
    ],
)
def test_arrays_that_are_no_images(data, message):
    with pytest.raises(InputTypeError, match=message):
        read_samples(data)


class Feature:
    """Named as the one of `datasets`, by which a column of images is known."""


Feature.__name__ = "Image"


class Dataset:
    """A `datasets` object that decodes a row when it is read, and says how often it did."""

    column_names = ("label", "image")
    features = {"image": Feature(), "label": SimpleNamespace(names=["cat", "dog"])}  # noqa: RUF012

    def __init__(self, arrays):
        self.arrays, self.decoded = arrays, 0

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, key):
        if key == "label":
            return [i % 2 for i in range(len(self))]
        assert isinstance(key, int), "the whole column of images would be decoded"
        self.decoded += 1
        return {"image": Image.fromarray(self.arrays[key])}


def test_a_column_of_images_is_decoded_row_by_row():
    data = Dataset([pixels() for _ in range(50)])
    samples = read_samples(data, labels="label", max_samples=4)
    assert (samples.kind, sorted(samples.labels)) == ("image", ["cat", "cat", "dog", "dog"])
    assert data.decoded <= 5  # those that are used, and none of the other 46
    with pytest.raises(InputError, match=r"no column 'topic' for labels"):
        read_samples(data, labels="topic")
    assert data.decoded <= 10
    row = int(samples.ids[1])
    assert (np.asarray(samples.items[1]) == data.arrays[row]).all()


def test_images_that_datasets_did_not_decode(tmp_path):
    path = save(tmp_path / "x.png")
    stored = [{"bytes": path.read_bytes(), "path": None}, {"bytes": None, "path": str(path)}]
    samples = read_samples({"img": stored, "y": [0, 1]}, labels="y")
    assert samples.kind == "image"
    assert samples.notes == ("1 of 2 images repeats an earlier one.",)


def test_a_text_column_beside_images_is_read_as_texts():
    data = {"image": [Image.fromarray(pixels())] * 2, "text": ["a", "b"]}
    assert read_samples(data).kind == "text"
    assert read_samples(data, text_column="image").kind == "image"


def test_the_fingerprint_is_of_content_and_order(tmp_path):
    for name in ("one", "two"):
        save(tmp_path / name / "a.png", np.full((4, 4), 7, np.uint8))
        save(tmp_path / name / "b.png", np.full((4, 4), 9, np.uint8))
    first = read_samples(tmp_path / "one").fingerprint
    assert first == read_samples(tmp_path / "two").fingerprint
    (tmp_path / "two" / "a.png").rename(tmp_path / "two" / "c.png")
    assert first != read_samples(tmp_path / "two").fingerprint


def test_only_the_images_that_are_used_are_read(tmp_path):
    for i in range(20):
        save(tmp_path / f"{i:02}.png")
    used = read_samples(tmp_path, max_samples=5)
    for name in {f"{i:02}.png" for i in range(20)} - set(used.ids):
        (tmp_path / name).write_text("no image")
    again = read_samples(tmp_path, max_samples=5)
    assert (again.ids, again.fingerprint) == (used.ids, used.fingerprint)
    assert (again.sampled_from, len(again.items.take([0, 3]))) == (20, 2)


def test_linked_folders_are_followed_but_not_in_circles(tmp_path):
    save(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images" / "circle").symlink_to(tmp_path / "images")
    assert read_samples(tmp_path / "images").ids == ("cat/a.png",)


def test_slices_and_ends():
    images = Images([pixels(2, 2), pixels(3, 3), pixels(4, 4)], "data")
    assert [image.size for image in images[1:]] == [(3, 3), (4, 4)]
    assert images[-1].size == (4, 4)
    with pytest.raises(IndexError):
        images[3]
