"""States read by several workers are those of one process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.hidden import open_states
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store
from layergeom.tasks.worker_runs import extract_by
from layergeom.workers import Workers
from states import tiny

TEXTS = tiny.texts(60, longest=15)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("batch_size", [5, 30])
def test_the_states_of_three_workers(
    model: Path, tmp_path: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two batches there is none for the third."""
    alone = extract(model, read_samples(TEXTS), batch_size=batch_size)
    told = []
    with ThreadPoolExecutor(1) as executor:
        workers = Workers.of(executor, 3)
        extract_by(
            workers, model, TEXTS, tmp_path, batch_size=batch_size,
            progress=lambda *x: told.append(x),
        )  # fmt: skip
        assert told[-1] == (3, 3, "shards of states")
        found = open_states(Store(tmp_path / "states"))
        assert found is not None
        assert found.key == alone.key
        for layer in alone.layers:
            np.testing.assert_array_equal(found[layer], alone[layer], err_msg=layer)
        assert {p.name for p in (tmp_path / "states").iterdir() if p.is_dir()} == set()
        monkeypatch.setattr("layergeom.states.request.load_source", None)  # nothing is read again
        extract_by(workers, model, TEXTS, tmp_path, batch_size=batch_size)


def test_what_workers_cannot_see_is_refused(model: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        workers = Workers.of(executor)
        with pytest.raises(InputError, match="workers need a folder that all of them see"):
            extract_by(workers, model, TEXTS, None)
        with pytest.raises(InputError, match=r"load the model themselves, but it is a Bert"):
            extract_by(workers, tiny.network("Bert"), TEXTS, tmp_path)


def test_an_error_of_a_share_names_it(model: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(InputError, match="long") as caught:
        extract_by(Workers.of(executor, 2), model, TEXTS, tmp_path, long="never")
    assert caught.value.__notes__ == ["In shard 1/2 of the states."]
