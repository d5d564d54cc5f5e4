import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from layergeom.errors import InputError, InputTypeError
from layergeom.states.stored_files import file_layers, natural, object_layers

X = np.arange(12, dtype=np.float32).reshape(4, 3)


def read(layers):
    return {layer.name: np.asarray(layer.read()) for layer in layers}


def test_natural_order():
    names = ["layer_10", "layer_2", "final", "layer_1", "2", "10"]
    ordered = ["2", "10", "final", "layer_1", "layer_2", "layer_10"]
    assert sorted(names, key=natural) == ordered


def test_npy_is_mapped(tmp_path):
    np.save(tmp_path / "emb.npy", X)
    (layer,) = file_layers(tmp_path / "emb.npy")
    assert (layer.name, layer.shape) == ("emb", (4, 3))
    assert isinstance(layer.read(), np.memmap)


def test_npy_of_three_dimensions_is_layers(tmp_path):
    np.save(tmp_path / "all.npy", np.stack([X, X + 1]))
    found = read(file_layers(tmp_path / "all.npy"))
    assert list(found) == ["layer_0", "layer_1"]
    np.testing.assert_array_equal(found["layer_1"], X + 1)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_keeps_its_order(tmp_path, save):
    save(tmp_path / "x.npz", late=X, early=X + 1)
    found = read(file_layers(tmp_path / "x.npz"))
    assert list(found) == ["late", "early"]
    np.testing.assert_array_equal(found["early"], X + 1)


def test_safetensors_have_no_order_and_get_the_natural_one(tmp_path):
    save_file({f"layer_{i}": X + i for i in range(11)}, tmp_path / "x.safetensors")
    found = read(file_layers(tmp_path / "x.safetensors"))
    assert list(found) == [f"layer_{i}" for i in range(11)]
    np.testing.assert_array_equal(found["layer_10"], X + 10)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "held",
    [
        {"a": torch.tensor(X), "b": torch.tensor(X)},
        [torch.tensor(X)] * 2,
        torch.tensor(np.stack([X, X])),
    ],
    ids=["mapping", "list", "tensor"],
)
def test_torch_files(tmp_path, held, legacy):
    torch.save(held, tmp_path / "x.pt", _use_new_zipfile_serialization=not legacy)
    found = read(file_layers(tmp_path / "x.pt"))
    assert list(found) == (["a", "b"] if isinstance(held, dict) else ["layer_0", "layer_1"])
    for array in found.values():
        np.testing.assert_array_equal(array, X)


def test_npz_cut_or_flipped(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=X)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match=r"damaged"):
        file_layers(path)
    data = bytearray(good)
    data[good.index(X.tobytes()) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.npz cannot be read: it is damaged .*CRC"):
        read(file_layers(path))


def test_missing_unknown_and_empty_files(tmp_path):
    with pytest.raises(InputError, match=r"There is no file"):
        file_layers(tmp_path / "x.npy")
    with pytest.raises(InputError, match=r"no known kind; states are read from .npy, .npz"):
        file_layers(tmp_path / "x.pkl")
    np.savez(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"holds no arrays"):
        file_layers(tmp_path / "x.npz")


def test_axes_in_another_order_are_noticed():
    with pytest.raises(InputError, match=r"4 layers of 3 samples; the axes must be \(layers"):
        object_layers(np.zeros((4, 3, 2)), "x")


@pytest.mark.parametrize("held", [3, "text", None])
def test_no_arrays_at_all(held):
    with pytest.raises(InputTypeError, match=r"Hidden states cannot be read from"):
        object_layers(held, "x")


def test_ragged_lists_are_named():
    with pytest.raises(InputTypeError, match=r"Layer a is no rectangular array"):
        object_layers({"a": [[1], [1, 2]]}, "x")


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["layer_10"], file["layer_2"], file["sub/layer_1"] = X, X + 1, X + 2
    found = read(file_layers(tmp_path / "x.h5"))
    assert list(found) == ["layer_2", "layer_10", "sub/layer_1"]
    np.testing.assert_array_equal(found["sub/layer_1"], X + 2)


def test_hdf5_that_lies_or_is_none(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", shape=(10**9, 1000), dtype="f8", chunks=(1000, 1000))
    with pytest.raises(InputError, match=r"claims the shape"):
        file_layers(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes(b"no hdf5")
    with pytest.raises(InputError, match=r"x\.h5 cannot be read"):
        file_layers(tmp_path / "x.h5")


def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    for name, array in {"layer_10": X, "layer_2": X + 1}.items():
        root.create_array(name, shape=array.shape, dtype="f4")[...] = array
    found = read(file_layers(tmp_path / "x.zarr"))
    assert list(found) == ["layer_2", "layer_10"]
    np.testing.assert_array_equal(found["layer_10"], X)
    root.create_array("lie", shape=(10**9, 1000), chunks=(1000, 1000), dtype="f8")
    with pytest.raises(InputError, match=r"claims the shape"):
        file_layers(tmp_path / "x.zarr")


@pytest.mark.parametrize(("name", "extra"), [("x.h5", "hdf5"), ("x.zarr", "zarr")])
def test_missing_libraries_are_named_with_the_command(tmp_path, monkeypatch, name, extra):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "zarr", None)
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=rf"pip install 'layergeom\[{extra}\]'"):
        file_layers(tmp_path / name)
