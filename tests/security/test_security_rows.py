"""The security rows of the reliability table, and the tests that hold each of them.

A test of a row begins with ``test_`` and the row's id (``test_S_zip_bomb`` for S-zip-bomb):
``pytest -k S_zip_bomb`` runs what is here, ``SECURITY.md`` says what it guarantees.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# What goes in and what must come out; and tests that hold a row too, but stand with their subject.
ROWS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "S-remote-code-default": (
        "a model folder with auto_map code, default call",
        "not run, no prompt",
        ("states/test_image_processing.py::test_a_processor_with_code_of_its_own_is_not_run",),
    ),
    "S-remote-code-optin": (
        "the same with the explicit flag",
        "runs only then; recorded (there is no flag: only a network that its user loaded)",
        (),
    ),
    "S-pickle-weights": (
        "a malicious pytorch_model.bin",
        "refused; a benign one only through weights_only=True with a recorded warning",
        (),
    ),
    "S-torch-load": (
        "every torch.load in the package",
        "weights_only=True",
        ("security/test_forbidden_calls.py::test_source_runs_no_strangers_code",),
    ),
    "S-np-load": (
        "an object array as hidden states or labels",
        "an error; allow_pickle never True",
        ("security/test_forbidden_calls.py::test_source_runs_no_strangers_code",),
    ),
    "S-no-pickle-joblib": (
        "joblib, pickle, shelve, dill imports",
        "none in the package",
        ("security/test_forbidden_calls.py::test_ruff_finds_each_violation_in_the_package",),
    ),
    "S-yaml": (
        "!!python/object in a configuration",
        "not even read",
        ("security/test_forbidden_calls.py::test_ruff_finds_each_violation_in_the_package",),
    ),
    "S-no-eval": (
        "eval, exec, os.system, shell=True",
        "none",
        ("security/test_forbidden_calls.py::test_ruff_finds_each_violation_in_the_package",),
    ),
    "S-npy-lying-header": (
        "8 TB claimed by a file of 200 bytes",
        "a clear error without allocating",
        (),
    ),
    "S-safetensors-lying-header": (
        "10^12 elements; a header length of 2^60",
        "a clear error",
        (),
    ),
    "S-zip-bomb": (
        "an npz of 290 kB that expands to 300 MB",
        "refused above a stated limit",
        ("states/test_lines.py::test_a_gzip_bomb_is_refused_above_the_limit",),
    ),
    "S-tar-slip": (
        "a ../ member",
        "no tar file is ever unpacked",
        ("security/test_forbidden_calls.py::test_source_runs_no_strangers_code",),
    ),
    "S-layer-name-traversal": (
        "a layer, dataset or model named ../../x or /etc/x",
        "an encoded name; nothing outside the store",
        (
            "states/test_manifest.py::test_encoding_is_reversible_and_stays_inside",
            "states/test_manifest.py::test_a_piece_may_only_name_its_own_file",
        ),
    ),
    "S-symlink-target": ("an output path that is a link", "link replaced, target untouched", ()),
    "S-html-label": (
        "a label, text or model named <script>alert(1)</script>",
        "escaped in every HTML attribute, text and title",
        (
            "show/test_report.py::test_hostile_names_are_text",
            "show/test_comparison.py::test_hostile_names_are_text",
        ),
    ),
    "S-html-json": (
        "</script> inside embedded JSON",
        "escaped (\\u003c)",
        ("show/test_report.py::test_data_cannot_end_its_script",),
    ),
    "S-html-offline": (
        "the report",
        "no outside address, CSP default-src none, opens without a network",
        (
            "show/test_report.py::test_policy_admits_exactly_the_inline_scripts",
            "show/test_report.py::test_nothing_outside_is_named",
        ),
    ),
    "S-svg-label": (
        "a label in SVG",
        "escaped",
        ("show/test_figures.py::test_text_stays_text_and_literal",),
    ),
    "S-csv-formula": (
        "a label that begins with = + - @ or a tab",
        "prefixed or quoted",
        ("show/test_table.py::test_formulas_are_disarmed_and_negative_numbers_are_not",),
    ),
    "S-terminal-escape": (
        "a label with ANSI or control characters on the console",
        "stripped",
        (
            "show/test_table.py::test_table_strips_escape_codes_and_shows_markup_literally",
            "show/test_cells.py::test_escape_codes_and_bidi_marks_go",
        ),
    ),
    "S-plot-label": (
        "labels $5 and $10, _hidden",
        "shown literally in legend and title",
        ("show/test_figures.py::test_dollars_are_no_mathematics",),
    ),
    "S-import-hijack": (
        "logit_lens.py and utils.py in the current folder",
        "never imported",
        (),
    ),
    "S-network": ("no network unless asked", "an offline run makes 0 connections", ()),
    "S-deps": (
        "dependencies of the default installation",
        "each named with its reason, none unkept, all pinned in CI; no compiler needed",
        ("test_project.py::test_every_dependency_is_pinned_at_or_above_its_floor",),
    ),
}
NUMBER = 24  # rows of the table's group S


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


OWN = {name for path in HERE.glob("test_*.py") for name in functions(path)}


def test_no_row_is_lost() -> None:
    assert len(ROWS) == NUMBER


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_tests(row: str) -> None:
    own = f"test_{row.replace('-', '_')}"
    elsewhere = ROWS[row][2]
    assert elsewhere or any(re.fullmatch(rf"{own}(_.*)?", name) for name in OWN)
    for place in elsewhere:
        file, name = place.split("::")
        assert name in functions(ROOT / "tests" / file), place


def test_every_test_of_a_row_is_of_a_row_here() -> None:
    for name in OWN:
        if name.startswith("test_S_"):
            assert any(name.startswith(f"test_{row.replace('-', '_')}") for row in ROWS), name


@pytest.mark.parametrize("row", ROWS)
def test_the_threat_model_names_the_row(row: str) -> None:
    assert row in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
