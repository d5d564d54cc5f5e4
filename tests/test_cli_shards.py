"""A run that several processes share, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from states.tiny import folder, texts

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    folder(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(texts(60, longest=25)))
    words = ["run", tmp_path / "model", tmp_path / "texts.txt", "--k", "5", "--batch-size", "7"]
    return list(map(str, words))


def profile(place: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((place / "profile.json").read_text())
    del content["sha256"]
    for name in ("created", "command"):  # the command names the folder
        content["provenance"].pop(name, None)  # type: ignore[attr-defined]
    return content


def test_shards_merged_are_the_run_of_one_process(
    main: Main, asked: list[str], tmp_path: Path
) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    code, out, _ = main(*asked, "--shard", "2/2", "-o", shared)
    assert (code, out) == (0, f"shard 2/2: 28 rows in {shared}; still missing: 1/2\n")
    code, _, err = main("merge", shared)
    assert code == 2
    assert "lacks 1/2; run the same command with --shard 1/2" in err
    code, out, _ = main(*asked, "--shard", "1/2", "-o", shared, "--json")
    assert json.loads(out) == {"schema": 1, "shard": "1/2", "rows": 32, "missing": []}
    assert main("merge", shared)[:2] == (
        0,
        f"60 rows are together in {shared}; run again without --shard.\n",
    )
    assert main(*asked, "-o", shared)[0] == main(*asked, "-o", alone)[0] == 0
    assert profile(shared) == profile(alone)


def test_what_cannot_be_a_shard_is_refused(main: Main, asked: list[str], tmp_path: Path) -> None:
    for more, said in (
        (["--shard", "3/2"], "give i/n with 1 <= i <= n"),
        (["--shard", "1/2", "--pool", "mean,last"], "shares are of one view"),
    ):
        code, _, err = main(*asked, *more, "-o", tmp_path / "run")
        assert code == 2
        assert said in err
    assert main("merge", tmp_path / "nothing")[0] == 2
