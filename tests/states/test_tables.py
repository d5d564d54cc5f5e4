from types import SimpleNamespace

import pandas as pd
import pytest

from layergeom.errors import InputError, InputTypeError
from layergeom.states.tables import from_columns, is_columnar, read_table


def table(tmp_path, name, text, header=True):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_table(tmp_path / name, lambda _: header)


def test_text_lines_keep_their_numbers_and_lose_blank_ends(tmp_path):
    read = table(tmp_path, "x.txt", "one\n two \r\n\n\n")
    assert read.columns == {"text": ["one", " two "]}
    assert read.place(1) == "x.txt, line 2"


def test_csv_with_quotes_breaks_and_commas(tmp_path):
    read = table(tmp_path, "x.csv", 'id,text\n1,"a ""b"", c"\n2,"two\nlines"\n3,end\n\n')
    assert read.columns == {"id": ["1", "2", "3"], "text": ['a "b", c', "two\nlines", "end"]}
    assert read.place(2) == "x.csv, line 5"


def test_csv_without_header_numbers_its_columns_and_says_so(tmp_path):
    read = table(tmp_path, "x.csv", "3,title\n4,other\n", header=False)
    assert read.columns == {"0": ["3", "4"], "1": ["title", "other"]}
    assert read.notes == ("x.csv was read as having no header.",)


def test_tsv_knows_no_quotes_and_says_when_there_are_some(tmp_path):
    read = table(tmp_path, "x.tsv", 'text\tlabel\n"so\t1\nhe said "no"\t0\n"both"\t0\n')
    assert read.columns["text"] == ['"so', 'he said "no"', '"both"']
    assert "1 fields of x.tsv keep their quotes" in read.notes[0]


def test_a_field_beyond_the_modules_limit(tmp_path):
    read = table(tmp_path, "x.csv", f"text\n{'x' * 200_000}\n")
    assert len(read.columns["text"][0]) == 200_000


def test_json_lines_with_missing_fields(tmp_path):
    read = table(tmp_path, "x.jsonl", '{"text": "a", "y": 1}\n{"text": "b", "z": null}\n\n')
    assert read.columns == {"text": ["a", "b"], "y": [1, None], "z": [None, None]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "a,b\n1,2\n1,2,3\n", "x.csv, line 3 has 3 fields but there are 2 columns"),
        ("x.csv", "a\n1\n\n2\n", r"line 3 has no fields \(a blank line\)"),
        ("x.csv", 'a\n"open\n', "line 2 is no valid row"),
        ("x.csv", 'a\n"x"y\n', "line 2 is no valid row"),
        ("x.csv", "a,a\n1,2\n", "names a column twice"),
        ("x.csv", "text;label\nx;1\n", "separated by semicolons"),
        ("x.csv", "a,b\n", "holds no rows"),
        ("x.csv", "", "holds no rows"),
        ("x.txt", "\n\n", "holds no rows"),
        ("x.jsonl", '{"a": 1}\n{"a": \n', "x.jsonl, line 2 is no valid JSON"),
        ("x.jsonl", '{"a": 1}\n[1]\n', "x.jsonl, line 2 is no JSON object"),
        ("x.jsonl", '{"a": 1}\n\n{"a": 1}\n', "x.jsonl, line 2 is blank"),
        ("x.jsonl", "[" * 100_000, "line 1 is no valid JSON"),
        ("x.parquet", "PAR1", "of no known kind; texts are read from .txt, .jsonl, .csv"),
    ],
)
def test_malformed_files_are_named_by_line(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        table(tmp_path, name, text)


class Dataset:
    """The part of a Hugging Face dataset that is used."""

    def __init__(self, columns, names):
        self.column_names = list(columns)
        self.columns = columns
        self.features = {"label": SimpleNamespace(names=names), "text": SimpleNamespace()}

    def __getitem__(self, name):
        return self.columns[name]


def test_a_datasets_object_gives_class_names():
    data = Dataset({"text": ["a", "b", "c"], "label": [1, 0, -1]}, ["no", "yes"])
    assert is_columnar(data)
    read = from_columns(data, "data")
    assert read.columns == {"text": ["a", "b", "c"], "label": ["yes", "no", None]}
    assert read.place(2) == "data, row 2"


def test_frames_and_mappings_are_tables_but_series_and_lists_are_not():
    frame = pd.DataFrame({"text": ["a", "b"], 3: [1, 2]})
    assert is_columnar(frame)
    assert from_columns(frame, "data").columns == {"text": ["a", "b"], "3": [1, 2]}
    assert from_columns({"x": ["a"]}, "data").n == 1
    assert not is_columnar(["a"])
    assert not is_columnar(frame["text"])


def test_columns_of_different_length():
    with pytest.raises(InputError, match=r"differ in length: {'a': 1, 'b': 2}"):
        from_columns({"a": [1], "b": [1, 2]}, "data")


def test_splits_and_streams_say_what_to_pass():
    splits = SimpleNamespace(column_names={"train": ["text"], "test": ["text"]})
    with pytest.raises(InputError, match=r"splits \(train, test\); choose one"):
        is_columnar(splits)
    with pytest.raises(InputTypeError, match=r"streamed"):
        is_columnar(SimpleNamespace(column_names=["text"]))


def test_an_unknown_column_lists_those_that_exist(tmp_path):
    with pytest.raises(InputError, match=r"x.csv has no column 'z'; it has 'a', 'b'"):
        table(tmp_path, "x.csv", "a,b\n1,2\n").column("z")
