import gzip

import pytest

from layergeom.errors import InputError
from layergeom.states.inputs import read_samples
from layergeom.states.label_files import values_in

IDS = ("p", "q", "r")


def write(tmp_path, name, text):
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if "gz" in name else text.encode())
    return tmp_path / name


@pytest.mark.parametrize("name", ["y.tsv", "y.tsv.gz"])
def test_a_column_of_a_table_is_joined_by_its_ids(tmp_path, name):
    path = write(tmp_path, name, "extra\tsid\tkind\tsize\n1\tr\tc\tL\n2\tp\ta\tS\n3\tq\tb\tM\n")
    assert values_in(path, "kind", IDS, "labels").values == ["a", "b", "c"]
    assert values_in(path, "size", IDS, "labels").values == ["S", "M", "L"]
    with pytest.raises(InputError, match=rf"{name} has no column 'colour'; it has 'extra', 'sid'"):
        values_in(path, "colour", IDS, "labels")
    with pytest.raises(InputError, match=rf"'{name}:extra' or '{name}:kind' or"):
        values_in(path, None, IDS, "labels")


def test_ids_without_a_name_are_the_first_column(tmp_path):
    path = write(tmp_path, "y.csv", "protein,kind,id_of_other\np,a,q\nq,b,r\nr,c,p\n")
    assert values_in(path, "kind", IDS, "labels").values == ["a", "b", "c"]
    path = write(tmp_path, "y.jsonl", '{"id": "q", "label": 3}\n{"id": "p", "label": 4}\n')
    assert values_in(path, None, IDS, "labels").values == [4, 3, None]


def test_columns_by_number_where_there_is_no_header(tmp_path):
    path = write(tmp_path, "y.csv", "r,1,c\np,2,a\nq,3,b\n")
    assert values_in(path, "2", IDS, "labels").values == ["a", "b", "c"]


@pytest.mark.parametrize("header", ["", "domain\tsccs\n"])
def test_codes_are_no_header_even_of_a_domain_that_is_not_here(tmp_path, header):
    path = write(tmp_path, "y.tsv", f"{header}else\ta.1.1.1\np\ta.2.1.1\nr\ta.2.1.2\n")
    found = values_in(path, "superfamily", IDS, "labels")
    assert found.values == ["a.2.1", None, "a.2.1"]
    assert found.counts == {"labels_unused": 1}


LIST = "# domains\nr\t1abc\tA:\ta.1.1.2\t1\tcl=1\np\t2abc\tA:\ta.1.1.1\t2\tcl=1\n"


@pytest.mark.parametrize("name", ["dir.cla.txt", "dir.cla.txt_1.75", "list.gz", "list"])
def test_a_list_of_domains_gives_the_level_asked_for(tmp_path, name):
    path = write(tmp_path, name, LIST)
    assert values_in(path, "family", IDS, "labels").values == ["a.1.1.1", None, "a.1.1.2"]
    assert values_in(path, "fold", IDS, "labels").values == ["a.1", None, "a.1"]
    with pytest.raises(InputError, match=r"name the level of the labels: .*:superfamily' or"):
        values_in(path, None, IDS, "labels")
    with pytest.raises(InputError, match=r"no column 'topology'; .* levels class, fold, super"):
        values_in(path, "topology", IDS, "labels")


def test_a_text_of_labels_has_no_columns(tmp_path):
    path = write(tmp_path, "y.txt", "a\nb\nc\n")
    assert values_in(path, None, IDS, "labels").values == ["a", "b", "c"]
    with pytest.raises(InputError, match=r"y.txt is no list of domains .* it has no 'fold'"):
        values_in(path, "fold", IDS, "labels")


def test_ids_of_databases_fit_by_a_part_and_this_is_said(tmp_path):
    ids = ("sp|P69905|HBA_HUMAN", "cath|4_3_0|12asA00/4-330", "P1")
    path = write(tmp_path, "y.tsv", "id\tlabel\nP69905\ta\n12asA00\tb\nP1\tc\n")
    found = values_in(path, None, ids, "labels")
    assert found.values == ["a", "b", "c"]
    (note,) = found.notes
    assert note.startswith("2 of 3 ids were found by a part in y.tsv: ")
    assert note.endswith("'sp|P69905|HBA_HUMAN as P69905', 'cath|4_3_0|12asA00/4-330 as 12asA00'.")


def test_a_whole_id_goes_before_its_parts(tmp_path):
    path = write(tmp_path, "y.tsv", "id\tlabel\nP1\tpart\nsp|P1|X\twhole\n")
    assert values_in(path, None, ("sp|P1|X",), "labels").values == ["whole"]


def test_samples_without_labels_and_labels_without_samples_are_counted_and_named(tmp_path):
    fasta = write(tmp_path, "x.fa", "".join(f">p{i} x\nMKV{'A' * i}\n" for i in range(9)))
    lines = "".join(f"p{i}\t{'odd' if i % 2 else 'even'}\n" for i in range(6, 12))
    samples = read_samples(fasta, labels=str(write(tmp_path, "y.tsv", f"id\tlabel\n{lines}")))
    assert samples.labels == (*[None] * 6, "even", "odd", "even")
    assert samples.counts["labels_missing"] == 6
    assert samples.counts["labels_unused"] == 3
    assert "6 of 9 samples have no labels in y.tsv: 'p0', 'p1', 'p2' …." in samples.notes
    assert "3 ids of y.tsv are no sample's: 'p9', 'p10', 'p11'." in samples.notes


def test_labels_and_groups_of_one_file_at_two_levels(tmp_path):
    fasta = write(tmp_path, "x.fa", ">p\nMKV\n>q\nACD\n>r\nACE\n")
    path = write(tmp_path, "dir.cla.txt", LIST)
    samples = read_samples(fasta, labels=f"{path}:superfamily", exclude=f"{path}:family")
    assert samples.labels == ("a.1.1", None, "a.1.1")
    assert samples.exclude == ("a.1.1.1", None, "a.1.1.2")


def test_a_colon_in_the_files_own_name(tmp_path):
    path = write(tmp_path, "y:z.tsv", "p\ta\nq\tb\nr\tc\n")
    assert read_samples({"id": IDS, "text": IDS}, labels=str(path)).labels == ("a", "b", "c")
    with pytest.raises(InputError, match=r"There is no file .*none.tsv for labels"):
        read_samples(["x"], labels=f"{tmp_path}/none.tsv:fold")
