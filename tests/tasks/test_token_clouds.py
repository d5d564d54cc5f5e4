"""One cloud of tokens per sequence, with the loss of the sequence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from scipy.stats import spearmanr

import layergeom as lg
from layergeom.errors import InputError
from layergeom.tasks import cloud_networks
from layergeom.tasks.token_clouds import FILE, Association, Cloud, TokenClouds, token_clouds
from states.tiny import VOCABULARY, causal, folder

ROWS = [np.random.default_rng(i).integers(4, VOCABULARY, 24 + 3 * i) for i in range(5)]


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 with its head."""
    return causal(tmp_path_factory.mktemp("clouds") / "gpt")


@pytest.fixture(scope="module")
def found(gpt: Path) -> TokenClouds:
    return token_clouds(gpt, ROWS)


def test_the_loss_is_the_networks_own(gpt: Path, found: TokenClouds) -> None:
    network = transformers.GPT2LMHeadModel.from_pretrained(gpt).eval()
    for row, cloud in zip(ROWS, found.clouds, strict=True):
        ids = torch.from_numpy(row)[None]
        with torch.no_grad():
            assert cloud.loss == pytest.approx(float(network(ids, labels=ids).loss), rel=1e-5)


def test_the_geometry_is_that_of_the_sequences_own_tokens(gpt: Path, found: TokenClouds) -> None:
    network = transformers.GPT2Model.from_pretrained(gpt).eval()
    assert found.layers == ("embedding", "block_1", "block_2", "final")
    with torch.no_grad():
        states = network(torch.from_numpy(ROWS[3])[None], output_hidden_states=True)
    cloud = found.clouds[3]
    for at, array in ((1, states.hidden_states[1]), (3, states.last_hidden_state)):
        X = array[0].numpy()
        assert cloud.dimension[at] == pytest.approx(lg.twonn(lg.neighbor_graph(X, 2)).value)
        assert cloud.anisotropy[at] == pytest.approx(lg.anisotropy(X).value)
        unit = X / np.linalg.norm(X, axis=1)[:, None]
        cosines = (unit @ unit.T)[np.triu_indices(len(X), 1)]
        assert cloud.mean_cosine[at] == pytest.approx(cosines.mean(), rel=1e-5)
        p = np.linalg.svd(X.astype(np.float64), compute_uv=False) ** 2
        p /= p.sum()
        assert cloud.prompt_entropy[at] == pytest.approx(-(p * np.log(p)).sum(), rel=1e-6)
    assert cloud.tokens == len(ROWS[3])


def test_the_overlap_is_that_of_neighbouring_layers(gpt: Path) -> None:
    network = transformers.GPT2Model.from_pretrained(gpt).eval()
    with torch.no_grad():
        states = network(torch.from_numpy(ROWS[4])[None], output_hidden_states=True).hidden_states
    cloud = token_clouds(gpt, ROWS[3:], k=5).clouds[1]
    near = []
    for layer in states[:2]:
        X = layer[0].double()
        near.append((torch.cdist(X, X) + torch.diag(torch.full((len(X),), 1e9))).argsort(1)[:, :5])
    shared = [len(set(a.tolist()) & set(b.tolist())) / 5 for a, b in zip(*near, strict=True)]
    assert cloud.overlap_next[0] == pytest.approx(np.mean(shared))
    assert np.isnan(cloud.overlap_next[-1])
    assert np.isnan(token_clouds(gpt, [ROWS[0]], k=24).clouds[0].overlap_next).all()


def test_pearson_is_of_the_logarithm(found: TokenClouds) -> None:
    loss = [cloud.loss for cloud in found.clouds]
    values = np.log([cloud.dimension[1] for cloud in found.clouds])
    got = found.association(kind="pearson")[1]
    assert got.value == pytest.approx(np.corrcoef(values, loss)[0, 1])
    assert (got.layer, np.isnan(got.low)) == ("block_1", True)


def test_a_larger_rank_is_gride(gpt: Path) -> None:
    network = transformers.GPT2Model.from_pretrained(gpt).eval()
    with torch.no_grad():
        X = network(torch.from_numpy(ROWS[0])[None]).last_hidden_state[0].numpy()
    cloud = token_clouds(gpt, ROWS[:1], rank=4).clouds[0]
    assert cloud.dimension[-1] == pytest.approx(lg.gride(lg.neighbor_graph(X, 8), 4).value)


def test_an_interrupted_job_goes_on_behind_the_last_sequence(
    gpt: Path, found: TokenClouds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_two(done: int, _total: int, _what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        token_clouds(gpt, ROWS, folder=tmp_path, progress=stop_after_two)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"at": 2, "id": "cut o')  # the machine went down while writing
    fed: list[int] = []
    measure = cloud_networks.layer_cloud
    monkeypatch.setattr(
        cloud_networks,
        "layer_cloud",
        lambda states, rank, k: (fed.append(len(states)), measure(states, rank, k))[1],
    )
    again = token_clouds(gpt, ROWS, folder=tmp_path)
    assert len(fed) == 3 * len(found.layers)
    assert repr(again) == repr(found)  # nan is not equal to itself
    assert len((tmp_path / FILE).read_text().splitlines()) == 1 + len(ROWS)


def test_a_folder_of_another_call_is_refused(gpt: Path, tmp_path: Path) -> None:
    token_clouds(gpt, ROWS[:2], folder=tmp_path)
    with pytest.raises(InputError, match="another model, data or settings"):
        token_clouds(gpt, ROWS[:3], folder=tmp_path)


def test_a_model_without_a_causal_head_has_no_loss(tmp_path: Path) -> None:
    found = token_clouds(folder(tmp_path / "bert", "Bert"), ROWS[:2])
    assert np.isnan([cloud.loss for cloud in found.clouds]).all()
    assert np.isfinite([cloud.dimension for cloud in found.clouds]).all()
    assert "predicts no next token" in " ".join(found.warnings)
    assert all(np.isnan(entry.value) for entry in found.association())


def test_a_short_sequence_is_named_and_has_no_dimension(gpt: Path) -> None:
    found = token_clouds(gpt, [ROWS[0], ROWS[1][:5]])
    assert np.isfinite(found.clouds[0].dimension).all()
    assert np.isnan(found.clouds[1].dimension).all()
    assert np.isfinite(found.clouds[1].loss)
    assert "1 of 2 sequences have no dimension" in " ".join(found.warnings)


def test_association_is_spearmans_with_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    loss = rng.standard_normal(60)
    with_it, without = loss + 0.3 * rng.standard_normal(60), rng.standard_normal(60)
    clouds = tuple(
        Cloud(
            str(i),
            50,
            float(loss[i]),
            (float(with_it[i]), float(without[i])),
            *(((0, 0),) * 5),
        )
        for i in range(60)
    )
    strong, none = TokenClouds(("a", "b"), clouds, ()).association()
    assert strong.value == pytest.approx(spearmanr(with_it, loss).statistic)
    assert 0.8 < strong.low < strong.value < strong.high < 1
    assert none.low < 0 < none.high
    assert isinstance(none, Association)
    assert (none.layer, none.sequences) == ("b", 60)


def test_the_frame_has_a_row_per_sequence_and_layer(found: TokenClouds) -> None:
    frame = found.to_frame()
    assert len(frame) == len(ROWS) * len(found.layers)
    assert json.loads(frame.iloc[0].to_json())["layer"] == "embedding"


def test_the_command_prints_layers_and_writes_the_journal(
    gpt: Path, tmp_path: Path, main: Any
) -> None:
    data = tmp_path / "tokens.npz"
    np.savez(data, tokens=np.stack([row[:24] for row in ROWS]))
    code, out, _ = main("clouds", gpt, data, "-o", tmp_path / "out")
    assert code == 0
    assert "block_2" in out
    assert str(tmp_path / "out" / FILE) in out.replace("\n", "")
    code, out, _ = main("clouds", gpt, data, "-o", tmp_path / "out", "--json")
    content = json.loads(out)
    assert len(content["clouds"]) == len(ROWS)
    assert {x["layer"] for x in content["association"]} == set(content["layers"])
