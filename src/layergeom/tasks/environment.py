"""What this installation has, in words: versions, threads, kernel, devices."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from shutil import which

from layergeom.geometry import _compiled
from layergeom.version import VERSION

LIBRARIES = (
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "safetensors",
    "altair",
    "vl-convert-python",
    "matplotlib",
)
INSTRUCTIONS = {"avx512": "AVX-512 VNNI", "avx2": "AVX2"}


def environment() -> dict[str, str]:
    """Return named facts about the installation, each one line of text.

    Notes
    -----
    Imports torch, which takes a second or two.
    """
    facts = {"layergeom": VERSION, "python": platform.python_version()}
    facts |= {name: _version(name) for name in LIBRARIES}
    facts["threads"] = _threads()
    facts["neighbour kernel"] = kernel_line()
    facts["device"] = _device()
    return facts


def kernel_line() -> str:
    """Say which neighbour search this installation has, and what is lost without the kernel.

    Notes
    -----
    The factor is CPU time, measured at 10,000 x 384, k = 30 on a shared machine: 4 to 5 against the
    kernel with AVX2, 7 to 10 with AVX-512 VNNI. It grows with the number of rows.
    """
    kernel = _compiled.kernel()
    if kernel is not None:
        return f"compiled ({INSTRUCTIONS[kernel.instruction_sets()[0]]}, exact)"
    return (
        "plain (blocked matrix products, exact): no kernel was built, or this processor has "
        "neither AVX-512 VNNI nor AVX2; searches among 10,000 rows take 4 to 10 times as long"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"absent; pip install {name}"


def _threads() -> str:
    asked = os.environ.get("OMP_NUM_THREADS")
    limit = f", OMP_NUM_THREADS={asked}" if asked else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores}{limit}"


def _device() -> str:
    """Say which device a run would use, and why a visible GPU is not used."""
    import torch

    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name(0)}"
    if torch.backends.mps.is_available():
        return "mps"
    return f"cpu{_unused_gpu(torch.version.cuda)}"


def _unused_gpu(built_for: str | None) -> str:
    if which("nvidia-smi") is None:
        return " (no GPU is visible)"
    if built_for is None:
        return (
            "; a GPU is visible but this torch is a CPU build: "
            "pip install --force-reinstall torch (a CUDA build)"
        )
    return (
        f"; a GPU is visible but this torch for CUDA {built_for} cannot use it: update the driver, "
        "or unset CUDA_VISIBLE_DEVICES"
    )
