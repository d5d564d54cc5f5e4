"""The table of the traps in the documentation names the tests that are here, and all of them."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "layers.md"
REQUIRED = 28  # rows of the reliability table's group of layer traps


def row_of(test):
    """test_T_pad_mean__anything is of the row T-pad-mean, test_T_plus_one_token of T+one-token."""
    name = test.removeprefix("test_").split("__")[0]
    return name.replace("T_plus_", "T+").replace("_", "-")


def held():
    trees = [ast.parse(path.read_text()) for path in HERE.glob("test_trap_*.py")]
    names = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {row_of(name) for name in names if name.startswith("test_T_")}


def listed():
    return re.findall(r"^\| `(T[-+][\w-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_row_of_the_table_is_a_test_and_every_test_a_row():
    assert len(listed()) == len(set(listed()))
    assert set(listed()) == held()


def test_every_required_row_is_there():
    assert sum(row.startswith("T-") for row in listed()) == REQUIRED
