import numpy as np
import pytest

import layergeom.api
from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from states.tiny import folder, texts

CLUSTERS = "P1\tP1\nP1\tP3\nQ9\tQ9\nQ9\tP2\n"  # as MMseqs2's createtsv writes them


@pytest.fixture
def proteins(tmp_path):
    fasta = ">sp|P1|ONE\nMKV\n>sp|P2|TWO\nACD\n>sp|P3|THREE\nGGG\n>sp|P4|FOUR\nPPP\n"
    (tmp_path / "p.fasta").write_text(fasta)
    return tmp_path / "p.fasta"


def clusters(tmp_path, text):
    (tmp_path / "c_cluster.tsv").write_text(text)
    return tmp_path / "c_cluster.tsv"


def test_a_column_in_part():
    samples = read_samples({"text": list("abc"), "doc": ["x", "", "x"]}, groups="doc")
    assert samples.groups == ("x", None, "x")
    assert samples.counts["groups_missing"] == 1
    assert "1 of 3 rows have no group: each stands for itself." in samples.notes
    assert samples.take([1, 2]).groups == (None, "x")


def test_a_sequence_and_a_wrong_length():
    assert read_samples(["a", "b"], groups=[4, 4]).groups == ("4", "4")
    with pytest.raises(InputError, match="groups have length 1 but there are 2 rows in data"):
        read_samples(["a", "b"], groups=[4])
    with pytest.raises(InputError, match="no column 'doc' for groups"):
        read_samples(["a", "b"], groups="doc")


@pytest.mark.parametrize("named", [False, True])
def test_a_file_joined_by_id_names_what_fits_nobody(proteins, tmp_path, named):
    (tmp_path / "g.tsv").write_text("id\tother\tcluster\nP3\tx\tc1\nP1\tx\tc1\nP7\tx\tc2\n")
    (tmp_path / "h.tsv").write_text("id\tgroups\nP3\tc1\nP1\tc1\nP7\tc2\n")
    source = f"{tmp_path / 'g.tsv'}:cluster" if named else tmp_path / "h.tsv"
    samples = read_samples(proteins, groups=source)
    assert samples.groups == ("c1", None, "c1", None)
    assert samples.counts["groups_unused"] == 1
    assert samples.counts["groups_missing"] == 2
    assert any("tsv is no sample's: 'P7'" in note for note in samples.notes)
    assert any("2 of 4 samples have no groups" in note for note in samples.notes)


def test_a_file_that_fits_nobody(proteins, tmp_path):
    with pytest.raises(InputError, match=r"labels none of the 4 samples: its ids are 'X', 'Y'"):
        read_samples(proteins, groups=clusters(tmp_path, "id\tgroup\nX\t1\nY\t1\n"))


def test_a_level_of_scope():
    codes = ["a.1.1.1", "a.1.1.2", "a.2.1.1"]
    samples = read_samples({"text": list("abc"), "sccs": codes}, groups="superfamily")
    assert samples.groups == ("a.1.1", "a.1.1", "a.2.1")


def test_the_clusters_of_mmseqs(proteins, tmp_path):
    samples = read_samples(proteins, groups=clusters(tmp_path, CLUSTERS))
    assert samples.groups == ("P1", "Q9", "P1", None)
    assert samples.counts["groups_unused"] == 1  # Q9, the representative, is no sample
    assert "c_cluster.tsv was read as clusters: representative, then member." in samples.notes


def test_clusters_whose_first_representative_is_no_sample(proteins, tmp_path):
    """Its row is no header: all rows of a cluster are kept."""
    samples = read_samples(proteins, groups=clusters(tmp_path, "Q9\tQ9\nQ9\tP2\nP1\tP1\nP1\tP3\n"))
    assert samples.groups == ("P1", "Q9", "P1", None)


@pytest.mark.parametrize(
    "text",
    [
        "P1\tQ1\nP2\tQ1\nP3\tQ2\n",  # ids and labels
        "P1\tP1\nP2\tP1\nP3\tP1\n",  # labels that are ids, but the second column repeats
    ],
)
def test_ids_and_groups_are_not_taken_for_clusters(proteins, tmp_path, text):
    samples = read_samples(proteins, groups=clusters(tmp_path, text))
    assert samples.groups == (*text.split()[1::2], None)


def test_a_member_of_two_clusters(proteins, tmp_path):
    with pytest.raises(InputError, match=r"gives the id 'P1' a second, other label"):
        read_samples(proteins, groups=clusters(tmp_path, "P1\tP1\nP1\tP3\nP4\tP4\nP4\tP3\n"))


def test_rows_without_a_group_stand_for_themselves(tmp_path):
    """Also where a group is called as a row is."""
    samples = read_samples(texts(6), groups=["1", None, "1", "row 3", None, "0"])
    hidden = extract(folder(tmp_path), samples)
    assert hidden.groups[0] == hidden.groups[2] == "1"
    assert len(set(hidden.groups)) == 5


def test_groups_of_stored_states(tmp_path):
    (tmp_path / "g.tsv").write_text("0\t0\n0\t1\n3\t3\n70\t70\n")  # clusters by row numbers
    X = np.random.default_rng(0).standard_normal((40, 4))
    found = layergeom.profile({"block_1": X}, groups=tmp_path / "g.tsv", k=3)
    assert found.counts["groups_missing"] == 37
    assert "37 of 40 rows have no group: each stands for itself." in found.warnings
    with pytest.raises(InputError, match="split says how data are read"):
        layergeom.profile({"block_1": X}, split="test")


def test_stored_states_keep_the_groups_that_they_know(tmp_path, monkeypatch):
    hidden = extract(folder(tmp_path), read_samples(texts(40), groups=[i // 2 for i in range(40)]))
    monkeypatch.setattr("layergeom.tasks.given_states.stored_states", lambda *_: hidden)
    known = layergeom.profile(tmp_path, k=3)
    given = layergeom.profile(tmp_path, k=3, groups=[i // 4 for i in range(40)])
    assert known.provenance["groups"] == {"groups": 20, "largest": 2, "rows": 40}
    assert given.provenance["groups"] == {"groups": 10, "largest": 4, "rows": 40}


def test_groups_and_split_reach_the_states_and_the_profile(bert_folder):
    data = {"text": texts(60), "doc": [str(i // 3) for i in range(60)], "split": ["a", "b"] * 30}
    hidden = layergeom.extract(bert_folder, data, groups="doc", split="a")
    assert hidden.n == 30
    assert hidden.groups == tuple(data["doc"][::2])
    found = layergeom.profile(bert_folder, data, groups="doc", split="a", k=3)
    assert found.counts["sampled_from"] == 30
    assert found.counts["groups_missing"] == 0
