"""Models that bring code: in ``auto_map``, in a pickle, in YAML, in the current folder."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import layergeom
from layergeom import cli
from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from layergeom.states.sources import identify
from layergeom.tasks import null_models
from states.tiny import folder, texts, token_rows

OWN = """
from pathlib import Path
from transformers import BertConfig, BertModel, BertTokenizerFast
Path({marker!r}).touch()
class C(BertConfig):
    model_type = "own"
class M(BertModel):
    config_class = C
class T(BertTokenizerFast):
    pass
"""


@pytest.fixture
def with_code(tmp_path: Path) -> Path:
    """A whole BERT whose configuration names classes of its own, which leave a file."""
    place = folder(tmp_path / "model")
    marker = str(tmp_path / "ran")
    (place / "own.py").write_text(OWN.format(marker=marker))
    config = json.loads((place / "config.json").read_text())
    own = {"AutoConfig": "own.C", "AutoModel": "own.M", "AutoTokenizer": ["own.T", "own.T"]}
    (place / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    return place


# ── code of the model ─────────────────────────────────────────────────────────────────────────


def test_S_remote_code_default(
    with_code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run it"))
    for door in (load, lambda model: extract(model, read_samples(texts(4)))):
        with pytest.raises(InputError, match="cannot be loaded"):
            door(with_code)
    config = json.loads((with_code / "config.json").read_text()) | {"model_type": "bert"}
    (with_code / "config.json").write_text(json.dumps(config))
    load(with_code)  # the library's own BERT, although the folder offers another
    assert not (tmp_path / "ran").exists()


def test_S_remote_code_optin(with_code: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """No option of ours runs it; who loads the network does so, and that is recorded."""
    from transformers import AutoModel

    for name in layergeom.__all__:
        value = getattr(layergeom, name)
        if callable(value) and not inspect.isclass(value):
            assert not {p for p in inspect.signature(value).parameters if "remote" in p}, name
    assert "remote" not in str(vars(cli.app))
    with pytest.raises(TypeError):
        load(with_code, trust_remote_code=True)  # type: ignore[call-arg]
    with pytest.raises((TypeError, InputError), match="trust_remote_code"):
        layergeom.extract(with_code, texts(4), trust_remote_code=True)
    assert not (tmp_path / "ran").exists()

    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    network = AutoModel.from_pretrained(with_code, trust_remote_code=True)
    assert (tmp_path / "ran").exists()
    hidden = extract(network, read_samples(token_rows(4)))
    assert (hidden.provenance["origin"], hidden.provenance["model"]) == ("module", "M")


# ── pickles ───────────────────────────────────────────────────────────────────────────────────


class Shell:
    """Runs a command where it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> object:
        return (os.system, (f"touch {self.place}",))  # noqa: TID251


def as_bin(place: Path) -> dict[str, torch.Tensor]:
    """Put the weights of a folder into ``pytorch_model.bin`` and return them."""
    weights = load_file(place / "model.safetensors")
    (place / "model.safetensors").unlink()
    torch.save(weights, place / "pytorch_model.bin")
    return weights


@pytest.mark.parametrize("zipped", [True, False])
def test_S_pickle_weights(tmp_path: Path, zipped: bool) -> None:
    weights = as_bin(folder(tmp_path / "model"))
    torch.save(
        weights | {"w": Shell(tmp_path / "ran")},
        tmp_path / "model" / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(InputError, match="cannot be loaded"):
        load(tmp_path / "model")
    assert not (tmp_path / "ran").exists()


def test_S_pickle_weights_benign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = as_bin(folder(tmp_path))
    asked = []
    read = torch.load
    monkeypatch.setattr(
        torch, "load", lambda *a, **k: (asked.append(k.get("weights_only")), read(*a, **k))[1]
    )
    hidden = extract(tmp_path, read_samples(texts(4)))
    assert asked
    assert all(only is True for only in asked)
    assert any("has no safetensors" in warning for warning in hidden.warnings)
    name = "encoder.layer.0.output.dense.bias"
    assert torch.equal(load(tmp_path).module.state_dict()[name], weights[name])


def test_a_pickle_beside_safetensors_is_not_opened(tmp_path: Path) -> None:
    folder(tmp_path / "model")
    torch.save({"w": Shell(tmp_path / "ran")}, tmp_path / "model" / "pytorch_model.bin")
    assert load(tmp_path / "model").warnings == ()
    assert not (tmp_path / "ran").exists()


# ── YAML, and folders that a model names ──────────────────────────────────────────────────────


def test_S_yaml(tmp_path: Path) -> None:
    place = folder(tmp_path / "model")
    text = f"x: !!python/object/apply:os.system ['touch {tmp_path / 'ran'}']\n"
    (place / "README.md").write_text(f"---\n{text}---\n")
    for name in ("config.yaml", "config.yml", "generation_config.yaml"):
        (place / name).write_text(text)
    extract(place, read_samples(texts(4)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["../../elsewhere", "/etc", "a/../../x", "x\0y"])
def test_a_pipeline_that_names_a_folder_outside(tmp_path: Path, path: str) -> None:
    place = folder(tmp_path / "deep" / "model")
    (tmp_path / "elsewhere").mkdir()
    entries = [{"type": "sentence_transformers.models.Transformer", "path": path}]
    (place / "modules.json").write_text(json.dumps(entries))
    untrained = lambda model: null_models._untrained_folder(model, None, tmp_path, 0)  # noqa: E731
    for door in (identify, load, untrained):
        with pytest.raises(InputError, match="outside of the folder"):
            door(place)


@pytest.mark.parametrize("content", ["[1]", "{}", "[" * 10**5, "nul", '["a"]'])
def test_a_pipeline_that_is_none(tmp_path: Path, content: str) -> None:
    place = folder(tmp_path)
    (place / "modules.json").write_text(content)
    with pytest.raises(InputError, match=r"modules\.json"):
        load(place)


# ── the network, and the current folder ───────────────────────────────────────────────────────

WATCH = """
import socket, sys
def refuse(name):
    def call(*args, **kwargs):
        open({log!r}, "a").write(f"{{name}} {{args[-1:]}}\\n")
        raise OSError("no network in this test")
    return call
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse(name))
for name in ("getaddrinfo", "create_connection", "gethostbyname"):
    setattr(socket, name, refuse(name))
"""
DECOYS = ("logit_lens", "utils", "states", "geometry", "layer", "measure", "models", "show", "rows")


@pytest.fixture(scope="module")
def offline_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], Path]:
    """A whole run, from a model and texts to a report, in a folder full of decoys."""
    place = tmp_path_factory.mktemp("offline")
    folder(place / "model")
    (place / "texts.txt").write_text("\n".join(texts(40)) + "\n")
    (place / "here").mkdir()
    for name in DECOYS:
        (place / "here" / f"{name}.py").write_text(
            f"open({str(place / 'hijacked')!r}, 'a').write({name!r})\n"
        )
    (place / "site").mkdir()
    (place / "site" / "sitecustomize.py").write_text(WATCH.format(log=str(place / "connections")))
    code = "found = layergeom.profile('../model', '../texts.txt', k=5, folder='../run')"
    code = f"import layergeom; {code}; found.report('../report.html')"
    known = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place / "here",
        env=known | {"PYTHONPATH": str(place / "site"), "HF_HOME": str(place / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (place / "report.html").is_file()
    return {path.name for path in place.iterdir()}, place


def test_S_network(offline_run: tuple[set[str], Path]) -> None:
    left, _ = offline_run
    assert "connections" not in left


def test_S_network_is_watched(offline_run: tuple[set[str], Path]) -> None:
    _, place = offline_run
    code = "import socket; socket.create_connection(('localhost', 1))"
    known = os.environ | {"PYTHONPATH": str(place / "site")}
    done = subprocess.run([sys.executable, "-c", code], env=known, check=False, capture_output=True)
    assert done.returncode
    assert "localhost" in (place / "connections").read_text()


def test_S_import_hijack(offline_run: tuple[set[str], Path]) -> None:
    left, place = offline_run
    assert "hijacked" not in left
    known = os.environ | {"PYTHONPATH": ""}
    command = [sys.executable, "-c", "import logit_lens"]
    subprocess.run(command, cwd=place / "here", env=known, check=True)
    assert (place / "hijacked").exists(), "the decoys do not bite"
