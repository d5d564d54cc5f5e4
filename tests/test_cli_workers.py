"""``--workers`` and ``--cluster``: the run of one process, carried out by several."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from layergeom import api, profiles
from layergeom.cli import workforce
from layergeom.errors import InputError
from states import tiny

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    tiny.folder(folder / "model")
    (folder / "texts.txt").write_text("\n".join(tiny.texts(60, longest=15)) + "\n")
    return folder


def numbers(run: Path) -> Any:
    content = json.loads((run / "profile.json").read_text())
    del content["provenance"]["created"], content["sha256"]
    content["provenance"].pop("command", None)  # it names the folder
    return content


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The forward pass has the same bits for the same number of threads only."""
    monkeypatch.setenv(workforce.THREADS, "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_run_by_two_processes(main: Main, place: Path, tmp_path: Path) -> None:
    asked = ["run", place / "model", place / "texts.txt", "--k", "5", "--batch-size", "8"]
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert main(*asked, "-o", alone)[0] == 0
    code, _, err = main(*asked, "-o", shared, "--workers", "2")
    assert (code, err) == (0, "")
    assert numbers(shared) == numbers(alone)
    left = {path.name for path in (shared / "states").rglob("*") if path.is_dir()}
    assert left == set()


@pytest.mark.usefixtures("one_thread")
def test_checkpoints_by_two_processes(main: Main, training_run: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(4, tiny.VOCABULARY, (60, 6))
    np.savez(tmp_path / "rows.npz", tokens=rows)
    asked = ["dynamics", training_run, tmp_path / "rows.npz", "--k", "5", "--json"]
    code, out, _ = main(*asked, "-o", tmp_path / "shared", "--workers", "2")
    assert code == 0
    found, wanted = json.loads(out), json.loads(main(*asked, "-o", tmp_path / "alone")[1])
    found, wanted = found["dynamics"]["profiles"], wanted["dynamics"]["profiles"]
    assert len(found) == 3
    assert [one["curves"] for one in found] == [other["curves"] for other in wanted]


def test_stored_states_on_a_cluster(main: Main, place: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    X = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    np.savez(tmp_path / "states.npz", a=X, b=np.tanh(X))
    asked = ["run", "--states", tmp_path / "states.npz", "--k", "5"]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, silence_logs=50
    ) as local:
        at = ("--cluster", local.scheduler_address, "--workers", "3")  # one is late
        code, _, err = main(*asked, "-o", tmp_path / "shared", *at)
        assert code == 0
        assert "1 of a worker's 2 threads stay idle; start workers with --nthreads 1" in err
    assert main(*asked, "-o", tmp_path / "alone")[0] == 0
    shared, alone = (profiles.load(tmp_path / name) for name in ("shared", "alone"))
    for name, curve in alone.curves.items():
        np.testing.assert_array_equal(shared[name].values, curve.values, err_msg=name)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--workers", "2", "--pool", "mean,last"], "give one pool and hook point"),
    ],
)
def test_what_workers_cannot_do(
    main: Main, place: Path, tmp_path: Path, more: list[str], says: str
) -> None:
    code, _, err = main("run", place / "model", place / "texts.txt", "-o", tmp_path / "run", *more)
    assert code == 2
    assert says in err
    shutil.rmtree(tmp_path / "run", ignore_errors=True)


def test_an_executor_needs_a_folder(place: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        for source in ({"a": np.eye(40), "b": np.eye(40)}, place / "model"):
            data = None if isinstance(source, dict) else tiny.texts(40)
            with pytest.raises(InputError, match="workers need a folder that all of them see"):
                api.profile(source, data, k=5, executor=executor)
