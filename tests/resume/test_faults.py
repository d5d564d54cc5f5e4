"""A fault at every call that changes the disk, and power that fails behind each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_disk import failing, recorded
from pipelines import left, numbers

from layergeom import api
from layergeom.errors import StoreError
from layergeom.states import batches
from layergeom.states.store import DRAFT, Store
from layergeom.states.unfinished import read_journal
from states.tiny import VOCABULARY, network

N = 24
A_PART = 8
Fed = Callable[[], int]


@pytest.fixture(scope="module")
def small() -> Callable[[Path], Any]:
    """A whole run, in parts: forward pass, neighbour lists, profile."""
    module = network("Bert", num_hidden_layers=1)
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (N, 6))
    return lambda folder: api.profile(module, rows, k=5, folder=folder, batch_size=A_PART)


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> Fed:
    """Rows that passed the network since the last asking; parts are short."""
    rows: list[int] = []

    def call(module: Any, ids: Any, attention: Any) -> Any:
        rows.append(len(ids))
        return module(input_ids=ids, attention_mask=attention)

    monkeypatch.setattr("layergeom.states.reader.call", call)
    monkeypatch.setattr(batches, "PART_TOKENS", 6 * A_PART)

    def asked() -> int:
        count = sum(rows)
        rows.clear()
        return count

    return asked


@pytest.fixture
def whole(small: Callable[[Path], Any], fed: Fed, tmp_path: Path) -> Any:
    small(tmp_path / "whole")
    assert fed() == N
    return numbers(tmp_path / "whole")


def unread(run: Path) -> int:
    """Rows that no finished part holds."""
    if "states" in Store(run / "states").names():
        return 0  # written before the layers are, once all parts are done
    journals = [read_journal(path) for path in (run / "states").glob(f"{DRAFT}*.json")]
    return N - A_PART * max([0, *(len(journal["parts"]) for journal in journals if journal)])


def broken_off(run: Path, small: Callable[[Path], Any], at: int, full: bool) -> bool:
    """Run until a fault; returns whether it ended all the same."""
    with failing(at, full):
        try:
            small(run)
        except StoreError as error:
            assert "choose " in str(error)  # noqa: PT017 - the remedy
            return False
    return True


EVERY = [
    pytest.param(False, 3, id="once-every-third"),
    pytest.param(True, 12, id="R-disk-full"),
    pytest.param(False, 1, id="once-every", marks=pytest.mark.slow),
    pytest.param(True, 1, id="R-disk-full-every", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("full", "step"), EVERY)
def test_a_fault_at_a_call_and_the_resumed_run_equals_the_whole_one(
    small: Callable[[Path], Any], fed: Fed, whole: Any, tmp_path: Path, full: bool, step: int
) -> None:
    with failing() as disk:
        small(tmp_path / "counted")
    assert len(disk.done) > 100
    ended = 0
    for at in range(0, len(disk.done), step):
        run = tmp_path / f"{at}"
        ended += broken_off(run, small, at, full)
        rest, _ = unread(run), fed()
        with failing():
            small(run)
        assert fed() == rest
        assert numbers(run) == whole
        assert left(run) == []
    assert ended < len(disk.done) / step / 2  # of unlinks, and of folders that are there


def test_a_fault_in_a_resumed_run_loses_nothing_of_the_first(
    small: Callable[[Path], Any], fed: Fed, whole: Any, tmp_path: Path
) -> None:
    for at in range(2, 90, 8):
        run = tmp_path / f"{at}"
        broken_off(run, small, at=30, full=False)
        before = unread(run)
        assert 0 < before < N
        broken_off(run, small, at, full=False)
        assert unread(run) <= before
        rest, _ = unread(run), fed()
        with failing():
            small(run)
        assert fed() == rest
        assert numbers(run) == whole
        assert left(run) == []


X = np.arange(300, dtype=np.float32).reshape(100, 3)


@pytest.mark.parametrize("kind", ["synced", "zeros", "half", "all"])
def test_R_power_loss_leaves_old_or_new(tmp_path: Path, kind: str) -> None:
    store = Store(tmp_path / "store")
    store.put("x", {"a": X}, "key")
    with recorded(store.folder) as disk:
        store.put("x", {"a": X + 1}, "key")
        store.put("y", {"a": X}, "key")
    seen = set()
    for at in range(len(disk.moments)):
        for back in (0, 1, 2, 4, 100):
            place = tmp_path / f"{at}-{back}"
            disk.after_power_loss(at, back, kind, place)
            found = Store(place).get("x", "key")
            assert found is not None
            seen.add(found["a"].tobytes())
            other = Store(place).get("y", "key")
            assert other is None or other["a"].tobytes() == X.tobytes()
    assert seen == {X.tobytes(), (X + 1).tobytes()}


@pytest.mark.filterwarnings("ignore::layergeom.errors.StoreWarning")
def test_R_power_loss_in_a_run_that_then_goes_on(
    small: Callable[[Path], Any], fed: Fed, whole: Any, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    with recorded(tmp_path / "run") as disk:
        small(tmp_path / "run")
    rng, saved = np.random.default_rng(0), 0
    for at in rng.choice(len(disk.moments), 16, replace=False):
        place = tmp_path / f"after-{at}"
        kind = rng.choice(["synced", "zeros", "half", "all"])
        disk.after_power_loss(int(at), int(rng.integers(0, 8)), kind, place)
        fed()
        with failing():
            small(place)
        saved += fed() < N
        assert numbers(place) == whole
        assert left(place) == []
    assert saved > 4
