"""Disjoint partitions of a corpus: what is cut, dealt and shuffled, and what is measured of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import layergeom as lg
from layergeom.errors import DegenerateError, GeometryWarning, InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.tasks import partition_pieces, partition_runs
from layergeom.tasks.common_scale import common_scale
from layergeom.tasks.partition_runs import FILE, partitions
from layergeom.tasks.partitions import Partitions
from layergeom.tasks.protocol_data import chosen_samples
from layergeom.tasks.protocol_data import partitions as dealt
from layergeom.tasks.protocol_runs import prepared, profile_by
from layergeom.tasks.protocols import protocol
from layergeom.tasks.word_sequences import shuffled_words, word_sequences
from states.tiny import WORDS, network, tokenizer

CHENG = protocol("cheng2025")
TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, 61)) for i in range(80)]  # 3 sequences


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("partitions") / "gpt"
    module = network("GPT2")
    with torch.no_grad():  # as if it had been trained: not what fresh weights are
        for weights in module.parameters():
            weights.mul_(1.3)
    module.save_pretrained(place)
    tokenizer().save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def found(gpt: Path) -> Partitions:
    asked: Any = ("intact", "shuffled", "untrained")
    return partitions(gpt, TEXTS, number=3, rows=80, corpora=asked, k=5)


# ── sequences ─────────────────────────────────────────────────────────────────────────────────


def test_sequences_stand_where_they_say_and_do_not_cross_texts() -> None:
    cut = word_sequences(TEXTS, 20)
    assert len(cut) == 240
    for name, text in cut.items():
        t, w = (int(part.split()[1]) for part in name.split(", "))
        assert text.split() == TEXTS[t].split()[w : w + 20]
        assert w % 20 == 0
    assert list(word_sequences(TEXTS, 20, seed=1)) != list(cut)
    assert list(word_sequences(TEXTS, 20, 7)) == list(cut)[:7]


def test_equal_sequences_are_there_once() -> None:
    assert len(word_sequences([TEXTS[0], TEXTS[0].replace(" ", "\n")], 20)) == 3
    with pytest.raises(InputError, match="no text has 62 words"):
        word_sequences(TEXTS, 62)


def test_shuffled_words_are_the_same_words() -> None:
    texts = [shuffled_words(text, 5) for text in TEXTS]
    assert all(sorted(a.split()) == sorted(b.split()) for a, b in zip(texts, TEXTS, strict=True))
    assert all(a != b for a, b in zip(texts, TEXTS, strict=True))
    assert shuffled_words(TEXTS[0], 5) != shuffled_words(TEXTS[0], 6)


def test_partitions_share_no_sequence() -> None:
    parts = dealt(CHENG, TEXTS, number=3, rows=70)
    assert [len(part) for part in parts] == [70, 70, 70]
    assert len({text for part in parts for text in part.items}) == 210
    assert all(part.notes[:-1] == parts[0].notes[:-1] for part in parts)
    assert not any("asked for" in note for part in parts for note in part.notes)


def test_too_few_sequences_are_noted_or_refused() -> None:
    short = dealt(CHENG, TEXTS)
    assert [len(part) for part in short] == [48] * 5
    line = "cheng2025: 5 partitions of 48 sequences where 10000 are asked for."
    assert all(line in part.notes for part in short)
    assert [len(part) for part in dealt(CHENG, TEXTS, rows="all")] == [48] * 5
    with pytest.raises(InputError, match="3 distinct sequences, fewer than 5 partitions"):
        dealt(CHENG, TEXTS[:1])
    with pytest.raises(InputError, match="cut from texts, but the data are tokens"):
        dealt(CHENG, [[1, 2, 3]])


def test_a_raw_file_is_one_text(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("\n".join("a b c" for _ in range(20)) + "\nd e")
    [part] = dealt(CHENG, tmp_path / "raw.txt", number=1)
    assert sorted(text[:5] for text in part.items) == ["a b c", "b c a", "c a b"]  # 20 words each
    assert {name.split(",")[0] for name in part.ids} == {"text 0"}


def test_a_run_by_the_recipe_is_of_the_first_partition(gpt: Path) -> None:
    first = chosen_samples(CHENG, TEXTS)
    assert first.items == dealt(CHENG, TEXTS)[0].items
    assert first.notes[-1].endswith("layergeom partitions measures all.")
    plan = prepared("cheng2025", TEXTS, max_samples=30)
    assert plan.extraction == {"hook_point": "residual", "pool": "last", "special_tokens": False}
    assert plan.record is not None
    assert plan.record["departures"] == {"max_samples": {"recipe": 10_000, "given": 30}}
    profile = profile_by("cheng2025", gpt, TEXTS, k=5)
    assert profile.provenance["states"]["settings"]["pool"] == "last"
    assert "dimension_protocol" not in profile.curves
    with pytest.raises(InputError, match="sequences, which have no labels"):
        prepared("cheng2025", TEXTS, labels=["a"] * 80)


# ── one scale for all layers ──────────────────────────────────────────────────────────────────


def test_the_scale_lies_on_most_plateaus() -> None:
    level = [9, 5, 5, 5, 2, 1]
    late = [20, 15, 9, 4, 4, 4]
    assert common_scale(np.array([level, late], float)) == (3, 2)
    assert common_scale(np.array([level, level, late], float)) == (3, 3)
    assert common_scale(np.array([level, [9, 5, 5, 5, 5, 1]], float)) == (1, 2)


def test_without_a_plateau_it_is_where_the_median_layer_changes_least() -> None:
    falling = np.array([[16, 11, 8, 6.5, 5.1, 3], [32, 22, 16, 13, 10.5, 6], [np.nan] * 6], float)
    assert common_scale(falling) == (3, 0)
    with pytest.raises(DegenerateError, match="three neighbouring scales"):
        common_scale(np.full((2, 4), np.nan))


# ── the numbers ───────────────────────────────────────────────────────────────────────────────


def test_every_partition_is_measured_as_by_hand(gpt: Path, found: Partitions) -> None:
    part = dealt(CHENG, TEXTS, number=3, rows=80)[1]
    intact, at = found.corpora["intact"], 2
    states = extract(gpt, part, pool="last")
    X, first, last, following = (
        states[key] for key in ("block_2", "block_1", "final", intact.layers[at + 1])
    )
    graph = lg.neighbor_graph(X, 64)
    by_hand = {
        "dimension": lg.gride(graph, found.rank).value,
        "imbalance_first": lg.information_imbalance(graph, first, 1).value,
        "imbalance_last": lg.information_imbalance(graph, last, 1).value,
        "imbalance_next": lg.information_imbalance(graph, following, 1).value,
        "overlap_next": lg.neighborhood_overlap(graph, lg.neighbor_graph(following, 64), 5).value,
    }
    assert intact.layers[at] == "block_2"
    for name, value in by_hand.items():
        assert intact.curves[name].values[1, at] == pytest.approx(value, rel=1e-4), name
    scale = found.ranks.tolist().index(found.rank)
    np.testing.assert_array_equal(
        found.scales["intact"][:, :, scale], intact.curves["dimension"].values
    )


def test_shuffled_sequences_and_fresh_weights_are_other_corpora(
    gpt: Path, found: Partitions
) -> None:
    part = dealt(CHENG, TEXTS, number=3, rows=80)[0]
    shuffled = read_samples([shuffled_words(str(text)) for text in part.items])
    X = extract(gpt, shuffled, pool="last")["block_3"]
    got = found.corpora["shuffled"].curves["dimension"].values[0, 3]
    assert got == pytest.approx(lg.gride(lg.neighbor_graph(X, 64), found.rank).value, rel=1e-4)
    own, fresh = (found.corpora[name].curves["dimension"].mean for name in ("intact", "untrained"))
    assert not np.allclose(own[1:], fresh[1:])


def test_a_layer_tells_itself_all(found: Partitions) -> None:
    curves = found.corpora["intact"].curves
    np.testing.assert_allclose(curves["imbalance_first"].values[:, 1], 2 / 80)
    np.testing.assert_allclose(curves["imbalance_last"].values[:, -1], 2 / 80)
    assert np.isnan(curves["imbalance_first"].error[1])  # exact: no error can be read off it
    assert np.isnan(curves["imbalance_next"].values[:, -1]).all()


def test_repeated_last_tokens_are_named_and_warn_nobody(gpt: Path) -> None:
    texts = [f"{text} w0" for text in (" ".join(t.split()[:19]) for t in TEXTS)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", GeometryWarning)
        got = partitions(gpt, texts, number=1, rows=80, corpora=["intact"], rank=1, k=5)
    assert (
        "embedding: 1 % of the rows are distinct, and only these have a dimension." in got.warnings
    )
    assert np.isnan(got.corpora["intact"].curves["dimension"].values[0, 0])
    assert got.peak() is None  # one partition has no error


def test_claims_peaks_and_frame(found: Partitions) -> None:
    assert [claim.name for claim in found.claims] == ["C1", "C2", "C3", "C4"]
    frame = found.to_frame()
    assert len(frame) == 3 * 3 * len(found.corpora["intact"].layers)
    row = frame[(frame.corpus == "shuffled") & (frame.partition == 2) & (frame.layer == "block_1")]
    assert row.dimension.item() == found.corpora["shuffled"].curves["dimension"].values[2, 1]


def test_departures_are_recorded(found: Partitions) -> None:
    assert found.record["departures"] == {
        "partitions": {"recipe": 5, "given": 3},
        "partition_rows": {"recipe": 10_000, "given": 80},
        "k": {"recipe": 30, "given": 5},
    }
    assert any(line.startswith("The dimension is read at n1 = ") for line in found.warnings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": "razzhigaev2024"}, "has no partitions; use layergeom run"),
        ({"corpora": ["shuffled"]}, "with intact among them"),
        ({"corpora": ["intact", "random"]}, "they must be of intact, shuffled, untrained"),
        ({"rank": 3}, r"rank is 3; measured were 1, 2, 4\."),
        ({"number": 0}, "partitions must be at least 1"),
        ({"pool": "token"}, "120 sequences gave .* rows; partitions need one row of every"),
    ],
)
def test_what_cannot_be_asked_for(gpt: Path, given: dict[str, Any], message: str) -> None:
    asked = {"number": 2, "rows": 60, "k": 5, "corpora": ["intact"], **given}
    with pytest.raises(InputError, match=message):
        partitions(gpt, TEXTS, **asked)


def test_states_that_do_not_fit_the_disk_are_refused_before_they_are_made(
    gpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layergeom.tasks.preflight.free_disk", lambda folder: (folder, 10))
    with pytest.raises(InputError, match="free but states"):
        partitions(gpt, TEXTS, number=2, rows=60, k=5)


def test_the_same_call_goes_on_and_another_is_refused(
    gpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    measure = partition_pieces.partition_curves

    def watched(hidden: Any, rows: Any, *rest: Any) -> Any:
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(int(rows[0]))
        return measure(hidden, rows, *rest)

    monkeypatch.setattr(partition_pieces, "partition_curves", watched)
    asked: Any = {"number": 2, "rows": 60, "k": 5, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        partitions(gpt, TEXTS, **asked)
    assert measured == [0, 60, 0]
    monkeypatch.setattr(partition_pieces, "partition_curves", measure)
    again = partitions(gpt, TEXTS, **asked)
    assert len((tmp_path / FILE).read_text().splitlines()) == 1 + 4
    monkeypatch.setattr(partition_runs, "extract", None)  # nothing is run again
    third = partitions(gpt, TEXTS, **asked)
    np.testing.assert_array_equal(third.scales["shuffled"], again.scales["shuffled"])
    assert third.warnings == again.warnings
    with pytest.raises(InputError, match="another model, data or settings"):
        partitions(gpt, TEXTS, **{**asked, "seed": 1})


# ── the command ───────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_curves_peak_and_claims(
    gpt: Path, tmp_path: Path, main: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    asked = (gpt, tmp_path / "texts.txt", "--partitions", "2", "--rows", "60", "--queries", "20")
    code, out, _ = main("partitions", *asked, "--untrained", "-o", tmp_path / "out")
    assert code == 0
    for words in ("ID, untrained", "Δ(l → first)", "Peak: ", "C4", "where the protocol has 10000"):
        assert words in out
    code, out, _ = main("partitions", *asked, "--untrained", "-o", tmp_path / "out", "--json")
    content = json.loads(out)
    assert set(content["corpora"]) == {"intact", "shuffled", "untrained"}
    assert np.shape(content["corpora"]["intact"]["dimension"]["values"]) == (
        2,
        len(content["layers"]),
    )
    assert content["protocol"]["name"] == "cheng2025"
    record = json.loads((tmp_path / "out" / "study.json").read_text())
    assert record["claims"] == content["claims"]
    assert record["protocol"]["name"] == "cheng2025"
    assert {claim["name"] for claim in content["claims"]} == {"C1", "C2", "C3", "C4"}
    code, _, error = main("partitions", gpt, tmp_path / "texts.txt", "--rows", "many")
    assert (code, "give a whole number or 'all'" in error) == (2, True)
