"""Pieces of work by processes and by a cluster, with workers that are killed on purpose."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergeom.errors import InputError, WorkerError
from layergeom.layer import Settings, layer_graph, shared_search
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store
from layergeom.workers import Workers, cluster
from pieces_of_work import at_once, failing, killed_once, named, squared
from states.tiny import VOCABULARY, network

PATIENCE = 10.0  # seconds within which a lost worker is named


def processes(number: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"))


# ── what carries pieces out ───────────────────────────────────────────────────────────────────


def test_results_in_the_order_of_the_pieces() -> None:
    with ThreadPoolExecutor(3) as executor:
        workers, told = Workers.of(executor), []
        found = workers.each(squared, [(n,) for n in range(9)], named, lambda *x: told.append(x))
    assert workers.number == 3
    assert found == [n**2 for n in range(9)]
    assert told[-1] == (9, 9)


def test_a_process_carries_out_one_piece_at_a_time() -> None:
    with ThreadPoolExecutor(3) as executor:
        assert Workers.of(executor).each(at_once, [(n,) for n in range(9)], named) == [1] * 9


def test_an_error_names_its_piece() -> None:
    with ThreadPoolExecutor(2) as executor, pytest.raises(InputError, match="too much") as caught:
        Workers.of(executor).each(failing, [(n,) for n in range(4)], named)
    assert caught.value.__notes__ == ["In piece 2."]


def test_an_executor_that_does_not_say_how_many_workers_it_has() -> None:
    class Silent(ThreadPoolExecutor):
        _max_workers = None

        def __init__(self) -> None: ...

    with pytest.raises(InputError, match=r"a Silent has is not known; give executor="):
        Workers.of(Silent())
    assert Workers.of(Silent(), 5).number == 5


def test_a_lost_process_is_named_within_ten_seconds(tmp_path: Path) -> None:
    with processes() as executor, pytest.raises(WorkerError, match=r"a worker was lost during"):
        Workers.of(executor).each(killed_once, [(tmp_path, n) for n in range(3)], named)
    assert time.time() - (tmp_path / "1").stat().st_mtime < PATIENCE
    with processes() as executor:
        again = Workers.of(executor).each(killed_once, [(tmp_path, n) for n in range(3)], named)
    assert again == [0, 1, 2]


# ── a cluster ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    local = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    with local:
        yield local.scheduler_address


def test_workers_of_a_cluster_that_are_expected(address: str) -> None:
    with cluster(address, 5) as workers:
        assert (workers.number, workers.idle) == (5, 0)
        assert workers.each(squared, [(n,) for n in range(9)], named) == [n**2 for n in range(9)]
        assert Workers.of(workers.executor).number == 2


def test_a_killed_worker_of_a_cluster_is_replaced(address: str, tmp_path: Path) -> None:
    with cluster(address) as workers:
        assert workers.number == 2
        found = workers.each(killed_once, [(tmp_path, n) for n in range(4)], named)
    assert found == [0, 1, 2, 3]
    assert time.time() - (tmp_path / "1").stat().st_mtime < PATIENCE


def test_no_cluster_at_an_address() -> None:
    pytest.importorskip("distributed")
    with (
        pytest.raises(InputError, match=r"no dask scheduler answers at 'tcp://127.0.0.1:9'"),
        cluster("tcp://127.0.0.1:9", patience=1),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"there is no scheduler file 'nowhere.json'"),
        cluster("nowhere.json", patience=0.2),
    ):
        pass


# ── the neighbours of a layer ─────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> HiddenStates:
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (700, 6))
    rows[5] = rows[9]
    store = Store(tmp_path_factory.mktemp("states"))
    return extract(network("Bert"), read_samples(rows), store=store)


def lists(states: HiddenStates, workers: Workers | None = None, **options: object) -> dict:
    key = "block_2"
    graph = layer_graph(states, key, states[key], Settings(k=10), workers=workers, **options)
    return graph.packed()


def without_lists(states: HiddenStates, folder: Path) -> HiddenStates:
    """The same states in a store that holds no neighbour lists."""
    shutil.copytree(states.store.folder, folder)
    return replace(states, store=Store(folder))


def test_the_lists_of_two_processes_are_those_of_one(hidden: HiddenStates, tmp_path: Path) -> None:
    groups = np.arange(hidden.n) // 2
    with processes() as executor:
        for number, options in enumerate(({}, {"groups": groups})):
            states = without_lists(hidden, tmp_path / f"{number}")
            found = lists(states, Workers.of(executor), **options)
            wanted = lists(without_lists(hidden, tmp_path / f"alone{number}"), **options)
            assert found.keys() == wanted.keys()
            for name, array in wanted.items():
                np.testing.assert_array_equal(found[name], array, err_msg=name)
            assert not (states.store.folder / shared_search.FOLDER).exists()
            assert Store(states.store.folder).damaged() == ()


def test_what_is_finished_before_a_worker_is_lost_is_not_searched_again(
    hidden: HiddenStates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = without_lists(hidden, tmp_path / "states")
    searched: list[int] = []
    share = shared_search.search_part

    def lost(*given: object) -> object:
        if given[2] == 1 and not searched.count(1):
            searched.append(1)
            raise WorkerError("a worker was lost")
        searched.append(given[2])
        return share(*given)

    monkeypatch.setattr(shared_search, "search_part", lost)
    with ThreadPoolExecutor(1) as executor:
        workers = Workers.of(executor, 2)
        with pytest.raises(WorkerError):
            lists(states, workers)
        assert searched == [0, 1]
        found = lists(states, workers)
    assert searched == [0, 1, 1]
    np.testing.assert_array_equal(found["indices"], lists(hidden)["indices"])
