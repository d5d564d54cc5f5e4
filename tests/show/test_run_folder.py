import csv

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.profiles import load
from layergeom.show import run_folder


def test_a_run_leaves_everything(profile, reading, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(run_folder, "save_figures", lambda *given: drawn.append(given[2]))
    paths = run_folder.write_run(tmp_path / "run", profile, reading, command="layergeom run a b")
    names = [path.name for path in paths]
    assert names == [
        "report.html", "profile.csv", "profile.json", "figures", "methods.txt", "references.bib",
    ]  # fmt: skip
    assert drawn == [tmp_path / "run" / "figures"]
    assert all(path.is_file() for path in paths if path.name != "figures")
    assert load(paths[2]).layers == profile.layers
    assert "layergeom run a b" in paths[0].read_text("utf-8")


@pytest.fixture
def of_training(dynamics, reading, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "save_figures", lambda *_: None)
    return run_folder.write_run(tmp_path / "run", dynamics.profiles[-1], reading, dynamics)


def test_a_training_leaves_a_table_of_layers_by_checkpoints(of_training, dynamics):
    assert [path.name for path in of_training[:3]] == [
        "report.html", "dynamics.csv", "profile.csv",
    ]  # fmt: skip
    assert {path.name for path in of_training[1].parent.iterdir()} == {
        path.name for path in of_training if path.name != "figures"
    }
    rows = list(csv.DictReader(of_training[1].open(encoding="utf-8", newline="")))
    assert list(rows[0])[:4] == ["checkpoint", "step", "layer", "depth"]
    assert len(rows) == 5 * 13
    frame = dynamics.to_frame().reset_index()
    assert set(rows[0]) == set(frame)
    assert [row["layer"] for row in rows] == frame["layer"].tolist()
    for name in ("step", "depth", "dimension", "dimension_error", "overlap_to_final"):
        read = [float(row[name]) for row in rows]
        np.testing.assert_array_equal(read, frame[name], err_msg=name)
    assert rows[0]["undefined"] == "undefined: 7 distinct points"


def test_a_table_that_cannot_be_written_leaves_the_one_before(
    of_training, dynamics, reading, monkeypatch
):
    before = of_training[1].read_bytes()
    written = run_folder.replace_file

    def full(path, content):
        if path.name == "dynamics.csv":
            raise InputError("no room")
        return written(path, content)

    monkeypatch.setattr(run_folder, "replace_file", full)
    with pytest.raises(InputError, match="no room"):
        run_folder.write_run(of_training[0].parent, dynamics.profiles[-1], reading, dynamics)
    assert of_training[1].read_bytes() == before
