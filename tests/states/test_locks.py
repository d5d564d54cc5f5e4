"""One writer at a time, and no lock that outlives its process."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from layergeom.errors import StoreError
from layergeom.states import locks
from layergeom.states.locks import lock_is_local, locked
from layergeom.states.store import Store

HOLDER = """
import sys, time
from pathlib import Path
from layergeom.states.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock, and the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "lock"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        process.stdout.readline()
        yield process, tmp_path / "lock"
        process.kill()


def test_the_holder_is_named(holder):
    process, path = holder
    told = pytest.raises(StoreError, match=f"written by process {process.pid} on .* since 20")
    with told, locked(path):
        pytest.fail("two hold one lock")


def test_R_stale_lock_of_a_dead_process_is_free(holder):
    process, path = holder
    process.kill()
    process.wait()
    assert path.exists()
    with locked(path):
        assert str(os.getpid()) in path.read_text()
    assert not path.exists()


def test_waiting_takes_the_lock_when_it_is_free(tmp_path):
    path, held, order = tmp_path / "lock", threading.Event(), []

    def hold():
        with locked(path):
            held.set()
            released.wait()
            order.append("first")

    released = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    threading.Timer(0.1, released.set).start()
    with locked(path, patience=20):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_the_lock_goes_with_an_error(tmp_path):
    with pytest.raises(ValueError, match="boom"), locked(tmp_path / "lock"):
        raise ValueError("boom")
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks, "_lock", refuse)
    told = pytest.raises(StoreError, match=r"cannot be locked \(Function not implemented\)")
    with told, locked(tmp_path / "lock"):
        pytest.fail("locked")


MOUNT = "36 35 98:0 / {place} rw,noatime shared:1 - {kind} server:/x rw,{options}"


@pytest.mark.parametrize(
    ("kind", "options", "local"),
    [
        ("nfs4", "vers=4.2,local_lock=none", False),
        ("nfs", "vers=3,nolock", True),
        ("nfs", "vers=3,local_lock=all", True),
        ("nfs4", "local_lock=flock", True),
        ("lustre", "flock", False),
        ("lustre", "localflock", True),
        ("ext4", "errors=remount-ro", False),
        ("fuse.sshfs", "user_id=0", True),
    ],
)
def test_locks_that_one_machine_alone_sees_are_refused(kind, options, local, tmp_path, monkeypatch):
    lines = ["21 1 8:1 / / rw - ext4 /dev/sda1 rw"]
    lines.append(MOUNT.format(place=tmp_path.resolve(), kind=kind, options=options))
    (tmp_path / "mounts").write_text("\n".join(lines))
    monkeypatch.setattr(locks, "MOUNTS", tmp_path / "mounts")
    (tmp_path / "store").mkdir()
    assert bool(lock_is_local(tmp_path / "store" / "lock")) == local
    if local:
        with pytest.raises(StoreError, match="keeps locks on one machine"):
            Store(tmp_path / "store").put("x", {"a": np.zeros(3)}, "key")
    else:
        Store(tmp_path / "store").put("x", {"a": np.zeros(3)}, "key")


WRITER = """
import sys, numpy as np
from layergeom.states.store import Store
store = Store(sys.argv[1])
for i in range(40):
    store.put(f"{sys.argv[2]}-{i}", {"a": np.full(10, i)}, "key")
"""


def test_two_writers_lose_no_line_of_the_manifest(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path / "store", name],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for name in ("a", "b", "c")
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    store = Store(tmp_path / "store")
    assert len(store.names()) == 120
    assert store.check() == ()
