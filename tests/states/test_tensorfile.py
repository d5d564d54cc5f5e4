import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from layergeom.errors import InputTypeError
from layergeom.states import tensorfile

ARRAYS = {
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
    "f2": np.array([0.5, 1], dtype=np.float16),
    "f8": np.array([[1e300]]),
    "i4": np.array([-1], dtype=np.int32),
    "i8": np.array(2**40),
    "u1": np.arange(3, dtype=np.uint8),
    "b": np.array([True, False]),
    "none": np.zeros((0, 3), dtype=np.float32),
}


def write(path, arrays):
    shapes = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    head, layout = tensorfile.header(shapes)
    raw = bytearray(head + bytes(sum(a.nbytes for a in arrays.values())))
    for name, array in arrays.items():
        raw[layout[name].start : layout[name].stop] = array.tobytes()
    path.write_bytes(raw)


def test_our_files_are_read_by_the_library(tmp_path):
    write(tmp_path / "x.safetensors", ARRAYS)
    loaded = load_file(tmp_path / "x.safetensors")
    assert loaded.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_the_librarys_files_are_read_by_us(tmp_path):
    path = tmp_path / "x.safetensors"
    more = {"i2": np.array([-3], dtype=np.int16), "u8": np.array([2**63], dtype=np.uint64)}
    save_file(ARRAYS | more, path, metadata={"a": "b"})
    layout = tensorfile.layout(path)
    assert layout.keys() == (ARRAYS | more).keys()
    for name, array in (ARRAYS | more).items():
        read = tensorfile.read(path, layout[name])
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)
        assert not read.flags.writeable


def test_bfloat16_is_widened_exactly(tmp_path):
    X = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    X[0] = torch.tensor([float("inf"), -0.0, 1e-40, 3e38])
    save_torch({"x": X}, tmp_path / "x.safetensors")
    layout = tensorfile.layout(tmp_path / "x.safetensors")
    read = tensorfile.read(tmp_path / "x.safetensors", layout["x"])
    assert read.tobytes() == X.float().numpy().tobytes()


def test_every_array_is_aligned():
    _, layout = tensorfile.header({n: (a.shape, a.dtype) for n, a in ARRAYS.items()})
    for tensor in layout.values():
        assert tensor.start % tensorfile.READ[tensor.dtype].itemsize == 0


@pytest.mark.parametrize("dtype", ["c16", "O", "U3", "f4,f4"])
def test_dtypes_without_a_place_are_refused(dtype):
    with pytest.raises(InputTypeError, match=r"the store keeps"):
        tensorfile.header({"x": ((2,), dtype)})
