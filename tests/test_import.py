"""``import layergeom`` is quick, and every public name is there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import layergeom

HEAVY = {"torch", "transformers", "altair", "matplotlib", "pandas", "scipy", "numpy", "sklearn"}


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_package_imports_nothing_heavy() -> None:
    loaded = modules_after("import layergeom")
    assert not loaded & HEAVY
    assert "scipy.optimize" not in loaded


def test_the_mathematics_imports_no_model_library_and_no_figures() -> None:
    loaded = modules_after("import layergeom; layergeom.neighbor_graph; layergeom.Profile")
    assert not loaded & {"torch", "transformers", "altair", "matplotlib", "pandas", "typer"}


def test_stored_states_are_profiled_without_torch() -> None:
    loaded = modules_after(
        "import layergeom, numpy as np\n"
        "X = np.random.default_rng(0).random((40, 3))\n"
        "layergeom.profile({'a': X, 'b': X}, k=5).reading"
    )
    assert not loaded & {"torch", "transformers", "altair", "matplotlib", "pandas"}


@pytest.mark.parametrize("name", layergeom.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(layergeom, name) is not None
    assert name in dir(layergeom)


def test_public_names_are_sorted_and_complete() -> None:
    assert list(layergeom.__all__) == sorted(layergeom.__all__)
    assert set(layergeom._HOME) | {"__version__"} == set(layergeom.__all__)


def test_star_import_brings_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from layergeom import *", names)  # noqa: S102
    assert set(names) - {"__builtins__"} == set(layergeom.__all__)


def test_unknown_names_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'layergeom' has no attribute 'twon'"):
        _ = layergeom.twon
    assert not hasattr(layergeom, "torch")
