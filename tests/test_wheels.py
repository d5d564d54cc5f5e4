"""What is shipped: it installs without a compiler, with the kernel or with one line about it.

The slow tests download what a user's pip would, from the index that pip is set to.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tools import build_wheels
from tools.build_wheels import COMPILED, KERNEL, NEIGHBOURS, NO_COMPILER, ROOT, TAG

WHEEL = f"layergeom-1.0-{TAG}.whl"
GOOD = [KERNEL, "layergeom/__init__.py", "layergeom-1.0.dist-info/RECORD"]
NOTICE = re.compile(r"layergeom: neighbours: plain .*no kernel.* \S+ times as long\.")


# ── the checks of the script ──────────────────────────────────────────────────────────────────


def test_a_good_listing_has_no_faults() -> None:
    assert build_wheels.listing_faults(GOOD) == []


@pytest.mark.parametrize(
    "stranger",
    [
        "layergeom/geometry/kernel/module.cpp",
        "layergeom/geometry/kernel/search.hpp",
        "layergeom/tests/test_api.py",
        "tests/test_api.py",
        "layergeom.libs/libstdc++.so.6",
        "setup.py",
    ],
)
def test_a_file_for_no_user_is_named(stranger: str) -> None:
    assert any(stranger in fault for fault in build_wheels.listing_faults([*GOOD, stranger]))


def test_a_wheel_without_the_kernel_is_refused() -> None:
    (fault,) = build_wheels.listing_faults(GOOD[1:])
    assert KERNEL in fault


@pytest.mark.parametrize("oldest", ["manylinux_2_17_x86_64", "manylinux_2_5_x86_64"])
def test_a_library_for_the_tag_or_older_keeps_the_promise(oldest: str) -> None:
    assert build_wheels.tag_faults(WHEEL, oldest) == []


@pytest.mark.parametrize(
    "oldest", ["manylinux_2_18_x86_64", "manylinux_2_36_x86_64", "linux_x86_64"]
)
def test_a_library_that_needs_more_than_the_tag_is_refused(oldest: str) -> None:
    (fault,) = build_wheels.tag_faults(WHEEL, oldest)
    assert oldest in fault


def test_a_wheel_for_this_machine_alone_is_refused() -> None:
    name = "layergeom-1.0-cp311-abi3-linux_x86_64.whl"
    (fault,) = build_wheels.tag_faults(name, "manylinux_2_17_x86_64")
    assert TAG in fault


def test_no_flag_names_a_processor() -> None:
    for name in ("setup.py", "pyproject.toml", "tools/build_wheels.py"):
        flags = re.findall(r"-m(?:arch|tune|cpu|avx|fma|sse)\S*", (ROOT / name).read_text("utf-8"))
        assert flags == [], name


# ── installing where no compiler is ───────────────────────────────────────────────────────────


def without_compiler(folder: Path, **variables: str) -> dict[str, str]:
    """Return this environment with nothing on the PATH."""
    nothing = folder / "nothing"
    nothing.mkdir(exist_ok=True)
    named = {"CC", "CXX", "LDSHARED", "LDCXXSHARED"}
    kept = {name: value for name, value in os.environ.items() if name not in named}
    return kept | {"PATH": str(nothing)} | variables


def install(what: Path, folder: Path, *options: str, **variables: str) -> dict[str, str]:
    """Install into a folder; return the environment in which Python finds it first."""
    surroundings = without_compiler(folder, **variables)
    place = folder / "installed"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", *options]
    python([*command[1:], "--target", str(place), str(what)], folder, surroundings)
    surroundings["PYTHONPATH"] = str(place)
    code = "import layergeom; print(layergeom.__file__)"
    found = python(["-c", code], folder, surroundings).stdout
    assert found.startswith(str(place)), "another layergeom was found first"
    return surroundings


def python(
    arguments: list[str], folder: Path, surroundings: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def run_on_states(states: Path, folder: Path, surroundings: dict[str, str]) -> list[str]:
    """Run the command line on stored states and return the lines of its standard error."""
    arguments = ["-m", "layergeom", "run", "--states", str(states), "--k", "10", "-o", "run"]
    return python(arguments, folder, surroundings).stderr.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    "compilers",
    [{}, {"CC": "no-such-cc", "CXX": "no-such-c++"}],
    ids=["nothing on the PATH", "CC and CXX name nothing"],
)
def test_source_installs_without_a_compiler_and_a_run_says_so_in_one_line(
    compilers: dict[str, str], states_file: Path, tmp_path: Path
) -> None:
    tree = build_wheels.clean_tree(tmp_path / "tree")
    surroundings = install(tree, tmp_path, **compilers)
    assert not list((tmp_path / "installed").rglob("*.so"))
    python(["-c", NO_COMPILER + NEIGHBOURS], tmp_path, surroundings)
    (line,) = run_on_states(states_file, tmp_path, surroundings)
    assert NOTICE.fullmatch(line), line


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the script fills."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(ROOT / "tools" / "build_wheels.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(next(folder.glob(end))) for end in ("*.gz", "*.whl")]
    return folder


@pytest.mark.slow
def test_wheel_installs_without_a_compiler_and_has_the_kernel(
    built: Path, states_file: Path, tmp_path: Path
) -> None:
    (wheel,) = built.glob("*.whl")
    nowhere = {"CC": "no-such-cc", "CXX": "no-such-c++"}
    surroundings = install(wheel, tmp_path, "--no-index", **nowhere)
    python(["-c", NO_COMPILER + COMPILED + NEIGHBOURS], tmp_path, surroundings)
    assert run_on_states(states_file, tmp_path, surroundings) == []
    library = (tmp_path / "installed" / KERNEL).read_bytes()
    assert sys.base_prefix.encode() not in library, "a folder of this machine is in the library"


@pytest.mark.slow
def test_source_distribution_has_the_kernel_and_no_tests(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    source = ROOT / "src" / "layergeom" / "geometry"
    kernel = {str(p.relative_to(ROOT)) for p in source.rglob("*") if p.suffix in (".cpp", ".hpp")}
    assert kernel
    assert kernel <= names
    assert not [name for name in names if name.startswith("tests")]
