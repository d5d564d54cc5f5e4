"""One model at a time, in memory and on disk; a run that was stopped goes on."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.states import request as asked
from layergeom.states.inputs import Samples, read_samples
from layergeom.tasks import checkpoint_run
from layergeom.tasks.dynamics import Dynamics, dynamics
from states.hub_cache import FakeHub, faked, offline
from states.tiny import VOCABULARY

FIVE = Settings(k=5)
NAMES = ("step0", "step10", "step100")
ROWS = np.random.default_rng(0).integers(4, VOCABULARY, (60, 6))
LABELS = [i % 3 for i in range(60)]


@pytest.fixture(scope="module")
def samples() -> Samples:
    return read_samples(ROWS, labels=LABELS)


@pytest.fixture(scope="module")
def found(training_run: Path, samples: Samples, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("all")
    return dynamics(training_run, samples, settings=FIVE, folder=folder), folder


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every model that is loaded, by name; of two at once the test fails."""
    seen: list[str] = []
    alive: list[weakref.ref[Any]] = []
    load = asked.load_source

    def count(source: Any, **options: Any) -> Any:
        assert not [ref for ref in alive if ref() is not None], "two models in memory"
        seen.append(Path(source.name).name)
        loaded = load(source, **options)
        alive.append(weakref.ref(loaded.module))
        return loaded

    monkeypatch.setattr(asked, "load_source", count)
    return seen


def same(a: Dynamics, b: Dynamics) -> None:
    np.testing.assert_array_equal(a.overlap_to_final, b.overlap_to_final)
    np.testing.assert_array_equal(a.overlap_error, b.overlap_error)
    np.testing.assert_array_equal(a.mean_dimension.values, b.mean_dimension.values)
    np.testing.assert_array_equal(a.mean_covariance, b.mean_covariance)
    assert a.turning_point == b.turning_point
    for one, other in zip(a.profiles, b.profiles, strict=True):
        for name in ("dimension", "anisotropy", "label_overlap"):
            np.testing.assert_array_equal(one[name].values, other[name].values)


def left(folder: Path) -> dict[str, set[str]]:
    return {place.name: {x.name for x in place.iterdir()} for place in folder.iterdir()}


def test_a_local_run_keeps_its_states(found: Any) -> None:
    assert left(found[1]) == {name: {"states", "kept", "profile.json"} for name in NAMES}


def test_without_the_states_every_number_is_the_same(
    found: Any, training_run: Path, samples: Samples, tmp_path: Path, loads: list[str]
) -> None:
    bare = dynamics(training_run, samples, settings=FIVE, folder=tmp_path, keep="profile")
    same(bare, found[0])
    assert left(tmp_path) == {name: {"kept", "profile.json"} for name in NAMES}
    assert loads == list(NAMES)
    same(dynamics(training_run, samples, settings=FIVE, folder=tmp_path, keep="profile"), bare)
    assert loads == list(NAMES)


def test_a_stopped_run_goes_on_at_the_first_unfinished_checkpoint(
    found: Any, training_run: Path, samples: Samples, tmp_path: Path,
    loads: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    count = asked.load_source

    def stop(source: Any, **options: Any) -> Any:
        if source.name.endswith("step100"):
            raise KeyboardInterrupt
        return count(source, **options)

    monkeypatch.setattr(asked, "load_source", stop)
    options: dict[str, Any] = {"settings": FIVE, "folder": tmp_path, "keep": "profile"}
    with pytest.raises(KeyboardInterrupt):
        dynamics(training_run, samples, **options)
    assert loads == ["step0", "step10"]
    monkeypatch.setattr(asked, "load_source", count)
    same(dynamics(training_run, samples, **options), found[0])
    assert loads == ["step0", "step10", "step100"]


def test_a_run_stopped_while_measuring_does_not_load_again(
    found: Any, training_run: Path, samples: Samples, tmp_path: Path,
    loads: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    measure = checkpoint_run.measure_once

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_run, "measure_once", stop)
    options: dict[str, Any] = {"settings": FIVE, "folder": tmp_path, "keep": "profile"}
    with pytest.raises(KeyboardInterrupt):
        dynamics(training_run, samples, **options)
    monkeypatch.setattr(checkpoint_run, "measure_once", measure)
    same(dynamics(training_run, samples, **options), found[0])
    assert loads == list(NAMES)


@pytest.mark.parametrize("change", ["labels", "k", "pool"])
def test_what_changes_the_numbers_is_measured_anew(
    training_run: Path, samples: Samples, tmp_path: Path, loads: list[str], change: str
) -> None:
    options: dict[str, Any] = {"folder": tmp_path, "keep": "profile", "settings": FIVE}
    dynamics(training_run, samples, ["step0", "step10"], **options, pool="mean")
    dynamics(training_run, samples, ["step0", "step10"], **options, pool="mean", batch_size=7)
    assert len(loads) == 2
    rows = read_samples(ROWS, labels=LABELS[::-1]) if change == "labels" else samples
    options["settings"] = Settings(k=6) if change == "k" else FIVE
    pool = "last" if change == "pool" else "mean"
    dynamics(training_run, rows, ["step0", "step10"], **options, pool=pool)
    assert len(loads) == 4


def test_damage_to_what_is_kept_is_mended(
    found: Any, training_run: Path, samples: Samples, tmp_path: Path, loads: list[str]
) -> None:
    options: dict[str, Any] = {"settings": FIVE, "folder": tmp_path, "keep": "profile"}
    dynamics(training_run, samples, **options)
    [piece] = (tmp_path / "step10" / "kept").glob("*.safetensors")
    piece.write_bytes(piece.read_bytes()[:-1] + b"?")
    (tmp_path / "step100" / "profile.json").write_text("{")
    same(dynamics(training_run, samples, **options), found[0])
    assert loads == [*NAMES, "step10", "step100"]


def test_what_is_no_store_is_never_removed(
    training_run: Path, samples: Samples, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"settings": FIVE, "folder": tmp_path, "keep": "profile"}
    before = {p: p.stat().st_mtime_ns for p in training_run.rglob("*")}
    dynamics(training_run, samples, **options)
    own = tmp_path / "step0" / "states" / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    dynamics(training_run, samples, **options)
    assert own.read_text() == "mine"
    assert {p: p.stat().st_mtime_ns for p in training_run.rglob("*")} == before


def test_keep_is_one_of_its_values(training_run: Path, samples: Samples) -> None:
    with pytest.raises(InputError, match="keep must be one of auto, profile, states, weights but"):
        dynamics(training_run, samples, keep="all")  # type: ignore[arg-type]


# ── a hub id ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, training_run: Path) -> FakeHub:
    """A hub with three checkpoints; step10 is in the cache, the others come when asked for."""
    folders = {name: training_run / name for name in NAMES}
    hub = faked(monkeypatch, tmp_path / "cache", "own/model", folders)
    hub.add("step10", "*")
    offline(monkeypatch, tmp_path / "cache")  # what is not there by then is not there

    def download(model: str, *, revision: str, **_: Any) -> str:
        return str(hub.add(revision, "*"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return hub


def weights(hub: FakeHub) -> set[str]:
    links = hub.place.rglob("*.safetensors")
    commits = {hub.commit(name): name for name in NAMES}
    return {commits[link.parent.name] for link in links}


@pytest.mark.parametrize(
    ("keep", "states", "cached"),
    [("auto", False, {"step10"}), ("states", True, {"step10"}), ("weights", True, set(NAMES))],
)
def test_only_weights_that_this_run_downloaded_leave_the_cache(
    own: FakeHub, samples: Samples, tmp_path: Path, found: Any, loads: list[str],
    keep: Any, states: bool, cached: set[str],
) -> None:  # fmt: skip
    folder = tmp_path / "out"
    run = dynamics("own/model", samples, "step*", settings=FIVE, folder=folder, keep=keep)
    np.testing.assert_array_equal(run.overlap_to_final, found[0].overlap_to_final)
    assert weights(own) == cached
    assert {(folder / name / "states").is_dir() for name in NAMES} == {states}
    blobs = [p for p in (own.place / "blobs").iterdir() if p.stat().st_size > 10_000]
    assert len(blobs) == len(cached)
    assert len(list(own.place.rglob("config.json"))) == len(NAMES)
    again = dynamics("own/model", samples, "step*", settings=FIVE, folder=folder, keep=keep)
    same(again, run)
    assert len(loads) == len(NAMES)


def test_never_more_than_one_downloaded_checkpoint_on_disk(
    own: FakeHub, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most: list[int] = []
    load = asked.load_source

    def watch(source: Any, **options: Any) -> Any:
        most.append(len(weights(own) - {"step10"}))
        return load(source, **options)

    monkeypatch.setattr(asked, "load_source", watch)
    dynamics("own/model", samples, "step*", settings=FIVE, folder=tmp_path / "out")
    assert most == [1, 0, 1]
