"""What cannot fit is said before the first forward pass."""

from __future__ import annotations

import json
import resource
import shutil
from collections import namedtuple
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from layergeom import api
from layergeom.errors import InputError, StoreError
from layergeom.layer import Settings
from layergeom.states import room
from layergeom.states.inputs import read_samples
from layergeom.states.sources import Source
from layergeom.tasks import preflight
from layergeom.tasks.dynamics import dynamics
from layergeom.tasks.null_runs import NullRuns
from layergeom.tasks.plan import plan
from layergeom.tasks.shards import extract_share
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
    told = plan(tmp_path / "model", ROWS, k=5, timed=False)
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


@pytest.mark.parametrize(("keep", "copies"), [("states", 3), ("profile", 1)])
def test_R_preflight_of_a_series_counts_what_stays_of_every_checkpoint(
    monkeypatch: pytest.MonkeyPatch, training_run: Path, tmp_path: Path, keep: str, copies: int
) -> None:
    told = plan(training_run, ROWS, k=5, keep=keep, timed=False)
    needed = copies * (told.states + told.lists) + 3 * told.kept
    monkeypatch.setattr("layergeom.states.reader.call", lambda *_: pytest.fail("a forward pass"))
    run = partial(dynamics, training_run, read_samples(ROWS), settings=Settings(k=5), keep=keep)
    for free, raised in ((needed - 1, InputError), (needed, pytest.fail.Exception)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(10**9, 0, free))
        with pytest.raises(raised, match=r"GB free but|a forward pass"):
            run(folder=tmp_path / "run")


@pytest.mark.usefixtures("unfed")
def test_R_preflight_of_a_shard_counts_its_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = network("Bert")
    half = 60 * (4 * 16 + 8) * 4 // 2  # four layers
    for free, raised in ((half - 1, InputError), (half, pytest.fail.Exception)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(10**9, 0, free))
        with pytest.raises(raised, match=r"GB free but|a forward pass"):
            extract_share(model, ROWS, "1/2", tmp_path / f"run{free}", k=5, batch_size=10)


@pytest.mark.usefixtures("unfed")
def test_R_preflight_of_a_null_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = NullRuns(network("Bert"), read_samples(ROWS), {}, lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 1000))
    with pytest.raises(InputError, match=r"GB free but states and neighbour lists take"):
        run.run("untrained", Settings(k=5))


def test_weights_that_do_not_fit_are_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network("Bert").save_pretrained(tmp_path / "model")
    size = (tmp_path / "model" / "model.safetensors").stat().st_size
    monkeypatch.setattr("layergeom.states.loading._from_pretrained", lambda *_, **__: 1 / 0)
    monkeypatch.setattr(room, "machine_memory", lambda: size - 1)
    with pytest.raises(InputError, match=r"weights of .* in float32 but the memory of cpu is"):
        api.profile(tmp_path / "model", ROWS, k=5, device="cpu")
    with pytest.raises(ZeroDivisionError):  # half of it fits
        api.profile(tmp_path / "model", ROWS, k=5, device="cpu", dtype="bfloat16")


@pytest.mark.parametrize(
    ("own", "asked", "wanted"),
    [
        ("float32", "float32", 1000),
        ("float16", "float32", 2000),
        ("bfloat16", "auto", 1000),
    ],
)
def test_the_size_of_weights_by_their_index(
    tmp_path: Path, own: str, asked: str, wanted: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"dtype": own}))
    source = Source("hub", "own/model", tmp_path, "0" * 40, None, "")
    assert room.weight_bytes(source, asked) is None
    facts = {"metadata": {"total_size": 1000}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(facts))
    assert room.weight_bytes(source, asked) == wanted


def test_the_memory_of_a_machine_and_of_a_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(room, "CGROUPS", ())
    whole = room.machine_memory()
    kilobytes = Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0]
    assert whole == int(kilobytes) * 1024
    for text, wanted in {"max\n": whole, "123456\n": 123_456}.items():
        (tmp_path / "limit").write_text(text)
        monkeypatch.setattr(room, "CGROUPS", (tmp_path / "limit", tmp_path / "absent"))
        assert room.machine_memory() == wanted


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
