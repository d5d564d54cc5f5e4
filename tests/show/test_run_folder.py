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
