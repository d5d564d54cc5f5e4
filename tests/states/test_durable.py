import errno
import os

import pytest

from layergeom.errors import StoreError
from layergeom.states import durable


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_fault_at_any_step_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, step):
    target = tmp_path / "file"
    durable.write(target, b"old")

    def fail(*args):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (type(target), "replace")), fail)
    with pytest.raises(OSError, match=r"broken"):
        durable.write(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_data_are_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    steps = []
    replace = type(tmp_path).replace
    monkeypatch.setattr(durable, "sync", lambda path: steps.append(path.is_dir()))
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda a, b: (steps.append("rename"), replace(a, b))[1]
    )
    durable.write(tmp_path / "file", b"x")
    assert steps == [False, "rename", True]


def test_reserved_bytes_are_really_there(tmp_path):
    path = durable.create(tmp_path, "file")
    durable.reserve(path, 1 << 20)
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20


def test_reserve_without_the_system_call_writes_zeros(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    path = durable.create(tmp_path, "file")
    durable.reserve(path, (1 << 20) + 5)
    assert path.read_bytes() == bytes((1 << 20) + 5)


def test_the_umask_decides_who_may_read(tmp_path):
    former = os.umask(0o027)
    try:
        path = durable.create(tmp_path, "file")
    finally:
        os.umask(former)
    assert path.stat().st_mode & 0o777 == 0o640


def test_explained_names_target_reason_and_remedy(tmp_path):
    expected = pytest.raises(StoreError, match=r"x cannot be written \(No space left.*free space")
    with expected, durable.explained(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
