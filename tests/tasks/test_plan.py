"""What a run will take: sizes that the run then has, and nothing downloaded to know them."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layergeom.api import profile
from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.reading.turns import MIN_CHANGE
from layergeom.states.anatomy import call
from layergeom.states.inputs import read_samples
from layergeom.tasks import timing
from layergeom.tasks.dynamics import dynamics
from layergeom.tasks.plan import dimension_error, plan, smallest_difference
from states.hub_cache import FakeHub, faked, offline
from states.tiny import VOCABULARY, network

NAMES = ("step0", "step10", "step100")
ROWS = np.random.default_rng(0).integers(4, VOCABULARY, (70, 6))


def size(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths)


def test_a_folder_of_checkpoints_against_the_run_itself(training_run: Path, tmp_path: Path) -> None:
    told = plan(training_run, ROWS, k=10)
    found = dynamics(training_run, read_samples(ROWS), folder=tmp_path, keep="states")
    store = tmp_path / "step0" / "states"
    assert told.checkpoints == NAMES
    assert told.rows == 70
    assert told.layers == len(found.profiles[0].layers)
    assert told.width == 16
    # heads of the files beside the numbers
    assert told.states == pytest.approx(size(*store.glob("layers*")), rel=0.3)
    assert told.lists == pytest.approx(size(*store.glob("neighbors*")), rel=0.05)
    assert told.download == (0, 0, 0)
    assert told.weights == tuple(size(training_run / n / "model.safetensors") for n in NAMES)
    assert told.keep == "states"


def test_what_is_kept_against_the_run_itself(training_run: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(4, VOCABULARY, (400, 6))
    told = plan(training_run, rows, revisions=["step0", "step10"], keep="profile")
    found = dynamics(training_run, read_samples(rows), ["step0", "step10"])
    assert told.kept * 2 == pytest.approx(found.kept_bytes, rel=0.15)
    assert told.disk == 2 * told.kept
    assert told.peak_disk == told.kept + told.states + told.lists + told.kept


def test_states_are_rows_by_width_by_layers(training_run: Path) -> None:
    told = plan(training_run / "step0", 1000, k=20)
    assert told.checkpoints == ()
    assert told.states == 1000 * (16 * 4 + 8) * 5
    assert told.lists == 1000 * (64 * 16 + 8) * 5
    assert told.kept == 0
    assert told.disk == told.states + told.lists
    assert plan(training_run / "step0").rows == 20_000
    assert plan(training_run / "step0", max_samples=50).rows == 50


def test_parameters_and_memory(training_run: Path) -> None:
    count = sum(p.numel() for p in network("GPT2").parameters())
    told = plan(training_run, 1000)
    assert told.parameters == count
    assert told.memory_weights == 4 * count
    assert told.memory == max(told.memory_weights + told.memory_batch, told.memory_search)
    assert plan(training_run, 1000, dtype="bfloat16").memory_weights == 2 * count
    assert plan(training_run, 2000).memory_search > 1.8 * told.memory_search


def test_errors_shrink_with_the_root_of_the_rows_and_a_dip_needs_its_five_per_cent(
    training_run: Path,
) -> None:
    few, many = (plan(training_run / "step0", rows) for rows in (500, 2000))
    assert few.dimension_error == pytest.approx(2 * many.dimension_error)
    assert few.smallest_difference == pytest.approx(2 * many.smallest_difference)
    assert smallest_difference(10**6) == MIN_CHANGE < many.smallest_difference


def test_the_planned_error_against_the_run_itself(training_run: Path) -> None:
    rows = np.random.default_rng(2).integers(4, VOCABULARY, (1000, 6))
    found = profile(training_run / "step100", rows, k=10).dimension
    measured = float(np.median(found.errors / found.values))
    # the factor lies between 1.1 and 1.9 from model to model
    assert dimension_error(1000) == pytest.approx(measured, rel=0.5)


def test_the_time_of_the_batches_and_of_the_geometry(
    training_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forward pass that takes 5 ms a batch takes as many times longer as there are batches."""
    rows = np.random.default_rng(3).integers(4, VOCABULARY, (8000, 40))
    fed = []

    def slow(module: Any, ids: Any, mask: Any) -> Any:
        fed.append(len(ids))
        time.sleep(0.005)
        return call(module, ids, mask)

    monkeypatch.setattr("layergeom.states.reader.call", slow)
    told = plan(training_run / "step0", rows, max_samples="all", k=5, device="cpu").timing
    assert told is not None
    assert told.device == "cpu"
    assert len(fed) == told.batches <= told.of / 2
    assert told.forward > 0.005 * told.of
    shared = told.forward + told.search + told.geometry
    assert told.total() == told.load + shared + told.comparison
    assert told.total(workers=4) == pytest.approx(told.load + shared / 4 + told.comparison)


def test_what_a_search_takes_from_two_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SEARCHED", 400)
    took = lambda n, *_: 2e-3 * n + 1e-5 * n * (n - 1) / 2  # noqa: E731
    monkeypatch.setattr(timing, "_search_took", took)
    for rows in (100, 400, 10_000):
        assert timing.search_seconds(rows, 8, 5) == pytest.approx(took(rows))
    assert timing.search_cost(10_000, 8, 5) == pytest.approx((2e-3, 1e-5))


def test_the_geometry_of_layers_their_pairs_and_thinned_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A search takes n² µs, the rest of a layer 1 s for 300 rows, a pair of layers 0.5 s."""
    monkeypatch.setattr(timing, "ROWS", 300)
    monkeypatch.setattr(timing, "search_seconds", lambda n, *_: 1e-6 * n**2)
    search = 1.25 * 0.09  # that of halves a quarter of it
    monkeypatch.setattr(
        timing, "_measured", lambda points, _: len(points) * (search + 1) + 0.5 * (len(points) == 2)
    )
    settings = Settings(k=5, decimation=(1, 2))
    few, many = (timing.geometry_seconds(*sizes, 8, settings) for sizes in ((300, 2), (3000, 3)))
    assert few == pytest.approx((2 * 0.09, 2 * 0.25 * 0.09 + 2, 0.5))
    assert many == pytest.approx((3 * 9, 3 * 0.25 * 9 + 3 * 10, 3 * 0.5 * 10))


@pytest.mark.parametrize("unknown", ["data", "asked not to"])
def test_no_time_without_data_or_wish(training_run: Path, unknown: str) -> None:
    given = {"data": 100} if unknown == "data" else {"data": ROWS, "timed": False}
    assert plan(training_run / "step0", k=5, **given).timing is None


def test_what_does_not_fit_is_told(training_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = plan(training_run / "step0", 1000, k=5)
    assert told.shortfalls == ()
    monkeypatch.setattr("layergeom.tasks.plan.machine_memory", lambda: told.memory - 1)
    monkeypatch.setattr("layergeom.states.room.shutil.disk_usage", lambda _: (0, 0, told.disk - 1))
    short = plan(training_run / "step0", 1000, k=5).shortfalls
    assert [line.split(":")[0] for line in short] == ["memory", "disk"]


# ── a hub id ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, training_run: Path) -> FakeHub:
    """A hub with three checkpoints of which the cache holds the small files only."""
    folders = {}
    for name in NAMES:
        folders[name] = tmp_path / "remote" / name
        shutil.copytree(training_run / name, folders[name])
        (folders[name] / "pytorch_model.bin").write_bytes(b"x" * 5000)
    (folders["step100"] / "model.safetensors").unlink()
    hub = faked(monkeypatch, tmp_path / "cache", "own/model", folders)
    for name in NAMES:
        hub.add(name, "*.json")
    offline(monkeypatch, tmp_path / "cache")
    return hub


def test_nothing_but_sizes_is_asked_of_the_hub(own: FakeHub) -> None:
    told = plan("own/model", 100, revisions="step*")
    assert own.asked == [("refs", "own/model"), *(("info", f"own/model@{n}") for n in NAMES)]
    assert not list(own.place.rglob("*.safetensors"))
    whole = size(own.folders["step0"] / "model.safetensors")
    assert told.weights == (whole, whole, 5000)
    assert told.download == told.weights  # the small files are here already
    assert told.keep == "profile"
    assert told.disk == 3 * told.kept


def test_what_the_cache_holds_is_not_downloaded(own: FakeHub) -> None:
    whole = size(own.folders["step0"] / "model.safetensors")
    own.add("step10", "*.safetensors")
    told = plan("own/model", 100, revisions=["step0", "step10"], keep="weights")
    assert told.download == (whole, 0)
    assert told.disk == 2 * (told.kept + told.states + told.lists) + whole


def test_what_cannot_be_planned(own: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no checkpoint 'epoch\*'"):
        plan("own/model", 10, revisions="epoch*")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "resnet"}')
    with pytest.raises(InputError, match="does not say how many layers"):
        plan(tmp_path / "odd", 10)
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "of my own"}')
    with pytest.raises(InputError, match=r"cannot be read .*of my own"):
        plan(tmp_path / "odd", 10)
