import pytest
import torch

from layergeom.states import pooling

STATES = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)


@pytest.mark.parametrize(
    ("mode", "reference"),
    [
        ("mean", lambda tokens, _: tokens.mean(0)),
        ("last", lambda tokens, _: tokens[-1]),
        ("first", lambda tokens, _: tokens[0]),
        ("max", lambda tokens, _: tokens.amax(0)),
        ("mean_sqrt_len", lambda tokens, _: tokens.sum(0) / len(tokens) ** 0.5),
        ("weighted_mean", lambda tokens, at: (tokens * at[:, None]).sum(0) / at.sum()),
    ],
)
def test_each_mode_against_a_loop(mode, reference):
    states = pooling.widen(STATES, ~MASK)
    pooled = pooling.pool(states, MASK, [mode])
    for row in range(3):
        positions = torch.nonzero(MASK[row])[:, 0]
        wanted = reference(STATES[row, positions], positions + 1.0)
        torch.testing.assert_close(pooled[row], wanted)


def test_modes_are_concatenated():
    both = pooling.pool(pooling.widen(STATES, ~MASK), MASK, ["first", "mean"])
    assert both.shape == (3, 8)


def test_what_is_masked_does_not_matter_even_if_infinite():
    broken = STATES.masked_fill(~MASK.unsqueeze(-1), float("inf"))
    pooled = pooling.pool(pooling.widen(broken, ~MASK), MASK, ["mean", "last", "first", "max"])
    clean = pooling.pool(pooling.widen(STATES, ~MASK), MASK, ["mean", "last", "first", "max"])
    torch.testing.assert_close(pooled, clean)
    assert torch.isfinite(pooling.token_norms(pooling.widen(broken, ~MASK), MASK)).all()


def test_half_precision_is_summed_in_float32():
    states = torch.full((1, 4096, 1), 30.0, dtype=torch.float16)
    mask = torch.ones(1, 4096, dtype=torch.bool)
    assert pooling.pool(pooling.widen(states, None), mask, ["mean"]).item() == pytest.approx(30.0)
    assert pooling.pool(pooling.widen(states, None), mask, ["mean_sqrt_len"]).item() == 1920.0


@pytest.mark.parametrize("entries", [1, 1 << 18])
def test_the_order_of_the_tokens_does_not_reach_the_mean(monkeypatch, entries):
    monkeypatch.setattr(pooling, "WIDENED_ENTRIES", entries)
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(300, 101, 16, generator=generator)
    order = torch.randperm(101, generator=generator)
    mask = torch.ones(300, 101, dtype=torch.bool)
    one, other = (pooling.pool(x, mask, ["mean"]) for x in (states, states[:, order]))
    in_single = [(x.sum(dim=1) / 101) for x in (states, states[:, order])]
    assert torch.equal(one, other)
    assert not torch.equal(*in_single)


def test_states_are_not_changed_in_place():
    before = STATES.clone()
    pooling.widen(STATES, ~MASK)
    assert torch.equal(STATES, before)
