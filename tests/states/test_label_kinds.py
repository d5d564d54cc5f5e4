"""Classes, numbers and several labels per row: what is inferred, what is said, what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch

from layergeom.errors import InputError, InputTypeError
from layergeom.states.inputs import read_samples
from layergeom.states.label_kinds import MANY, LabelSets, Numbers
from layergeom.states.labels import labels_of_rows

IDS = ("p", "q", "r", "s")


def read(values, label_type=None, role="labels"):
    return labels_of_rows(values, IDS[: len(values)], role, label_type)


@pytest.mark.parametrize(
    "values",
    [
        [1.5, 2.0, None],
        ["1.5", "2", ""],
        [" 1.5", "2.0e0 ", "NA"],
        ["+1.5", "2", "nan"],
        ["1.5", "2", "-"],
        np.array([1.5, 2.0, np.nan]),
        np.array([1.5, 2.0, np.nan], dtype=np.float32),
        pd.Series([1.5, 2.0, None]),
        torch.tensor([1.5, 2.0, float("nan")]),
    ],
)
def test_real_numbers_are_numbers(values):
    found, notes, counts, _ = read(values)
    assert isinstance(found, Numbers)
    assert found == (1.5, 2.0, None)
    assert counts == {"labels_missing": 1}
    (told,) = notes
    assert told == (
        "labels are read as numbers: 2 of 3 rows have one from 1.5 to 2 "
        "(label_type=class reads classes)."
    )


def test_other_minus_signs_and_powers():
    assert read(["\N{MINUS SIGN}1.5", "-.5", "1e-3"]).labels == (-1.5, -0.5, 0.001)


@pytest.mark.parametrize("values", [[3, 1, 2], ["3", "1", "2"], [3.0, 1.0, 2.0]])
def test_whole_numbers_are_classes_unless_said_otherwise(values):
    assert read(values)[:2] == (("3", "1", "2"), ())
    found = read(values, "number")
    assert isinstance(found.labels, Numbers)
    assert found.labels == (3.0, 1.0, 2.0)


def test_many_whole_numbers_are_classes_and_it_is_said():
    rows = MANY + 1
    ids = [str(row) for row in range(rows)]
    for values in (list(range(rows)), ids):
        found = labels_of_rows(values, ids, "labels")
        assert found.labels == tuple(ids)
        (told,) = found.notes
        assert told == (
            "labels are 51 different whole numbers from 0 to 50, each read as a class; "
            "label_type=number reads them as numbers."
        )
        assert labels_of_rows(values, ids, "labels", "class").notes == ()
        assert labels_of_rows(values[:-1], ids[:-1], "labels").notes == ()


def test_real_numbers_as_classes_only_as_texts_and_when_asked():
    assert read(["1.5", "2", ""], "class").labels == ("1.5", "2", None)
    with pytest.raises(InputError, match=r"real number 1\.5; convert them to texts"):
        read([1.5, 2.0], "class")


def test_two_names_of_one_number_are_classes():
    found = read(["1.1", "1.10", "2.40"])
    assert found.labels == ("1.1", "1.10", "2.40")
    assert "'1.1', '1.10' are two names of one number" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "label_type", "message"),
    [
        (["12.3 °C", "45 °C"], None, "'12.3 °C', a number with a unit or a comma"),
        (["1,234", "17"], None, "'1,234', a number with a unit or a comma"),
        (["12,3", "7"], None, "'12,3', a number with a unit or a comma"),
        (["1,234", "17"], "number", "'1,234', which is no number; write 1234.5 without"),
        (["12.3 °C"], "number", "write plain numbers without units"),
        (["inf", "1.5"], "number", "numbers are finite"),
        ([float("inf"), 1.5], None, "numbers are finite"),
        (["1_000.5", "2"], "number", "'1_000.5', which is no number"),
        (["hot", "1.5"], "number", "'hot', which is no number"),
        ([1.5, 2.5], "real", "label_type is 'real'; it must be one of class, number, multi"),
    ],
)
def test_numbers_that_cannot_be_told_are_refused(values, label_type, message):
    with pytest.raises(InputError, match=message):
        read(values, label_type)


def test_refusals_name_a_way_out():
    assert read(["12.3 °C", "45 °C"], "class").labels == ("12.3 °C", "45 °C")
    assert read(["1,3", "2"], "multi").labels == (("1", "3"), ("2",))


@pytest.mark.parametrize("value", [True, b"1", {}])
def test_what_is_no_number(value):
    with pytest.raises(InputTypeError, match="numbers are needed"):
        read([value, 1.5], "number")


@pytest.mark.parametrize(
    "values",
    [
        [["b", "a"], ("b",), None],
        [{"a", "b"}, frozenset({"b"}), set()],
        ["a;b;a", " b ", ""],
        ["a|b", "b", "NA"],
        ['["a", "b"]', '["b"]', None],
        [np.array(["b", "a"]), ["b"], []],
    ],
)
def test_several_labels_per_row(values):
    found, notes, counts, _ = read(values)
    assert isinstance(found, LabelSets)
    assert found == (("a", "b"), ("b",), None)
    assert counts == {"labels_missing": 1}
    assert "2 of 3 rows have 1.5 of 2 labels on average" in notes[0]


@pytest.mark.parametrize("between", [";", "|", ",", " ", ", ", "; "])
def test_lists_of_terms_are_several_labels(between):
    rows = [between.join(["GO:0008150", "GO:0003674"]), "GO:0005575"]
    assert read(rows).labels == (("GO:0003674", "GO:0008150"), ("GO:0005575",))
    ec = [between.join(["1.1.1.1", "EC:2.7.-.-"]), "3.4.21.4"]
    assert isinstance(read(ec).labels, LabelSets)


@pytest.mark.parametrize(
    "values",
    [
        ["Smith, John", "Doe, Jane"],  # no terms
        ["a;b", "c;d"],  # no part recurs
        ["alpha helix", "beta sheet"],
        ["GO:0008150", "GO:0003674"],  # one each
        ["1.10.8", "2.60.40"],
        ["NA", "b"],
    ],
)
def test_other_texts_stay_classes(values):
    assert read(values)[:2] == (tuple(values), ())
    assert isinstance(read(values, "multi").labels, LabelSets)


def test_what_separates_is_told_and_one_for_all():
    found = read(["a, b;c", "c"], "multi")
    assert found.labels == (("a, b", "c"), ("c",))
    assert "separated by ;" in found.notes[0]
    with pytest.raises(InputError, match="no JSON list"):
        read(['["a", ]', '["b"]'], "multi")


def test_labels_in_lists_are_whole():
    found = read([["alpha helix", "a;b"], ["a,b"]])
    assert found.labels == (("a;b", "alpha helix"), ("a,b",))
    assert "separated" not in found.notes[0]


def test_other_roles_are_always_classes():
    with pytest.raises(InputError, match=r"real number 1\.5"):
        read([1.5, 2.5], role="groups")
    assert read(["1.5", "2"], role="exclude").labels == ("1.5", "2")
    assert read(["1.5", "2"], "number", role="exclude").labels == ("1.5", "2")


def test_a_kind_without_labels():
    with pytest.raises(InputError, match="label_type=number says what labels are, but there are"):
        labels_of_rows(None, IDS, "labels", "number")


def test_annotations_with_several_rows_per_id(tmp_path):
    path = tmp_path / "go.tsv"
    path.write_text("p\tGO:0008150\nx\tGO:0000001\np\tGO:0003674\nr\tGO:0008150\nq\tGO:0008150\n")
    found = labels_of_rows(path, IDS, "labels")
    wanted = (("GO:0003674", "GO:0008150"), ("GO:0008150",), ("GO:0008150",), None)
    assert found.labels == wanted
    assert found.counts == {"labels_missing": 1, "labels_unused": 1}
    with pytest.raises(InputError, match=r"go.tsv, line 3 gives the id 'p' a second, other label"):
        labels_of_rows(path, IDS, "labels", "class")
    with pytest.raises(InputError, match="gives the id 'p' a second"):
        labels_of_rows(path, IDS, "exclude")
    first = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first[1], first[0], *first[2:]]))  # no sample's id in the first row
    assert labels_of_rows(path, IDS, "labels").labels == wanted


def test_two_labels_of_an_id_that_may_be_a_mistake(tmp_path):
    path = tmp_path / "y.tsv"
    path.write_text("id\tlabel\np\ta\np\tb\nq\ta;c\n")
    with pytest.raises(InputError, match="other label; label_type=multi reads several"):
        labels_of_rows(path, IDS, "labels")
    assert labels_of_rows(path, IDS, "labels", "multi").labels == (
        *(("a", "b"), ("a", "c")),
        *(None, None),
    )


def test_numbers_in_a_file_without_a_header(tmp_path):
    path = tmp_path / "tm.tsv"
    path.write_text("x\t31.5\nq\t55\np\t48.25\n")
    found = labels_of_rows(path, IDS, "labels")
    assert found.labels == (48.25, 55.0, None, None)


def test_levels_of_codes_are_no_numbers(tmp_path):
    table = {"text": ["u", "v"], "cath": ["1.10.8.10", "3.40.50.300"]}
    assert read_samples(table, labels="architecture").labels == ("1.10", "3.40")
    path = tmp_path / "cath.tsv"
    path.write_text("id\tcode\np\t1.10.8.10\nq\t3.40.50.300\n")
    found = labels_of_rows(f"{path}:architecture", IDS[:2], "labels")
    assert found.labels == ("1.10", "3.40")


def test_samples_keep_the_kind_and_are_not_balanced_over_numbers():
    table = {"text": [f"t{i}" for i in range(40)], "tm": [i / 3 for i in range(40)]}
    samples = read_samples(table, labels="tm", max_samples=10)
    assert isinstance(samples.labels, Numbers)
    assert isinstance(samples.take([1, 0]).labels, Numbers)
    assert samples.classes is None
    assert not any("balanced" in note for note in samples.notes)
    sets = read_samples({"text": ["a", "b"], "go": [["x"], ["x", "y"]]}, labels="go")
    assert sets.take([1]).labels == (("x", "y"),)
    assert isinstance(sets.take([1]).labels, LabelSets)
