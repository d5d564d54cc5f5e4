"""The installed package, as a stranger meets it."""

from __future__ import annotations

import doctest
import json
import pkgutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import layergeom
from layergeom import geometry

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
OPTIONS = ("h5py", "zarr", "pyarrow", "faiss", "pynndescent", "numexpr", "bottleneck", "config")
TOUCH_ALL = "import layergeom\nfor name in layergeom.__all__: getattr(layergeom, name)\n"
LOADED = (
    "import json, sys\nprint(json.dumps([getattr(m, '__file__', '') or '' for m in "
    "list(sys.modules.values())]))"
)


def _run(*arguments: str, folder: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def imported() -> tuple[int, str]:
    """Import every public name in a new, isolated interpreter: its exit status and its words."""
    with tempfile.TemporaryDirectory() as folder:
        done = _run("-I", "-c", TOUCH_ALL, folder=folder)
    return done.returncode, done.stderr[-300:]


def hijacked() -> list[str]:
    """Names of modules in the current folder that an import of the package takes in."""
    own = [module.name for module in pkgutil.iter_modules(layergeom.__path__)]
    parts = [module.name for module in pkgutil.iter_modules(geometry.__path__)]
    decoys = {*own, *parts, *OPTIONS} - set(sys.stdlib_module_names)
    with tempfile.TemporaryDirectory() as folder:
        for name in decoys:
            (Path(folder) / f"{name}.py").write_text("", encoding="utf-8")
        done = _run("-c", TOUCH_ALL + LOADED, folder=folder)
        assert done.returncode == 0, done.stderr[-300:]
        files = [Path(file) for file in json.loads(done.stdout) if file]
        here = Path(folder).resolve()
        return sorted(file.stem for file in files if file.resolve().parent == here)


def examples() -> tuple[int, int]:
    """Run the docstrings' examples of the mathematics: how many fail, and how many there are."""
    failed = tried = 0
    for module in pkgutil.iter_modules(geometry.__path__, geometry.__name__ + "."):
        if not module.name.endswith("_kernel"):
            found = doctest.testmod(import_module(module.name), optionflags=FLAGS)
            failed, tried = failed + found.failed, tried + found.attempted
    return failed, tried
