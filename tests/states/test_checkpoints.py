import math

import pytest

from layergeom.errors import InputError
from layergeom.states.checkpoints import Checkpoint, checkpoints, spread, step_of, tokens_of


def run(path, *names):
    for name in names:
        (path / name).mkdir()
        (path / name / "config.json").write_text("{}")
    return path


def test_folders_in_the_order_of_their_steps(tmp_path):
    run(tmp_path, "step1000", "step16", "step0")
    (tmp_path / "logs").mkdir()
    found = checkpoints(tmp_path)
    assert [c.name for c in found] == ["step0", "step16", "step1000"]
    assert found[1] == Checkpoint("step16", 16.0, str(tmp_path / "step16"), None)


def test_a_pattern_or_a_list_of_folders(tmp_path):
    run(tmp_path, "step1000", "step16", "final")
    assert [c.name for c in checkpoints(tmp_path, "step*")] == ["step16", "step1000"]
    assert [c.name for c in checkpoints(tmp_path, ["final", "step16"])] == ["step16", "final"]
    assert math.isnan(checkpoints(tmp_path)[-1].step)


def test_revisions_of_a_hub_id():
    found = checkpoints("own/model", ["step143000", "step512"])
    assert found[0] == Checkpoint("step512", 512.0, "own/model", "step512")


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step512", 512),
        ("checkpoint-1000", 1000),
        ("global_step95000", 95000),
        ("step-50K-105b", 50000),
        ("intermediate-step-1431k-3T", 1431000),
        ("ckpt_2.5M", 2.5e6),
        ("007", 7),
        ("0.13m", 130000),
    ],
)
def test_steps_in_names(name, step):
    assert step_of(name) == step


def test_names_without_a_number():
    assert math.isnan(step_of("main"))


def test_what_is_no_training_run(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoints"):
        checkpoints(tmp_path)
    run(tmp_path, "step1", "step01")
    with pytest.raises(InputError, match="'step01' and 'step1' are both at step 1"):
        checkpoints(tmp_path)
    with pytest.raises(InputError, match="holds no checkpoint 'epoch"):
        checkpoints(tmp_path, ["epoch1"])
    for revisions in (None, []):
        with pytest.raises(InputError, match="name the revisions of a hub id"):
            checkpoints("own/model", revisions)


# ── tokens as the axis, and fewer checkpoints ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("step1000-tokens4B", 4e9),
        ("stage1-step596057-tokens2500B", 2500e9),
        ("stage2-ingredient1-step1000-tokens3B", 3e9),
        ("step-50K-105b", 105e9),
        ("1.1b-intermediate-step-1431k-3T", 3e12),
        ("tokens_500M", 5e8),
        ("0.26m", 260000),
    ],
)
def test_tokens_in_names(name, tokens):
    assert tokens_of(name) == tokens


def test_steps_are_no_tokens():
    for name in ("step1000", "step-50K", "checkpoint-5", "main"):
        assert math.isnan(tokens_of(name))


def test_tokens_as_the_axis(tmp_path):
    run(tmp_path, "step20-tokens1B", "step10-tokens3B")
    assert [c.step for c in checkpoints(tmp_path)] == [10, 20]
    assert [c.step for c in checkpoints(tmp_path, axis="tokens")] == [1e9, 3e9]
    run(tmp_path, "step30")
    with pytest.raises(InputError, match="'step30' holds no number of tokens"):
        checkpoints(tmp_path, axis="tokens")
    with pytest.raises(InputError, match="axis must be one of step, tokens but is 'epoch'"):
        checkpoints(tmp_path, axis="epoch")


def test_equal_tokens_are_told_as_tokens():
    with pytest.raises(InputError, match=r"both at 3e\+09 tokens"):
        checkpoints("own/model", ["step1-tokens3B", "step2-tokens3B"], axis="tokens")


def test_fewer_checkpoints_keep_both_ends_and_even_gaps():
    names = ["step0", *(f"step{2**i}" for i in range(10)), *(f"step{i}000" for i in range(1, 144))]
    found = checkpoints("EleutherAI/pythia-70m", names, max_checkpoints=9)
    assert [c.step for c in found] == [0, 4, 16, 64, 512, 2000, 7000, 32000, 143000]
    assert checkpoints("own/model", names, max_checkpoints=500) == checkpoints("own/model", names)


def test_fewer_checkpoints_than_two_are_refused():
    with pytest.raises(InputError, match="max_checkpoints must be at least 2"):
        checkpoints("own/model", ["step1", "step2"], max_checkpoints=1)
    with pytest.raises(InputError, match="no room beside the 1 checkpoints without a number"):
        checkpoints("own/model", ["step1", "step2", "main"], max_checkpoints=2)


def test_steps_close_together_are_all_different():
    steps = [0, 1, 1000, 1001, 1002, 1003]
    for most in range(2, 7):
        chosen = spread(steps, most)
        assert len(set(chosen)) == most
        assert chosen == sorted(chosen)
