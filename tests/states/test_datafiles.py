import sys
from types import SimpleNamespace

import numpy as np
import pytest

from layergeom.errors import InputError, InputTypeError
from layergeom.states.inputs import read_samples


def test_tokens_ids_and_labels_of_an_npz(tmp_path):
    tokens = np.arange(6, dtype=np.uint8).reshape(3, 2)
    arrays = {"y": np.array([1, 0, 1]), "tokens": tokens, "id": np.array(["p", "q", "r"])}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    samples = read_samples(tmp_path / "x.npz", labels="y")
    assert (samples.kind, samples.ids, samples.labels) == (
        "tokens",
        ("p", "q", "r"),
        ("1", "0", "1"),
    )
    assert samples.fingerprint == read_samples(tokens).fingerprint


def test_the_only_array_of_an_npz_needs_no_name(tmp_path):
    np.savez(tmp_path / "x.npz", np.ones((3, 2), dtype=int))
    assert len(read_samples(tmp_path / "x.npz")) == 3


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"tokens": np.ones((3, 2), int), "y": np.ones(2)}, InputError, "x.npz differ in length"),
        ({"tokens": np.ones((3, 2), int), "n": np.array(3)}, InputError, "'n' is a single value"),
        ({"tokens": np.ones((9, 4, 4, 3), int)}, InputTypeError, "x.npz, row 0: tokens are"),
        ({"tokens": np.ones((2, 4, 4), int)}, InputTypeError, "x.npz, row 0: tokens are"),
        ({"tokens": np.array([{}, {}])}, InputError, "holds Python objects"),
        ({"a": np.ones((3, 2), int), "b": np.ones((3, 2), int)}, InputError, "it has 'a', 'b'"),
    ],
)
def test_an_npz_of_anything_else(tmp_path, arrays, error, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(error, match=message):
        read_samples(tmp_path / "x.npz")


def test_a_damaged_npz(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match=r"x\.npz cannot be read: it is damaged"):
        read_samples(tmp_path / "x.npz")


def test_a_folder_that_holds_neither_images_nor_a_saved_dataset(tmp_path):
    with pytest.raises(InputError, match=r"folder with no images in it \(no files\).*save_to_disk"):
        read_samples(tmp_path)
    (tmp_path / "README.txt").write_text("images come later")
    with pytest.raises(InputError, match=r"\(other files: 'README.txt'\); give a folder of images"):
        read_samples(tmp_path)


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """Return a folder as save_to_disk leaves it, and set what the library would read there."""
    (tmp_path / "state.json").write_text("{}")

    def library(load):
        monkeypatch.setitem(sys.modules, "datasets", load and SimpleNamespace(load_from_disk=load))
        return tmp_path

    return library


class Dataset(dict):
    column_names = ("sequence", "label")


def test_a_saved_dataset(saved):
    folder = saved(lambda _: Dataset(sequence=["MKV", "ACD"], label=[1, 0]))
    samples = read_samples(folder, labels="label")
    assert (samples.items, samples.labels) == (("MKV", "ACD"), ("1", "0"))


def test_a_saved_dataset_without_the_library_or_with_splits_or_damaged(saved):
    with pytest.raises(InputError, match=r"is a saved dataset: pip install datasets"):
        read_samples(saved(None))
    with pytest.raises(InputError, match=r"cannot be read as a saved dataset \(no such arrow\)"):
        read_samples(saved(lambda _: (_ for _ in ()).throw(OSError("no such arrow"))))
    splits = SimpleNamespace(column_names={"train": ["text"], "test": ["text"]})
    with pytest.raises(InputError, match=r"splits \(train, test\)"):
        read_samples(saved(lambda _: splits))


def test_a_csv_of_sequences(tmp_path):
    (tmp_path / "x.csv").write_text("sequence,label,split\nMKV,a,train\nACD,b,test\n")
    samples = read_samples(tmp_path / "x.csv", labels="label")
    assert (samples.items, samples.labels) == (("MKV", "ACD"), ("a", "b"))
    assert samples.notes == ("The texts are the column 'sequence' of x.csv.",)
