"""What cannot fit is said before the first forward pass."""

from __future__ import annotations

import resource
import shutil
from collections import namedtuple
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from layergeom import api
from layergeom.errors import InputError, StoreError
from layergeom.tasks import preflight
from layergeom.tasks.plan import plan
from states.tiny import VOCABULARY, network

Usage = namedtuple("Usage", ("total", "used", "free"))
ROWS = np.random.default_rng(0).integers(4, VOCABULARY, (60, 6))


@pytest.fixture
def unfed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layergeom.states.reader.call", lambda *_: pytest.fail("a forward pass"))


@pytest.mark.usefixtures("unfed")
@pytest.mark.parametrize("views", [1, 2])
def test_R_preflight_of_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, views: int
) -> None:
    network("Bert").save_pretrained(tmp_path / "model")
    told = plan(tmp_path / "model", ROWS, k=5)
    needed = views * (told.states + told.lists)
    needed -= views * 60 * (4 * 16 + 8 + 16 * 59 + 8)  # of a final norm, which BERT has not
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, needed - 1))
    options = {"k": 5, "folder": tmp_path / "run"}
    profiled = partial(api.profile_views, pools=["mean", "last"]) if views == 2 else api.profile
    with pytest.raises(InputError, match=r"has .* GB free but states and neighbour lists take"):
        profiled(tmp_path / "model", ROWS, **options)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, needed))
    with pytest.raises(pytest.fail.Exception, match="a forward pass"):
        api.profile(tmp_path / "model", ROWS, **options)


@pytest.mark.usefixtures("unfed")
def test_R_preflight_of_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight, "machine_memory", lambda: 10_000)
    with pytest.raises(InputError, match=r"neighbour search of 60 rows takes .* give fewer rows"):
        api.profile(network("Bert"), ROWS, k=5, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unfed")
def test_R_preflight_of_a_limit_that_no_one_tells(tmp_path: Path) -> None:
    """The space of all layers is taken before the first forward pass."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(StoreError, match=r"cannot be written .*; free space"):
            api.profile(network("Bert"), ROWS, k=5, folder=tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "run" / "states").iterdir()) == []


def test_the_memory_of_a_machine_and_of_a_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(preflight, "CGROUPS", ())
    whole = preflight.machine_memory()
    kilobytes = Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]
    assert whole == int(kilobytes) * 1024
    for text, wanted in {"max\n": whole, "123456\n": 123_456}.items():
        (tmp_path / "limit").write_text(text)
        monkeypatch.setattr(preflight, "CGROUPS", (tmp_path / "limit", tmp_path / "absent"))
        assert preflight.machine_memory() == wanted


def test_a_run_that_goes_on_needs_no_second_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = {"k": 5, "folder": tmp_path / "run", "batch_size": 10}
    monkeypatch.setattr("layergeom.states.batches.PART_TOKENS", 60)

    def stop(done: int, *_: object) -> None:
        if done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.profile(network("Bert"), ROWS, progress=stop, **options)
    lists = 4 * 60 * (16 * 59 + 8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, lists + 2000))
    api.profile(network("Bert"), ROWS, **options)
