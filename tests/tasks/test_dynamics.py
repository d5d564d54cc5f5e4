"""Checkpoints of a training run, profiled on the same rows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layergeom import geometry
from layergeom.errors import DegenerateError, InputError
from layergeom.measure import Settings
from layergeom.states import extract as extraction
from layergeom.states import request
from layergeom.states.hidden import HiddenStates, open_states
from layergeom.states.inputs import Samples, read_samples
from layergeom.states.store import Store
from layergeom.tasks.checkpoint_run import rows_kept
from layergeom.tasks.dynamics import Dynamics, dynamics
from states.tiny import VOCABULARY, network

TEN = Settings(k=10)
ROWS = np.random.default_rng(0).integers(4, VOCABULARY, (90, 6))
LABELS = [i % 3 for i in range(90)]


@pytest.fixture(scope="module")
def samples() -> Samples:
    return read_samples(ROWS, labels=LABELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dynamics")


@pytest.fixture(scope="module")
def found(training_run: Path, samples: Samples, folder: Path) -> Dynamics:
    return dynamics(training_run, samples, settings=TEN, folder=folder)


def test_checkpoints_come_in_the_order_of_training(found: Dynamics) -> None:
    assert found.checkpoints == ("step0", "step10", "step100")
    assert found.steps.tolist() == [0, 10, 100]
    assert len(found.profiles) == 3


def test_every_profile_has_the_same_rows_and_layers(found: Dynamics) -> None:
    layers = ("embedding", "block_1", "block_2", "block_3", "final")
    for profile in found.profiles:
        assert profile.layers == layers
        assert profile.counts["rows"] == 90
        assert "label_overlap" in profile.curves
    dimensions = [p.dimension.values for p in found.profiles]
    assert not np.allclose(dimensions[0], dimensions[2])


def test_overlap_to_final_grows_to_one(found: Dynamics) -> None:
    overlap = found.overlap_to_final
    assert overlap.shape == (3, 5)
    np.testing.assert_array_equal(overlap[-1], 1)
    assert (overlap[:-1] < 1).all()
    assert (overlap >= 0).all()
    assert overlap[1].mean() > overlap[0].mean()


def test_mean_dimension_is_the_mean_over_the_depth(found: Dynamics) -> None:
    means = found.mean_dimension
    for row, profile in enumerate(found.profiles):
        along = list(profile.blocks)
        assert means.values[row] == pytest.approx(profile.dimension.values[along].mean())
        V = profile.covariance["dimension"][np.ix_(along, along)]
        assert means.errors[row] == pytest.approx(np.sqrt(V.sum()) / len(along))
    assert "layer-mean dimension" in found.turning_point


def test_a_second_run_makes_no_forward_pass(
    training_run: Path,
    samples: Samples,
    folder: Path,
    found: Dynamics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(request, "load_source", never)
    monkeypatch.setattr(extraction, "passing", never)
    monkeypatch.setattr(geometry, "neighbor_graph", never)
    again = dynamics(training_run, samples, settings=TEN, folder=folder)
    np.testing.assert_array_equal(again.overlap_to_final, found.overlap_to_final)
    np.testing.assert_array_equal(again.mean_dimension.values, found.mean_dimension.values)
    assert again.turning_point == found.turning_point


def test_chosen_revisions_only(
    training_run: Path, samples: Samples, folder: Path, found: Dynamics
) -> None:
    calls: list[tuple[int, int, str]] = []
    part = dynamics(
        training_run,
        samples,
        ["step100", "step0"],
        settings=TEN,
        folder=folder,
        progress=lambda *call: calls.append(call),
    )
    assert part.checkpoints == ("step0", "step100")
    np.testing.assert_array_equal(part.overlap_to_final, found.overlap_to_final[[0, 2]])


def test_progress_names_the_checkpoint_and_never_falls_back(
    training_run: Path, samples: Samples
) -> None:
    calls: list[tuple[int, int, str]] = []
    dynamics(
        training_run,
        samples,
        ["step0", "step10"],
        settings=TEN,
        progress=lambda *call: calls.append(call),
        batch_size=30,
    )
    layers = [call[:2] for call in calls if call[2] == "layers measured"]
    assert layers == 2 * [(at, len(layers) // 2) for at in range(1, len(layers) // 2 + 1)]
    calls = [call for call in calls if call[2].startswith("checkpoint")]
    assert {call[2] for call in calls} == {"checkpoint step0", "checkpoint step10"}
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert done[-1] == calls[-1][1] == 180


def test_skipped_rows_keep_their_labels(training_run: Path) -> None:
    rows = [ROWS[i] if i % 9 else np.tile(ROWS[i], 3) for i in range(90)]
    samples = read_samples(rows, labels=[str(i) for i in range(90)])
    found = dynamics(
        training_run,
        read_samples(rows, labels=LABELS),
        ["step0", "step10"],
        settings=TEN,
        max_length=8,
        long="skip",
    )
    assert [p.counts["rows"] for p in found.profiles] == [80, 80]
    hidden = extraction.extract(str(training_run / "step0"), samples, max_length=8, long="skip")
    kept = rows_kept(samples, hidden)
    assert kept.labels == tuple(str(i) for i in range(90) if i % 9)
    assert kept.ids == hidden.ids


def test_one_checkpoint_is_not_enough(training_run: Path, samples: Samples) -> None:
    with pytest.raises(InputError, match=r"only one checkpoint was found \(step10\)"):
        dynamics(training_run, samples, "step10")


def test_checkpoints_of_different_models_are_refused(
    training_run: Path, samples: Samples, tmp_path: Path
) -> None:
    shutil.copytree(training_run / "step0", tmp_path / "step0")
    network("GPT2", num_hidden_layers=2).save_pretrained(tmp_path / "step7")
    with pytest.raises(InputError, match=r"checkpoint step7 has the layers .*block_2, final"):
        dynamics(tmp_path, samples, settings=TEN)


def test_no_dimension_anywhere_is_degenerate(training_run: Path) -> None:
    few = read_samples(np.tile(ROWS[:5], (18, 1)))
    with pytest.raises(DegenerateError, match="no layer"):
        dynamics(training_run, few, ["step0", "step10"], settings=TEN)


# ── maps, shared errors, tokens ───────────────────────────────────────────────────────────────


def test_maps_hold_what_the_profiles_hold(found: Dynamics) -> None:
    for name in ("dimension", "anisotropy", "label_overlap", "effective_rank"):
        drawn = found.maps[name]
        assert drawn.values.shape == drawn.errors.shape == (3, 5)
        for row, profile in enumerate(found.profiles):
            np.testing.assert_array_equal(drawn.values[row], profile[name].values)
            np.testing.assert_array_equal(drawn.errors[row], profile[name].errors)
    labels = found.maps["label_overlap"]
    assert labels.chance is not None
    np.testing.assert_array_equal(labels.chance[1], found.profiles[1].label_overlap.chance)
    assert found.maps["dimension"].chance is None


def test_overlap_to_final_has_errors_but_for_the_last(found: Dynamics, folder: Path) -> None:
    drawn = found.maps["overlap_to_final"]
    np.testing.assert_array_equal(drawn.values, found.overlap_to_final)
    assert np.isnan(drawn.errors[-1]).all()
    layers = [np.asarray(_states(folder, name)["block_1"]) for name in found.checkpoints]
    graphs = [geometry.neighbor_graph(X, 64) for X in layers]
    for row in (0, 1):
        expected = geometry.neighborhood_overlap(graphs[row], graphs[2], 10)
        assert drawn.values[row, 1] == expected.value
        assert drawn.errors[row, 1] == pytest.approx(expected.error, rel=1e-12)


def _states(folder: Path, name: str) -> HiddenStates:
    hidden = open_states(Store(folder / name / "states"))
    assert hidden is not None
    return hidden


def test_the_errors_of_the_means_stand_on_the_diagonal(found: Dynamics) -> None:
    V = found.mean_covariance
    assert V is not None
    np.testing.assert_allclose(np.sqrt(np.diag(V)), found.mean_dimension.errors)
    assert np.linalg.eigvalsh(V).min() > -1e-12
    assert found.peak is not None
    assert found.peak.joint


def test_what_moves_is_judged_by_the_joint_errors(found: Dynamics) -> None:
    assert found.mean_covariance is not None
    assert found.course.moves == ("compression",)
    wide = replace(found, mean_covariance=1e4 * found.mean_covariance)
    assert (wide.course.moves, wide.course.still_from) == ((), 0)


def test_equal_checkpoints_do_not_differ_at_all(
    training_run: Path, samples: Samples, tmp_path: Path
) -> None:
    for name in ("step1", "step2"):
        shutil.copytree(training_run / "step0", tmp_path / name)
    shutil.copytree(training_run / "step100", tmp_path / "step3")
    found = dynamics(tmp_path, samples, settings=TEN)
    V = found.mean_covariance
    assert V is not None
    assert V[0, 1] == pytest.approx(V[0, 0])
    assert abs(V[0, 2]) < V[0, 0]
    assert found.peak is not None
    assert len({"step1", "step2"} & set(found.peak.ties)) in (0, 2)


def test_tokens_as_the_axis(training_run: Path, samples: Samples, tmp_path: Path) -> None:
    for name, other in (("step10-tokens4B", "step0"), ("step20-tokens1B", "step10")):
        (tmp_path / name).symlink_to(training_run / other, target_is_directory=True)
    found = dynamics(tmp_path, samples, settings=TEN, axis="tokens")
    assert found.axis == "tokens"
    assert found.checkpoints == ("step20-tokens1B", "step10-tokens4B")
    assert found.steps.tolist() == [1e9, 4e9]
    assert found.kept_bytes > 2 * 5 * 90 * 10 * 5


def test_fewer_checkpoints(training_run: Path, samples: Samples) -> None:
    found = dynamics(training_run, samples, settings=TEN, max_checkpoints=2)
    assert found.checkpoints == ("step0", "step100")


def test_tokens_are_counted_and_not_their_sequences(training_run: Path) -> None:
    few = read_samples(ROWS[:12])  # 72 tokens
    settings = Settings(k=20)
    found = dynamics(training_run, few, ["step0", "step100"], settings=settings, pool="token")
    for profile in found.profiles:
        assert profile.counts["rows"] == 72
        assert profile.provenance["groups"] == {"groups": 12, "largest": 6, "rows": 72}
    assert np.isfinite(found.overlap_to_final).all()


def test_too_few_rows_are_refused_before_a_model_is_read(tmp_path: Path) -> None:
    nowhere, few = tmp_path / "no model", read_samples(ROWS[:12])
    with pytest.raises(InputError, match="k is 20 but there are 12 rows"):
        dynamics(nowhere, few, settings=Settings(k=20))
    with pytest.raises(InputError, match="k is 20 but max_tokens keeps 20 tokens at most"):
        dynamics(nowhere, few, settings=Settings(k=20), pool="token", max_tokens=20)
