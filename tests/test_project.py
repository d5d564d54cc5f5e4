"""The project around the code: commands, versions, links, forbidden calls, import budget."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from layergeom.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
PAGES += [p for p in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in p.parts]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = ("torch", "transformers", "altair", "matplotlib", "pandas", "sklearn", "typer", "rich")


def name_of(module: Path) -> str:
    return str(module.relative_to(ROOT))


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def commands(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if "python3 -m venv" in line]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "every line of constraints.txt is name==version"
    return {canonicalize_name(name): version.split(";")[0].strip() for name, version in pairs}


def requirements() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


# ── commands ──────────────────────────────────────────────────────────────────────────────────


def test_ci_runs_the_second_command_of_the_readme() -> None:
    readme = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(readme) == 2
    assert readme[0].endswith("layergeom demo")
    assert commands((ROOT / ".ci" / "run").read_text(encoding="utf-8")) == [readme[1]]


def test_ci_script_can_be_executed_and_stops_at_errors() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def test_check_runs_every_tool_in_order() -> None:
    text = (ROOT / "tools" / "check.py").read_text(encoding="utf-8")
    tools = ["ruff check", "ruff format --check", "mypy", "lint-imports", "pytest", "docs"]
    places = [text.index(f'Step("{tool}"') for tool in tools]
    assert places == sorted(places)


def test_reference_of_the_command_line_is_current() -> None:
    result = python(str(ROOT / "tools" / "cli_reference.py"), "--check")
    assert result.returncode == 0, result.stderr


# ── versions ──────────────────────────────────────────────────────────────────────────────────


def test_torch_is_pinned_and_nothing_brings_cuda() -> None:
    pinned = pins()
    assert pinned["torch"] == "2.13.0"
    assert not {"torchvision", "torchaudio", "timm", "triton"} & set(pinned)
    assert not [name for name in pinned if name.startswith("nvidia")]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_pyproject_has_floors_only(requirement: Requirement) -> None:
    assert {s.operator for s in requirement.specifier} <= {">="}


def test_every_dependency_is_pinned_at_or_above_its_floor() -> None:
    pinned = pins()
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is missing from constraints.txt"
        assert requirement.specifier.contains(pinned[name], prereleases=True), requirement


def test_citation_has_the_version_of_the_package() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {VERSION}\n" in citation


def test_installed_version_is_that_of_the_source() -> None:
    assert metadata.version("layergeom") == VERSION


# ── documents ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


# ── source ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("module", SOURCES, ids=name_of)
def test_files_stay_short(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


def test_import_is_light() -> None:
    script = f"import sys, layergeom; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = python("-c", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def is_module(dotted: str) -> bool:
    place = ROOT / "src" / dotted.replace(".", "/")
    return place.with_suffix(".py").is_file() or place.name == "_kernel"  # compiled


def test_no_module_takes_a_private_name_of_another() -> None:
    found = [
        f"{name_of(path)}:{node.lineno} {node.module}.{alias.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("layergeom")
        for alias in node.names
        if alias.name.startswith("_") and not is_module(f"{node.module}.{alias.name}")
    ]
    assert found == []
