"""Runs of the command line in processes of their own, which share the imports of a first one.

As a program: reads a request per line (JSON), and forks a process that answers it as ``layergeom``
does, or waits for one and says how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
WORDS = 8  # in every text, so that every part of a pass has as many rows
ROWS = 60
ROWS_A_PART = 10
TOKENS_A_PART = ROWS_A_PART * (WORDS + 2)  # with [CLS] and [SEP]
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


class Runs:
    """Starts processes; each begins at once, as all modules are imported."""

    def __init__(self) -> None:
        paths = os.pathsep.join([str(HERE.parents[1]), *sys.path])
        self._process = subprocess.Popen(
            [sys.executable, HERE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ALONE | {"PYTHONPATH": paths},
            text=True,
        )

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, log: Path, *arguments: object, **setting: Any) -> Run:
        """Begin a run; ``log`` is a folder for what it says and how many rows it feeds."""
        log.mkdir(exist_ok=True)
        (log / "fed").write_text("")
        request = {"log": str(log), "argv": ["layergeom", *map(str, arguments)], **setting}
        return Run(self, int(self._asked(request)), log)

    def ended(self, pid: int) -> tuple[int, float, int]:
        status, cpu, memory = self._asked({"wait": pid}).split()
        return os.waitstatus_to_exitcode(int(status)), float(cpu), int(memory)

    def _asked(self, request: dict[str, Any]) -> str:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@dataclass(frozen=True)
class Run:
    """A process that was started."""

    runs: Runs
    pid: int
    log: Path

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def await_batches(self, count: int) -> None:
        """Wait until so many batches are being fed, or have been."""
        fed = self.log / "fed"
        while not fed.exists() or len(fed.read_text().split()) < count:
            time.sleep(0.005)

    def ended(self) -> Ended:
        code, cpu, memory = self.runs.ended(self.pid)
        said = [(self.log / name).read_text() for name in ("out", "err")]
        fed = sum(map(int, (self.log / "fed").read_text().split()))
        return Ended(code, said[0], said[1], fed, cpu, memory)


@dataclass(frozen=True)
class Ended:
    """How it ended: exit code (negative: by that signal), its words, rows fed to the network,
    seconds of CPU, and the most memory it had (kB).
    """

    code: int
    out: str
    err: str
    fed: int
    cpu: float
    memory: int


def serve() -> None:
    """Answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job is born deaf to it
    _imported()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status, used = os.wait4(request["wait"], 0)
            _said(status, used.ru_utime + used.ru_stime, used.ru_maxrss)
            continue
        pid = os.fork()
        if pid == 0:
            _answer(request)
        _said(pid)


def _said(*numbers: float) -> None:
    sys.stdout.write(" ".join(map(str, numbers)) + "\n")
    sys.stdout.flush()


def _imported() -> None:
    """Run everything once, so that no later process imports anything."""
    import contextlib
    import tempfile

    import torch

    from layergeom import cli
    from states import tiny

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model = tiny.folder(place / "model")
        (place / "texts.txt").write_text("\n".join(tiny.texts(20, longest=15)))
        command = ["run", model, place / "texts.txt", "--k", 5, "-o", place / "run"]
        sys.argv = ["layergeom", *map(str, command)]
        said = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(said):
            cli.main()


def _answer(request: dict[str, Any]) -> None:
    """Be the process that a request asks for."""
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - until the process ends
    log = Path(request["log"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(log / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
    sys.argv = request["argv"]
    _watched(log, request.get("pause", 0.0))
    if "die_at" in request:
        _die_at(request["die_at"])
    code = 0
    try:
        from layergeom import cli

        cli.main() if "rewrite" not in request else _rewrite(request["rewrite"])
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _rewrite(folder: str) -> None:
    """Write one piece again and again."""
    import numpy as np

    from layergeom.states.store import Store

    store = Store(folder)
    for value in range(1, 10**9):
        store.put("x", {"a": np.full(20_000, value, dtype=np.int64)}, "key")


def _watched(log: Path, pause: float) -> None:
    """Make parts short, count what is fed, and leave out figures and report."""
    from layergeom.show import run_folder
    from layergeom.states import batches, reader

    batches.PART_TOKENS = TOKENS_A_PART
    run_folder.write_run = lambda folder, profile, *_: (profile.save(folder),)
    fed = os.open(log / "fed", os.O_WRONLY | os.O_APPEND)
    call = reader.call

    def counted(network: Any, ids: Any, attention: Any) -> Any:
        time.sleep(pause)
        os.write(fed, f"{len(ids)}\n".encode())
        return call(network, ids, attention)

    reader.call = counted


STEPS = ("open", "replace", "unlink", "fsync", "posix_fallocate", "ftruncate", "write")


def _die_at(step: int) -> None:
    """Let the process kill itself at its n-th call that changes the disk."""
    left = iter(range(step, -1, -1))
    for name in STEPS:
        setattr(os, name, _counted(getattr(os, name), name, left))


def _counted(call: Any, name: str, left: Any) -> Any:
    def counted(*arguments: Any, **options: Any) -> Any:
        changes = name != "open" or arguments[1] & os.O_CREAT
        if changes and next(left) == 0:
            os.kill(os.getpid(), 9)
        return call(*arguments, **options)

    return counted


if __name__ == "__main__":
    serve()
