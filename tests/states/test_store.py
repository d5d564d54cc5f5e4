import errno
import gc
import os
import resource
import shutil
import time

import numpy as np
import pytest

from layergeom.errors import InputTypeError, StoreError, StoreWarning
from layergeom.states.store import Store

X = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.put("layers/block_1", {"states": X}, "key", {"n": 4})
    return store


def piece(store):
    (file,) = store.folder.glob("*.safetensors")
    return file


def test_R_moved_stores_are_valid_in_another_folder(store, tmp_path):
    store.folder.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved")
    read = moved.get("layers/block_1", "key")["states"]
    assert read.tobytes() == X.tobytes()
    assert isinstance(read, np.memmap)
    assert moved.facts("layers/block_1", "key") == {"n": 4}
    assert moved.key("layers/block_1") == "key"
    assert moved.names() == ("layers/block_1",)
    assert moved.check() == ()


def test_another_key_or_name_is_absent(store):
    assert store.get("layers/block_1", "other") is None
    assert store.facts("layers/block_1", "other") is None
    assert store.get("layers/block_2", "key") is None
    assert store.key("layers/block_2") is None


def test_an_absent_folder_is_empty_and_reading_creates_nothing(tmp_path):
    store = Store(tmp_path / "none")
    assert store.names() == ()
    assert store.get("a", "b") is None
    assert store.check() == ()
    assert not store.folder.exists()


@pytest.mark.parametrize("place", np.linspace(0, 1, 8, endpoint=False))
def test_R_bit_flip_anywhere_is_detected(store, place):
    file = piece(store)
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 4
    file.write_bytes(data)
    with pytest.raises(StoreError, match=f"{file.name} is damaged.*SHA-256"):
        store.get("layers/block_1", "key")
    assert file.name in store.check()[0]


def test_R_truncated_files_are_damaged_and_a_R_missing_chunk_too(store):
    file = piece(store)
    size = file.stat().st_size
    os.truncate(file, size * 6 // 10)
    with pytest.raises(StoreError, match=f"{size * 6 // 10} bytes instead of {size}"):
        store.get("layers/block_1", "key")
    file.unlink()
    with pytest.raises(StoreError, match=r"cannot be read"):
        store.get("layers/block_1", "key")


def test_only_the_damaged_piece_is_computed_anew(store):
    store.put("other", {"x": X}, "key")
    next(store.folder.glob("layers*")).write_bytes(b"x")
    with pytest.warns(StoreWarning, match=r"computed anew"):
        assert store.get("layers/block_1", "key", discard=True) is None
    assert store.get("other", "key", discard=True) is not None
    store.put("layers/block_1", {"states": X}, "key")
    assert store.check() == ()


def test_a_change_after_the_first_reading_is_noticed(store):
    store.get("layers/block_1", "key")
    file = piece(store)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    time.sleep(0.02)
    file.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged"):
        store.get("layers/block_1", "key")


def test_a_file_is_hashed_once(store, monkeypatch):
    store.get("layers/block_1", "key")
    monkeypatch.setattr("layergeom.states.store.file_digest", lambda _: pytest.fail("hashed"))
    assert store.get("layers/block_1", "key") is not None


def test_rewriting_leaves_one_file_and_old_maps_alive(store):
    old = store.get("layers/block_1", "key")["states"]
    store.put("layers/block_1", {"states": X + 1}, "new")
    assert old.tobytes() == X.tobytes()
    assert store.get("layers/block_1", "key") is None
    assert store.get("layers/block_1", "new")["states"].tobytes() == (X + 1).tobytes()
    assert len(list(store.folder.iterdir())) == 2


def test_writing_part_by_part_equals_writing_whole(store, tmp_path):
    other = Store(tmp_path / "other")
    with other.open("layers/block_1", {"states": ((4, 3), "f4")}, "key", {"n": 4}) as writer:
        writer["states"][[2, 0]] = X[[2, 0]]
        writer["states"][1:4:2] = X[1:4:2]
        assert other.names() == ()
    assert piece(other).read_bytes() == piece(store).read_bytes()
    assert piece(other).name == piece(store).name


def interrupted(states, error):
    states[0] = 1
    raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_within_the_block_leaves_the_old_piece(store, error):
    before = sorted(store.folder.iterdir())
    writing = store.open("layers/block_1", {"states": ((4, 3), "f4")}, "new")
    with pytest.raises(error), writing as writer:
        interrupted(writer["states"], error)
    assert sorted(store.folder.iterdir()) == before
    assert store.get("layers/block_1", "key")["states"].tobytes() == X.tobytes()


@pytest.mark.parametrize("fault", range(8))
def test_a_fault_at_the_nth_sync_or_rename_leaves_old_or_new(store, monkeypatch, fault):
    calls = iter(range(100))
    fsync, replace = os.fsync, os.replace

    def failing(call):
        def run(*args, **kwargs):
            if next(calls) == fault:
                raise OSError(5, "Input/output error")
            return call(*args, **kwargs)

        return run

    monkeypatch.setattr(os, "fsync", failing(fsync))
    monkeypatch.setattr(os, "replace", failing(replace))
    try:
        store.put("layers/block_1", {"states": X + 1}, "key")
    except StoreError as error:
        assert "Input/output error" in str(error)  # noqa: PT017
    monkeypatch.undo()
    value = Store(store.folder).get("layers/block_1", "key")["states"]
    assert value.tobytes() in {X.tobytes(), (X + 1).tobytes()}
    assert not any("damaged" in line or "unfinished" in line for line in store.check())


def test_R_disk_full_is_one_sentence_and_keeps_the_old_piece(store):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 21, hard))
    try:
        with pytest.raises(StoreError, match=r"cannot be written .*; free space"):
            store.put("layers/block_1", {"states": np.zeros((1 << 20, 1))}, "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.check() == ()
    assert store.get("layers/block_1", "key")["states"].tobytes() == X.tobytes()


def test_unlisted_files_are_told_apart(store):
    (store.folder / ".unfinished-1").touch()
    (store.folder / "x.safetensors").touch()
    (store.folder / "notes.txt").touch()
    words = [message.split(" is ")[1].split()[0].rstrip(":") for message in store.check()]
    assert words == ["unfinished", "foreign", "an"]


def test_a_damaged_manifest_stops_before_any_work(store):
    (store.folder / "manifest.json").write_text("{")
    assert "delete it" in store.check()[0]
    with pytest.raises(StoreError, match=r"damaged; delete it"):
        store.get("layers/block_1", "key", discard=True)
    with pytest.raises(StoreError, match=r"damaged; delete it"):
        store.open("x", {"a": ((1,), "f4")}, "k").__enter__()
    assert len(list(store.folder.iterdir())) == 2


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file")
    with pytest.raises(StoreError, match=r"cannot be read"):
        store.put("x", {"a": X}, "k")


def test_R_read_only_file_systems_read_but_do_not_write(store, monkeypatch):
    before = sorted(store.folder.iterdir())
    opened = os.open

    def read_only(path, flags, *args, **kwargs):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", read_only)
    assert store.get("layers/block_1", "key") is not None
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\)"):
        store.put("x", {"a": X}, "k")
    assert sorted(store.folder.iterdir()) == before


def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(InputTypeError, match=r"dtype object"):
        store.put("x", {"a": np.array([None])}, "k")
    with pytest.raises(InputTypeError, match=r"facts"):
        store.put("x", {"a": X}, "k", {"f": object()})
    with pytest.raises(StoreError, match=r"name"):
        store.put("", {"a": X}, "k")
    assert not store.folder.exists()


def test_a_foreign_file_with_a_fitting_hash_is_no_piece(store, monkeypatch):
    monkeypatch.setattr("layergeom.states.tensorfile.header", lambda _: (b"notensor", {}))
    store.put("odd", {}, "k")
    with pytest.raises(StoreError, match=r"is foreign"):
        store.get("odd", "k")


def test_a_temporary_store_goes_with_its_object():
    store = Store.temporary()
    store.put("x", {"a": X}, "k")
    folder = store.folder
    assert folder.is_dir()
    del store
    gc.collect()
    assert not folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
