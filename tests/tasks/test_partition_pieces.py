"""Partitions by workers are those of one process, and none is measured twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layergeom.errors import InputError, StoreError, WorkerError
from layergeom.tasks import partition_pieces
from layergeom.tasks.partition_pieces import FOLDER, PartitionJob, measure_partition
from layergeom.tasks.partition_runs import FILE, partitions
from states.tiny import WORDS, network, tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, 61)) for i in range(80)]
ASKED: Any = {"number": 3, "rows": 70, "rank": 1, "k": 5, "batch_size": 30}


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("partitions") / "gpt"
    network("GPT2").save_pretrained(place)
    tokenizer().save_pretrained(place)
    return place


def test_three_corpora_by_a_thread_have_the_bits_of_one_process(gpt: Path, tmp_path: Path) -> None:
    corpora: Any = ("intact", "shuffled", "untrained")
    wanted = partitions(gpt, TEXTS, corpora=corpora, folder=tmp_path / "alone", **ASKED)
    with ThreadPoolExecutor(1) as executor:
        found = partitions(
            gpt, TEXTS, corpora=corpora, folder=tmp_path / "shared", executor=executor, **ASKED
        )
    for corpus in corpora:
        for name, curve in wanted.corpora[corpus].curves.items():
            np.testing.assert_array_equal(found.corpora[corpus].curves[name].values, curve.values)
    assert (found.warnings, found.record) == (wanted.warnings, wanted.record)
    files = [(tmp_path / place / FILE).read_text() for place in ("alone", "shared")]
    assert files[0] == files[1]
    assert not list((tmp_path / "shared").rglob(FOLDER))


def test_a_killed_process_costs_one_partition(
    gpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {**ASKED, "corpora": ["intact"], "folder": tmp_path}
    killed: list[int] = []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:

        def kill_after_the_first(done: int, _total: int, what: str) -> None:
            if what == "partitions measured, intact" and done >= 1 and not killed:
                killed.append(next(iter(executor._processes)))
                os.kill(killed[0], signal.SIGKILL)

        with pytest.raises(WorkerError, match=r"lost during partition \d"):
            partitions(gpt, TEXTS, executor=executor, progress=kill_after_the_first, **asked)
    there = len(list((tmp_path / "intact" / FOLDER).glob("partition*")))
    assert 1 <= there < 3
    measured: list[int] = []
    measure = partition_pieces.partition_curves

    def counting(hidden: Any, rows: Any, *sizes: Any) -> Any:
        measured.append(int(rows[0]))
        return measure(hidden, rows, *sizes)

    monkeypatch.setattr(partition_pieces, "partition_curves", counting)
    with ThreadPoolExecutor(1) as executor:
        found = partitions(gpt, TEXTS, executor=executor, **asked)
    assert len(measured) == len(set(measured)) == 3 - there
    wanted = partitions(gpt, TEXTS, corpora=["intact"], **ASKED)
    for name, curve in wanted.corpora["intact"].curves.items():
        np.testing.assert_array_equal(
            found.corpora["intact"].curves[name].values, curve.values, err_msg=name
        )


def test_a_run_without_a_folder_leaves_and_removes_nothing(
    gpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "mine").write_text("")
    partitions(gpt, TEXTS, corpora=["intact"], **{**ASKED, "number": 1})
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [
        FOLDER,
        f"{FOLDER}/mine",
    ]


def test_what_workers_cannot_see_is_refused(gpt: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(InputError, match="workers need a folder that all of them see"):
            partitions(gpt, TEXTS, executor=executor, **ASKED)
        module: Any = network("GPT2")
        with pytest.raises(InputError, match="load the model themselves, but it is a GPT2"):
            partitions(
                module, TEXTS, folder=tmp_path, executor=executor, tokenizer=tokenizer(), **ASKED
            )
    with pytest.raises(StoreError, match="does not hold the states"):
        measure_partition(PartitionJob(tmp_path / "none" / "states", "key", 7, 5, None, 0), 0)


def test_the_command_takes_workers(main: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def stop(*_: Any, **asked: Any) -> None:
        given.update(asked)
        raise InputError("enough.")

    monkeypatch.setattr("layergeom.tasks.partition_runs.partitions", stop)
    assert main("partitions", "model", "data.txt", "--workers", "2")[0] == 2
    assert given["executor"].number == 2
