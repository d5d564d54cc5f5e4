"""Small inputs for the upper floors: states with a known geometry, models saved on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from layergeom import cli
from layergeom.geometry import _search
from layergeom.show import run_folder
from states.tiny import texts

N = 240
Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A forward pass has the same bits for the same number of threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def clusters() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Four layers of 240 rows in which three classes come apart, and the classes."""
    rng = np.random.default_rng(3)
    classes = np.arange(N) % 3
    base = rng.standard_normal((N, 4))
    layers = {
        name: np.hstack([base + apart * np.eye(4)[classes], 0.3 * rng.standard_normal((N, 6))])
        for name, apart in zip(
            ("embedding", "block_1", "block_2", "final"), (0, 1, 3, 6), strict=True
        )
    }
    return layers, classes


@pytest.fixture(scope="session")
def states_file(tmp_path_factory: pytest.TempPathFactory, clusters: tuple) -> Path:
    path = tmp_path_factory.mktemp("states") / "states.npz"
    np.savez(path, **clusters[0])
    return path


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with its tokenizer."""
    from states.tiny import folder

    return folder(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def training_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints of a tiny GPT-2, each further from the first."""
    import torch

    from states.tiny import network

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("training")
    for step, away in ((100, 1.0), (0, 0.0), (10, 0.3)):
        module = network("GPT2", initializer_range=0.2)
        torch.manual_seed(5)
        with torch.no_grad():
            for weights in module.parameters():
                weights.add_(torch.randn_like(weights), alpha=0.2 * away)
        module.save_pretrained(path / f"step{step}")
    return path


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Main:
    """Run the command line as the console does: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["layergeom", *map(str, arguments)])
        capsys.readouterr()  # what saving a model has said
        with pytest.raises(SystemExit) as done:
            cli.main()
        captured = capsys.readouterr()
        code = done.value.code
        return (code if isinstance(code, int) else 0), captured.out, captured.err

    return call


@pytest.fixture
def no_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the profile only: figures and report have tests of their own and take seconds."""

    def write(folder: Path, profile: Any, *_: object) -> tuple[Path, ...]:
        return (profile.save(folder),)

    monkeypatch.setattr(run_folder, "write_run", write)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts(60, longest=15)) + "\n")
    return path


@pytest.fixture
def through_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what asks for an accelerator to the CPU tensors."""
    import torch

    monkeypatch.setattr(_search, "place", lambda _, device: torch.device("cpu") if device else None)
    monkeypatch.setitem(_search.WAYS, "cpu", "torch")
