import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from layergeom.errors import InputError, InputTypeError
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


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"x": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


LIES = {
    "10^12 elements": (entry(shape=(10**12,), offsets=(0, 4 * 10**12)), "accounts for"),
    "overflowing product": (entry(shape=(2**33, 2**33, 2**33)), "claims"),
    "shape beyond offsets": (entry(shape=(3, 2)), "claims 24 bytes"),
    "negative": (entry(shape=(-2, -2)), "malformed"),
    "boolean": (entry(shape=(True, 4)), "malformed"),
    "reversed": (entry(offsets=(16, 0)), "malformed"),
    "gap": (entry(offsets=(4, 20)), "overlap or leave gaps"),
    "no entry": ({"x": 3}, "malformed"),
    "list": ([1], "lists no arrays"),
    "overlap": (entry() | {"y": entry()["x"]}, "overlap"),
}


@pytest.mark.parametrize(("head", "message"), LIES.values(), ids=LIES)
def test_lying_headers_are_refused(tmp_path, head, message):
    text = json.dumps(head).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    with pytest.raises(InputError, match=message):
        tensorfile.layout(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"1234567", (2**60).to_bytes(8, "little"), b"\x05" + bytes(7) + b"nojson",
     (10**5).to_bytes(8, "little") + b"[" * 10**5],
)  # fmt: skip
def test_no_safetensors_at_all(tmp_path, data):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.safetensors is not a safetensors file"):
        tensorfile.layout(path)


def test_unknown_dtype_names_the_remedy(tmp_path):
    text = json.dumps(entry("F8_E4M3", (16,))).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    with pytest.raises(InputTypeError, match=r"F8_E4M3.*store it as F32"):
        tensorfile.layout(tmp_path / "x.safetensors")


@pytest.mark.parametrize("dtype", ["c16", "O", "U3", "f4,f4"])
def test_dtypes_without_a_place_are_refused(dtype):
    with pytest.raises(InputTypeError, match=r"the store keeps"):
        tensorfile.header({"x": ((2,), dtype)})


def test_hundreds_of_mutations_give_the_value_or_an_error(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "x.safetensors"
    write(path, {"a": ARRAYS["f4"], "b": ARRAYS["i4"]})
    good = path.read_bytes()
    for _ in range(400):
        data = bytearray(good)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            for tensor in tensorfile.layout(path).values():
                tensorfile.read(path, tensor).sum()
        except InputError:
            pass
