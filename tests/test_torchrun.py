"""Runs that the real torchrun starts, and processes that are lost on the way (``-m slow``)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from states import tiny

pytestmark = pytest.mark.slow
LAYERGEOM = ["-m", "layergeom"]
PLACE = {"OMP_NUM_THREADS": "1"}  # as torchrun sets it: bits depend on the number of threads


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torchrun")
    tiny.folder(folder / "model")
    (folder / "texts.txt").write_text("\n".join(tiny.texts(2000, longest=25)) + "\n")
    return folder


def command(place: Path, run: str) -> list[str]:
    asked = ["run", "model", "texts.txt", "-o", run, "--k", "5", "--batch-size", "2"]
    return [*LAYERGEOM, *asked]


def started(place: Path, words: list[str], **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=place,
        env=os.environ | PLACE | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def torchrun(place: Path, words: list[str]) -> subprocess.Popen[str]:
    agent = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return started(place, [*agent, *words])


def reader_of(shard: Path, until: Callable[[], bool]) -> int:
    """Return the number of the process that reads a shard, once it does."""
    while until():
        try:
            return int(json.loads((shard / ".lock-drafts").read_bytes())["process"])
        except (OSError, ValueError):
            time.sleep(0.01)
    raise AssertionError("it has ended before it could be killed")


def layers(run: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((run / "states").glob("layers*.safetensors"))}


def test_two_processes_one_lost_and_started_again(place: Path) -> None:
    agent = torchrun(place, command(place, "shared"))
    lost = reader_of(place / "shared/states/shards/2-of-2", lambda: agent.poll() is None)
    os.kill(lost, signal.SIGKILL)
    _, err = agent.communicate(timeout=120)
    assert agent.returncode != 0
    assert "Signal 9 (SIGKILL)" in err
    assert not (place / "shared/profile.json").exists()
    again = torchrun(place, command(place, "shared"))
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert "shard 2/2: 1,000 rows are read; the first process goes on." in err
    assert out.count("Written:") == 1
    assert started(place, command(place, "alone")).wait(timeout=120) == 0
    assert layers(place / "shared") == layers(place / "alone") != {}


def test_a_process_that_is_lost_without_anybody_watching_is_named(place: Path) -> None:
    both = [
        started(
            place,
            [*command(place, "unwatched"), "--patience", "0.05"],
            SLURM_PROCID=str(number),
            SLURM_STEP_NUM_TASKS="2",
        )
        for number in range(2)
    ]
    shard = place / "unwatched/states/shards/2-of-2"
    os.kill(reader_of(shard, lambda: both[1].poll() is None), signal.SIGKILL)
    _, err = both[0].communicate(timeout=120)
    assert both[0].returncode == 1
    assert "nothing was heard of shards 2/2 for 0.05 minutes" in err
    assert both[1].wait() == -signal.SIGKILL
    both[1].communicate()
