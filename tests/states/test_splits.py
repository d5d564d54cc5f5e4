import numpy as np
import pandas as pd
import pytest

from layergeom.errors import InputError, InputTypeError
from layergeom.states.inputs import read_samples

CSV = "sequence,label,split\nMKV,a,train\nACD,b,test\nGGG,a,test\nPPP,b,train\n"


@pytest.fixture
def table(tmp_path):
    (tmp_path / "x.csv").write_text(CSV)
    return tmp_path / "x.csv"


@pytest.mark.parametrize("split", ["test", "split:test"])
def test_sequences_labels_and_split_of_a_csv_in_one_call(table, split):
    samples = read_samples(table, labels="label", split=split)
    assert samples.items == ("ACD", "GGG")
    assert (samples.labels, samples.ids, samples.sampled_from) == (("b", "a"), ("1", "2"), 2)
    assert f"The split {split!r} has 2 of the 4 rows of x.csv." in samples.notes
    assert samples.fingerprint == read_samples(["ACD", "GGG"]).fingerprint


def test_any_column_may_choose(table):
    assert read_samples(table, split="label:a").items == ("MKV", "GGG")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("valid", "no split 'valid' in the column 'split' of x.csv; there are 'train', 'test'"),
        ("split:valid", "no split 'valid' in the column 'split'"),
        ("label:c", "no split 'c' in the column 'label' of x.csv; there are 'a', 'b'"),
        ("", "no split '' in the column 'split'"),
    ],
)
def test_an_unknown_value_lists_those_there_are(table, split, message):
    with pytest.raises(InputError, match=message):
        read_samples(table, split=split)


def test_no_column_to_choose_by(tmp_path):
    with pytest.raises(InputError, match=r"data has no column 'test' for split='test'; it has 'te"):
        read_samples(["a", "b"], split="test")
    with pytest.raises(InputTypeError, match=r"split must be a text such as 'test', not int"):
        read_samples({"text": ["a"], "split": [1]}, split=1)


def test_numbers_colons_and_missing_values():
    frame = pd.DataFrame({"text": list("abc"), "fold": [1.0, None, 2.0], "a:b": ["x:1", "y", "y"]})
    assert read_samples(frame, split="fold:2").items == ("c",)
    assert read_samples(frame, split="a:b:x:1").items == ("a",)
    with pytest.raises(InputError, match=r"no split '3' in .* there are '1', '2'"):
        read_samples(frame, split="fold:3")


def test_labels_one_by_one_are_of_the_whole_or_of_the_split(table, tmp_path):
    whole = read_samples(table, split="test", labels=[0, 1, 2, 3])
    assert whole.labels == ("1", "2") == read_samples(table, split="test", labels=[1, 2]).labels
    (tmp_path / "y.txt").write_text("p\nq\nr\ns\n")
    assert read_samples(table, split="test", labels=tmp_path / "y.txt").labels == ("q", "r")
    with pytest.raises(InputError, match=r"labels have length 3 but there are 2 rows"):
        read_samples(table, split="test", labels=[1, 2, 3])


def test_a_fault_names_the_row_in_the_whole_file(tmp_path):
    (tmp_path / "x.csv").write_text("text,split\na,train\n ,test\n")
    with pytest.raises(InputError, match=r"x.csv, line 3: the text is empty"):
        read_samples(tmp_path / "x.csv", split="test")
    with pytest.raises(InputError, match=r"data, row 1: the text is empty"):
        read_samples({"text": ["a", ""], "split": ["train", "test"]}, split="test")
    assert read_samples(tmp_path / "x.csv", split="train").items == ("a",)


class Splits(dict):
    column_names = property(lambda self: {name: ["text"] for name in self})


def test_a_dataset_with_splits():
    data = Splits(train={"text": ["a"]}, test={"text": ["b", "c"]})
    assert read_samples(data, split="test").items == ("b", "c")
    with pytest.raises(InputError, match=r"splits \(train, test\); choose one with split"):
        read_samples(data)
    with pytest.raises(InputError, match=r"no split 'dev' in the dataset; .* 'train', 'test'"):
        read_samples(data, split="dev")


def test_tokens_and_images_are_chosen_alike():
    tokens = {"tokens": np.arange(6).reshape(3, 2), "split": np.array(["a", "b", "a"])}
    assert [row.tolist() for row in read_samples(tokens, split="a").items] == [[0, 1], [4, 5]]
    images = {"images": np.arange(12, dtype=np.uint8).reshape(3, 2, 2), "split": ["a", "b", "a"]}
    chosen = read_samples(images, split="a").items
    assert [np.asarray(image)[0, 0, 0] for image in chosen] == [0, 8]
