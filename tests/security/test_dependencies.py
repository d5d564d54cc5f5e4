"""What an installation brings: each named with its reason, all of it pinned for the tests."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
DIRECT = [Requirement(line) for line in PROJECT["dependencies"]]


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): rest.split(";")[0].strip() for name, rest in pairs}


def closure(name: str, extras: frozenset[str], seen: dict[str, frozenset[str]]) -> None:
    """Gather all that a package needs here, with the extras that are asked of it."""
    if extras <= seen.get(name, frozenset()) and name in seen:
        return
    seen[name] = seen.get(name, frozenset()) | extras
    for line in metadata.requires(name) or []:
        needed = Requirement(line)
        wanted = needed.marker is None or any(
            needed.marker.evaluate({"extra": extra}) for extra in extras | {""}
        )
        if wanted:
            closure(canonicalize_name(needed.name), frozenset(needed.extras), seen)


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda r: r.name)
def test_S_deps(requirement: Requirement) -> None:
    """Each stands on a line of its own with the reason behind it."""
    line = rf'^  "{re.escape(requirement.name)}\b[^"]*",\s+# (.+)$'
    [reason] = re.findall(line, TEXT, flags=re.MULTILINE)
    assert len(reason) > 5
    assert not requirement.url


def test_S_deps_all_pinned() -> None:
    seen: dict[str, frozenset[str]] = {}
    closure("layergeom", frozenset({"test"}), seen)
    missing = set(seen) - set(pinned()) - {"layergeom"}
    assert missing <= {"setuptools"}  # comes with the environment; pip freeze leaves it out
    assert len(seen) > 40


def test_S_deps_no_compiler() -> None:
    """The kernel may fail to build; `tests/test_wheels.py` installs without a compiler."""
    assert "optional=True" in (ROOT / "setup.py").read_text(encoding="utf-8")
    text = (ROOT / "tests" / "test_wheels.py").read_text(encoding="utf-8")
    assert "def test_source_installs_without_a_compiler" in text


def imported(source: str) -> Iterator[str]:
    yield from re.findall(r"^\s*(?:import|from) (\w+)", source, flags=re.MULTILINE)


def test_S_deps_each_is_used() -> None:
    names = {"scikit-learn": "sklearn", "pillow": "PIL", "vl-convert-python": "vl_convert"}
    sources = (ROOT / "src").rglob("*.py")
    used = {name for path in sources for name in imported(path.read_text(encoding="utf-8"))}
    assert {names.get(r.name, r.name) for r in DIRECT} <= used


def test_S_deps_ci_installs_what_is_pinned() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -c constraints.txt" in script
    assert "http://" not in script
    assert "--trusted-host" not in script
