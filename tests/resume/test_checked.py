"""What ``layergeom check PATH`` says of finished, damaged and unfinished runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pipelines import PIECES, Pipeline

from layergeom import api
from layergeom.errors import InputError
from layergeom.states.durable import UNFINISHED
from layergeom.tasks.check import check
from states.tiny import network, texts

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def finished(bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("finished") / "run"
    api.profile(bert_folder, texts(30, longest=15), k=5, folder=place, nulls="shuffled")
    return place


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def states(place: Path) -> list[str]:
    return [one.state for one in check(place)]


def test_a_whole_run_is_sound_with_its_nulls(run: Path, main: Main) -> None:
    found = check(run)
    assert [one.state for one in found] == ["sound"] * 4
    assert {Path(one.path).relative_to(run).as_posix() for one in found} == {
        "profile.json", "states", "null-shuffled/profile.json", "null-shuffled/states",
    }  # fmt: skip
    assert f"{PIECES} pieces" in found[-1].text
    code, out, err = main("check", run)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "4 sound"
    assert check(run / "profile.json")[0] == found[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("layers%2fblock_1", r"does not have the recorded SHA-256; the same command"),
        ("states", r"does not have the recorded SHA-256; the same command"),
        ("profile.json", r"is not a whole profile .*; run it again"),
        ("manifest.json", r"is damaged; delete it, and the pieces"),
    ],
)
def test_damage_is_named_with_what_to_do(run: Path, main: Main, name: str, says: str) -> None:
    [file, *_] = sorted(p for p in run.glob(f"**/{name}*") if p.is_file() and "null" not in str(p))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 128
    file.write_bytes(data)
    code, out, err = main("check", run)
    assert (code, err) == (3, "")
    [line] = [line for line in out.splitlines() if line.startswith("damaged")]
    assert file.name in line
    assert re.search(says, line)
    told = json.loads(main("check", run, "--json")[1])
    assert told["sound"] is False
    assert [one["state"] for one in told["checked"]].count("damaged") == 1


def test_what_is_unfinished_is_no_damage(pipeline: Pipeline, tmp_path: Path, main: Main) -> None:
    run = pipeline.start(tmp_path / "run", pause=0.01)
    run.await_batches(7)
    run.signal(9)
    run.ended()
    [line] = [one for one in check(tmp_path / "run") if one.state == "unfinished"]
    assert line.text in {f"states, {n} of 6 parts done; the same command goes on from there."
                         for n in (2, 3, 4)}  # fmt: skip
    assert main("check", tmp_path / "run")[0] == 0


def test_left_overs_are_named_and_the_next_run_removes_them(run: Path, bert_folder: Path) -> None:
    (run / f"{UNFINISHED}1").touch()
    (run / "states" / "layers%2fx.0123456789abcdef.safetensors").touch()
    (run / "states" / f"{UNFINISHED}1").touch()
    assert states(run).count("left over") == 2
    api.profile(bert_folder, texts(30, longest=15), k=6, folder=run)
    assert set(states(run)) == {"sound"}


def test_a_place_without_a_run(main: Main, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for place in (tmp_path, tmp_path / "absent", tmp_path / "notes.txt"):
        with pytest.raises(InputError, match="there is no run at"):
            check(place)
    code, out, err = main("check", tmp_path)
    assert (code, out) == (2, "")
    assert "there is no run at" in err


def test_a_store_by_itself(tmp_path: Path) -> None:
    api.extract(network("Bert"), [[5, 6, 7], [8, 9]], folder=tmp_path / "store")
    assert states(tmp_path / "store") == ["sound"]
