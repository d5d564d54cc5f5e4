"""What a terminal sees and a pipe does not: progress, folded lines, colours, odd encodings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layergeom import api
from layergeom.cli import printing

pty = pytest.importorskip("pty", reason="needs pseudo-terminals, which this system lacks")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def layergeom(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "layergeom", *map(str, arguments)]


def on_terminal(command: list[str], **environment: str) -> tuple[str, str]:
    """Run a command with stdout in a pipe and stderr on a terminal, and return both."""
    mine, theirs = pty.openpty()
    told = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "70", **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=told) as process:
        os.close(theirs)
        assert process.stdout is not None
        out = process.stdout.read().decode()
        seen = b""
        while True:
            try:
                part = os.read(mine, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(mine)
    assert process.returncode == 0
    return out, seen.decode()


def test_progress_is_for_the_terminal_and_results_are_plain(
    states_file: Path, tmp_path: Path
) -> None:
    command = layergeom("run", "--states", states_file, "--k", 10, "-o", tmp_path, "--json")
    out, seen = on_terminal(command, NO_COLOR="1")
    assert json.loads(out)["schema"] == printing.JSON_SCHEMA
    assert not CONTROL.search(out)
    assert "layers measured" in seen
    assert re.search(r"4/4 +\d:\d\d:\d\d", seen)  # how far, and how long still
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", seen)  # NO_COLOR


@pytest.fixture(scope="module")
def run(states_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    api.profile(str(states_file), k=10, folder=folder)
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_stops_it(run: Path, encoding: str) -> None:
    told = {**os.environ, "PYTHONIOENCODING": encoding}
    for more in ((), ("--json",)):
        done = subprocess.run(
            layergeom("recommend", run, *more), env=told, capture_output=True, check=True
        )
        text = done.stdout.decode(encoding, errors="replace")  # click takes ascii for an oversight
        assert "final" in text
        assert not CONTROL.search(text)
    assert json.loads(text)["recommendation"]["layer"]


@pytest.mark.parametrize("width", [24, 40, 80])
def test_lines_are_folded_between_words(width: int, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    line = "Why: the dimension falls from 21.0 ± 0.4 at the peak to 6.1 ± 0.1 and rises again."
    printing.say([line, ""])
    folded = capsys.readouterr().out.splitlines()
    assert max(map(len, folded)) < width
    assert " ".join(map(str.strip, folded)).strip() == line
    assert all(text.startswith("  ") for text in folded[1:-1])


def test_a_pipe_gets_every_line_whole(capsys: Any) -> None:
    line = "word " * 60
    printing.say([line.strip()])
    assert capsys.readouterr().out == line.strip() + "\n"
