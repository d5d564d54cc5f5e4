"""Runs that are killed, stopped or run twice: the same command ends them as if nothing had been."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipelines import Pipeline, left, numbers, parts_done
from runs import ROWS, ROWS_A_PART, Ended

from layergeom.states.store import Store

KILLS = 20


def resumed(pipeline: Pipeline, out: Path, whole: Any) -> Ended:
    """End a run, which must equal one that nothing interrupted and read nothing twice."""
    done = parts_done(out)
    end = pipeline.start(out).ended()
    assert (end.code, end.err) == (0, "")
    assert end.fed == ROWS - ROWS_A_PART * done
    assert numbers(out) == whole
    assert left(out) == []
    return end


def test_R_kill9_run_at_20_random_times(pipeline: Pipeline, whole: Any, tmp_path: Path) -> None:
    rng, survived, parts = np.random.default_rng(0), 0, set()
    began = time.perf_counter()
    pipeline.start(tmp_path / "timed").ended()
    longest = time.perf_counter() - began
    for kill in range(KILLS):
        out = tmp_path / f"run-{kill // 4}"  # four kills, one after the other, in each run
        run = pipeline.start(out, pause=0.005)
        if kill % 4 == 0:
            run.await_batches(int(rng.integers(1, 12)))  # of a run that has yet to feed all twelve
        else:
            time.sleep(rng.uniform(0, longest))
        run.signal(signal.SIGKILL)
        survived += run.ended().code == 0
        parts.add(parts_done(out))
        if kill % 4 == 3:
            resumed(pipeline, out, whole)
    assert survived < KILLS
    assert len(parts) > 1


def test_R_kill9_overwrite_at_20_random_times(pipeline: Pipeline, tmp_path: Path) -> None:
    rng, store, seen = np.random.default_rng(0), Store(tmp_path / "store"), set()
    store.put("x", {"a": np.zeros(20_000, dtype=np.int64)}, "key")
    for _ in range(KILLS):
        run = pipeline.runs.start(tmp_path / "log", rewrite=str(store.folder))
        time.sleep(rng.uniform(0.02, 0.15))
        run.signal(signal.SIGKILL)
        assert run.ended().code == -signal.SIGKILL
        values = Store(store.folder).get("x", "key")["a"]
        assert len(values) == 20_000
        assert np.all(values == values[0])
        seen.add(int(values[0]))
    assert len(seen) > 2
    store.put("x", {"a": values}, "key")
    assert store.check() == ()


@pytest.mark.slow
def test_R_kill9_run_at_every_call_that_changes_the_disk(
    pipeline: Pipeline, whole: Any, tmp_path: Path
) -> None:
    step, end = 0, -signal.SIGKILL
    while end == -signal.SIGKILL:
        end = pipeline.start(tmp_path / f"at-{step}", die_at=step).ended().code
        resumed(pipeline, tmp_path / f"at-{step}", whole)
        step += 1
    assert end == 0
    assert step > 200


STOPS = {
    signal.SIGINT: (130, "interrupted"),
    signal.SIGTERM: (143, "stopped by SIGTERM"),
    signal.SIGUSR1: (138, "stopped by SIGUSR1"),
}
GOES_ON = "the same command keeps what is finished and goes on from there."


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_R_sigint_and_what_schedulers_send(
    pipeline: Pipeline, whole: Any, tmp_path: Path, number: signal.Signals
) -> None:
    rng, out = np.random.default_rng(number), tmp_path / "run"
    code, word = STOPS[number]
    for batches in (3, 1, 2):
        run = pipeline.start(out, pause=0.02)
        run.await_batches(batches)
        time.sleep(rng.uniform(0, 0.03))
        run.signal(number)
        end = run.ended()
        assert end.code == code
        assert end.err == f"layergeom: {word}; {GOES_ON}\n"
        assert end.out == ""
        assert not list(out.rglob(".lock-*"))
        assert not list(out.rglob(".unfinished-*"))
    assert parts_done(out) > 0
    resumed(pipeline, out, whole)


def test_a_second_signal_does_not_break_off_what_the_first_puts_away(
    pipeline: Pipeline, whole: Any, tmp_path: Path
) -> None:
    run = pipeline.start(tmp_path / "run", pause=0.05)
    run.await_batches(3)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
        run.signal(number)
    assert run.ended().code in (138, 143)  # pending ones come in the order of their numbers
    resumed(pipeline, tmp_path / "run", whole)


def test_R_two_runs_the_second_says_who_holds_the_lock(
    pipeline: Pipeline, whole: Any, tmp_path: Path
) -> None:
    first = pipeline.start(tmp_path / "run", pause=0.1)
    first.await_batches(1)
    second = pipeline.start(tmp_path / "run", "second").ended()
    assert second.code == 2
    assert f"is being written by process {first.pid} on" in second.err
    assert first.ended().code == 0
    assert numbers(tmp_path / "run") == whole
    assert left(tmp_path / "run") == []


def test_R_worker_killed_there_are_none(pipeline: Pipeline, tmp_path: Path) -> None:
    run = pipeline.start(tmp_path / "run", pause=0.02)
    seen = []
    while parts_done(tmp_path / "run") < 3:
        seen.append(Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text())
        time.sleep(0.01)
    assert run.ended().code == 0
    assert set(seen) == {""}
