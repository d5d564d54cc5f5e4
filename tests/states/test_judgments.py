"""Judgments from files and mappings; every fault named by its line."""

import pytest

from layergeom.errors import InputError, InputTypeError
from layergeom.states.judgments import read_judgments

HEADER = "query-id\tcorpus-id\tscore\n"


def write(path, *lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_a_file_in_beir_layout(tmp_path):
    found = read_judgments(write(tmp_path / "test.tsv", "1\ta\t2", "1\tb\t0", "q 2\ta\t-1"))
    assert found.scores == {"1": {"a": 2.0, "b": 0.0}, "q 2": {"a": -1.0}}
    assert (found.source, found.repeated) == ("test.tsv", 0)


def test_whole_numbers_of_a_json_file_are_ids_too(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text('{"query-id": 7, "corpus-id": "a", "score": 1}\n')
    assert read_judgments(path).scores == {"7": {"a": 1.0}}


def test_the_split_of_a_folder(tmp_path):
    qrels = tmp_path / "qrels"
    write(qrels / "dev.tsv", "1\ta\t1")
    assert "1" in read_judgments(qrels).scores  # the only one
    write(qrels / "test.tsv", "2\ta\t1")
    assert "2" in read_judgments(qrels).scores
    assert "1" in read_judgments(qrels, "dev").scores
    with pytest.raises(InputError, match=r"no judgments train\.tsv; there are dev, test"):
        read_judgments(qrels, "train")
    write(qrels / "train.tsv", "3\ta\t1")
    (qrels / "test.tsv").unlink()
    with pytest.raises(InputError, match=r"no judgments test\.tsv; there are dev, train"):
        read_judgments(qrels)


def test_repeated_lines_are_counted_and_contradictions_refused(tmp_path):
    path = write(tmp_path / "test.tsv", "1\ta\t1", "1\ta\t1", "1\tb\t1")
    assert read_judgments(path).repeated == 1
    write(path, "1\ta\t1", "2\ta\t1", "1\ta\t2")
    with pytest.raises(InputError, match=r"line 4: query '1' and document 'a' were given another"):
        read_judgments(path)


@pytest.mark.parametrize("score", ["high", "", "nan", "inf"])
def test_a_score_that_is_no_number_is_named(tmp_path, score):
    with pytest.raises(InputError, match=r"test\.tsv, line 3: the score is"):
        read_judgments(write(tmp_path / "test.tsv", "1\ta\t1", f"1\tb\t{score}"))


def test_another_header_is_refused(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text("qid\t0\tdoc\trel\n1\t0\ta\t1\n")
    with pytest.raises(InputError, match="no column 'query-id'; it has 'qid'"):
        read_judgments(path)


def test_mappings():
    assert read_judgments({1: {2: 1}}).scores == {"1": {"2": 1.0}}
    with pytest.raises(InputTypeError, match="qrels of 'q' are list"):
        read_judgments({"q": ["d"]})
    with pytest.raises(InputError, match="qrels of 'q': the score is None"):
        read_judgments({"q": {"d": None}})
    with pytest.raises(InputTypeError, match="cannot be read from list"):
        read_judgments([("q", "d", 1)])
