"""What a terminal sees and a pipe does not: progress, folded lines, colours, odd encodings."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layergeom import api
from layergeom.cli import printing

pty = pytest.importorskip("pty", reason="needs pseudo-terminals, which this system lacks")
Main = Callable[..., tuple[int, str, str]]
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


def test_what_begins_anew_has_a_remaining_time_again() -> None:
    program = (
        "import time; from layergeom.cli.printing import progress_bar\n"
        "with progress_bar() as told:\n"
        "    told(1, 100, 'rows of one'); told(100, 100, 'rows of one')\n"
        "    for done in range(1, 9): told(done, 100, 'rows of two'); time.sleep(0.15)\n"
    )
    _, seen = on_terminal([sys.executable, "-c", program], NO_COLOR="1")
    last = CONTROL.sub("", seen)[CONTROL.sub("", seen).rindex("rows of two") :]
    assert re.search(r"8/100 +0:00:[01]\d", last)
    assert "0:00:00" not in last


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


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "-0.2 ± ?"), ("utf-8", "−0.2 ± ∞")])
def test_a_number_keeps_its_sign_in_every_encoding(encoding: str, text: str) -> None:
    script = "from layergeom.cli.printing import say; say(['−0.2 ± ∞'])"
    told = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script], env=told, capture_output=True, check=True)
    assert done.stdout.decode(encoding).strip() == text


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


@pytest.mark.usefixtures("no_views")
def test_what_would_settle_it_is_the_typed_command_and_an_option(
    main: Main, states_file: Path, tmp_path: Path
) -> None:
    place = tmp_path / "my run"
    typed = ["run", "--states", str(states_file), "--k", "10", "-o", str(place)]
    wanted = f"What would settle it: {shlex.join(['layergeom', *typed, '--labels', 'FILE'])}"
    assert wanted in main(*typed)[1].splitlines()
    assert wanted in main("recommend", place)[1].splitlines()
    assert wanted in main("report", place)[1].splitlines()
    again = shlex.split(wanted.partition(": ")[2])[1:-1]
    (tmp_path / "labels.txt").write_text("\n".join("ab"[i % 2] for i in range(rows_of(place))))
    code, out, err = main(*again, tmp_path / "labels.txt")  # it can be followed
    assert code == 0, err
    assert "What would settle it: the labels given already settle it" in out


def rows_of(place: Path) -> int:
    return int(json.loads((place / "profile.json").read_text())["counts"]["rows"])
