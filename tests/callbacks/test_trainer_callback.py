"""A real Trainer with the callback: the same weights, and the curves in TensorBoard."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trainings import examples, model, rows, weights

from layergeom.callbacks import GeometryCallback, training_record
from layergeom.errors import GeometryWarning, InputError

pytest.importorskip("accelerate", reason="transformers' Trainer needs it")
transformers = pytest.importorskip("transformers")

STEPS = 12
SETTINGS = {"every": 4, "max_share": None, "k": 5, "pool": "mean"}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(folder, network=None, **changes):
    settings = {
        "output_dir": str(folder),
        "max_steps": STEPS,
        "per_device_train_batch_size": 4,
        "report_to": [],
        "logging_steps": 3,
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 3,
    }
    arguments = transformers.TrainingArguments(**(settings | changes))
    network = model() if network is None else network
    return transformers.Trainer(model=network, args=arguments, train_dataset=examples())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": True},
        {"bf16": True},
        {"dataloader_num_workers": 1},
    ],
    ids=lambda changes: next(iter(changes), "plain"),
)
def test_weights_are_those_of_a_training_without_the_callback(tmp_path, changes):
    alone = trainer(tmp_path / "a", **changes)
    alone.train()
    watched = trainer(tmp_path / "b", **changes)
    callback = GeometryCallback(rows(), **SETTINGS).attach(watched)
    watched.train()
    assert [m.step for m in callback.watch.measurements] == [0, 4, 8, 12]
    assert not any(m.error for m in callback.watch.measurements)
    assert torch.equal(weights(alone.model), weights(watched.model))
    assert _losses(alone) == _losses(watched)


def _losses(of):
    return [line["loss"] for line in of.state.log_history if "loss" in line]


def test_curves_are_in_tensorboard(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    watched = trainer(tmp_path, report_to=["tensorboard"])
    labels = [f"class {i % 3}" for i in range(60)]
    callback = GeometryCallback(rows(), labels=labels, errors=True, **SETTINGS).attach(watched)
    watched.train()
    [file] = [f for f in tmp_path.rglob("events.out*") if _holds(events, f)]
    written = events.EventAccumulator(str(file)).Reload()
    for name in ("dimension", "dimension_error", "anisotropy", "label_overlap", "overlap_next"):
        curve = written.Scalars(f"train/geometry/{name}/block_1")
        assert [point.step for point in curve] == [0, 4, 8, 12]
        expected = [m.values[f"geometry/{name}/block_1"] for m in callback.watch.measurements]
        np.testing.assert_allclose([point.value for point in curve], expected, rtol=1e-6)  # float32
    start = written.Scalars("train/geometry/overlap_start/block_2")
    assert [point.step for point in start] == [4, 8, 12]
    assert len(written.Scalars("train/geometry/seconds")) == 4


def _holds(events, file):
    return "train/loss" in events.EventAccumulator(str(file)).Reload().Tags()["scalars"]


def test_the_record_lies_beside_the_checkpoints(tmp_path):
    watched = trainer(tmp_path)
    callback = GeometryCallback(rows(), **SETTINGS).attach(watched)
    watched.train()
    lines = (tmp_path / "geometry" / "record.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 4, 8, 12]
    assert json.loads(lines[-1])["values"] == dict(callback.watch.measurements[-1].values)
    assert training_record(tmp_path / "geometry").steps.tolist() == [0, 4, 8, 12]


def test_a_resumed_training_is_watched_from_where_it_goes_on(tmp_path):
    saving = {"save_strategy": "steps", "save_steps": 6}
    whole = trainer(tmp_path / "whole", **saving)
    GeometryCallback(rows(), **SETTINGS).attach(whole)
    whole.train()
    again = trainer(tmp_path / "whole", model(9), **saving)
    callback = GeometryCallback(rows(), **SETTINGS).attach(again)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-6"))
    assert [m.step for m in callback.watch.measurements] == [8, 12]
    assert torch.equal(weights(whole.model), weights(again.model))
    assert training_record(tmp_path / "whole" / "geometry").steps.tolist() == [0, 4, 8, 12]


def test_without_its_trainer_it_says_where_the_values_went(tmp_path):
    watched = trainer(tmp_path)
    callback = GeometryCallback(rows(), **SETTINGS)
    watched.add_callback(callback)
    with pytest.warns(GeometryWarning, match=r"attach\(trainer\)"):
        watched.train()
    logged = [line for line in watched.state.log_history if "geometry/seconds" in line]
    assert [line["step"] for line in logged] == [0, 4, 8, 12]


def test_a_training_goes_on_where_weights_are_no_numbers(tmp_path):
    class Breaking(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, **kwargs):  # noqa: ARG002
            if state.global_step == 5:
                with torch.no_grad():
                    model.transformer.wte.weight.fill_(float("nan"))

    watched = trainer(tmp_path)
    watched.add_callback(Breaking())
    callback = GeometryCallback(rows(), **SETTINGS).attach(watched)
    with pytest.warns(GeometryWarning, match="step 8 could not be measured or kept"):
        watched.train()
    assert watched.state.global_step == STEPS
    assert [bool(m.error) for m in callback.watch.measurements] == [False, False, True, True]


def test_other_processes_do_nothing():
    callback = GeometryCallback(rows(), **SETTINGS)
    elsewhere = SimpleNamespace(is_world_process_zero=False, global_step=4)
    callback.on_train_begin(None, elsewhere, None, model=model())
    callback.on_step_end(None, elsewhere, None, model=model())
    assert callback.watch.measurements == []


def test_weights_in_pieces_are_refused_on_every_process():
    network = model()
    next(network.parameters()).ds_id = 0
    callback = GeometryCallback(rows(), **SETTINGS)
    for zero in (True, False):
        state = SimpleNamespace(is_world_process_zero=zero, global_step=0)
        with pytest.raises(InputError, match="spread over processes"):
            callback.on_train_begin(None, state, None, model=network)
