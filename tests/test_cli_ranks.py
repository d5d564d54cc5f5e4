"""``layergeom run`` in processes that torchrun or srun have started, one after the other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from layergeom.cli.ranks import rank_of
from layergeom.errors import InputError
from layergeom.states.shards import Shard
from layergeom.tasks import rank_runs
from layergeom.tasks.signs import FOLDER, signing, signs
from states import tiny

Main = Callable[..., tuple[int, str, str]]
torch.set_num_threads(1)


@pytest.fixture
def asked(tmp_path: Path, no_views: None) -> list[str]:
    tiny.folder(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(tiny.texts(60, longest=25)))
    words = ["run", tmp_path / "model", tmp_path / "texts.txt", "--k", "5", "--batch-size", "7"]
    return list(map(str, words))


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make this process one of several, as torchrun says it."""

    def be(number: int, of: int) -> None:
        for name, value in (("RANK", number), ("WORLD_SIZE", of), ("LOCAL_RANK", number)):
            monkeypatch.setenv(name, str(value))

    return be


def pieces(run: Path) -> dict[str, bytes]:
    found = sorted((run / "states").glob("layers*.safetensors"))
    return {path.name: path.read_bytes() for path in found}


def profile(run: Path) -> Any:
    content = json.loads((run / "profile.json").read_text())
    del content["sha256"], content["provenance"]["created"]
    content["provenance"].pop("command", None)  # it names the folder
    return content


def test_each_process_reads_its_share_and_the_first_goes_on(
    main: Main, asked: list[str], process: Callable[..., None], tmp_path: Path
) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert main(*asked, "-o", alone)[0] == 0
    said = []
    for number in (2, 1, 0):
        process(number, 3)
        code, out, err = main(*asked, "-o", shared, "--json")
        assert code == 0
        said.append((out == "", err))
    told = "layergeom: shard {}/3: {} rows are read; the first process goes on.\n"
    assert said == [(True, told.format(3, 18)), (True, told.format(2, 21)), (False, "")]
    assert pieces(shared) == pieces(alone) != {}
    assert profile(shared) == profile(alone)
    assert {path.name for path in shared.iterdir()} == {"profile.json", "states"}
    process(1, 3)
    assert "nothing to read" in main(*asked, "-o", shared)[2]


def test_a_process_that_never_comes_is_named(
    main: Main, asked: list[str], process: Callable[..., None], tmp_path: Path
) -> None:
    process(0, 2)
    begun, used = time.monotonic(), time.process_time()
    code, out, err = main(*asked, "-o", tmp_path / "run", "--patience", "0.03")
    assert (code, out) == (1, "")
    assert "nothing was heard of shards 2/2 for 0.03 minutes" in err
    assert time.process_time() - used < time.monotonic() - begun - 1.0  # it slept


def test_why_another_process_has_failed_is_said_at_once(
    main: Main,
    asked: list[str],
    process: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"

    def fail(_: float = 0) -> None:
        with pytest.raises(MemoryError), signing(run, Shard(2, 2)):
            raise MemoryError("no room on node7")

    fail()  # in an earlier start: that alone is no reason
    process(0, 2)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            fail()

    monkeypatch.setattr(rank_runs.time, "sleep", sleep)
    code, _, err = main(*asked, "-o", run)
    assert code == 1
    assert "the process of shard 2/2 has failed (no room on node7)" in err
    assert len(waits) == 2


def test_the_first_process_tells_the_rows_of_all(tmp_path: Path) -> None:
    with signing(tmp_path, Shard(2, 3)) as sign:
        sign(40, 40, "states")
    told: list[tuple[int, int, str]] = []
    overview = rank_runs._Overview(tmp_path, Shard(1, 3), lambda *said: told.append(said))
    with signing(tmp_path, Shard(1, 3)) as sign:
        overview.tell()
        sign(10, 50, "states")  # not written: the last sign is younger than five seconds
        sign(50, 50, "states")
        overview.last = -10.0
        overview.tell()
    assert told == [(40, 40, "rows of 1 of 3 shares"), (90, 90, "rows of 2 of 3 shares")]
    assert {name: sign.rows for name, sign in signs(tmp_path).items()} == {"1/3": 50, "2/3": 40}
    (tmp_path / FOLDER / "3-of-3.json").write_text("half")
    assert set(signs(tmp_path)) == {"1/3", "2/3"}


def test_a_shard_that_is_asked_for_wins(
    main: Main, asked: list[str], process: Callable[..., None], tmp_path: Path
) -> None:
    process(0, 4)
    code, out, _ = main(*asked, "--shard", "2/2", "-o", tmp_path / "run")
    assert code == 0
    assert out.startswith("shard 2/2: 28 rows")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--workers", "2"], "WORLD_SIZE=2 says that this process reads a share, so it has no"),
        (["--cluster", "x.json", "--shard", "1/2"], "--shard says that this process reads a share"),
        (["--pool", "mean,last"], "WORLD_SIZE=2: shares are of one view of MODEL on DATA"),
    ],
)
def test_what_processes_cannot_share_is_refused(
    main: Main,
    asked: list[str],
    process: Callable[..., None],
    tmp_path: Path,
    more: list[str],
    says: str,
) -> None:
    process(1, 2)
    code, _, err = main(*asked, *more, "-o", tmp_path / "run")
    assert code == 2
    assert says in err
    assert not (tmp_path / "run").exists()


def test_checkpoints_are_not_shared_so(
    main: Main, asked: list[str], process: Callable[..., None]
) -> None:
    process(1, 2)
    code, _, err = main("dynamics", *asked[1:3])
    assert code == 2
    assert "layergeom dynamics is not shared by the 2 processes" in err


TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
SRUN = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "0"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (TORCHRUN, ("4/4", 1)),
        (SRUN, ("3/8", 0)),
        (TORCHRUN | SRUN, ("4/4", 1)),  # torchrun, started by srun on each machine
        ({"WORLD_SIZE": "8"} | SRUN, ("3/8", 0)),  # a script's own, which names no process
        ({"RANK": "0", "WORLD_SIZE": "1"} | SRUN, None),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, None),  # a batch script without srun
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),
    ],
)
def test_who_says_which_process_this_is(environment: dict[str, str], found: Any) -> None:
    rank = rank_of(environment)
    assert (rank and (rank.shard, rank.local)) == found


@pytest.mark.parametrize("wrong", [{"RANK": "4"}, {"RANK": "-1"}, {"WORLD_SIZE": "all"}])
def test_variables_that_name_no_process_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match="name none of several processes; unset them"):
        rank_of(TORCHRUN | wrong)


@pytest.mark.parametrize("asked", [None, "auto", "cuda", "cuda:0", "cpu", "mps"])
@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_each_process_has_its_own_gpu_where_it_sees_several(asked: Any, gpus: int) -> None:
    rank = rank_of(TORCHRUN)
    own = gpus == 4 and asked in (None, "auto", "cuda")
    assert rank is not None
    assert rank.device(asked, gpus) == ("cuda:1" if own else asked)
