"""What the package never calls: ruff's rules, and a walk of the syntax trees for the others."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEMPLATES = sorted((ROOT / "src").rglob("*.html"))

# ── ruff ──────────────────────────────────────────────────────────────────────────────────────

RULES = {
    "import pickle": "TID251",
    "import cPickle": "TID251",
    "import cloudpickle": "TID251",
    "import dill": "TID251",
    "from joblib import load": "TID251",
    "import shelve": "TID251",
    "import marshal": "TID251",
    "import yaml": "TID251",
    "yaml.load(x)": "S506",
    "pickle.loads(x)": "S301",
    "eval(x)": "S307",
    "exec(x)": "S102",
    "os.system(x)": "S605",
    "os.popen(x)": "S605",
    "subprocess.run(x, shell=True)": "S602",
    "shutil.unpack_archive(x)": "TID251",
    "tarfile.open(x).extractall()": "S202",
    "jinja2.Environment(loader=x)": "S701",
    "jinja2.Environment(autoescape=False)": "S701",
    "markupsafe.Markup(x)": "S704",
}
HEAD = "import os, shutil, subprocess, tarfile, jinja2, markupsafe, pickle, yaml\n"


def ruff(source: str, path: str) -> dict[int, set[str]]:
    """Return the codes of ruff's findings by line, with the project's own settings."""
    command = [sys.executable, "-m", "ruff", "check", "--output-format=json", "--no-cache"]
    done = subprocess.run(
        [*command, f"--stdin-filename={path}", "-"],
        input=source,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[int, set[str]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["location"]["row"], set()).add(finding["code"])
    return found


@pytest.fixture(scope="module")
def findings() -> dict[int, set[str]]:
    return ruff(HEAD + "\n".join(RULES), "src/layergeom/states/new.py")


@pytest.mark.parametrize("line", RULES)
def test_ruff_finds_each_violation_in_the_package(line: str, findings: dict) -> None:
    assert RULES[line] in findings.get(2 + list(RULES).index(line), set())


def test_unpickling_is_found_in_all_that_stands_around_the_package_too() -> None:
    for folder in ("tests", "benchmarks", "training", "tools", "calibration"):
        assert "TID251" in ruff("import dill\n", f"{folder}/new.py")[1], folder


def test_no_source_silences_these_rules_but_where_the_page_takes_its_own_text() -> None:
    silenced = [
        f"{path.name}: {codes}"
        for path in SOURCES
        for codes in re.findall(r"noqa: ([A-Z0-9, ]+)", path.read_text(encoding="utf-8"))
        if set(codes.replace(" ", "").split(",")) & set(RULES.values())
    ]
    assert set(silenced) == {"page.py: S704"}


# ── the walk ──────────────────────────────────────────────────────────────────────────────────

CALLS = {
    "np.load": "np.load may unpickle",
    "numpy.load": "np.load may unpickle",
    "pd.read_pickle": "a pickle",
    "pandas.read_pickle": "a pickle",
    "tarfile.open": "a tar file may name any place",
    "__import__": "an import by a name that is not written here",
}
WRITTEN_TRUE = {"torch.load": "weights_only", "Environment": "autoescape"}
NEVER_TRUE = ("shell", "allow_pickle", "trust_remote_code")


def offences(source: str) -> Iterator[str]:
    """Yield what may run strangers' code or believe their objects, and no rule of ruff finds."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            yield from names & {"tarfile"}
        elif isinstance(node, ast.Call):
            yield from call_offences(ast.unparse(node.func), node.keywords)


def call_offences(called: str, keywords: list[ast.keyword]) -> Iterator[str]:
    values = {k.arg: ast.unparse(k.value) for k in keywords}
    if called in CALLS:
        yield f"{called}: {CALLS[called]}"
    for keyword in NEVER_TRUE:
        if values.get(keyword, "False") != "False":
            yield f"{keyword}={values[keyword]}"
    for name, keyword in WRITTEN_TRUE.items():
        if called.rpartition(".")[2] == name or called == name:
            yield from [] if values.get(keyword) == "True" else [f"{name} without {keyword}=True"]


@pytest.mark.parametrize("module", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_runs_no_strangers_code(module: Path) -> None:
    assert list(offences(module.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "torch.load(f, weights_only=flag)",
        "np.load(f)",
        "np.lib.format.read_array(f, allow_pickle=True)",
        "def f():\n    pd.read_pickle(f)",
        "import tarfile",
        "from tarfile import open",
        "subprocess.run(c, shell=wanted)",
        "AutoModel.from_pretrained(m, trust_remote_code=True)",
        "AutoModel.from_pretrained(m, trust_remote_code=flag)",
        "Environment(loader=x)",
        "jinja2.Environment(loader=x, autoescape=chosen)",
        "__import__(name)",
    ],
)
def test_the_walk_finds_each_offence(line: str) -> None:
    assert list(offences(line))


@pytest.mark.parametrize(
    "line",
    [
        "model.eval()",
        "json.load(f)",
        "torch.load(f, weights_only=True)",
        "np.lib.format.read_array(f, allow_pickle=False)",
        "AutoModel.from_pretrained(m, trust_remote_code=False)",
        "Environment(loader=x, autoescape=True)",
    ],
)
def test_the_walk_lets_safe_calls_pass(line: str) -> None:
    assert not list(offences(line))


# ── templates ─────────────────────────────────────────────────────────────────────────────────

UNESCAPED = re.compile(r"\|\s*safe\b|autoescape|Markup|\bon[a-z]+\s*=|(?:src|href)=\"?\{\{")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_passes_text_unescaped(template: Path) -> None:
    assert UNESCAPED.findall(template.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "{{ page.x | safe }}",
        "{% autoescape false %}",
        '<p onclick="{{ page.x }}">',
        '<a href="{{ page.x }}">',
    ],
)
def test_an_unescaped_template_is_found(line: str) -> None:
    assert UNESCAPED.search(line)
