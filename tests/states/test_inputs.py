from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from layergeom.errors import InputError, InputTypeError
from layergeom.states.inputs import read_samples
from layergeom.states.sampling import MAX_SAMPLES


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_a_list_of_texts():
    samples = read_samples(["a", "b"])
    assert (samples.kind, samples.items, samples.ids) == ("text", ("a", "b"), ("0", "1"))
    assert (samples.labels, samples.exclude, samples.sampled_from) == (None, None, 2)
    assert samples.notes == ()


@pytest.mark.parametrize("data", [("a", "b"), pd.Series(["a", "b"]), np.array(["a", "b"])])
def test_sequences_of_texts_are_the_same(data):
    assert read_samples(data).fingerprint == read_samples(["a", "b"]).fingerprint


def test_ids_labels_and_groups_of_a_csv(tmp_path):
    path = write(tmp_path, "x.csv", "id,text,sf,fam\np,a,1,1.1\nq,b,1,\nr,c,2,2.1\n")
    samples = read_samples(path, labels="sf", exclude="fam")
    assert samples.ids == ("p", "q", "r")
    assert samples.labels == ("1", "1", "2")
    assert samples.exclude == ("1.1", None, "2.1")
    assert samples.notes == ("The texts are the column 'text' of x.csv.",)


AG = '"3","Title","Body, one"\n"4","Other","Body two"\n'


@pytest.mark.parametrize("column", ["1,2", "1, 2", [1, 2], ("1", "2")])
def test_a_csv_without_header_joins_columns_by_number(tmp_path, column):
    samples = read_samples(write(tmp_path, "ag.csv", AG), text_column=column, labels="0")
    assert samples.items == ("Title Body, one", "Other Body two")
    assert samples.labels == ("3", "4")
    assert "ag.csv was read as having no header." in samples.notes


def test_numbers_that_are_names_of_the_header(tmp_path):
    path = write(tmp_path, "x.csv", "0,1\na,x\nb,y\n")
    assert read_samples(path, text_column=0, labels=1).items == ("a", "b")


def test_columns_by_name_are_joined(tmp_path):
    path = write(tmp_path, "x.csv", "title,body\na,b\n,c\n")
    assert read_samples(path, text_column="title,body").items == ("a b", "c")


def test_the_only_column_needs_no_name(tmp_path):
    path = write(tmp_path, "x.jsonl", '{"review": "fine"}\n')
    assert read_samples(path).items == ("fine",)


def test_the_only_column_of_a_csv_is_named_lest_its_header_was_a_text(tmp_path):
    samples = read_samples(write(tmp_path, "x.csv", "first sentence\nsecond sentence\n"))
    assert samples.notes == ("The texts are the column 'first sentence' of x.csv.",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no column 'text', so name one with text_column; it has 'a', 'b'"),
        ({"text_column": "c"}, "x.csv has no column 'c'; it has 'a', 'b'"),
        ({"text_column": "a,c"}, "x.csv has no column 'c'"),
        ({"text_column": 7}, "x.csv has no column '7'; it has '0', '1'"),
        ({"text_column": "a", "labels": "c"}, "no column 'c' for labels"),
        ({"text_column": "a", "labels": [1]}, "labels have length 1 but there are 2 rows"),
        ({"text_column": "a", "max_samples": 0}, "max_samples must be at least 1"),
    ],
)
def test_bad_options_name_the_choice(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read_samples(write(tmp_path, "x.csv", "a,b\n1,2\n3,4\n"), **options)


def test_an_empty_text_is_named_by_its_line(tmp_path):
    path = write(tmp_path, "x.txt", "a\n" * 16 + " \nb\n")
    with pytest.raises(InputError, match=r"x.txt, line 17: the text is empty"):
        read_samples(path)
    with pytest.raises(InputError, match=r"data, row 1: the text is empty"):
        read_samples(["a", ""])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["a", None], "row 1: the text is missing"),
        (["a", 3], "row 1: the text is a int"),
        ([1.5, 2.5], "row 0: the text is a float"),
        (b"abc", "cannot be read from bytes"),
        (3, "cannot be read from int"),
        (iter(["a"]), "cannot be read from list_iterator"),
        (np.ones((3, 4)), "dtype float64 .*stored states"),
        (np.ones((3, 4, 2), dtype=int), "2 dimensions"),
        (np.ones((3, 4), dtype=bool), "dtype bool"),
    ],
)
def test_neither_texts_nor_tokens(data, message):
    with pytest.raises(InputTypeError, match=message):
        read_samples(data)


@pytest.mark.parametrize(
    "data", [[], pd.Series([], dtype=str), {"text": []}, np.empty((0, 4), dtype=int)]
)
def test_no_rows(data):
    with pytest.raises(InputError, match=r"no rows"):
        read_samples(data)


@pytest.mark.parametrize(
    "data",
    [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], "i4"), torch.tensor([[1, 2], [3, 4]])],
)
def test_tokens_from_arrays_and_lists(data):
    samples = read_samples(data, labels=["x", "y"])
    assert samples.kind == "tokens"
    assert [item.tolist() for item in samples.items] == [[1, 2], [3, 4]]
    assert all(item.dtype == np.int64 for item in samples.items)
    assert samples.fingerprint == read_samples([[1, 2], (3, 4)]).fingerprint


def test_ragged_tokens_are_rows_of_their_own_length():
    assert [len(row) for row in read_samples([[1], [2, 3]]).items] == [1, 2]


def test_bad_tokens_name_the_row():
    with pytest.raises(InputError, match=r"row 1: the sequence is empty"):
        read_samples([[1], []])
    with pytest.raises(InputError, match=r"row 1: token ids must be"):
        read_samples([[1], [-1]])
    with pytest.raises(InputTypeError, match=r"row 1: tokens are"):
        read_samples([[1], [[1], [2, 3]]])


def test_the_fingerprint_is_of_content_and_order():
    a = read_samples(["a", "b"])
    assert a.fingerprint == read_samples(["a", "b"], labels=[1, 2]).fingerprint
    others = [["b", "a"], ["ab"], ["a", "b", "b"], [[97], [98]]]
    assert a.fingerprint not in {read_samples(other).fingerprint for other in others}


def test_take_keeps_rows_together():
    taken = read_samples(["a", "b", "c"], labels=[1, 2, 3]).take(np.array([2, 0]))
    assert (taken.items, taken.ids, taken.labels) == (("c", "a"), ("2", "0"), ("3", "1"))
    assert taken.sampled_from == 3
    assert len(taken) == 2


def test_repeats_are_counted_in_texts_ids_and_tokens(tmp_path):
    path = write(tmp_path, "x.csv", "id,text\np,a\np,a\nr,a\n")
    notes = read_samples(path).notes
    assert "2 of 3 texts repeat an earlier one." in notes
    assert "1 of 3 ids of x.csv repeat an earlier one." in notes
    assert read_samples([[1], [1]]).notes == ("1 of 2 token sequences repeats an earlier one.",)


def test_a_large_set_is_sampled_with_one_line_unless_all_is_asked():
    texts = [f"t{i}" for i in range(MAX_SAMPLES + 10)]
    samples = read_samples(texts)
    assert len(samples) == MAX_SAMPLES
    assert samples.sampled_from == MAX_SAMPLES + 10
    assert samples.notes == (
        "20,000 of 20,010 rows were sampled (seed 0); max_samples='all' uses every row.",
    )
    assert [int(i) for i in samples.ids] == sorted(int(i) for i in samples.ids)
    assert len(read_samples(texts, max_samples="all")) == MAX_SAMPLES + 10


def test_sampling_is_seeded():
    texts = [f"t{i}" for i in range(100)]
    first = read_samples(texts, max_samples=10)
    assert first.ids == read_samples(texts, max_samples=10).ids
    assert first.ids != read_samples(texts, max_samples=10, seed=1).ids


def test_sampling_is_balanced_as_far_as_the_classes_reach():
    classes = ["big"] * 80 + ["mid"] * 15 + ["small"] * 5
    samples = read_samples([f"t{i}" for i in range(100)], labels=classes, max_samples=31)
    assert Counter(samples.labels) == {"big": 13, "mid": 13, "small": 5}
    assert all(classes[int(i)] == y for i, y in zip(samples.ids, samples.labels, strict=True))
    assert "balanced over 3 labels" in samples.notes[0]


def test_more_labels_than_a_sample_can_hold_leave_it_random():
    """Equal shares would take one row of each class, and no row could find its label."""
    classes = ["big"] * 50 + [f"alone {i}" for i in range(50)]
    samples = read_samples([f"t{i}" for i in range(100)], labels=classes, max_samples=40)
    assert Counter(samples.labels)["big"] > 10
    assert "(seed 0, too few rows to be balanced over 51 labels)" in samples.notes[0]


def test_a_folder_or_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"There is no file"):
        read_samples(tmp_path / "x.txt")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(InputError, match=r"is a folder"):
        read_samples(tmp_path / "d.csv")


def test_samples_that_are_read_already_stay_as_they_are() -> None:
    samples = read_samples(["a cat", "a dog"], labels=[0, 1])
    assert read_samples(samples) is samples
    with pytest.raises(InputError, match="read already; give labels where they are read"):
        read_samples(samples, labels=[1, 0])
