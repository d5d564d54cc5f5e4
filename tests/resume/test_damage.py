"""Files that are cut, flipped, deleted or mutated; and what must not be taken for the same run."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipelines import left, numbers

from layergeom import api
from layergeom.errors import StoreError, StoreWarning
from layergeom.states import batches
from layergeom.states.store import DRAFT, Store
from states import tiny

TEXTS = tiny.texts(40, longest=15)
OPTIONS: dict[str, Any] = {"k": 5, "batch_size": 8}
PLACES = 3


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that passed the network, batch by batch; every batch is a part."""
    rows: list[int] = []

    def call(module: Any, ids: Any, attention: Any) -> Any:
        rows.append(len(ids))
        return module(input_ids=ids, attention_mask=attention)

    monkeypatch.setattr("layergeom.states.reader.call", call)
    monkeypatch.setattr(batches, "PART_TOKENS", 10)
    return rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finished") / "run"
    api.profile(model, TEXTS, folder=place, **OPTIONS)
    return place


@pytest.fixture(scope="module")
def half(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was broken off when three of five parts were done."""
    place = tmp_path_factory.mktemp("half") / "run"

    def stop(done: int, *_: object) -> None:
        if done > 24:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "PART_TOKENS", 10)
        with pytest.raises(KeyboardInterrupt):
            api.profile(model, TEXTS, folder=place, progress=stop, **OPTIONS)
    return place


def cut(data: bytearray, place: int) -> bytes:
    return bytes(data[: len(data) * 6 // 10])


def flipped(data: bytearray, place: int) -> bytes:
    data[place] ^= 1 << place % 8
    return bytes(data)


HARMS: dict[str, Callable[[bytearray, int], bytes] | None] = {
    "R-truncated": cut,
    "R-bit-flip": flipped,
    "R-missing-chunk": None,
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("run", ["finished", "half"])
def test_a_damaged_file_is_noticed_and_the_next_run_ends_right(
    request: pytest.FixtureRequest, model: Path, fed: list[int], tmp_path: Path, run: str, harm: str
) -> None:
    whole, spoil = numbers(request.getfixturevalue("finished")), HARMS[harm]
    rng = np.random.default_rng(len(harm))
    for number in range(PLACES):
        place = tmp_path / f"{number}"
        shutil.copytree(request.getfixturevalue(run), place)
        files = sorted(p for p in place.rglob("*") if p.is_file() and p.suffix != ".json")
        file = files[rng.integers(len(files))]
        data = bytearray(file.read_bytes())
        changed = None if spoil is None else spoil(data, int(rng.integers(len(data))))
        file.unlink() if changed is None else file.write_bytes(changed)
        (place / "profile.json").unlink(missing_ok=True)
        if run == "finished":
            assert file.name in " ".join(Store(place / "states").damaged())
        fed.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            api.profile(model, TEXTS, folder=place, **OPTIONS)
        said = [str(warning.message) for warning in caught]
        assert numbers(place) == whole
        assert left(place) == []
        if run == "finished":
            assert [text for text in said if file.name in text and "computed anew" in text]
            assert sum(fed) == (0 if file.name.startswith("neighbors") else len(TEXTS))
        elif spoil is not flipped:  # a bit may fall where nothing was written yet
            assert any("unfinished states" in text for text in said)


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_layer_alone_is_made_again(
    finished: Path, model: Path, fed: list[int], tmp_path: Path, harm: str
) -> None:
    """The others are neither rewritten nor run: blocks behind the damaged layer are left out."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    whole, spoil, store = numbers(finished), HARMS[harm], run / "states"
    [file] = store.glob("layers%2fblock_1.*")
    sound, data = file.read_bytes(), bytearray(file.read_bytes())
    changed = None if spoil is None else spoil(data, len(data) // 2)
    file.unlink() if changed is None else file.write_bytes(changed)
    others = {p: p.stat().st_mtime_ns for p in store.glob("*.safetensors") if p != file}
    (run / "profile.json").unlink()
    with pytest.warns(StoreWarning, match=r"computed anew"):
        api.profile(model, TEXTS, folder=run, **OPTIONS | {"batch_size": 3})
    assert sum(fed) == len(TEXTS)
    assert file.read_bytes() == sound
    assert {p: p.stat().st_mtime_ns for p in others} == others
    assert numbers(run) == whole


def test_R_fuzz_files_of_a_store(tmp_path: Path) -> None:
    """Each of 1000 mutated stores gives the exact value or a clear error."""
    store, X = Store(tmp_path / "store"), np.arange(60, dtype=np.float32).reshape(20, 3)
    store.put("a", {"x": X, "y": X.astype(np.int64)}, "key", {"n": 20})
    rng, files = np.random.default_rng(0), sorted(store.folder.iterdir())
    good, exact = {file: file.read_bytes() for file in files}, 0
    for _ in range(1000):
        file = files[rng.integers(len(files))]
        file.write_bytes(mutated(good[file], rng))
        try:
            found = Store(store.folder).get("a", "key")
            assert found is None or found["x"].tobytes() == X.tobytes()
            exact += found is not None
        except StoreError as error:
            assert str(store.folder) in str(error)  # noqa: PT017
        file.write_bytes(good[file])
    assert exact < 50  # such as a space more in the manifest


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(len(changed) or 1)), rng.integers(4)
        if kind == 0 and changed:
            changed[at] = rng.integers(256)
        elif kind == 1:
            changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 2:
            del changed[at : at + int(rng.integers(1, 99))]
        else:
            changed[at : at + 8] = b"9" * 8
    return bytes(changed) if bytes(changed) != data else data[:-1]


def test_R_fuzz_files_of_an_unfinished_run(
    half: Path, model: Path, fed: list[int], finished: Path, tmp_path: Path
) -> None:
    rng, whole = np.random.default_rng(1), numbers(finished)
    for number in range(6):
        place = tmp_path / f"{number}"
        shutil.copytree(half, place)
        files = sorted((place / "states").glob(f"{DRAFT}*"))
        for file in rng.choice(files, 2, replace=False):
            file.write_bytes(mutated(file.read_bytes(), rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StoreWarning)
            api.profile(model, TEXTS, folder=place, **OPTIONS)
        assert numbers(place) == whole
        assert left(place) == []


# ── the same run, and others ──────────────────────────────────────────────────────────────────


def test_R_same_run_passes_nothing_through_the_model(
    finished: Path, model: Path, fed: list[int]
) -> None:
    whole = (finished / "profile.json").read_bytes()
    api.profile(model, TEXTS, folder=finished, **OPTIONS)
    assert fed == []
    assert (finished / "profile.json").read_bytes() == whole


def test_R_moved_runs_pass_nothing_through_the_model(
    finished: Path, model: Path, fed: list[int], tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "elsewhere")
    shutil.copytree(model, tmp_path / "model")
    api.profile(tmp_path / "model", TEXTS, folder=tmp_path / "elsewhere", **OPTIONS)
    assert fed == []


def test_R_other_model_is_not_taken_for_the_same(
    finished: Path, model: Path, fed: list[int], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    weights["encoder.layer.1.output.dense.weight"][3, 4] += torch.finfo(torch.float32).eps
    save_file(weights, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    shutil.copytree(finished, tmp_path / "run")
    api.profile(tmp_path / "model", TEXTS, folder=tmp_path / "run", **OPTIONS)
    assert sum(fed) == len(TEXTS)


OTHERS: dict[str, dict[str, Any]] = {
    "one text": {"data": [*TEXTS[:-1], "w1 w2"]},
    "order": {"data": TEXTS[::-1]},
    "pooling": {"pool": "last"},
    "dtype": {"dtype": "bfloat16"},
    "layers": {"layers": ["block_1", "block_2"]},
    "special tokens": {"special_tokens": True},
    "length": {"max_length": 6},
}


@pytest.mark.parametrize("other", OTHERS)
def test_R_other_data_are_not_taken_for_the_same(
    finished: Path, model: Path, fed: list[int], tmp_path: Path, other: str
) -> None:
    given = {"data": TEXTS, **OPTIONS, **OTHERS[other]}
    shutil.copytree(finished, tmp_path / "run")
    api.profile(model, folder=tmp_path / "run", **given)
    assert sum(fed) == len(TEXTS)
    fresh = api.profile(model, folder=tmp_path / "fresh", **given)
    assert json.loads(fresh.to_json())["curves"] == numbers(tmp_path / "run")["curves"]
    assert left(tmp_path / "run") == []


def test_R_other_data_by_a_change_of_the_schema(
    finished: Path, model: Path, fed: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layergeom.states.request.SCHEMA", 99)
    shutil.copytree(finished, tmp_path / "run")
    api.profile(model, TEXTS, folder=tmp_path / "run", **OPTIONS)
    assert sum(fed) == len(TEXTS)


def test_R_schema_newer_stops_a_run_before_any_work(
    finished: Path, model: Path, fed: list[int], tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    manifest = tmp_path / "run" / "states" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema": 2}))
    with pytest.raises(StoreError, match=r"has schema 2 .* update layergeom"):
        api.profile(model, TEXTS, folder=tmp_path / "run", **OPTIONS)
    assert fed == []


def test_R_truncated_profile_is_made_again(finished: Path, model: Path, fed: list[int]) -> None:
    whole, file = numbers(finished), finished / "profile.json"
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
    with pytest.raises(StoreError, match=r"profile.json is not a whole profile"):
        api.load(finished)
    api.profile(model, TEXTS, folder=finished, **OPTIONS)
    assert fed == []
    assert numbers(finished) == whole


def test_a_damaged_layer_is_told(finished: Path, model: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    next((tmp_path / "run" / "states").glob("layers*")).write_bytes(b"x")
    (tmp_path / "run" / "profile.json").unlink()
    with pytest.warns(StoreWarning, match="is damaged: it has 1 bytes .* computed anew"):
        api.profile(model, TEXTS, folder=tmp_path / "run", **OPTIONS)
