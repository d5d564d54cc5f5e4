"""Quantities of the user's: measured on distinct points, kept with the profile, harmless."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.spatial.distance import cdist

import layergeom as lg
from layergeom import measure as measuring
from layergeom.added_quantities import BUILT_IN, TAKEN, added_quantities
from layergeom.errors import InputError, InputTypeError
from layergeom.profiles import Profile
from layergeom.show.charts import report_charts
from layergeom.show.figures import _drawings
from layergeom.show.quantities import QUANTITIES
from layergeom.show.report_tables import report_tables
from layergeom.show.table import added_table, write_csv


def spread(points: np.ndarray, graph: lg.NeighborGraph) -> float:
    return float(points.std())


def nearest(points: np.ndarray, graph: lg.NeighborGraph) -> tuple[float, float]:
    """Mean first distance among the distinct points, from the graph."""
    first = graph.points[0][:, 0]
    return float(first.mean()), float(first.std() / np.sqrt(len(first)))


def times(points: np.ndarray, graph: lg.NeighborGraph, by: float = 1.0) -> float:
    return by * len(points)


class Width:
    """An estimator as scikit-dimension's, which keeps what it has seen."""

    def __init__(self, add: float = 0.0) -> None:
        self.add = add

    def fit(self, X: np.ndarray) -> Width:
        assert not hasattr(self, "dimension_"), "fitted before"
        self.dimension_ = X.shape[1] + self.add
        return self


@pytest.fixture
def layers(clusters: tuple) -> dict[str, np.ndarray]:
    """Two layers; the last 40 rows of the second repeat its first ones."""
    first, second = (clusters[0][key] for key in ("embedding", "block_1"))
    return {"embedding": first, "block_1": np.vstack([second[:200], second[:40]])}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which layers are measured."""
    measured: list[str] = []
    once = measuring.measured_layer

    def count(states: Any, key: str, *rest: Any) -> Any:
        measured.append(key)
        return once(states, key, *rest)

    monkeypatch.setattr(measuring, "measured_layer", count)
    return measured


def test_functions_see_the_distinct_points_of_every_layer(layers: dict[str, np.ndarray]) -> None:
    found = lg.profile(layers, k=10, quantities=[spread, nearest, times])
    assert found["times"].values.tolist() == [240.0, 200.0]
    assert np.isnan(found["times"].errors).all()
    for at, X in enumerate((layers["embedding"], layers["block_1"][:200])):
        assert found["spread"].values[at] == X.std()
        apart = cdist(X, X) + np.diag(np.full(len(X), np.inf))
        assert found["nearest"].values[at] == pytest.approx(apart.min(axis=1).mean(), rel=1e-12)
    assert (found["nearest"].errors > 0).all()


def test_nothing_else_changes(layers: dict[str, np.ndarray]) -> None:
    with_it, without = lg.profile(layers, k=10, quantities=spread), lg.profile(layers, k=10)
    assert set(with_it.curves) - set(without.curves) == {"spread"}
    for name, curve in without.curves.items():
        np.testing.assert_array_equal(with_it[name].values, curve.values)
        np.testing.assert_array_equal(with_it[name].errors, curve.errors)
    assert with_it.warnings == without.warnings
    assert "quantities" not in without.provenance
    assert with_it.provenance["key"] != without.provenance["key"]


def test_an_estimator_is_fitted_anew_at_every_layer_and_left_as_it_was(
    layers: dict[str, np.ndarray],
) -> None:
    own = Width(0.5)
    found = lg.profile(layers, k=10, quantities=[own])
    assert found["Width"].values.tolist() == [10.5, 10.5]
    assert vars(own) == {"add": 0.5}


def test_an_estimate_is_taken_with_its_error(layers: dict[str, np.ndarray]) -> None:
    def gride_2(points: np.ndarray, graph: lg.NeighborGraph) -> object:
        return lg.gride(graph, 2)

    found = lg.profile({"embedding": layers["embedding"]}, k=10, quantities=[gride_2])
    own = lg.gride(lg.neighbor_graph(layers["embedding"], 64), 2)
    assert (found["gride_2"].values[0], found["gride_2"].errors[0]) == (own.value, own.error)


@pytest.mark.parametrize("part", ["points", "distances", "indices", "point"])
def test_what_it_is_given_cannot_be_written_into(layers: dict[str, np.ndarray], part: str) -> None:
    def rude(points: np.ndarray, graph: lg.NeighborGraph) -> float:
        array = points if part == "points" else getattr(graph, part)
        array[0] = 0
        return 0.0

    before = {key: X.copy() for key, X in layers.items()}
    found = lg.profile(layers, k=10, quantities=[rude, spread])
    assert np.isnan(found["rude"].values).all()
    assert any(w.endswith("read-only") for w in found.warnings), found.warnings
    for key, X in layers.items():
        np.testing.assert_array_equal(X, before[key])
    np.testing.assert_array_equal(found.dimension.values, lg.profile(layers, k=10).dimension.values)


def test_an_exception_is_a_warning_of_its_layer_and_the_run_goes_on(
    layers: dict[str, np.ndarray],
) -> None:
    def picky(points: np.ndarray, graph: lg.NeighborGraph) -> float:
        if len(points) < 240:
            raise ZeroDivisionError("too few for me")
        return 1.0

    found = lg.profile(layers, k=10, quantities=[picky, spread])
    np.testing.assert_array_equal(found["picky"].values, [1.0, np.nan])
    assert "block_1: picky is unknown: ZeroDivisionError: too few for me" in found.warnings
    assert np.isfinite(found["spread"].values).all()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("a text", "could not convert string to float"),
        (None, "TypeError"),
        ((1.0, 2.0, 3.0), "too many values"),
        ((1.0, -1.0), "it returned 1 with the error -1"),
        (float("inf"), "it returned inf"),
    ],
)
def test_what_is_no_number_is_a_warning(
    layers: dict[str, np.ndarray], answer: object, told: str
) -> None:
    def odd(points: np.ndarray, graph: lg.NeighborGraph) -> object:
        return answer

    found = lg.profile(layers, k=10, quantities=[odd])
    assert np.isnan(found["odd"].values).all()
    assert any(told in warning and "odd is unknown" in warning for warning in found.warnings)


# ── kept profiles ─────────────────────────────────────────────────────────────────────────────


def defined(power: int) -> Callable[..., float]:
    """Define the same function as a user does who edits a number and runs the cell again."""
    space: dict[str, Any] = {}
    exec(  # noqa: S102
        f"def moment(points, graph):\n    return float((points ** {power}).mean())\n", space
    )
    return space["moment"]


def test_a_second_call_computes_nothing_and_a_changed_function_is_believed(
    layers: dict[str, np.ndarray], tmp_path: Path, counted: list[str]
) -> None:
    first = lg.profile(layers, k=10, quantities=[defined(2)], folder=tmp_path)
    assert counted == ["embedding", "block_1"]
    again = lg.profile(layers, k=10, quantities=[defined(2)], folder=tmp_path)
    assert counted == ["embedding", "block_1"]
    assert again.to_json() == first.to_json()
    changed = lg.profile(layers, k=10, quantities=[defined(4)], folder=tmp_path)
    assert len(counted) == 4
    expected = [(layers["embedding"] ** 4).mean(), (layers["block_1"][:200] ** 4).mean()]
    np.testing.assert_allclose(changed["moment"].values, expected, rtol=1e-12)
    lg.profile(layers, k=10, folder=tmp_path)  # without it: another profile
    assert len(counted) == 6


def test_a_changed_parameter_of_an_estimator_is_believed(
    layers: dict[str, np.ndarray], tmp_path: Path, counted: list[str]
) -> None:
    for add in (0.0, 0.0, 1.0):
        found = lg.profile(layers, k=10, quantities=[Width(add)], folder=tmp_path)
    assert found["Width"].values.tolist() == [11.0, 11.0]
    assert len(counted) == 4


def test_through_a_model_on_data(
    bert_folder: Path, lines: Path, tmp_path: Path, counted: list[str]
) -> None:
    call = {"k": 10, "quantities": [spread], "folder": tmp_path}
    first = lg.profile(bert_folder, lines, **call)  # type: ignore[arg-type]
    size = len(counted)
    again = lg.profile(bert_folder, lines, **call)  # type: ignore[arg-type]
    assert np.isfinite(first["spread"].values).all()
    assert len(counted) == size == len(first.layers)
    assert again.provenance["quantities"][0]["name"] == "spread"
    views = lg.profile_views(bert_folder, lines, pools=["first"], k=10, quantities=[spread])
    assert all("spread" in profile.curves for profile in views.values())


def test_a_training_run_refuses_them(training_run: Path) -> None:
    with pytest.raises(InputError, match="quantities belong to profile"):
        lg.dynamics(training_run, [[1, 2, 3]], quantities=[spread])


def test_it_is_recorded_saved_and_shown(layers: dict[str, np.ndarray], tmp_path: Path) -> None:
    found: Profile = lg.profile(layers, k=10, quantities=[nearest])
    facts = found.provenance["quantities"]
    assert [(q["name"], q["module"]) for q in facts] == [("nearest", __name__)]
    assert len(facts[0]["key"]) == 64
    found.save(tmp_path)
    assert lg.load(tmp_path).to_json() == found.to_json()
    assert json.loads(found.to_json())["curves"]["nearest"]["errors"][0] > 0
    with write_csv(tmp_path / "profile.csv", found).open() as file:
        row = next(csv.DictReader(file))
    assert float(row["nearest"]) == found["nearest"].values[0]
    assert float(row["nearest_error"]) == found["nearest"].errors[0]
    tables = [table for table in report_tables(found) if "Nearest" in table.head]
    assert [table.title for table in tables] == ["Added quantities, layer by layer"]
    assert found.to_frame().loc["block_1", "nearest"] == found["nearest"].values[1]


def test_it_is_drawn_like_the_rest(layers: dict[str, np.ndarray], tmp_path: Path) -> None:
    found = lg.profile(layers, k=10, quantities=[nearest])
    console = Console(width=80, file=io.StringIO())
    console.print(added_table(found))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0].split() == ["layer", "nearest"]
    assert lines[1].startswith("embedding")
    assert "±" in lines[1]
    assert added_table(lg.profile(layers, k=10)) is None
    assert "added_nearest" in [chart.key for chart in report_charts(found, found.reading)]
    assert "added_nearest" in _drawings(found, None, None)
    axes = found.plot("nearest").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), found["nearest"].values)
    with pytest.raises(InputError, match="no quantity 'farthest'; it has anisotropy"):
        found.plot("farthest")


def test_the_command_line_takes_names(
    main: Callable[..., tuple[int, str, str]], no_views: None, states_file: Path, tmp_path: Path
) -> None:
    call = ("run", "--states", states_file, "--k", 10, "-o", tmp_path, "--quantities")
    code, out, err = main(*call, "rankme, dimension_levina_bickel,linearity")
    assert code == 0, err
    assert "rankme" in out
    assert "…" not in out
    found = lg.load(tmp_path)
    names = {"rankme", "dimension_levina_bickel", "linearity_next", "linearity_update_next"}
    assert names <= set(found.curves)
    code, _, err = main(*call, "rank_me")
    assert code == 2
    assert "there is no quantity 'rank_me' to add; there are dimension_levina_bickel" in err


# ── names and kinds ───────────────────────────────────────────────────────────────────────────


def test_names_are_those_of_functions_classes_and_what_a_partial_calls() -> None:
    partial = functools.partial(times, by=2.0)
    assert [q.name for q in added_quantities([spread, Width(), partial])] == [
        *("spread", "Width", "times")
    ]
    assert added_quantities(None) == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda *_: 1.0, r"quantity <lambda> has no name for its column; write it as"),
        ([spread, functools.partial(spread)], "two quantities are named 'spread'"),
        ("no_such_thing", "there is no quantity 'no_such_thing' to add; there are "),
        (SimpleNamespace(fit=None, __name__="x"), None),
    ],
)
def test_what_has_no_name_of_its_own_is_refused(given: object, told: str | None) -> None:
    if told is None:
        assert added_quantities(given)[0].name == "SimpleNamespace"
        return
    with pytest.raises(InputError, match=told):
        added_quantities(given)


@pytest.mark.parametrize("name", ["dimension", "norm", "spread_error", "overlap_next", "layer"])
def test_names_of_columns_are_taken(name: str) -> None:
    def f(points: np.ndarray, graph: lg.NeighborGraph) -> float:
        return 1.0

    f.__name__ = name
    with pytest.raises(InputError, match=f"'{name}' is taken by a column"):
        added_quantities(f)


def test_every_curve_of_a_profile_is_taken(clusters: tuple) -> None:
    found = lg.profile(clusters[0], labels=clusters[1], k=10)
    columns = {name for row in found.rows() for name in row}
    columns = {name for name in columns if not name.endswith(("_error", "_chance"))}
    assert columns <= TAKEN
    assert set(QUANTITIES) <= TAKEN | set(BUILT_IN)


@pytest.mark.parametrize("given", [3, Width, [np.ones(3)]])
def test_what_is_no_quantity_is_refused(given: object) -> None:
    with pytest.raises(InputTypeError, match="a quantity must be a function"):
        added_quantities(given)
