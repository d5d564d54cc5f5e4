"""Files of labels without ids: rows matched by their texts, or by their order, and it is said."""

import csv
import gzip

import numpy as np
import pytest

from layergeom.errors import InputError
from layergeom.states.inputs import read_samples
from layergeom.states.labels import labels_of_rows

TEXTS = ["one", "two", "three", "two"]
LONG = "a very long text " * 40


def write(path, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def data(tmp_path, texts=TEXTS):
    return write(tmp_path / "data.csv", ["text", "topic"], *([text, len(text)] for text in texts))


def test_a_table_of_the_same_texts_in_the_same_order(tmp_path):
    rows = zip(TEXTS, "abcd", strict=True)  # the same text twice with two labels: order tells them
    file = write(tmp_path / "y.csv", ["text", "kind"], *rows)
    samples = read_samples(data(tmp_path), labels=f"{file}:kind")
    assert samples.labels == tuple("abcd")
    way = "their order: the texts agree in all 4"
    assert f"The rows of y.csv were matched to the samples by {way}." in samples.notes
    assert samples.sources["labels"].name == "kind"
    assert samples.sources["labels"].origin == f"the column 'kind' of y.csv, matched by {way}"


def test_the_data_file_itself(tmp_path):
    path = data(tmp_path)
    own = read_samples(path, labels="topic").labels
    for labels in (":topic", f"{path}:topic", path):
        assert read_samples(path, labels=labels).labels == own == ("3", "3", "5", "3")


def test_texts_in_another_order_and_some_that_are_not_there(tmp_path):
    rows = [["c", "three"], ["b", "two"], ["x", "four"]]
    file = write(tmp_path / "y.csv", ["kind", "text"], *rows)
    samples = read_samples(data(tmp_path), labels=f"{file}:kind")
    assert samples.labels == (None, "b", "c", "b")
    assert samples.counts["labels_unused"] == 1
    matched = "The rows of y.csv were matched to the samples by their texts, its column 'text'."
    assert matched in samples.notes
    assert "1 of 4 samples has no labels in y.csv: '0'." in samples.notes
    assert "1 text of y.csv is no sample's." in samples.notes


def test_numbers_of_classes_are_no_ids_where_there_are_texts(tmp_path):
    file = write(tmp_path / "y.csv", ["class", "text"], *zip("3210", TEXTS, strict=True))
    assert read_samples(data(tmp_path), labels=f"{file}:class").labels == tuple("3210")


def test_a_sample_of_the_rows_is_matched_by_row_number(tmp_path):
    texts = [f"text {row % 5}" for row in range(20)]  # none tells its row
    kinds = [f"k{row}" for row in range(20)]
    file = write(tmp_path / "y.csv", ["text", "kind"], *zip(texts, kinds, strict=True))
    samples = read_samples(data(tmp_path, texts), labels=f"{file}:kind", max_samples="all")
    assert samples.labels == tuple(kinds)
    rows = write(tmp_path / "d.csv", ["text", "split"], *([t, "ab"[t < "text 2"]] for t in texts))
    samples = read_samples(rows, labels=f"{file}:kind", split="b")
    assert samples.labels == tuple(f"k{row}" for row in range(20) if row % 5 < 2)


def test_ids_go_before_texts_unless_they_are_others(tmp_path):
    rows = [["p", "one", "a"], ["q", "two", "b"]]
    file = write(tmp_path / "y.csv", ["id", "text", "kind"], *rows)
    crossed = {"id": ["q", "p"], "text": ["one", "two"]}
    assert read_samples(crossed, labels=f"{file}:kind").labels == ("b", "a")
    assert read_samples(["two", "one"], labels=f"{file}:kind").labels == ("b", "a")


def test_columns_that_were_joined_for_the_model(tmp_path):
    rows = [["x", "y", "a"], ["z", "u", "b"]]
    file = write(tmp_path / "y.csv", ["title", "body", "kind"], *rows)
    samples = read_samples(
        {"title": ["z", "x"], "body": ["u", "y"]}, text_column="title,body", labels=f"{file}:kind"
    )
    assert samples.labels == ("b", "a")
    assert "its columns 'title' and 'body'" in samples.sources["labels"].origin


def test_one_text_with_two_labels_is_refused_and_cut(tmp_path):
    file = write(tmp_path / "y.csv", ["text", "kind"], [LONG, "a"], [LONG, "b"], ["one", "c"])
    with pytest.raises(
        InputError, match=r"y.csv, line 3 gives the text 'a very .*…' a second"
    ) as e:
        read_samples(["one", LONG], labels=file)
    assert len(str(e.value)) < 200


def test_other_texts_are_refused_and_cut(tmp_path):
    file = write(tmp_path / "y.csv", ["text", "kind"], [LONG, "a"], ["u", "b"])
    with pytest.raises(InputError, match=r"none of the 2 samples: .* \(its first is 'a very") as e:
        read_samples(["one", "two"], labels=file)
    assert len(str(e.value)) < 250


def test_a_file_of_ids_that_are_texts_is_cut(tmp_path):
    file = write(tmp_path / "y.csv", [LONG, "a"], [LONG + "b", "b"])
    with pytest.raises(InputError, match="labels none of the 2 samples") as e:
        read_samples(["one", "two"], labels=file)
    assert len(str(e.value)) < 250


def test_the_texts_are_no_labels(tmp_path):
    path = data(tmp_path)
    with pytest.raises(InputError, match=r"holds the samples' texts, no labels; 'data.csv:topic'"):
        read_samples(path, labels=f"{path}:text")


def test_where_nobody_knows_the_texts_as_many_rows_are_taken_in_order(tmp_path):
    path = data(tmp_path)
    found = labels_of_rows(f"{path}:topic", ["0", "1", "2", "3"], "labels")
    assert found.labels == ("3", "3", "5", "3")
    assert "by their order alone: both have 4" in found.notes[0]
    for ids in (["0", "1", "2"], ["p", "q", "r", "s"]):
        with pytest.raises(InputError, match="the samples' texts are not known"):
            labels_of_rows(f"{path}:topic", ids, "labels")


FASTA = ">p a.1.1.1\nmkv\n>q a.1.2.1\nACD\n>r b.1.1.1\nACE\n"


@pytest.mark.parametrize("name", ["x.fasta", "x.fa.gz"])
def test_headers_of_fasta(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(FASTA.encode()) if "gz" in name else FASTA.encode())
    found = labels_of_rows(f"{path}:fold", ["r", "p"], "labels")
    assert found.labels == ("b.1", "a.1")
    assert found.notes == ("1 id of x.fasta is no sample's: 'q'.".replace("x.fasta", name),)
    samples = read_samples(["ACD", "MKV"], labels=f"{path}:superfamily")
    assert samples.labels == ("a.1.2", "a.1.1")
    with pytest.raises(InputError, match=rf"is a FASTA file; name what .*'{name}:superfamily'"):
        labels_of_rows(path, ["p"], "labels")
    with pytest.raises(InputError, match=r"no column 'topic'; it has 'id', 'sequence', 'sccs'"):
        labels_of_rows(f"{path}:topic", ["p"], "labels")
    path.write_bytes(gzip.compress(b">p\nMKV\n") if "gz" in name else b">p\nMKV\n")
    with pytest.raises(InputError, match="headers hold no code of SCOPe"):
        labels_of_rows(path, ["p"], "labels")


def test_arrays_of_tokens_and_labels(tmp_path):
    np.savez(tmp_path / "d.npz", tokens=np.array([[1, 2], [3, 4]]), label=np.array([7, 8]))
    file = tmp_path / "d.npz"
    assert read_samples(np.array([[3, 4], [1, 2]]), labels=f"{file}:label").labels == ("8", "7")
    assert read_samples(file, labels=file).labels == ("7", "8")


def test_a_column_of_data_is_asked_for_with_a_colon_where_a_file_has_its_name(tmp_path):
    path = data(tmp_path)
    with pytest.raises(InputError, match=r"no column 'kind' for labels; it has 'text', 'topic'"):
        read_samples(path, labels=":kind")
    with pytest.raises(InputError, match=r"give the data as .*data.csv, and its column apart"):
        read_samples(f"{path}:topic")
