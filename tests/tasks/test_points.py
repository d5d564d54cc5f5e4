"""A finished run point by point: the table, and the command that writes it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layergeom import api
from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry import local_dimension, neighbor_graph
from layergeom.show.table import write_points
from layergeom.tasks.points import COLUMNS, point_table

Main = Callable[..., tuple[int, str, str]]
N = 240


def layers() -> dict[str, np.ndarray]:
    """Two layers; the second has a repeated row and one far from all others."""
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((N, 6)), rng.random((N, 3))
    second[9] = second[4]
    second[7] += 50
    return {"embedding": first, "block_1": second}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points") / "run"
    api.profile(layers(), k=10, folder=folder)
    return folder


def test_the_table_is_that_of_the_layer(run: Path) -> None:
    rows = point_table(run, "block_1")
    graph = neighbor_graph(layers()["block_1"], k=10)
    found = local_dimension(graph, 10)
    assert [list(row) for row in rows] == [list(COLUMNS)] * N
    np.testing.assert_array_equal([row["local_dimension"] for row in rows], found.values)
    np.testing.assert_array_equal([row["local_dimension_error"] for row in rows], found.errors)
    distances = graph.points[0][graph.point]
    np.testing.assert_array_equal([row["r1"] for row in rows], distances[:, 0])
    np.testing.assert_array_equal([row["rk"] for row in rows], distances[:, 9])


def test_repeats_and_outliers_are_told(run: Path) -> None:
    rows = point_table(run, "block_1")
    repeated = [row["id"] for row in rows if row["multiplicity"] == 2]
    assert repeated == ["4", "9"]
    assert rows[4]["local_dimension"] == rows[9]["local_dimension"]
    assert rows[4]["r1"] > 0
    assert [row["id"] for row in rows if "far" in row["outlier"]] == ["7"]


def test_k_is_chosen_and_reaches_beyond_that_of_the_run(run: Path) -> None:
    graph = neighbor_graph(layers()["embedding"], k=40)
    rows = point_table(run, "embedding", k=40)
    assert [row["rk"] for row in rows] == graph.distances[:, 39].tolist()


def test_groups_are_those_of_the_run(tmp_path: Path) -> None:
    groups = np.arange(N) // 2
    api.profile(layers(), k=10, folder=tmp_path, groups=groups)
    graph = neighbor_graph(layers()["embedding"], k=64, groups=groups)
    rows = point_table(tmp_path, "embedding")
    assert [row["r1"] for row in rows] == graph.distances[:, 0].tolist()
    found = local_dimension(graph, 10)
    assert [row["local_dimension"] for row in rows] == found.values.tolist()


def test_lists_that_meet_few_groups_are_told(tmp_path: Path) -> None:
    groups = np.arange(N) // 24  # ten groups
    api.profile({"a": layers()["embedding"]}, k=10, folder=tmp_path, groups=groups)
    with pytest.warns(GeometryWarning, match=r"reach \d other groups .* not of 10"):
        rows = point_table(tmp_path, "a")
    assert all(np.isfinite(row["local_dimension"]) for row in rows)
    with pytest.raises(InputError, match="groups that every list meets"):
        point_table(tmp_path, "a", k=10)


def test_ids_are_those_of_the_user(
    main: Main, lines: Path, bert_folder: Path, no_views: None, tmp_path: Path
) -> None:
    data = tmp_path / "texts.csv"
    texts = lines.read_text().splitlines()
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *([f"t{i}", x] for i, x in enumerate(texts))])
    code, _, error = main("run", bert_folder, data, "--k", 8, "-o", tmp_path / "run")
    assert code == 0, error
    rows = point_table(tmp_path / "run", "block_1")
    assert [row["id"] for row in rows] == [f"t{i}" for i in range(len(texts))]


def test_a_layer_that_is_not_there_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no layer 'block_9'; it has embedding, block_1"):
        point_table(run, "block_9")
    with pytest.raises(InputError, match="there is no profile"):
        point_table(tmp_path, "block_1")


def test_the_report_writes_the_table(run: Path, main: Main, no_views: None, tmp_path: Path) -> None:
    code, out, error = main("report", run, "--points", "block_1", "-o", tmp_path / "again")
    assert code == 0, error
    file = tmp_path / "again" / "points_block_1.csv"
    assert str(file) in " ".join(out.split())
    with file.open(newline="") as text:
        read = list(csv.DictReader(text))
    expected = point_table(run, "block_1")
    assert [row["id"] for row in read] == [row["id"] for row in expected]
    assert [float(row["local_dimension"]) for row in read] == [
        row["local_dimension"] for row in expected
    ]
    code, out, _ = main("report", run, "--points", "embedding", "--json", "-o", tmp_path)
    assert str(tmp_path / "points_embedding.csv") in json.loads(out)["files"]


def test_the_command_refuses_an_unknown_layer(run: Path, main: Main, no_views: None) -> None:
    code, _, error = main("report", run, "--points", "7")
    assert code == 2
    assert "it has embedding, block_1" in " ".join(error.split())


def test_names_of_layers_become_names_of_files(tmp_path: Path) -> None:
    assert write_points(tmp_path, "../a b/λ.1", [{"id": "1"}]) == tmp_path / "points_.._a_b_λ.1.csv"
