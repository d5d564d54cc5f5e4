import os

import pytest

from layergeom.errors import InputError
from layergeom.show.atomic import replace_file


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = replace_file(tmp_path / "a.txt", "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.txt cannot be written \(No space left"):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="choose another output folder"):
        replace_file(tmp_path / "x" / "report.html", "text")
