"""What the installation has, and why a visible GPU is not used."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from layergeom.geometry import _compiled
from layergeom.tasks import environment as module
from layergeom.tasks.environment import LIBRARIES, environment, kernel_line
from layergeom.version import VERSION


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_facts_are_lines_of_text() -> None:
    facts = environment()
    assert facts["layergeom"] == VERSION
    assert facts["numpy"] == np.__version__
    assert set(LIBRARIES) <= set(facts)
    assert {"python", "threads", "neighbour kernel", "device"} <= set(facts)
    assert all(isinstance(line, str) and line and "\n" not in line for line in facts.values())


def test_an_absent_library_is_told_with_its_remedy() -> None:
    assert module._version("no-such-library-here") == ("absent; pip install no-such-library-here")


def test_threads_tell_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment()["threads"].endswith(", OMP_NUM_THREADS=3")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert environment()["threads"].isdigit()


@pytest.mark.parametrize(
    ("here", "named"), [(["avx512", "avx2"], "AVX-512 VNNI"), (["avx2"], "AVX2")]
)
def test_the_kernel_names_the_instructions_that_it_uses(
    monkeypatch: pytest.MonkeyPatch, here: list[str], named: str
) -> None:
    built = SimpleNamespace(instruction_sets=lambda: here)
    monkeypatch.setattr(_compiled, "kernel", lambda: built)
    assert kernel_line() == f"compiled ({named}, exact)"


def test_every_instruction_set_of_the_kernel_has_a_name() -> None:
    kernel = _compiled.kernel()
    here = [] if kernel is None else kernel.instruction_sets()
    assert set(here) <= set(module.INSTRUCTIONS)


def test_an_absent_kernel_is_told_with_its_reasons_and_its_price(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_compiled, "kernel", lambda: None)
    line = environment()["neighbour kernel"]
    assert line.startswith("plain (")
    for part in ("exact", "no kernel was built", "neither AVX-512 VNNI nor AVX2", "times as long"):
        assert part in line


@pytest.mark.usefixtures("no_gpu")
def test_no_gpu_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "which", lambda _: None)
    assert environment()["device"] == "cpu (no GPU is visible)"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("built_for", "wanted"),
    [
        (None, r"CPU build: pip install --force-reinstall torch"),
        ("12.6", r"torch for CUDA 12.6 cannot use it: update the driver"),
    ],
)
def test_a_visible_gpu_that_is_not_used(
    monkeypatch: pytest.MonkeyPatch, built_for: str | None, wanted: str
) -> None:
    monkeypatch.setattr(module, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.version, "cuda", built_for)
    device = environment()["device"]
    assert device.startswith("cpu; a GPU is visible but")
    assert wanted in device


def test_a_gpu_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card 9")
    assert environment()["device"] == "cuda: Card 9"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert environment()["device"] == "mps"
