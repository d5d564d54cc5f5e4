"""Files that lie about themselves: objects for numbers, sizes beyond the file, bombs, archives."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from limits import MIB, ceiling

from layergeom.errors import InputError, InputTypeError, StoreError
from layergeom.states import tensorfile
from layergeom.states.datafiles import read_data
from layergeom.states.images import MAX_PIXELS, Images
from layergeom.states.label_files import values_in
from layergeom.states.labels import labels_of_rows
from layergeom.states.manifest import MAX_BYTES
from layergeom.states.models import load
from layergeom.states.store import Store
from layergeom.states.stored import stored_states
from layergeom.states.stored_files import file_layers

X = np.arange(12, dtype=np.float32).reshape(4, 3)


def npy_header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    file = io.BytesIO()
    facts = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, facts)
    return file.getvalue()


def read(path: Path) -> None:
    for layer in file_layers(path):
        layer.read()


def refused(path: Path, message: str, spare: int = 256 * MIB) -> None:
    with ceiling(spare), pytest.raises(InputError, match=message):
        read(path)


# ── objects ───────────────────────────────────────────────────────────────────────────────────


class Marker:
    """Leaves a file where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> object:
        return (Path.touch, (self.place,))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_S_np_load(tmp_path: Path, name: str) -> None:
    objects = np.array([[Marker(tmp_path / "ran")]], dtype=object)
    if name == "x.npy":
        np.save(tmp_path / name, objects, allow_pickle=True)
    else:
        np.savez(tmp_path / name, a=objects)
    refused(tmp_path / name, "Python objects|more than numbers")
    with pytest.raises(InputError):
        read_data(tmp_path / name, lambda _: False)
    with pytest.raises(InputTypeError, match="object"):
        stored_states({"a": objects})
    with pytest.raises(InputTypeError, match="labels hold"):
        labels_of_rows(np.array([{}, []], dtype=object), ["0", "1"], "labels")
    assert not (tmp_path / "ran").exists()


def test_S_torch_load(tmp_path: Path) -> None:
    torch.save({"a": Marker(tmp_path / "ran")}, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", "more than numbers")
    torch.save(
        {"a": Marker(tmp_path / "ran")}, tmp_path / "x.pt", _use_new_zipfile_serialization=False
    )
    refused(tmp_path / "x.pt", "more than numbers")
    assert not (tmp_path / "ran").exists()


# ── claims ────────────────────────────────────────────────────────────────────────────────────


def test_S_npy_lying_header(tmp_path: Path) -> None:
    data = npy_header((10**9, 1000)) + bytes(72)
    assert len(data) == 200
    (tmp_path / "x.npy").write_bytes(data)
    refused(tmp_path / "x.npy", r"x\.npy cannot be read.*greater than file size")


def entry(dtype: str = "F32", shape: tuple = (2, 2), offsets: tuple = (0, 16)) -> dict:
    return {"x": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


LIES = {
    "10^12 elements": (entry(shape=(10**12,), offsets=(0, 4 * 10**12)), "accounts for"),
    "overflowing product": (entry(shape=(2**33, 2**33, 2**33)), "malformed"),
    "a product of 500 long numbers": (entry(shape=(10**4000,) * 500), "malformed"),
    "a hundred axes": (entry(shape=(1,) * 100 + (4,)), "malformed"),
    "none of a huge number": (entry(shape=(0, 2**62, 4), offsets=(0, 0)), "malformed"),
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
def test_S_safetensors_lying_header(tmp_path: Path, head: object, message: str) -> None:
    text = json.dumps(head).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    refused(path, message)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        (2**60).to_bytes(8, "little"),
        b"\x05" + bytes(7) + b"nojson",
        (10**5).to_bytes(8, "little") + b"[" * 10**5,
    ],
    ids=["empty", "cut", "a header of 2^60", "no JSON", "deep JSON"],
)
def test_S_safetensors_lying_header_or_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    refused(path, r"x\.safetensors is not a safetensors file")


def test_S_safetensors_lying_header_of_a_hundred_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    length = tensorfile.MAX_HEADER + 1
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(8 + length)
    refused(path, "is not a safetensors file", 8 * MIB)


def test_a_manifest_beyond_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with ceiling(16 * MIB), pytest.raises(StoreError, match="is damaged"):
        Store(tmp_path).names()


def test_facts_that_no_manifest_would_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layergeom.states.manifest.MAX_BYTES", 1000)
    with pytest.raises(StoreError, match="keep large facts as arrays"):
        Store(tmp_path).put("x", {"a": X}, "k", {"f": "y" * 1000})


def test_unknown_dtype_names_the_remedy(tmp_path: Path) -> None:
    text = json.dumps(entry("F8_E4M3", (16,))).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    refused(tmp_path / "x.safetensors", "F8_E4M3.*store it as F32")


# ── bombs ─────────────────────────────────────────────────────────────────────────────────────


def archive(path: Path, *data: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as file:
        for at, content in enumerate(data):
            file.writestr(f"a{at}.npy", content)


@pytest.mark.parametrize("reader", [stored_states, lambda path: read_data(path, lambda _: False)])
def test_S_zip_bomb(tmp_path: Path, reader: object) -> None:
    path = tmp_path / "x.npz"
    archive(path, npy_header((300_000_000,), "|u1") + bytes(300_000_000))
    assert path.stat().st_size < 300_000
    with ceiling(128 * MIB), pytest.raises(InputError, match=r"expands from .* more than 100"):
        reader(path)


def test_S_zip_bomb_of_many_small_members(tmp_path: Path) -> None:
    archive(tmp_path / "x.npz", *[npy_header((2_000_000,), "|u1") + bytes(2_000_000)] * 20)
    refused(tmp_path / "x.npz", "its members expand from .* more than 100 times", 64 * MIB)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy_header((10**9, 1000)) + bytes(80), "claims 8000000000"),
        (npy_header((2,), "|O") + bytes(16), "Python objects"),
        (b"no array", r"cannot be read.*magic"),
    ],
    ids=["lying", "objects", "noise"],
)
def test_members_that_lie(tmp_path: Path, data: bytes, message: str) -> None:
    archive(tmp_path / "x.npz", data)
    refused(tmp_path / "x.npz", message)


def test_members_of_one_name_or_an_unusual_compression(tmp_path: Path) -> None:
    member = npy_header((2,), "<f4") + bytes(8)
    archive(tmp_path / "x.npz", member, method=zipfile.ZIP_LZMA)
    refused(tmp_path / "x.npz", "not compressed as numpy does it")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("a.npy", member)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", member)
    refused(tmp_path / "x.npz", "two of its members have the same name")


def tower(depth: int, base: object) -> object:
    for _ in range(depth):
        base = [base] * 10
    return base


class Bytes:
    def __reduce__(self) -> object:
        return (bytearray, (1 << 40,))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": torch.zeros(1, 1).expand(10**7, 10**6)}, r"claims the shape .* it is refused"),
        ({"a": tower(12, 1.0)}, "holds a list where a tensor is needed"),
        ([tower(12, 1.0)], "holds a list where a tensor is needed"),
        ({"a": Bytes()}, "holds a bytearray"),
        ({(1, 2): torch.zeros(2, 2)}, "neither a text nor a number"),
    ],
    ids=["stride 0", "list of lists", "lists only", "bytearray", "key"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_pt_files_of_a_kilobyte_that_fill_the_memory(
    tmp_path: Path, held: object, message: str, zipped: bool
) -> None:
    torch.save(held, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    assert (tmp_path / "x.pt").stat().st_size < 4_000
    refused(tmp_path / "x.pt", message)


def test_a_compressed_pt_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1000, 1000)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    refused(tmp_path / "x.pt", "compressed, which torch.save is not")


@pytest.mark.parametrize("compressor", [True, False])
def test_a_zarr_array_that_asks_to_be_unpickled(tmp_path: Path, compressor: bool) -> None:
    folder = tmp_path / "x.zarr"
    folder.mkdir()
    facts = {"zarr_format": 2, "shape": [2, 2], "chunks": [2, 2], "dtype": "<f4", "order": "C"}
    codec = {"id": "pickle"}
    facts |= {"fill_value": 0, "filters": [codec], "compressor": codec if compressor else None}
    (folder / ".zarray").write_text(json.dumps(facts).replace("pickle", "\\u0070ickle"))
    refused(folder, "names pickle, which runs code")


def test_hdf5_that_points_to_another_file_or_claims_a_huge_chunk(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(bytes(200))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        place = [(str(tmp_path / "secret"), 0, 200)]
        file.create_dataset("a", shape=(20, 10), dtype="u1", external=place)
    refused(tmp_path / "x.h5", "lies in another file")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", (4, 3), "f8", maxshape=(None, None), chunks=(20_000, 20_000))
    refused(tmp_path / "x.h5", "a chunk claims the shape")


# ── images ────────────────────────────────────────────────────────────────────────────────────


def encoded_image(kind: str, size: tuple[int, int], mode: str = "RGB") -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


def test_an_image_of_more_pixels_than_the_limit(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5) + 1
    data = encoded_image("PNG", (side, side), "1")
    assert len(data) < 20_000
    with ceiling(128 * MIB), pytest.raises(InputError, match="at most 67,108,864 are decoded"):
        Images([data], "data")[0]


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICNS", "PCX"])
def test_formats_that_are_none_of_ours_are_no_images(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(encoded_image(kind, (64, 64)))
    with pytest.raises(InputError, match="is no image"):
        Images([tmp_path / "x.png"], "data")[0]


# ── archives and YAML ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.npy", "x.npz", "x.pt", "x.csv", "x.txt"])
def test_S_tar_slip(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / name
    path.parent.mkdir()
    with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as file:
        member = tarfile.TarInfo("../slipped")
        member.size = 4
        file.addfile(member, io.BytesIO(b"\xff\xfe\xfd\n"))
    doors = (
        stored_states,
        load,
        lambda path: read_data(path, lambda _: False),
        lambda path: values_in(path, None, ["0"], "labels"),
    )
    for door in doors:
        with pytest.raises(InputError):
            door(path)
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in path.parent.iterdir()] == [name]
