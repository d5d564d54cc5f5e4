"""The batch scripts of the documents: what they call exists, and they run (``-m slow``, SLURM)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from layergeom.cli.app import app
from states import tiny

SCRIPTS = Path(__file__).parents[1] / "docs/how-to/slurm"
NAMES = sorted(path.name for path in SCRIPTS.glob("*.sh"))
SMALLER = (  # what is asked for: one processor for each task, no GPU
    (r"--cpus-per-task=\d+", "--cpus-per-task=1"),
    (r"--ntasks=[2-9]\d*", "--ntasks=2"),
    (r"(?m)^#SBATCH --(gres|gpus).*\n", ""),
)
OPTIONS = ["--k", "5", "--batch-size", "1", "--device", "cpu"]
ROWS = 3000
PATIENCE = 300.0  # seconds: a requeued job waits for two minutes before it may start


@pytest.mark.parametrize("name", NAMES)
def test_scripts_are_sound_and_their_commands_exist(name: str) -> None:
    script = (SCRIPTS / name).read_text()
    said(SCRIPTS, "bash", "-n", name)
    commands = typer.main.get_command(app).commands
    for line in script.splitlines():
        words = shlex.split(line, comments=True) if "layergeom " in line else []
        if "layergeom" in words:
            command, *rest = words[words.index("layergeom") + 1 :]
            known = {option for p in commands[command].params for option in p.opts}
            assert [w for w in rest if w.startswith("-") and w not in known] == []


def test_the_page_shows_every_script() -> None:
    page = (SCRIPTS.parent / "run_on_a_cluster.md").read_text()
    assert re.findall(r"\{literalinclude\} slurm/(\S+)", page) != []
    assert sorted(re.findall(r"\{literalinclude\} slurm/(\S+)", page)) == NAMES


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that all machines see, with a model, rows and scripts that ask for little."""
    if shutil.which("sbatch") is None or not answers("sinfo", "-h"):
        pytest.skip("no SLURM is here")
    folder = Path(os.environ.get("LAYERGEOM_SLURM_FOLDER", Path.home())) / f"slurm-{os.getpid()}"
    folder.mkdir()
    tiny.folder(folder / "model")
    (folder / "texts.txt").write_text("\n".join(tiny.texts(ROWS, longest=25)) + "\n")
    for name in NAMES:
        script = (SCRIPTS / name).read_text()
        for asked, less in SMALLER:
            script = re.sub(asked, less, script)
        (folder / name).write_text(script)
    alone = ["layergeom", "run", "model", "texts.txt", "-o", "alone", *OPTIONS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(alone, cwd=folder, env=environment, capture_output=True, check=True)
    yield folder
    shutil.rmtree(folder)


def answers(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def said(place: Path, *words: object) -> str:
    call = subprocess.run(
        list(map(str, words)), cwd=place, capture_output=True, text=True, check=False
    )
    assert call.returncode == 0, call.stderr
    return call.stdout


def state(place: Path, job: str) -> str:
    found = re.search(r"JobState=(\w+)", said(place, "scontrol", "show", "job", job))
    return found[1] if found else ""


def until(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def ended(place: Path, job: str) -> str:
    going = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED")
    until(lambda: state(place, job) not in going)
    return state(place, job)


def log(place: Path, job: str) -> str:
    return (place / f"slurm-{job}.out").read_text()


def layers(run: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((run / "states").glob("layers*.safetensors"))}


@pytest.mark.slow
def test_an_array_of_shards_one_out_of_time_and_one_killed(place: Path) -> None:
    run = place / "shards"
    submit = ("bash", "submit.sh", run, 2, place / "model", place / "texts.txt", *OPTIONS)
    array, merge = said(place, *submit).split()
    reads = [run / f"states/shards/{number}-of-2/.lock-drafts" for number in (1, 2)]
    until(lambda: reads[1].exists() and reads[1].stat().st_size > 0)
    said(place, "scancel", "--signal=USR1", f"{array}_2")  # as --signal does before the end
    until(lambda: "stopped by SIGUSR1" in log(place, f"{array}_2"))
    until(lambda: reads[0].exists() and reads[0].stat().st_size > 0)
    holder = json.loads(reads[0].read_bytes())
    if holder["host"] == socket.gethostname():
        os.kill(holder["process"], signal.SIGKILL)
        assert ended(place, f"{array}_1") == "FAILED"
        assert ended(place, f"{array}_2") == "COMPLETED"
        assert ended(place, merge) == "CANCELLED"
        array, merge = said(place, *submit).split()
    assert ended(place, merge) == "COMPLETED"
    assert ended(place, f"{array}_1") == ended(place, f"{array}_2") == "COMPLETED"
    assert f"{ROWS // 2:,} rows" in log(place, f"{array}_2")
    assert layers(run) == layers(place / "alone") != {}
    assert (run / "profile.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ranks", "dask"])
def test_one_job_of_several_tasks(place: Path, way: str) -> None:
    if way == "dask" and importlib.util.find_spec("distributed") is None:
        pytest.skip("distributed is not installed")
    run = place / way
    words = ("sbatch", "--parsable", f"{way}.sh", run, "model", "texts.txt", *OPTIONS)
    job = said(place, *words).strip()
    assert ended(place, job) == "COMPLETED", log(place, job)
    assert layers(run) == layers(place / "alone") != {}
    assert (run / "profile.json").is_file()
    assert not list(place.glob("scheduler-*"))
