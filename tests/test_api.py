"""The public doors: states, or what makes them, go in; a result with its views comes out."""

from __future__ import annotations

import csv
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import layergeom as lg
from layergeom import api
from layergeom.errors import GeometryWarning, InputError
from layergeom.geometry import _compiled
from layergeom.states import extract as extraction
from layergeom.states import request
from states.tiny import VOCABULARY, network, texts

ROWS = 60


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with a topic and a source, in a CSV file."""
    path = tmp_path_factory.mktemp("data") / "data.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "sentence", "topic", "source"])
        for i, text in enumerate(texts(ROWS, longest=15)):
            writer.writerow([f"row-{i}", text, "abc"[i % 3], i // 10])
    return path


def never(*_: object, **__: object) -> None:
    raise AssertionError("computed again")


# ── stored states ─────────────────────────────────────────────────────────────────────────────


def test_every_way_of_giving_states_gives_the_same_numbers(
    clusters: tuple, states_file: Path, tmp_path: Path
) -> None:
    layers, classes = clusters
    first = lg.profile(layers, labels=classes, k=10)
    assert first.layers == ("embedding", "block_1", "block_2", "final")
    for key, array in layers.items():
        np.save(tmp_path / f"{key}.npy", array)
    for given in (states_file, str(states_file), states_file.parent, tmp_path):
        other = lg.profile(given, labels=classes, k=10)
        assert other.layers == first.layers
        assert other.provenance["key"] == first.provenance["key"]
        np.testing.assert_array_equal(other.dimension.values, first.dimension.values)
    listed = lg.profile(list(layers.values()), labels=classes.tolist(), k=10)
    assert listed.layers == ("layer_0", "layer_1", "layer_2", "layer_3")
    np.testing.assert_array_equal(listed.label_overlap.values, first.label_overlap.values)


def test_labels_of_stored_states_come_from_a_file(clusters: tuple, tmp_path: Path) -> None:
    layers, classes = clusters
    (tmp_path / "labels.txt").write_text("\n".join(map(str, classes)) + "\n")
    from_file = lg.profile(layers, labels=tmp_path / "labels.txt", k=10)
    given = lg.profile(layers, labels=classes, k=10)
    np.testing.assert_array_equal(from_file.label_overlap.values, given.label_overlap.values)


def test_what_was_assumed_about_labels_is_a_warning(clusters: tuple, tmp_path: Path) -> None:
    layers, classes = clusters
    lines = ["id,label", *(f"{i},{c}" for i, c in enumerate(classes) if i >= 40)]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    found = lg.profile(layers, labels=tmp_path / "labels.csv", k=10)
    assert any("40 of 240 samples have no labels in labels.csv" in w for w in found.warnings)


@pytest.mark.parametrize(
    "option", [{"pool": "last"}, {"max_samples": 10}, {"text_column": "text"}, {"dtype": "float16"}]
)
def test_options_of_a_model_are_refused_for_stored_states(
    clusters: tuple, option: dict[str, object]
) -> None:
    with pytest.raises(InputError, match=f"{next(iter(option))} says how .* there are no data"):
        lg.profile(clusters[0], k=10, **option)  # type: ignore[arg-type]


# ── models ────────────────────────────────────────────────────────────────────────────────────


def test_a_model_folder_with_texts_and_labels_from_columns(bert_folder: Path, table: Path) -> None:
    found = lg.profile(bert_folder, table, text_column="sentence", labels="topic", k=10)
    assert found.layers == ("embedding", "block_1", "block_2", "block_3")
    assert found.counts["rows"] == ROWS
    assert found.label_overlap.chance is not None
    assert found.label_overlap.chance[0] == pytest.approx(19 / 59)
    assert found.provenance["states"]["pooling"].startswith("mean over tokens without special")
    assert "hidden_states[2]" in found.recommendation.words or found.recommendation.layer
    refined = lg.profile(
        bert_folder, table, text_column="sentence", labels="topic", exclude="source", k=10
    )
    assert refined.provenance["labels"]["excluded_groups"] == 6
    assert refined.label_overlap.chance[0] == pytest.approx(0.332)  # type: ignore[index]


def test_extract_then_profile_equals_profile(bert_folder: Path, table: Path) -> None:
    options = {"text_column": "sentence", "pool": "first"}
    hidden = lg.extract(bert_folder, table, **options)
    assert hidden.ids == tuple(f"row-{i}" for i in range(ROWS))
    at_once = lg.profile(bert_folder, table, k=10, **options)
    in_steps = lg.profile(hidden, k=10)
    assert in_steps.provenance["key"] == at_once.provenance["key"]
    assert list(in_steps.curves) == list(at_once.curves)
    for name, curve in at_once.curves.items():
        np.testing.assert_array_equal(in_steps[name].values, curve.values)


def test_a_loaded_module_with_tokens() -> None:
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (50, 7))
    found = lg.profile(network("GPT2"), rows, labels=np.arange(50) % 2, k=10)
    assert found.layers[-1] == "final"
    assert found.counts["rows"] == 50


def test_max_samples_takes_the_labels_along(bert_folder: Path, table: Path) -> None:
    found = lg.profile(
        bert_folder, table, text_column="sentence", labels="topic", max_samples=45, k=10
    )
    assert found.counts["rows"] == 45
    assert found.counts["sampled_from"] == ROWS
    assert any("45 of 60 rows were sampled" in warning for warning in found.warnings)
    assert found.label_overlap.chance[0] == pytest.approx(14 / 44)  # type: ignore[index]


def test_skipped_rows_leave_the_labels_aligned(bert_folder: Path) -> None:
    """The class is the first word, which first pooling at the embedding sees exactly."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(20, 60)]
    classes = rng.integers(0, 3, 90)
    long = rng.random(90) < 0.2
    rows = [
        " ".join([f"w{c}"] * 6 + list(rng.choice(words, 20 if is_long else 2)))
        for c, is_long in zip(classes, long, strict=True)
    ]
    found = lg.profile(bert_folder, rows, labels=classes, k=10, max_length=12, long="skip")
    assert found.counts["rows"] == int((~long).sum())
    assert found.counts["skipped"] == int(long.sum())
    assert found.label_overlap.values[0] > 0.95
    assert found.provenance["labels"]["labelled"] == found.counts["rows"]


# ── the folder ────────────────────────────────────────────────────────────────────────────────


def test_a_second_call_computes_nothing(
    bert_folder: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(**changes: object) -> lg.ProfileResult:
        options = {"text_column": "sentence", "labels": "topic", "k": 10, "folder": tmp_path}
        return lg.profile(bert_folder, table, **(options | changes))  # type: ignore[arg-type]

    first = call()
    with monkeypatch.context() as patch:
        patch.setattr("layergeom.measure.measured_layer", never)
        patch.setattr(extraction, "passing", never)
        patch.setattr(request, "load_source", never)
        assert call().to_json() == first.to_json()
        with pytest.raises(AssertionError, match="computed again"):
            call(k=9)  # other settings: measured again, from the same states
    with monkeypatch.context() as patch:
        patch.setattr(extraction, "passing", never)
        assert call(k=9).overlap.chance == pytest.approx(9 / 59)
        with pytest.raises(AssertionError, match="computed again"):
            call(max_length=5)


def test_stored_states_are_measured_once_too(
    clusters: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, classes = clusters
    first = lg.profile(layers, labels=classes, k=10, folder=tmp_path)
    assert lg.load(tmp_path).to_json() == first.to_json()
    monkeypatch.setattr("layergeom.measure.measured_layer", never)
    assert lg.profile(layers, labels=classes, k=10, folder=tmp_path).to_json() == first.to_json()


def test_a_damaged_profile_is_made_again(clusters: tuple, tmp_path: Path) -> None:
    layers, _ = clusters
    first = lg.profile(layers, k=10, folder=tmp_path)
    (tmp_path / "profile.json").write_text('{"schema": 1, "layers"')
    again = lg.profile(layers, k=10, folder=tmp_path)
    np.testing.assert_array_equal(again.dimension.values, first.dimension.values)
    assert lg.load(tmp_path).to_json() == again.to_json()


# ── the result ────────────────────────────────────────────────────────────────────────────────


def test_the_result_has_its_views_at_hand(clusters: tuple, tmp_path: Path) -> None:
    layers, classes = clusters
    found = lg.profile(layers, labels=classes, k=10)
    assert isinstance(found, lg.Profile)
    assert found.reading is found.reading
    assert found.phases == found.reading.phases
    assert found.recommendation.layer in found.layers
    assert isinstance(found.plot(), Figure)
    loaded = lg.load(found.save(tmp_path))
    assert isinstance(loaded, lg.ProfileResult)
    assert loaded.to_json() == found.to_json()
    assert repr(loaded.reading) == repr(found.reading)  # repeatability may be nan
    assert len(found.to_frame()) == 4


def test_report_is_written_where_asked(clusters: tuple, tmp_path: Path) -> None:
    found = lg.profile(clusters[0], k=10)
    path = found.report(tmp_path / "new" / "report.html", command="layergeom run")
    assert path == tmp_path / "new" / "report.html"
    text = path.read_text(encoding="utf-8")
    assert "<html" in text
    assert "block_2" in text


def test_dynamics_over_a_folder(training_run: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(4, VOCABULARY, (60, 6))
    labels = np.arange(60) % 2
    found = lg.dynamics(
        training_run, rows, revisions="step1*", labels=labels, k=10, folder=tmp_path
    )
    assert found.checkpoints == ("step10", "step100")
    assert "label_overlap" in found.profiles[0].curves
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step10",
        "step100",
    ]


def test_progress_is_called(clusters: tuple) -> None:
    seen: list[tuple[int, str]] = []
    lg.profile(clusters[0], k=10, progress=lambda done, _, what: seen.append((done, what)))
    assert [done for done, what in seen if what == "layers measured"] == [1, 2, 3, 4]


# ── the kernel that is missing ────────────────────────────────────────────────────────────────


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compiled, "kernel", lambda: None)
    monkeypatch.setattr(api, "MISSED_FROM", ROWS)
    api._warn_once.cache_clear()


def said_of_the_kernel(rows: int, times: int = 1) -> list[warnings.WarningMessage]:
    """Profile a random layer so many times; return what was warned."""
    X = np.random.default_rng(0).standard_normal((rows, 3))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(times):
            assert lg.profile({"embedding": X}, k=5).warnings == ()
    return said


@pytest.mark.usefixtures("no_kernel")
def test_a_missing_kernel_is_told_once_where_it_is_missed() -> None:
    [said] = said_of_the_kernel(ROWS, times=2)
    assert said.category is GeometryWarning
    assert said.filename == __file__
    assert "no kernel" in str(said.message)
    assert "times as long." in str(said.message)


@pytest.mark.usefixtures("no_kernel")
def test_a_missing_kernel_is_not_told_of_few_rows() -> None:
    assert said_of_the_kernel(ROWS - 1) == []


@pytest.mark.skipif(_compiled.kernel() is None, reason="no kernel here")
def test_a_kernel_that_is_here_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MISSED_FROM", ROWS)
    api._warn_once.cache_clear()
    assert said_of_the_kernel(ROWS) == []


def test_the_command_line_tells_a_missing_kernel_in_one_line(tmp_path: Path) -> None:
    states = tmp_path / "states.npz"
    np.savez(states, embedding=np.random.default_rng(0).standard_normal((ROWS, 3)))
    script = (
        "from layergeom import api, cli; from layergeom.geometry import _compiled\n"
        "_compiled.kernel, api.MISSED_FROM = lambda: None, 1\n"
        "cli.main()"
    )
    arguments = ["run", "--states", str(states), "--k", "5", "-o", str(tmp_path / "run")]
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("layergeom: neighbours: plain")
