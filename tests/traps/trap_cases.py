"""What the tests of the traps share: each family built once, and its states row by row."""

from functools import cache

import numpy as np
import pytest
import torch

from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.extract import extract
from layergeom.states.inputs import read_samples
from layergeom.states.models import load
from states.tiny_families import (
    ENCODERS,
    FAMILIES,
    HALF,
    READERS,
    ROWS,
    SPECIAL,
    VOCABULARY,
    images,
    reference,
    states,
    there,
)

torch.set_num_threads(1)

BIDIRECTIONAL = there((*ENCODERS, *HALF))
BY_NAME = {case.name: case for case in FAMILIES}
# how a token knows its place: a table of positions, or what attention does (rotary, biases)
ABSOLUTE = {
    "esm1b", "protbert", "bert", "roberta", "xlm_roberta", "albert", "distilbert", "electra",
    "bart", "siglip_text", "gpt2", "imagegpt", "opt", "opt_350m", "clip_text", "bart_decoder",
}  # fmt: skip
TABLES = [case for case in READERS if case.name in ABSOLUTE]
RELATIVE = [case for case in READERS if case.name not in ABSOLUTE]
# DeBERTa adds a table to its embedding too; a recurrence (Mamba) mixes before the first block's end
NO_PLACE = [case for case in RELATIVE if case.name != "deberta_v2"]
SMALL = Settings(k=8, ranks=16, decimation=(1, 2))


def some(*names):
    return [BY_NAME[name] for name in names if name in BY_NAME]


def quick(number, cases):
    """All cases, of which only the first few are run every time."""
    behind = [pytest.param(case, marks=pytest.mark.slow) for case in cases[number:]]
    return [*cases[:number], *behind]


def opened(case, **changes):
    """A new network, of which nothing is masked at random."""
    return case.build(**({"mask_ratio": 0.0} if case.name == "mae" else {}), **changes)


@cache
def network(case):
    return opened(case)


@cache
def ready(case):
    return load(network(case), part=case.part)


def rows_of(case):
    return images() if case.part == "vision" else ROWS


@cache
def together(case, mode="mean"):
    """The states of all rows in one batch, by layergeom: by layer (n, D)."""
    return {key: np.array(x) for key, x in states(case, ready(case), mode=mode).items()}


def alone(case, row):
    """Token states of one row, unpadded, by hooks of our own: by layer (T, D)."""
    return _heard(case, network(case), row)[0]


def listed(case, row):
    """The same by transformers' own means: ``hidden_states`` and the output."""
    return _heard(case, network(case), row)[1:]


def _heard(case, module, row):
    seen, handles = [], []
    lead = 1 if case.part == "decoder" else SPECIAL.get(case.name, 0)

    def entered(_part, args, kwargs):
        if not seen:
            seen.append(args[0] if args else kwargs["hidden_states"])

    def left(_part, _args, output):
        seen.append(output if isinstance(output, torch.Tensor) else output[0])

    for block in ready(case).blocks:
        handles.append(block.module.register_forward_pre_hook(entered, with_kwargs=True))
        handles.append(block.module.register_forward_hook(left))
    with torch.no_grad():
        hidden, output = reference(case, module, row)
    for handle in handles:
        handle.remove()
    keys = ["embedding", *(f"block_{i}" for i in range(1, len(seen)))]
    found = dict(zip(keys, (entry[0, lead:].numpy() for entry in seen), strict=True))
    if case.final:
        found["final"] = output.numpy()
    return found, [entry.numpy() for entry in hidden], output.numpy()


def token_ids(n, seed=0, longest=20, shortest=2):
    rng = np.random.default_rng(seed)
    return [rng.integers(4, VOCABULARY, rng.integers(shortest, longest)) for _ in range(n)]


def profile(model, rows, settings=SMALL, part=None, **options):
    return measure(extract(model, read_samples(rows), part=part, **options), settings=settings)


def worst(found, wanted):
    """Largest relative difference of two layers."""
    return np.abs(np.asarray(found) - np.asarray(wanted)).max() / np.abs(wanted).max()
