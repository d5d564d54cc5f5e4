"""Keys of functions: another key whenever the answer may be another, the same one otherwise."""

from __future__ import annotations

import functools
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layergeom.errors import InputTypeError
from layergeom.states.code_content import code_key

SOURCE = """
import numpy as np
LEVEL = 2
def inner(x):
    return x * LEVEL
def f(points, graph, power=3):
    '''Words.'''
    parts = [inner(x) for x in points if str(x) in {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}]
    return np.mean(points) ** power + len(parts)
"""


def made(source: str, name: str = "f", file: str = "<made>") -> Any:
    """Run source as a notebook does: there is no file to read it from."""
    module = types.ModuleType("made")
    exec(compile(source, file, "exec"), module.__dict__)  # noqa: S102
    return getattr(module, name)


def key(source: str) -> str:
    return code_key(made(source), "f")


def test_the_same_code_has_the_same_key_whatever_its_lines_and_comments() -> None:
    moved = "\n\n# a comment\n" + SOURCE.replace("LEVEL = 2", "LEVEL = 2  # two")
    assert key(SOURCE) == key(moved) == code_key(made(SOURCE, file="other"), "g")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("** power + len", "** power - len"),  # an operator
        ("power=3", "power=4"),  # a default
        ("LEVEL = 2", "LEVEL = 5"),  # a global that a called function reads
        ("x * LEVEL", "x + LEVEL"),  # that function itself
        ("np.mean", "np.median"),  # a name inside a library
        ("'g', 'h'", "'g', 'i'"),  # a constant inside a comprehension
        ("import numpy as np", "import scipy.stats as np"),
    ],
)
def test_whatever_changes_the_answer_changes_the_key(old: str, new: str) -> None:
    assert SOURCE.replace(old, new) != SOURCE
    assert key(SOURCE.replace(old, new)) != key(SOURCE)


def test_the_key_is_the_same_in_another_process() -> None:
    """Sets of texts have another order there."""
    import subprocess

    path = Path(__file__)
    program = (
        f"import sys; sys.path.insert(0, {str(path.parent)!r}); "
        "from test_code_content import SOURCE, key; print(key(SOURCE))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {key(SOURCE)}


def closing_over(weights: object) -> Callable[..., float]:
    return lambda points, _: float((points * weights).sum())


def test_what_a_function_closes_over_counts() -> None:
    keys = {code_key(closing_over(w), "f") for w in (1.0, 2.0, np.ones(3), np.zeros(3), {1: "a"})}
    assert len(keys) == 5
    assert code_key(closing_over(np.ones(3)), "f") in keys


def scaled(points: object, graph: object, by: float) -> float:
    return by


def test_partials_and_methods_count_by_what_they_hold() -> None:
    assert code_key(functools.partial(scaled, by=1.0), "f") != code_key(
        functools.partial(scaled, by=2.0), "f"
    )
    assert code_key(Counter(1).f, "f") != code_key(Counter(2).f, "f")
    assert code_key(Counter(1).f, "f") == code_key(Counter(1).f, "f")


class Counter:
    def __init__(self, k: int) -> None:
        self.k = k
        self.itself = self  # a cycle

    def f(self, _points: object, _graph: object) -> int:
        return self.k


class Estimator:
    """As scikit-learn's: parameters, and a state after the fit."""

    def __init__(self, k: int = 3) -> None:
        self.k = k

    def get_params(self, **_: bool) -> dict[str, int]:
        return {"k": self.k}

    def fit(self, X: np.ndarray) -> Estimator:
        self.dimension_ = float(len(X))
        return self


def test_an_estimator_counts_by_its_parameters_not_by_what_it_has_seen() -> None:
    fresh, used = Estimator(), Estimator().fit(np.ones((5, 2)))
    assert code_key(fresh, "f") == code_key(used, "f") != code_key(Estimator(4), "f")


def test_a_changed_method_of_a_class_counts() -> None:
    source = "class A:\n    level = 1\n    def fit(self, X):\n        self.dimension_ = 1\n"
    first, same, body, level = (
        code_key(made(text, "A")(), "A")
        for text in (
            source,
            source,
            source.replace("_ = 1", "_ = 2"),
            source.replace("level = 1", "level = 2"),
        )
    )
    assert first == same
    assert len({first, body, level}) == 3


def test_a_function_that_remembers_counts_by_what_it_wraps() -> None:
    source = "import functools\n@functools.cache\ndef f(points, graph):\n    return 1\n"
    assert key(source) == key(source)
    assert key(source) != key(source.replace("return 1", "return 2"))


def test_a_module_of_the_users_counts_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    for level in (1, 1, 2):
        (tmp_path / "of_the_user.py").write_text(f"LEVEL = {level}\n")
        sys.modules.pop("of_the_user", None)
        source = "import of_the_user\ndef f(points, graph):\n    return of_the_user.LEVEL\n"
        keys.append(key(source))
    sys.modules.pop("of_the_user", None)
    assert keys[0] == keys[1] != keys[2]


def test_a_library_counts_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from layergeom.states import code_content

    source = "from scipy.stats import entropy\ndef f(points, graph):\n    return entropy(points)\n"
    before = key(source)
    assert key(source) == before
    monkeypatch.setattr(code_content, "_library", lambda _: "another")
    assert key(source) != before


def test_what_cannot_be_told_is_refused_by_name() -> None:
    lock = threading.Lock()
    with pytest.raises(InputTypeError, match=r"the quantity f refers to lock .* let it refer to"):
        code_key(closing_over(lock), "f")
