import numpy as np
import pandas as pd
import pytest
import torch

from layergeom.errors import InputError, InputTypeError
from layergeom.states.labels import row_labels
from layergeom.states.tables import Table

TABLE = Table("texts.csv", {"text": ["x", "y", "z"], "topic": ["a", "", "b"]}, 3)
IDS = ("p", "q", "r")


def labels(source, role="labels"):
    return row_labels(source, TABLE, IDS, role)


def test_no_labels():
    assert labels(None) == (None, (), {}, None)


def test_a_column_with_a_missing_label():
    source = ("topic", "the column 'topic' of texts.csv")
    assert labels("topic") == (("a", None, "b"), (), {"labels_missing": 1}, source)
    assert labels(":topic") == labels("topic")


@pytest.mark.parametrize(
    "source",
    [
        [0, 1, 1],
        ["0", "1", "1"],
        np.array([0, 1, 1]),
        np.array([0.0, 1.0, 1.0]),
        pd.Series([0, 1, 1]),
        pd.Series(["0", "1", "1"]),
        torch.tensor([0, 1, 1]),
    ],
)
def test_sequences_of_any_kind_are_the_same_classes(source):
    assert labels(source)[0] == ("0", "1", "1")


def test_missing_values_of_any_kind():
    assert labels([None, "", float("nan")])[0] == (None, None, None)
    assert labels(pd.Series([1, None, 2]))[0] == ("1", None, "2")


@pytest.mark.parametrize("source", [[1, 2], [1, 2, 3, 4]])
def test_another_length_names_both(source):
    match = f"labels have length {len(source)} but there are 3 rows in texts.csv"
    with pytest.raises(InputError, match=match):
        labels(source)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (np.eye(3), InputError, r"one per row but have shape \(3, 3\)"),
        ([0.1, "a", 0.3], InputError, "real number 0.1"),
        ([{1: 2}, {2: 3}, {3: 4}], InputTypeError, "hold a dict"),
        (3.5, InputTypeError, "a column name, a file or one value per row"),
        (True, InputTypeError, "are bool"),
        ("nope", InputError, "no column 'nope' for labels.* it has 'text', 'topic'"),
        ("none.tsv", InputError, "no file none.tsv for labels"),
    ],
)
def test_bad_labels_are_one_sentence(source, error, message):
    with pytest.raises(error, match=message):
        labels(source)


def test_a_file_with_a_label_per_line(tmp_path):
    (tmp_path / "y.txt").write_text("a\nb\na\n")
    assert labels(tmp_path / "y.txt")[0] == ("a", "b", "a")
    (tmp_path / "y.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"labels \(y.txt\) have length 2 but there are 3"):
        labels(str(tmp_path / "y.txt"))


def test_one_column_with_and_without_header(tmp_path):
    (tmp_path / "y.csv").write_text("a\nb\na\n")
    assert labels(tmp_path / "y.csv")[:2] == (("a", "b", "a"), ())
    (tmp_path / "y.csv").write_text("class\na\nb\na\n")
    found, notes, *_ = labels(tmp_path / "y.csv")
    assert found == ("a", "b", "a")
    assert "'class', was read as the header" in notes[0]


@pytest.mark.parametrize("header", ["id\tlabel\n", "name\tfamily\n", ""])
def test_ids_and_labels_in_any_order(tmp_path, header):
    (tmp_path / "y.tsv").write_text(f"{header}r\tc\np\ta\nelse\tx\n")
    found, notes, counts, _ = labels(tmp_path / "y.tsv", "exclude")
    assert found == ("a", None, "c")
    assert notes[-2:] == (
        "1 of 3 samples has no exclude in y.tsv: 'q'.",
        "1 id of y.tsv is no sample's: 'else'.",
    )
    assert counts == {"exclude_missing": 1, "exclude_unused": 1}


def test_more_columns_need_names(tmp_path):
    (tmp_path / "y.csv").write_text("x,label,id\n0,a,p\n0,b,q\n0,c,r\n")
    assert labels(tmp_path / "y.csv")[0] == ("a", "b", "c")
    (tmp_path / "y.csv").write_text("x,y,z\n0,a,p\n")
    with pytest.raises(InputError, match=r"must have the columns 'id' and 'label'; it has 'x'"):
        labels(tmp_path / "y.csv")


def test_ids_that_do_not_fit(tmp_path):
    (tmp_path / "y.csv").write_text("id,label\n1,a\n2,b\n")
    with pytest.raises(
        InputError, match=r"none of the 3 samples: its ids are '1', '2', theirs 'p', 'q', 'r'"
    ):
        labels(tmp_path / "y.csv")
    (tmp_path / "y.csv").write_text("id,label\np,a\np,b\n")
    with pytest.raises(InputError, match=r"y.csv, line 3 gives the id 'p' a second"):
        labels(tmp_path / "y.csv")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "y.npy").touch()
    with pytest.raises(InputError, match=r"y.npy is no file of labels; they are read from .txt"):
        labels(tmp_path / "y.npy")
