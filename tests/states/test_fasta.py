import gzip

import pytest
from tiny import network
from transformers import EsmTokenizer

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.fasta import read_fasta
from layergeom.states.inputs import read_samples

ESM = (
    "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>"
)


def fasta(tmp_path, text, name="x.fasta"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_sequences_span_lines_and_ids_are_first_words(tmp_path):
    path = fasta(tmp_path, ">p1 some protein\nMKV\nLLT\n\n>p2\tother > one\nACD")
    table = read_fasta(path)
    assert table.columns == {"id": ["p1", "p2"], "sequence": ["MKVLLT", "ACD"]}
    assert table.notes == ()
    assert table.place(1) == "x.fasta, line 5"


@pytest.mark.parametrize("name", ["x.FASTA", "x.fa.gz", "x.faa", "gzipped_without_saying_so.fa"])
def test_windows_lines_byte_order_mark_and_gzip_change_nothing(tmp_path, name):
    text = b"\xef\xbb\xbf; an old comment\r\n>p1 x\r\nMK VL\r\nLT \r\n>p2\r\nACD\r\n"
    packed = "gz" in name
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)
    samples = read_samples(tmp_path / name)
    assert (samples.ids, samples.items) == (("p1", "p2"), ("MKVLLT", "ACD"))
    assert samples.notes == ()


def test_what_was_changed_or_is_unusual_is_counted(tmp_path):
    text = ">a\nmkv\n>b\nMK-V..L*\n>c\nMUXXJ*-\n>d\nMKV\n"
    samples = read_samples(fasta(tmp_path, text))
    assert samples.items == ("MKV", "MKVL", "MUXXJ", "MKV")
    assert samples.counts == {
        "sequences_lower_case": 1,
        "sequences_with_gaps": 2,
        "sequences_with_stop": 2,
        "sequences_with_unusual_letters": 1,
    }
    assert samples.notes == (
        "1 of 4 sequences of x.fasta had lower-case letters, now capitals.",
        "2 of 4 sequences of x.fasta had gaps, now removed.",
        "2 of 4 sequences of x.fasta ended with a stop '*', now removed.",
        "1 of 4 sequences of x.fasta had unusual letters, which are kept (J 1, U 1, X 2).",
        "1 of 4 texts repeats an earlier one.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">a\nMKV\n       61 MKVLL\n", "x.fasta, line 3 holds '6' in a sequence"),
        (">a\nMKV>b\nMKV\n", "line 2 holds '>' in a sequence"),
        (">a\nMKé\n", "line 2 holds 'é'"),
        (">a\nMK\n*\nV*\n", "line 3: the sequence 'a' has a stop '\\*' inside"),
        (">a\n>b\nMKV\n", "line 1: the record 'a' has no sequence"),
        (">b\nMKV\n>a\n", "line 3: the record 'a' has no sequence"),
        (">a\n--*\n", "line 1: the record 'a' has no sequence"),
        (">a\nMKV\n> \nMKV\n", "line 3 is a header without a name"),
        ("MKV\n>a\nMKV\n", "line 1 stands before any header"),
        (">a\rMKV\r>b\rMKV\r", "line 1 has line ends of an old Mac"),
        ("\n\n", "holds no sequences"),
    ],
)
def test_faults_are_named_by_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_samples(fasta(tmp_path, text))


def test_repeated_ids_of_equal_and_of_different_sequences(tmp_path):
    samples = read_samples(fasta(tmp_path, ">a\nMKV\n>a\nMKV\n>b\nACD\n>b x\nACE\n>c\nA\n"))
    assert samples.ids == ("a", "a", "b", "b", "c")
    assert samples.counts["ids_repeated"] == 2
    assert samples.counts["ids_ambiguous"] == 1
    note = "2 of 5 ids of x.fasta repeat an earlier one; 1 stand for different rows"
    assert any(line.startswith(note) and line.endswith(": 'b'.") for line in samples.notes)


def test_levels_of_codes_in_the_headers(tmp_path):
    text = ">d1 a.1.1.2 (A:) globin\nMKV\n>d2 a.1.2.1 (B:)\nACD\n>d3 no code\nACE\n"
    samples = read_samples(fasta(tmp_path, text), labels="superfamily", exclude="family")
    assert samples.labels == ("a.1.1", "a.1.2", None)
    assert samples.exclude == ("a.1.1.2", "a.1.2.1", None)
    assert samples.counts["labels_missing"] == 1


def test_sequences_reach_the_model_as_residues_and_counts_reach_the_states(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(ESM.split()))
    words = EsmTokenizer(str(tmp_path / "vocab.txt"))
    samples = read_samples(fasta(tmp_path, ">a\nmkvllt*\n>b\nAC-DX\n"))
    model = network("Esm", vocab_size=33, pad_token_id=1, mask_token_id=32)
    hidden = extract(model, samples, tokenizer=words)
    assert hidden.counts["tokens"] == (6 + 2) + (4 + 2)  # with the start and the end
    assert hidden.counts["unknown_tokens"] == 0
    assert hidden.counts["sequences_lower_case"] == hidden.counts["sequences_with_gaps"] == 1
    assert hidden.ids == ("a", "b")
