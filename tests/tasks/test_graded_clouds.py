"""Prompts as clouds, intact and shuffled by degrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from layergeom.errors import InputError
from layergeom.tasks import cloud_networks
from layergeom.tasks.graded_clouds import GradedClouds, graded_clouds
from layergeom.tasks.graded_shuffles import block_sizes, shuffled_blocks
from layergeom.tasks.protocol_runs import dynamics_by, prepared
from layergeom.tasks.token_clouds import FILE, token_clouds
from states.tiny import VOCABULARY, WORDS, folder, tokenizer

TEXTS = [" ".join(np.random.default_rng(i).choice(WORDS, 30 + 3 * i)) for i in range(8)]


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 with its head, that reads 40 tokens."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=3, n_head=2, n_positions=40, initializer_range=0.5
    )
    path = tmp_path_factory.mktemp("graded") / "gpt"
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    tokenizer().save_pretrained(path)  # adds [CLS] and [SEP] where it is asked to
    return path


@pytest.fixture(scope="module")
def found(gpt: Path) -> GradedClouds:
    return graded_clouds(gpt, TEXTS, prompt_tokens=32, shuffled_prompts=4, k=6)


# ── shuffling ─────────────────────────────────────────────────────────────────────────────────


def test_blocks_keep_their_insides_and_change_their_order() -> None:
    row = np.arange(100, 165)
    for size in (1, 4, 16):
        mixed = shuffled_blocks(row, size)
        assert sorted(mixed.tolist()) == row.tolist()
        assert not np.array_equal(mixed, row)
        inside = np.flatnonzero((mixed - 100) % size != size - 1)[:-1]
        kept = inside[mixed[inside] != row[-1]]  # the last block is shorter
        assert (np.diff(mixed)[kept] == 1).all()
    np.testing.assert_array_equal(shuffled_blocks(row, len(row)), row)
    assert not np.array_equal(shuffled_blocks(row, 1), shuffled_blocks(row, 1, seed=1))


def test_every_order_of_blocks_is_as_likely() -> None:
    first = [shuffled_blocks(np.arange(4), 1, seed)[0] for seed in range(2000)]
    np.testing.assert_allclose(np.bincount(first) / 2000, 0.25, atol=0.04)  # 4 standard errors


def test_levels_go_from_the_whole_to_single_tokens() -> None:
    assert block_sizes(1024) == (1024, 256, 64, 16, 4, 1)
    assert block_sizes(40) == (40, 10, 2, 1)
    assert block_sizes(1) == (1,)
    with pytest.raises(InputError, match="base must be at least 2"):
        block_sizes(8, 1)


# ── prompts ───────────────────────────────────────────────────────────────────────────────────


def test_prompts_are_the_first_tokens_of_long_texts_without_special_ones(
    gpt: Path, found: GradedClouds
) -> None:
    network = transformers.GPT2LMHeadModel.from_pretrained(gpt).eval()
    kept = [text for text in TEXTS if len(text.split()) >= 32]
    assert len(found.intact.clouds) == len(kept) == 7
    for text, cloud in zip(kept, found.intact.clouds, strict=True):
        ids = tokenizer()(text, add_special_tokens=False)["input_ids"][:32]
        row = torch.tensor([ids])
        with torch.no_grad():
            assert cloud.loss == pytest.approx(float(network(row, labels=row).loss), rel=1e-5)
    assert "7 of 8 texts have 32 tokens and are cut to these." in found.warnings


def test_the_intact_level_is_what_clouds_of_the_ids_are(gpt: Path, found: GradedClouds) -> None:
    ids = [tokenizer()(t, add_special_tokens=False)["input_ids"][:32] for t in TEXTS[1:]]
    alone = token_clouds(gpt, [np.array(row) for row in ids], rank=2, k=6)
    for one, other in zip(found.intact.clouds, alone.clouds, strict=True):
        assert one.dimension == pytest.approx(other.dimension)
        assert one.overlap_next[:-1] == pytest.approx(other.overlap_next[:-1])


def test_shuffled_levels_hold_the_same_prompts(found: GradedClouds) -> None:
    assert [(level.index, level.block) for level in found.levels] == [
        (0, 32),
        (1, 8),
        (2, 2),
        (3, 1),
    ]
    names = {tuple(cloud.id for cloud in level.found.clouds) for level in found.levels[1:]}
    assert [len(ids) for ids in names] == [4]
    own = {cloud.id: cloud for cloud in found.intact.clouds}
    for cloud in found.levels[-1].found.clouds:
        assert cloud.loss != own[cloud.id].loss
        # an embedding with positions moves, one of words alone would not
        assert cloud.tokens == own[cloud.id].tokens
    intact, shuffled = found.pair()
    assert intact.layers == ("block_1", "block_2", "block_3")
    assert intact.curves["dimension"].values.shape == shuffled.curves["dimension"].values.shape
    assert intact.curves["dimension"].values[0, 0] == own[next(iter(names))[0]].dimension[1]


def test_a_model_that_reads_less_gets_shorter_prompts_and_says_so(gpt: Path) -> None:
    found = graded_clouds(gpt, TEXTS, prompts=3, shuffled_prompts=0)
    assert found.record["departures"] == {
        "prompts": {"recipe": 2244, "given": 3},
        "shuffled_prompts": {"recipe": 50, "given": 0},
        "prompt_tokens": {"recipe": 1024, "given": 40},
    }
    assert len(found.levels) == 1
    assert len(found.intact.clouds) == 3
    assert "3 of them are drawn at random, seed 0." in found.warnings
    assert [claim.verdict for claim in found.claims[1:4]] == ["cannot be told"] * 3


def test_token_ids_need_no_tokenizer(gpt: Path) -> None:
    rows = [np.random.default_rng(i).integers(4, VOCABULARY, 24) for i in range(3)]
    found = graded_clouds(gpt, rows, prompt_tokens=24, shuffled_prompts=1)
    assert [cloud.tokens for cloud in found.intact.clouds] == [24] * 3


def test_a_model_without_a_head_says_that_there_is_no_loss(tmp_path: Path) -> None:
    found = graded_clouds(folder(tmp_path / "bert"), TEXTS, prompt_tokens=30, shuffled_prompts=0)
    assert any("predicts no next token" in line for line in found.warnings)
    assert found.claims[4].needs == "a model with a head, and ten prompts or more"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": "cheng2025"}, "is not of clouds; use layergeom partitions"),
        ({"rank": 0}, "rank must be at least 1"),
        ({"shuffled_prompts": -1}, "shuffled_prompts must be at least 0"),
    ],
)
def test_what_cannot_be_asked_for(gpt: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        graded_clouds(gpt, TEXTS, **given)


def test_texts_that_are_too_short_are_refused(gpt: Path) -> None:
    with pytest.raises(InputError, match=r"no text has 40 tokens, .* the longest has 36"):
        graded_clouds(gpt, TEXTS[:3])


def test_a_profile_by_the_recipe_is_refused_with_the_command_to_use() -> None:
    with pytest.raises(InputError, match="use layergeom clouds MODEL DATA --protocol"):
        prepared("viswanathan2025", TEXTS)
    with pytest.raises(InputError, match="use layergeom clouds MODEL DATA --protocol"):
        dynamics_by("viswanathan2025", "no/such/model", TEXTS)


def test_the_same_call_goes_on(gpt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Any = {"prompt_tokens": 32, "shuffled_prompts": 2, "folder": tmp_path, "k": 6}
    first = graded_clouds(gpt, TEXTS, **asked)
    lines = (tmp_path / "level-2" / FILE).read_text().splitlines()
    assert len(lines) == 1 + 2
    (tmp_path / "level-2" / FILE).write_text("\n".join(lines[:2]) + "\n")
    fed: list[int] = []
    measure = cloud_networks.layer_cloud

    def watched(states: Any, *sizes: int) -> Any:
        fed.append(len(states))
        return measure(states, *sizes)

    monkeypatch.setattr(cloud_networks, "layer_cloud", watched)
    again = graded_clouds(gpt, TEXTS, **asked)
    assert len(fed) == len(first.intact.layers)
    assert repr(again) == repr(first)


# ── the command ───────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_levels_and_claims(
    gpt: Path, tmp_path: Path, main: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "prompts.txt").write_text("\n".join(TEXTS))
    asked = (gpt, tmp_path / "prompts.txt", "-o", tmp_path / "out", "--protocol", "viswanathan2025")
    code, out, _ = main("clouds", *asked, "--max-length", "32", "--shuffled", "3")
    assert code == 0
    for words in ("dimension by tokens of a shuffled block", "intact", "V5", "cosine", "χ(l, l+1)"):
        assert words in out
    assert "prompt_tokens is 32 where the protocol has 1024" in out
    code, out, _ = main("clouds", *asked, "--max-length", "32", "--shuffled", "3", "--json")
    content = json.loads(out)
    assert [level["block"] for level in content["levels"]] == [32, 8, 2, 1]
    record = json.loads((tmp_path / "out" / "study.json").read_text())
    assert record["claims"] == content["claims"]
    assert record["protocol"]["name"] == "viswanathan2025"
    assert {claim["name"] for claim in content["claims"]} == {"V1", "V2", "V3", "V4", "V5"}
    code, _, error = main("clouds", *asked, "--special-tokens")
    assert (code, "feeds no special tokens" in error) == (2, True)
    code, _, error = main("clouds", gpt, tmp_path / "prompts.txt", "--shuffled", "3")
    assert (code, "--shuffled belongs to a protocol" in error) == (2, True)
