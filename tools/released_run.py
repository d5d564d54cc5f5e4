"""Write the run that later versions must still read: tests/released/<version>.

    python tools/released_run.py

Run once for every release, and commit what it writes; tests/test_released.py opens them all.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from layergeom import api
from layergeom.version import VERSION

TESTS = Path(__file__).parents[1] / "tests"


def main() -> None:
    """Write the run of this version, in place of one that is there."""
    sys.path.insert(0, str(TESTS))
    tiny = import_module("states.tiny")
    place = TESTS / "released" / VERSION
    shutil.rmtree(place, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that the run names no path of this machine
        tiny.folder(Path("model").absolute())
        labels = [row % 3 for row in range(40)]
        rows = tiny.texts(40, longest=15)
        api.profile("./model", rows, labels=labels, k=5, ranks=8, device="cpu", folder=place)


if __name__ == "__main__":
    main()
