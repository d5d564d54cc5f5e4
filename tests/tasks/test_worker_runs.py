"""States read by several workers are those of one process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from layergeom.errors import InputError, StoreWarning, WorkerError
from layergeom.layer import Settings, kept_layers, measuring
from layergeom.measure import measure
from layergeom.profiles import Profile
from layergeom.states.extract import extract
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.inputs import read_samples
from layergeom.states.store import Store
from layergeom.tasks import worker_runs
from layergeom.tasks.worker_runs import extract_by, measure_by
from layergeom.workers import Workers
from states import tiny

TEXTS = tiny.texts(60, longest=15)
TEXTS_AS_NUMBERS = np.random.default_rng(0).integers(4, tiny.VOCABULARY, (60, 6))


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


# ── layers ────────────────────────────────────────────────────────────────────────────────────


def states_of(model: Path, folder: Path, **options: object) -> HiddenStates:
    return extract(model, read_samples(TEXTS), store=Store(folder), **options)


def without_time(profile: Profile) -> dict[str, object]:
    content = json.loads(profile.to_json())
    content["provenance"].pop("created")
    content.pop("sha256", None)
    return content


@pytest.mark.parametrize("options", [{}, {"pool": "token"}])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_the_profile_of_layers_that_workers_have_measured(
    model: Path, tmp_path: Path, number: int, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One each and one layer by all, or five workers of whom all search each layer first."""
    settings, labels = Settings(k=5), None if options else [len(text) % 3 for text in TEXTS]
    alone = measure(states_of(model, tmp_path / "alone", **options), labels, settings=settings)
    hidden = states_of(model, tmp_path / "shared", **options)
    with ThreadPoolExecutor(1) as executor:
        measure_by(Workers.of(executor, number), hidden, settings)
    scratch = tmp_path / "shared" / kept_layers.FOLDER
    assert len(Store(scratch).names()) == len(hidden.layers)
    monkeypatch.setattr(measuring, "layer_alone", None)  # nothing is measured again
    assert without_time(measure(hidden, labels, settings=settings)) == without_time(alone)
    assert not scratch.exists()


def test_a_layer_that_cannot_be_measured_says_why_by_workers_too(tmp_path: Path) -> None:
    """A network whose last block overflows."""
    network = tiny.network("Bert")
    with torch.no_grad():
        network.encoder.layer[-1].output.LayerNorm.weight.fill_(float("inf"))
    alone = extract(network, read_samples(TEXTS_AS_NUMBERS), store=Store(tmp_path / "alone"))
    hidden = extract(network, read_samples(TEXTS_AS_NUMBERS), store=Store(tmp_path / "shared"))
    settings = Settings(k=5)
    with ThreadPoolExecutor(1) as executor:
        measure_by(Workers.of(executor, 3), hidden, settings)
    found = measure(hidden, settings=settings)
    assert set(found.undefined) == {"block_3"}
    assert without_time(found) == without_time(measure(alone, settings=settings))


def test_a_kept_layer_that_is_damaged_is_measured_again(model: Path, tmp_path: Path) -> None:
    hidden, settings = states_of(model, tmp_path / "states"), Settings(k=5)
    with ThreadPoolExecutor(1) as executor:
        measure_by(Workers.of(executor, 1), hidden, settings)
    [piece] = (tmp_path / "states" / kept_layers.FOLDER).glob("block_1*")
    piece.write_bytes(piece.read_bytes()[:-1] + b"?")
    with pytest.warns(StoreWarning, match="It is computed anew"):
        found = measure(hidden, settings=settings)
    wanted = measure(states_of(model, tmp_path / "alone"), settings=settings)
    assert without_time(found) == without_time(wanted)


def test_layers_that_are_done_are_not_measured_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, settings, done = states_of(model, tmp_path / "states"), Settings(k=5), []
    alone = worker_runs.layer_alone

    def lost_at_second(states: HiddenStates, key: str, *rest: object) -> object:
        done.append(key)
        if done == ["embedding", "block_1"]:
            raise WorkerError("a worker was lost")
        return alone(states, key, *rest)

    monkeypatch.setattr(worker_runs, "layer_alone", lost_at_second)
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(WorkerError):
            measure_by(Workers.of(executor), hidden, settings)
        measure_by(Workers.of(executor), hidden, settings)
    assert sorted(done) == ["block_1", "block_1", "block_2", "block_3", "embedding"]
