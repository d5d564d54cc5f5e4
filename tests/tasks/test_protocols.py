"""The recipes of the papers: what they fix, the rows and chunks they use, what is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clouds import torus
from layergeom.errors import InputError
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.profiles import Profile, load
from layergeom.states.extract import Extraction, extract
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.stored import stored_states
from layergeom.tasks.protocol_data import chosen_samples, chunks, selection
from layergeom.tasks.protocol_runs import dynamics_by, prepared, profile_by
from layergeom.tasks.protocols import PROTOCOLS, options, protocol
from states.tiny import folder, network, texts, tokenizer

IMAGE, TOKENS = protocol("valeriani2023-image"), protocol("razzhigaev2024")


# ── recipes ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("valeriani2023-protein", ("first_norm", "mean", False, 10, "linear", 0.9, 4)),
        ("valeriani2023-image", ("first_norm", "mean", True, 30, "linear", 0.98, 4)),
        ("valeriani2023-text", ("first_norm", "mean", False, 30, "linear", 0.9, 4)),
        ("razzhigaev2024", ("residual", "token", False, 30, "linear", 0.2, 1)),
    ],
)
def test_what_a_recipe_fixes(name: str, expected: tuple[object, ...]) -> None:
    found = options(protocol(name))
    names = ("hook_point", "pool", "special_tokens", "k", "fit", "fraction", "thinning")
    assert tuple(found[key] for key in names) == expected
    known = {f.name for f in (*fields(Settings), *fields(Extraction))}
    assert set(found) <= known


def test_tokens_are_the_first_4096_of_128_chunks_of_512_characters() -> None:
    assert (TOKENS.chunks, TOKENS.max_tokens, TOKENS.token_rule) == ((128, 512), 4096, "first")
    assert options(TOKENS)["max_tokens"] == 4096
    assert IMAGE.per_class == (300, 300)


def test_partitions_and_prompts_as_the_papers_have_them() -> None:
    cheng, viswanathan = protocol("cheng2025"), protocol("viswanathan2025")
    assert (cheng.sequence_words, cheng.partitions, cheng.partition_rows) == (20, 5, 10_000)
    assert (cheng.pool, cheng.rank, cheng.verb) == ("last", "plateau", "partitions")
    assert options(cheng) == {
        "hook_point": "residual",
        "pool": "last",
        "special_tokens": False,
        "k": 30,
    }
    assert (viswanathan.prompts, viswanathan.prompt_tokens) == (2_244, 1_024)
    assert (viswanathan.shuffled_prompts, viswanathan.shuffle_base) == (50, 4)
    assert (viswanathan.rank, viswanathan.verb) == (2, "clouds")


def test_an_unknown_protocol_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"no protocol 'b'; there are {', '.join(PROTOCOLS)}"):
        protocol("b")


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


def classified(sizes: list[int]) -> Samples:
    labels = [str(c) for c, size in enumerate(sizes) for _ in range(size)]
    return read_samples([f"text {i}" for i in range(len(labels))], labels=labels, max_samples="all")


def test_as_many_rows_of_as_many_classes_as_the_paper_has() -> None:
    samples = classified([301] * 310)
    found = selection(IMAGE, samples)
    counts = Counter(samples.labels[row] for row in found.rows)  # type: ignore[index]
    assert len(counts) == 300
    assert set(counts.values()) == {300}
    assert found.notes == ()
    assert list(found.rows) == sorted(set(found.rows))
    assert selection(IMAGE, samples).rows == found.rows != selection(IMAGE, samples, 1).rows


def test_fewer_classes_or_rows_are_noted() -> None:
    found = selection(IMAGE, classified([300, 400, 20]))
    assert len(found.rows) == 620
    assert found.notes == (
        "valeriani2023-image: 3 classes where the paper has 300.",
        "valeriani2023-image: 1 of 3 classes have fewer than 300 rows.",
    )


def test_rows_without_a_label_are_not_chosen() -> None:
    samples = read_samples(["a", "b", "c"], labels=["x", None, "y"])
    assert selection(IMAGE, samples).rows == (0, 2)


def test_without_labels_or_a_number_of_classes_all_rows_are_used() -> None:
    plain = read_samples(["a", "b", "c"])
    assert selection(IMAGE, plain).rows == (0, 1, 2)
    assert "no labels" in selection(IMAGE, plain).notes[0]
    assert selection(protocol("valeriani2023-text"), classified([2, 1])).rows == (0, 1, 2)


def test_the_choice_keeps_its_labels_and_its_notes() -> None:
    labels = ["a"] * 310 + ["b"] * 310
    found = chosen_samples(IMAGE, [f"t{i}" for i in range(620)], labels=labels)
    assert Counter(found.labels) == {"a": 300, "b": 300}
    assert found.notes == ("valeriani2023-image: 2 classes where the paper has 300.",)
    assert found.sampled_from == 620


# ── chunks ────────────────────────────────────────────────────────────────────────────────────

TEXT = "".join(f"{i:07d}" for i in range(1000))  # every seven characters tell where they stand


def test_chunks_lie_where_they_say_and_apart() -> None:
    found = chunks(TEXT, 10, 70)
    assert len(found) == 10
    assert all(TEXT[at : at + 70] == chunk for at, chunk in found.items())
    assert (np.diff(list(found)) >= 70).all()
    assert chunks(TEXT, 10, 70) == found != chunks(TEXT, 10, 70, seed=1)


def test_a_short_text_gives_all_that_it_holds() -> None:
    for seed in range(5):
        assert list(chunks(TEXT[:210], 3, 70, seed)) == [0, 70, 140]
        assert len(chunks(TEXT[:250], 9, 70, seed)) == 3
    with pytest.raises(InputError, match="69 characters, less than one chunk of 70"):
        chunks(TEXT[:69], 1, 70)


def test_blank_chunks_are_left_out() -> None:
    assert list(chunks("abcd" + " " * 4 + "efgh", 3, 4)) == [0, 8]


def test_texts_are_joined_by_line_breaks() -> None:
    assert chunks(["ab", "cd"], 1, 5) == {0: "ab\ncd"}


@pytest.mark.parametrize("name", ["enwik8", "raw.txt", "raw.xml"])
def test_a_raw_file_is_one_text(name: str, tmp_path: Path) -> None:
    raw = "<page>\n" + "a line of words\n" * 4200
    (tmp_path / name).write_text(raw)
    found = chosen_samples(TOKENS, tmp_path / name)
    assert len(found) == 128
    assert all(len(text) == 512 and text in raw for text in found.items)
    at = int(found.ids[5].removeprefix("character "))
    assert raw[at : at + 512] == found.items[5]


def test_too_little_raw_text_is_noted() -> None:
    found = chosen_samples(TOKENS, ["a line of words"] * 100)
    assert len(found) == 3
    assert "razzhigaev2024: the text holds 3 chunks where 128 are asked for." in found.notes


def test_chunks_have_no_labels() -> None:
    for wrong in ("labels", "exclude", "groups"):
        with pytest.raises(InputError, match="chunks, which have no labels and no groups"):
            chosen_samples(TOKENS, ["a line of words"] * 100, **{wrong: ["x"] * 100})


# ── the dimension of a protocol ───────────────────────────────────────────────────────────────


def test_the_dimension_is_the_mean_of_disjoint_subsets_with_their_standard_error() -> None:
    from layergeom.geometry import neighbor_graph, twonn

    X = torus(400, 2, 0)
    found = measure(
        stored_states({"a": X}), settings=Settings(k=5, fit="linear", fraction=0.9, thinning=4)
    )["dimension_protocol"]
    order = np.random.default_rng(0).permutation(400)
    each = [
        twonn(neighbor_graph(X[np.sort(order[i::4])], 2), "linear", 0.9).value for i in range(4)
    ]
    assert found.values[0] == pytest.approx(np.mean(each), rel=1e-9)
    assert found.errors[0] == pytest.approx(np.std(each, ddof=1) / 2, rel=1e-9)


def test_of_all_points_it_has_the_error_of_the_estimate() -> None:
    from layergeom.geometry import neighbor_graph, twonn

    X = torus(400, 2, 0)
    found = measure(stored_states({"a": X}), settings=Settings(k=5, fit="linear", fraction=0.2))
    whole = twonn(neighbor_graph(X, 2), "linear", 0.2)
    curve = found["dimension_protocol"]
    assert (curve.values[0], curve.errors[0]) == pytest.approx((whole.value, whole.error))


def test_too_few_points_to_be_split_leave_it_unknown() -> None:
    states = stored_states({"a": torus(120, 2, 0)})
    found = measure(states, settings=Settings(k=5, fit="linear", thinning=4))
    assert "dimension_protocol" not in found.curves
    assert any("120 distinct points are too few to be split into 4" in w for w in found.warnings)
    assert np.isfinite(found.dimension.values).all()


def test_a_lattice_leaves_it_unknown() -> None:
    X = torus(400, 2, 0)
    rows = np.arange(200)
    lattice = np.stack([rows // 20, rows % 20], axis=1).astype(float)
    states = stored_states({"a": np.vstack([lattice, 100 + X[:200, :2]])})
    found = measure(states, settings=Settings(k=5, fit="linear", fraction=0.2))
    assert "dimension_protocol" not in found.curves
    assert any("dimension_protocol is unknown: all" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fit": "best"}, "method is 'best'"),
        ({"fit": "linear", "fraction": 1.5}, "fraction is 1.5"),
        ({"fit": "ml", "fraction": 0.5}, "uses all points"),
        ({"fraction": 0.5}, "belong to a fit"),
        ({"thinning": 4}, "belong to a fit"),
        ({"fit": "linear", "thinning": 0}, "thinning must be at least 1"),
    ],
)
def test_settings_that_do_not_go_together(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**wrong)


# ── runs ──────────────────────────────────────────────────────────────────────────────────────


def test_what_is_given_beside_a_protocol_departs_from_it() -> None:
    data = texts(60)
    plain = prepared("valeriani2023-text", data, labels=["a", "b"] * 30, k=None, pool="mean")
    assert plain.record["departures"] == {}
    assert (plain.settings.k, plain.settings.fit, plain.settings.thinning) == (30, "linear", 4)
    assert plain.extraction == {"hook_point": "first_norm", "pool": "mean", "special_tokens": False}
    other = prepared("valeriani2023-text", data, k=5, pool="last", seed=3, batch_size=7)
    assert other.record["departures"] == {
        "k": {"recipe": 30, "given": 5},
        "pool": {"recipe": "mean", "given": "last"},
    }
    assert (other.settings.k, other.settings.seed) == (5, 3)
    assert other.extraction["batch_size"] == 7


def test_fewer_rows_and_families_kept_are_departures_too() -> None:
    fewer = prepared("valeriani2023-text", texts(60), max_samples=20)
    assert len(fewer.samples) == 20
    assert fewer.record["departures"] == {"max_samples": {"recipe": "all", "given": 20}}
    kept = prepared("valeriani2023-protein", texts(60), labels=["a", "b"] * 30)
    assert kept.record["departures"] == {"exclude": {"recipe": "family", "given": None}}
    same = prepared(TOKENS, ["a line of words"] * 100, max_samples=128)
    assert same.record["departures"] == {}


def test_rows_that_belong_together_depart_from_a_protocol() -> None:
    groups = [str(i // 2) for i in range(60)]
    found = prepared("valeriani2023-text", texts(60), groups=groups)
    assert found.samples.groups == tuple(groups)
    assert found.record["departures"] == {"groups": {"recipe": None, "given": "one per row"}}
    named = prepared("valeriani2023-text", {"text": texts(60), "of": groups}, groups="of")
    assert named.record["departures"] == {"groups": {"recipe": None, "given": "of"}}


def test_no_protocol_samples_20000_rows() -> None:
    data = [str(i) for i in range(20_001)]
    assert len(prepared("valeriani2023-text", data).samples) == 20_001


def test_a_profile_knows_its_protocol_in_memory_and_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, model = texts(220, longest=15), folder(tmp_path / "model", "GPT2")
    found = profile_by("valeriani2023-text", model, data, k=5, folder=tmp_path)
    record = found.provenance["protocol"]
    assert record["name"] == "valeriani2023-text"
    assert record["recipe"]["fraction"] == 0.9
    assert record["departures"] == {"k": {"recipe": 30, "given": 5}}
    assert found.provenance["states"]["settings"]["hook_point"] == "first_norm"
    assert found.provenance["settings"]["fit"] == "linear"
    assert load(tmp_path).provenance["protocol"] == record
    monkeypatch.setattr("layergeom.measure.measure", None)  # nothing is computed again
    again = profile_by("valeriani2023-text", model, data, k=5, folder=tmp_path)
    assert again.provenance["created"] == found.provenance["created"]
    assert again.provenance["protocol"] == record


def test_checkpoints_of_a_run_by_a_protocol(training_run: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(4, 64, (220, 8))
    found = dynamics_by(
        IMAGE, training_run, rows, ["step0", "step100"], k=5, folder=tmp_path, labels=["a"] * 220
    )
    for name, profile in zip(found.checkpoints, found.profiles, strict=True):
        assert profile.provenance["protocol"]["name"] == IMAGE.name
        assert np.isfinite(profile["dimension_protocol"].values).all()
        if (tmp_path / name / "profile.json").is_file():
            assert load(tmp_path / name).provenance["protocol"] == profile.provenance["protocol"]


@pytest.fixture(scope="module")
def token_run() -> Callable[..., Profile]:
    module, words, raw = network("Bert"), tokenizer(), " ".join(texts(400, longest=20))

    def made(**given: Any) -> Profile:
        asked = {"tokenizer": words, "max_tokens": 300, "k": 10, **given}
        return profile_by(TOKENS, module, [raw], **asked)

    return made


def test_tokens_are_rows(token_run: Callable[..., Profile]) -> None:
    found = token_run()
    assert found.counts["rows"] == 300
    assert set(found.provenance["protocol"]["departures"]) == {"k", "max_tokens"}


def test_too_few_tokens_are_refused_before_a_model_is_read() -> None:
    for run in (profile_by, dynamics_by):
        with pytest.raises(InputError, match="k is 30 but max_tokens keeps 30 tokens at most"):
            run(TOKENS, "no/such/model", [" ".join(texts(400))], max_tokens=30)


def test_tokens_of_one_chunk_are_neighbours_as_in_the_paper(
    token_run: Callable[..., Profile],
) -> None:
    module, words = network("Bert"), tokenizer()
    samples = chosen_samples(TOKENS, [" ".join(texts(400, longest=20))])
    tokens = {"pool": "token", "max_tokens": 300, "token_rule": "first"}
    states = extract(module, samples, tokenizer=words, **tokens)
    assert states.groups is not None
    alone = measure(replace(states, groups=None), settings=Settings(k=10))
    found, apart = token_run(), token_run(lone_rows=False)
    np.testing.assert_array_equal(found.dimension.values, alone.dimension.values)
    np.testing.assert_array_equal(found.overlap.values, alone.overlap.values)
    assert not np.allclose(apart.dimension.values, alone.dimension.values, equal_nan=True)
    assert "lone_rows" in apart.provenance["protocol"]["departures"]
