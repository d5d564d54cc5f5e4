"""A watched training is the same training, and what is measured is what layergeom measures."""
# ruff: noqa: NPY002, S311  (the global generators are what a training uses)

import json
import random
import warnings

import numpy as np
import pytest
import torch
from trainings import ROWS, model, rows, trained, weights

import layergeom as lg
from layergeom.callbacks import Watch, training_record, training_report
from layergeom.callbacks.live_network import bare
from layergeom.errors import GeometryWarning, InputError

LABELS = [f"class {i % 3}" for i in range(ROWS)]


def watch(**changes):
    settings = {"every": 3, "max_share": None, "k": 5, "save": False, "pool": "mean"}
    return Watch(rows(), **(settings | changes))


def watched(network, seen, **training):
    """Train as `trained` does, looking between the gradient and the step that uses it."""
    seen.begin(network)
    seen.look(network, 0)
    return trained(network, after_step=lambda _, step: seen.look(network, step), **training)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_weights_are_bit_by_bit_those_of_a_training_that_nobody_watches(checkpointing):
    alone, seen = model(), model()
    if checkpointing:
        alone.gradient_checkpointing_enable()
        seen.gradient_checkpointing_enable()
    trained(alone)
    look = watch(labels=LABELS)
    watched(seen, look)
    assert [m.step for m in look.measurements] == [0, 3, 6, 9, 12]
    assert torch.equal(weights(alone), weights(seen))
    assert not torch.equal(weights(alone), weights(model()))


def state_of(network):
    gradients = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    modes = [part.training for part in network.modules()]
    chance = (torch.get_rng_state(), np.random.get_state()[1], random.getstate())
    hooks = [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in network.modules()]
    flags = (
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        network.is_gradient_checkpointing,
    )
    return gradients, modes, chance, hooks, flags


def test_the_network_is_left_as_it_was_found():
    network = model().train()
    network.transformer.h[0].eval()  # a part that is frozen
    network.transformer.h[1].register_forward_hook(lambda *_: None)
    network(
        input_ids=torch.ones(2, 5, dtype=torch.long), labels=torch.ones(2, 5, dtype=torch.long)
    ).loss.backward()
    look = watch()
    look.begin(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        before = state_of(network)
        look.measure(network, 1)
        after = state_of(network)
        assert torch.is_autocast_enabled("cpu")
    for a, b in zip(before[0], after[0], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    assert before[1] == after[1]
    assert torch.equal(before[2][0], after[2][0])
    assert np.array_equal(before[2][1], after[2][1])
    assert before[2][2] == after[2][2]
    assert before[3:] == after[3:]


def test_buffers_and_random_numbers_that_a_pass_uses_are_put_back():
    network = model().eval()
    network.transformer.register_buffer("passes", torch.zeros(1))

    def counting(part, _args, output):
        part.passes += 1
        part.passes_of_another = torch.rand(1) + np.random.random() + random.random()
        return output

    network.transformer.register_forward_hook(counting)
    look = watch()
    look.begin(network)
    chance = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    look.measure(network, 1)
    assert network.transformer.passes_of_another > 0  # it did run
    assert network.transformer.passes.item() == 0
    assert torch.equal(chance[0], torch.get_rng_state())
    assert np.array_equal(chance[1], np.random.get_state()[1])
    assert chance[2] == random.getstate()


def test_the_numbers_are_those_of_a_profile_of_the_same_network():
    network = model(3)
    look = watch(labels=LABELS, errors=True)
    look.begin(network)
    found = look.measure(network, 0)
    whole = lg.profile(network.eval(), rows(), labels=LABELS, k=5, pool="mean")
    for name in ("dimension", "anisotropy", "label_overlap", "overlap_next"):
        ours, theirs = found.profile[name], whole[name]
        # a profile has the anisotropy from the whole spectrum, and its errors of float32 products
        value, error = (1e-9, 1e-6) if name == "anisotropy" else (0, 0)
        np.testing.assert_allclose(ours.values, theirs.values, rtol=value, err_msg=name)
        np.testing.assert_allclose(ours.errors, theirs.errors, rtol=error, err_msg=name)
    np.testing.assert_array_equal(
        found.profile["overlap_last"].values[:-1], whole.overlap.values[:-1, -1]
    )
    layer = found.profile.layers[1]
    assert found.values[f"geometry/dimension/{layer}"] == whole.dimension.values[1]
    assert found.values[f"geometry/dimension_error/{layer}"] == whole.dimension.errors[1]
    assert np.isnan(found.profile["overlap_start"].values).all()


def test_neighbours_are_compared_with_the_start_and_with_the_moment_before():
    network = model()
    look = watch(every=6)
    watched(network, look)
    _, second, last = (m.profile for m in look.measurements)
    same = second["overlap_start"].values
    np.testing.assert_array_equal(same, second["overlap_before"].values)
    assert (same < 1).all()
    assert not np.array_equal(last["overlap_start"].values, last["overlap_before"].values)
    assert last["overlap_start"].chance == pytest.approx(5 / (ROWS - 1))


def test_groups_are_kept_apart():
    network = model()
    groups = [i // 2 for i in range(ROWS)]
    alone, grouped = watch(), watch(groups=groups)
    for look in (alone, grouped):
        look.begin(network)
    a, b = (look.measure(network, 0).profile for look in (alone, grouped))
    assert not np.array_equal(a.dimension.values, b.dimension.values)
    expected = lg.profile(network, rows(), groups=groups, k=5, pool="mean").dimension
    np.testing.assert_array_equal(b.dimension.values, expected.values)
    np.testing.assert_array_equal(b.dimension.errors, expected.errors)


def broken(network, step):
    if step >= 6:
        with torch.no_grad():
            network.transformer.wte.weight.fill_(float("nan"))


def test_a_measurement_that_fails_is_told_once_and_recorded(tmp_path):
    network = model()
    look = watch(folder=tmp_path, save=True)
    look.begin(network)

    def after_step(_, step):
        broken(network, step)
        look.look(network, step)

    with pytest.warns(GeometryWarning, match="at step 6 could not be measured or kept") as told:
        trained(network, after_step=after_step)
    assert len([w for w in told if w.category is GeometryWarning]) == 1
    assert [bool(m.error) for m in look.measurements] == [False, True, True, True]
    assert "no layer can be measured" in look.measurements[1].error
    lines = [json.loads(line) for line in (tmp_path / "record.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9, 12]
    assert [bool(line["error"]) for line in lines] == [False, True, True, True]


def test_a_record_that_cannot_be_written_does_not_end_the_training(tmp_path):
    look = watch(folder=tmp_path, save=True)
    network = model()
    look.begin(network)
    (tmp_path / "record.jsonl").unlink()
    (tmp_path / "record.jsonl").mkdir()
    with pytest.warns(GeometryWarning, match=r"or kept \(StoreError"):
        found = look.measure(network, 3)
    assert found.profile is not None


def test_a_layer_alone_that_fails_leaves_the_others():
    network = model()
    look = watch()
    look.begin(network)
    with torch.no_grad():
        network.transformer.h[1].mlp.c_proj.bias.fill_(float("nan"))
    found = look.measure(network, 1)
    assert not found.error
    assert set(found.profile.undefined) == {"block_2", "final"}
    assert np.isfinite(found.profile.dimension.values[:2]).all()
    assert "geometry/dimension/block_2" not in found.values


def test_a_failure_ends_the_training_if_that_is_asked_for():
    network = model()
    look = watch(on_error="raise")
    look.begin(network)
    broken(network, 6)
    with pytest.raises(ValueError, match="no layer can be measured"):
        look.measure(network, 6)
    assert look.measurements[-1].error


def test_due_steps_are_passed_over_where_there_is_no_time():
    network = model()
    look = watch(every=1, max_share=1e-6)
    watched(network, look)
    assert [m.step for m in look.measurements] == [0]
    assert look.passed_over == 12


def test_what_was_logged_is_a_frame():
    look = watch()
    watched(model(), look)
    frame = look.to_frame()
    assert frame.index.tolist() == [0, 3, 6, 9, 12]
    last = look.measurements[-1].values
    assert frame.loc[12, "geometry/dimension/block_1"] == last["geometry/dimension/block_1"]
    assert np.isnan(frame.loc[0, "geometry/overlap_start/block_1"])


def test_a_step_is_looked_at_once():
    network = model()
    look = watch()
    look.begin(network)
    assert look.look(network, 3) is not None
    assert look.look(network, 3) is None  # several batches of one step
    assert look.look(network, 4) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": 0}, "every must be at least 1"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"max_share": 0}, "max_share is 0"),
        ({"labels": ["a", "b"]}, "labels"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(changes, message):
    with pytest.raises(InputError, match=message):
        watch(**changes)


def test_a_probe_set_that_does_not_suit_is_refused_before_the_first_step():
    with pytest.raises(InputError, match="k is 80 but there are 60 rows"):
        watch(k=80).begin(model())
    with pytest.raises(InputError, match="call begin"):
        watch().measure(model(), 0)
    begun = watch()
    begun.begin(model())
    with pytest.raises(InputError, match="call begin"):
        begun.measure(model(), 0)  # another network, whose weights it would not see


def test_texts_need_a_tokenizer():
    look = Watch(["a b c"] * 40, k=5, save=False)
    with pytest.raises(InputError, match="tokenizer"):
        look.begin(model())


def test_wrappers_are_seen_through_and_weights_in_pieces_refused():
    network = model()
    wrapped = torch.nn.DataParallel(network)
    assert bare(wrapped) is network
    look = watch()
    look.begin(wrapped)
    assert look.measure(wrapped, 0).profile is not None
    next(network.parameters()).ds_id = 0  # as ZeRO-3 marks them
    with pytest.raises(InputError, match="spread over processes"):
        look.begin(network)


def test_the_record_is_read_as_dynamics(tmp_path):
    look = watch(folder=tmp_path, save=True, labels=LABELS)
    watched(model(), look)
    found = training_record(tmp_path)
    assert found.steps.tolist() == [0, 3, 6, 9, 12]
    for at, measured in enumerate(look.measurements):
        np.testing.assert_array_equal(
            found.maps["dimension"].values[at], measured.profile.dimension.values
        )
    assert {"label_overlap", "overlap_start"} <= set(found.maps)
    assert "overlap_to_final" not in found.maps
    assert lg.load(tmp_path).provenance["states"]["step"] == 12


def test_a_resumed_training_goes_on_with_its_record(tmp_path):
    network = model()
    watched(network, watch(folder=tmp_path, save=True))
    look = watch(folder=tmp_path, save=True)
    look.begin(network, step=6)
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "record.jsonl").read_text().splitlines()
    ]
    assert steps == [0, 3]
    look.look(network, 6)
    assert training_record(tmp_path).steps.tolist() == [0, 3, 6]
    look.begin(network, step=0)
    with pytest.raises(InputError, match="holds 0 profiles"):
        training_record(tmp_path)


def test_a_line_that_a_killed_process_left_half_is_dropped(tmp_path):
    watched(model(), watch(folder=tmp_path, save=True))
    file = tmp_path / "record.jsonl"
    file.write_text(file.read_text() + '{"step": 15, "sec')
    watch(folder=tmp_path, save=True).begin(model(), step=15)
    assert [json.loads(line)["step"] for line in file.read_text().splitlines()] == [0, 3, 6, 9, 12]


@pytest.mark.slow  # nine seconds of figures
def test_the_report_is_drawn_from_the_record(tmp_path):
    watched(model(), watch(folder=tmp_path, save=True, labels=LABELS, every=6))
    page = training_report(tmp_path).read_text()
    assert page == (tmp_path / "report.html").read_text()
    assert "step12" in page
    assert "overlap_start" in page


def test_nothing_is_written_where_nothing_is_to_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watched(model(), watch())
    assert list(tmp_path.iterdir()) == []
