"""A device without memory for a batch is given halves of it."""

import numpy as np
import pytest
import torch
from tiny import network, token_rows

from layergeom.errors import InputError
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.reader import is_out_of_memory

torch.set_num_threads(1)

ERRORS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 3 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
]


def cramped(module, rows, error, tokens=1000):
    """Let a network fail in the middle, as a device does, when more rows or tokens are fed."""

    def check(_module, args, output):
        states = output[0] if isinstance(output, tuple) else output
        if len(states) > rows or states.shape[1] > tokens:
            raise error

    module.h[1].register_forward_hook(check)
    return module


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "mps", "cpu"])
@pytest.mark.parametrize("pool", ["mean", "token"])
def test_batches_are_halved_until_they_fit(error, pool):
    samples = read_samples(token_rows(n=11))
    wanted = extract(network("GPT2"), samples, pool=pool)
    module = cramped(network("GPT2"), 3, error)
    found = extract(module, samples, pool=pool)
    for layer in wanted.layers:
        gap = np.abs(np.asarray(found[layer]) - np.asarray(wanted[layer])).max()
        assert gap <= 1e-5 * np.abs(np.asarray(wanted[layer])).max()
    assert found.ids == wanted.ids
    [said] = [w for w in found.warnings if "halved" in w]
    assert said.startswith("3 batches were halved")  # 11 → 5 + 6 → 2 + 3 and 3 + 3
    assert not [w for w in wanted.warnings if "halved" in w]


def test_one_row_that_does_not_fit_is_named():
    rows = [*token_rows(n=4, longest=12), list(range(4, 24))]
    module = cramped(network("GPT2"), 11, ERRORS[0], tokens=15)
    with pytest.raises(InputError, match="row 4 with 20 tokens does not fit the memory of cpu"):
        extract(module, read_samples(rows))


def test_other_errors_are_not_taken_for_it():
    module = cramped(network("GPT2"), 3, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        extract(module, read_samples(token_rows(n=11)))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert is_out_of_memory(MemoryError())
