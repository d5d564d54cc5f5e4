"""Clouds measured by workers are those of one process, and none is made twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from layergeom.errors import InputError, StoreError, WorkerError
from layergeom.states.store import Store
from layergeom.tasks import cloud_networks, cloud_pieces
from layergeom.tasks.cloud_pieces import PIECE_TOKENS, CloudPieces, ranges
from layergeom.tasks.cloud_runs import PIECES
from layergeom.tasks.graded_clouds import graded_clouds
from layergeom.tasks.token_clouds import FILE, token_clouds
from layergeom.workers import Workers
from states.tiny import VOCABULARY, causal

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS = [np.random.default_rng(i).integers(4, VOCABULARY, 20 + 7 * i % 27) for i in range(20)]


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return causal(tmp_path_factory.mktemp("clouds") / "gpt")


@pytest.fixture(scope="module")
def alone(gpt: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What one process finds, and the file that it writes."""
    place = tmp_path_factory.mktemp("alone")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = token_clouds(gpt, ROWS, k=5, folder=place)
    torch.set_num_threads(before)
    return repr(found), (place / FILE).read_text()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of every layer that threads of this process measure."""
    seen: list[int] = []
    measure = cloud_networks.layer_cloud

    def counting(states: Any, rank: int, k: int) -> Any:
        seen.append(len(states))
        return measure(states, rank, k)

    monkeypatch.setattr(cloud_networks, "layer_cloud", counting)
    return seen


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def test_two_processes_one_of_them_killed(
    gpt: Path, alone: tuple[str, str], tmp_path: Path, counted: list[int]
) -> None:
    killed: list[int] = []
    with processes() as executor:

        def kill_at_the_third(done: int, total: int, what: str) -> None:
            assert (total, what) == (len(ROWS), "ranges measured")
            if done >= 3 and not killed:  # it is told again before the pool knows
                killed.append(next(iter(executor._processes)))
                os.kill(killed[0], signal.SIGKILL)

        with pytest.raises(WorkerError, match=r"lost during the clouds of sequences \d+ to \d+"):
            token_clouds(gpt, ROWS, k=5, folder=tmp_path, executor=executor,
                         progress=kill_at_the_third)  # fmt: skip
    finished = [name for name in Store(tmp_path / PIECES).names() if name.startswith("clouds/")]
    assert 3 <= len(finished) < len(ROWS)
    assert len((tmp_path / FILE).read_text().splitlines()) == 1
    told: list[tuple[int, int, str]] = []
    with ThreadPoolExecutor(2) as executor:
        again = token_clouds(gpt, ROWS, k=5, folder=tmp_path, executor=executor,
                             progress=lambda *x: told.append(x))  # fmt: skip
    assert repr(again) == alone[0]
    left = len(ROWS) - len(finished)
    assert told[-1] == (left, left, "ranges measured")
    assert len(counted) == left * len(again.layers)
    assert sorted((tmp_path / FILE).read_text().splitlines()) == sorted(alone[1].splitlines())
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_threads_write_the_file_of_one_process(
    gpt: Path, alone: tuple[str, str], tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as executor:
        found = token_clouds(gpt, ROWS, k=5, folder=tmp_path, executor=executor)
        assert repr(found) == alone[0]
        assert (tmp_path / FILE).read_text() == alone[1]
        told: list[Any] = []
        token_clouds(gpt, ROWS, k=5, folder=tmp_path, executor=executor,
                     progress=lambda *x: told.append(x))  # fmt: skip
    assert told == []


def test_one_process_goes_on_where_workers_have_stopped(
    gpt: Path, alone: tuple[str, str], tmp_path: Path, counted: list[int]
) -> None:
    def stop(done: int, _total: int, _what: str) -> None:
        if done >= 5:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        token_clouds(gpt, ROWS, k=5, folder=tmp_path, executor=executor, progress=stop)
    there = [name for name in Store(tmp_path / PIECES).names() if name.startswith("clouds/")]
    assert len(there) >= 5
    counted.clear()
    found = token_clouds(gpt, ROWS, k=5, folder=tmp_path)
    assert repr(found) == alone[0]
    assert len(counted) == (len(ROWS) - len(there)) * len(found.layers)
    assert not (tmp_path / PIECES).exists()


def test_shuffled_prompts_by_workers(gpt: Path, tmp_path: Path) -> None:
    sizes = {"prompts": 4, "prompt_tokens": 20, "shuffled_prompts": 2, "k": 5, "rank": 1}
    wanted = graded_clouds(gpt, ROWS, **sizes)
    with ThreadPoolExecutor(2) as executor:
        found = graded_clouds(gpt, ROWS, folder=tmp_path, executor=executor, **sizes)
    assert repr(found.levels) == repr(wanted.levels)
    assert len(found.levels) > 2


def test_what_workers_cannot_see_is_refused(gpt: Path, tmp_path: Path) -> None:
    network = transformers.GPT2LMHeadModel.from_pretrained(gpt)
    with ThreadPoolExecutor(1) as executor:
        with pytest.raises(InputError, match="workers need a folder that all of them see"):
            token_clouds(gpt, ROWS, executor=executor)
        with pytest.raises(InputError, match="load the model themselves, but it is a GPT2LMHead"):
            token_clouds(network, ROWS, folder=tmp_path, executor=executor)


@pytest.mark.parametrize(
    ("name", "other", "says"),
    [
        ("_place", lambda source: (source.location, "another"), "sees another model"),
        ("cloud_network", None, "are not to be seen in"),
    ],
)
def test_workers_that_see_something_else(
    gpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str,
    other: Callable[..., Any] | None, says: str,
) -> None:  # fmt: skip
    if other is None:  # what they write ends elsewhere
        monkeypatch.setattr(CloudPieces, "keep", lambda *_: None)
    else:
        monkeypatch.setattr(cloud_pieces, name, other)
    with ThreadPoolExecutor(1) as executor, pytest.raises((InputError, StoreError), match=says):
        token_clouds(gpt, ROWS, k=5, folder=tmp_path, executor=Workers(executor, 1))


def test_ranges_hold_every_sequence_once_and_no_more_tokens_than_a_piece() -> None:
    lengths = np.sort(np.random.default_rng(0).integers(1, 900, 9000))[::-1]
    found = ranges(lengths.tolist())
    assert [at for start, stop in found for at in range(start, stop)] == list(range(9000))
    assert max(lengths[start:stop].sum() for start, stop in found) < PIECE_TOKENS + 900
    assert ranges([7]) == [(0, 1)]
    assert ranges([PIECE_TOKENS * 2, 1]) == [(0, 1), (1, 2)]


def test_the_device_is_the_one_that_is_asked_for(gpt: Path) -> None:
    with pytest.raises(InputError, match="device='nowhere' cannot be used here"):
        token_clouds(gpt, ROWS[:1], device="nowhere")
    assert token_clouds(gpt, ROWS[:1], device="cpu").clouds[0].tokens == len(ROWS[0])


def test_the_command_takes_workers(gpt: Path, tmp_path: Path, main: Any) -> None:
    data = tmp_path / "tokens.npz"
    np.savez(data, tokens=np.stack([row[:20] for row in ROWS[:4]]))
    outputs = []
    for more in ([], ["--workers", "2"]):
        place = tmp_path / f"out{len(more)}"
        code, out, err = main("clouds", gpt, data, "-o", place, "--json", *more)
        assert (code, err) == (0, "")
        outputs.append(json.loads(out)["clouds"])
    assert outputs[0] == outputs[1]
