import gzip
from pathlib import Path

import pytest

from layergeom.errors import InputError
from layergeom.states import lines
from layergeom.states.lines import read_lines, suffix


def test_plain_and_gzipped_lines_are_the_same(tmp_path):
    text = "\ufeffeins\r\nzwei ü\n\nvier"
    (tmp_path / "x.txt").write_bytes(text.encode())
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(text.encode()))
    expected = [(1, "eins\r\n"), (2, "zwei ü\n"), (3, "\n"), (4, "vier")]
    assert list(read_lines(tmp_path / "x.txt")) == expected
    assert list(read_lines(tmp_path / "x.txt.gz")) == expected


def test_other_encodings_are_named_by_line(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"fine\nfine\nM\xfcnchen\n")
    with pytest.raises(InputError, match=r"x\.txt, line 3 is not UTF-8"):
        list(read_lines(tmp_path / "x.txt"))


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*none\.txt"):
        list(read_lines(tmp_path / "none.txt"))
    with pytest.raises(InputError, match=r"is a folder; a file is needed"):
        list(read_lines(tmp_path))


@pytest.mark.parametrize("damage", [b"no gzip at all", gzip.compress(b"text\n" * 99)[:-9]])
def test_damaged_gzip(tmp_path, damage):
    (tmp_path / "x.txt.gz").write_bytes(damage)
    with pytest.raises(InputError, match=r"damaged gzip"):
        list(read_lines(tmp_path / "x.txt.gz"))


def test_a_gzip_bomb_is_refused_above_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "FREE_EXPANSION", 1 << 16)
    (tmp_path / "x.txt.gz").write_bytes(gzip.compress(b"0123456\n" * (1 << 17)))
    with pytest.raises(InputError, match=r"expands to more than 200 times"):
        list(read_lines(tmp_path / "x.txt.gz"))


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE", 1 << 20)
    (tmp_path / "x.txt").write_bytes(b"ok\n" + bytes(1 << 21))
    with pytest.raises(InputError, match=r"line 2 is longer than"):
        list(read_lines(tmp_path / "x.txt"))


@pytest.mark.parametrize(
    ("name", "kind"), [("a.CSV", ".csv"), ("a.tsv.gz", ".tsv"), ("a.gz", ""), ("a", "")]
)
def test_suffix(name, kind):
    assert suffix(Path(name)) == kind
