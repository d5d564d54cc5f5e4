"""Whether a cut network gives the states of the layer it was cut behind, and how fast it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from layergeom.states.anatomy import call, device_of
from layergeom.states.batches import padded, planned
from layergeom.states.feeds import feeds
from layergeom.states.forward import pass_plan
from layergeom.states.hooks import tapped, tensor_of, untouched
from layergeom.states.inputs import Samples
from layergeom.states.models import LoadedModel
from layergeom.states.patches import PIXELS, check_pixels, entrance, image_shape
from layergeom.states.sequences import Sequences
from layergeom.states.settings import Extraction

if TYPE_CHECKING:
    import torch

ROWS = 16  # rows that are compared
TIMED = 256  # rows that are timed at most
TOKENS = 8192  # that they have at most
LONGEST = 64  # tokens of a made-up row at most
REPEATS = 7  # timings of which the median is taken


def rows_of(loaded: LoadedModel, samples: Samples) -> Sequences:
    """Return the rows of a data set as extraction feeds them to the network.

    Raises
    ------
    InputError
        As extraction does: texts without a tokenizer, ids outside of the vocabulary.
    """
    [feed] = feeds(loaded, samples, [Extraction(max_unknown=1.0)])
    return feed.sequences


def made_up_rows(loaded: LoadedModel, seed: int) -> Sequences:
    """Return random token ids of several lengths, or random images."""
    rng = np.random.default_rng(seed)
    names = [str(row) for row in range(ROWS)]
    if entrance(loaded.module) == PIXELS:
        images = rng.standard_normal((ROWS, *image_shape(loaded.module)))
        return check_pixels(list(images), names, loaded, special=True)
    longest = min(LONGEST, loaded.max_length or LONGEST)
    lengths = np.linspace(min(4, longest), longest, ROWS).astype(int)
    ids = tuple(rng.integers(0, loaded.vocabulary or 8, length) for length in lengths)
    counted = tuple(np.ones(length, dtype=bool) for length in lengths)
    return Sequences(ids, counted, tuple(range(ROWS)))


def difference(full: LoadedModel, cut: LoadedModel, blocks: int, rows: Sequences) -> float:
    """Return the largest difference of a cut network's output from the full one's layer.

    Parameters
    ----------
    full, cut : LoadedModel
        Before and after.
    blocks : int
        Where it was cut.
    rows : Sequences
        The longest 16 are fed, one by one.

    Returns
    -------
    float
        Over these rows, all tokens and features, relative to the largest absolute state; the full
        network's final norm, where it has one, is applied to the raw states of block ``blocks``.
        inf where shapes differ.
    """
    gap = largest = 0.0
    for row in planned(rows, budget=1, batch_size=1)[:ROWS]:
        batch = padded(rows, row, pad=0)
        wanted = _layer(full, blocks, batch.ids, batch.attention).double()
        given = _output(cut, batch.ids, batch.attention).double()
        if wanted.shape != given.shape:
            return float("inf")
        gap = max(gap, float((wanted - given).abs().max()))
        largest = max(largest, float(wanted.abs().max()))
    return gap / largest


def _layer(full: LoadedModel, blocks: int, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the states behind a block, through the final norm where there is one."""
    states: dict[int, torch.Tensor] = {}

    def receive(layer: int, tensor: torch.Tensor) -> None:
        if layer == blocks:
            states[layer] = tensor.clone()  # later blocks may add in place

    with untouched(full.module), tapped(full.module, full.blocks, receive):
        _call(full, ids, mask)
    with untouched(full.module):
        found = states[blocks]
        return found if full.final_norm is None else full.final_norm[1](found)


def _output(loaded: LoadedModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    with untouched(loaded.module):
        return tensor_of(_call(loaded, ids, mask), type(loaded.module).__name__)


def _call(loaded: LoadedModel, ids: torch.Tensor, mask: torch.Tensor) -> Any:
    device = device_of(loaded.module)
    return call(loaded.module, ids.to(device), mask.to(device))


@dataclass(frozen=True)
class Speed:
    """How fast two networks read the same rows: forward passes alone, no tokenizing.

    Attributes
    ----------
    rows, tokens : (float, float)
        Per second, before and after (of images, tokens are patches).
    times : float
        Median of the paired ratios.
    spread : (float, float)
        Smallest and largest of them.
    timed : int
        Rows that were read each time.
    """

    rows: tuple[float, float]
    tokens: tuple[float, float]
    times: float
    spread: tuple[float, float]
    timed: int


def speed(
    full: LoadedModel,
    cut: LoadedModel,
    rows: Sequences,
    clock: Callable[[], float] = perf_counter,
) -> Speed:
    """Time both networks on the same batches, as extraction makes them.

    Notes
    -----
    Medians of seven timings, in turn, each pair in the other order than the one before, after one
    pass each that is not timed. Rows beyond 8,192 tokens are not read. What else the machine does
    enters both, but by a ``clock`` of the processor's own time.
    """
    read, tokens = _within_tokens(rows)
    plan = pass_plan(full, None)
    parts = [part[part < read] for part in planned(rows, **plan)]
    batches = [padded(rows, part, pad=0) for part in parts if len(part)]
    seconds: dict[str, list[float]] = {"full": [], "cut": []}
    pair = [("full", full), ("cut", cut)]
    for turn in range(REPEATS + 1):
        for name, loaded in pair if turn % 2 else pair[::-1]:
            start = clock()
            for batch in batches:
                # the sum waits for an accelerator
                float(_output(loaded, batch.ids, batch.attention).sum())
            seconds[name].append(clock() - start)
    before, after = seconds["full"][1:], seconds["cut"][1:]
    ratios = sorted(slow / fast for slow, fast in zip(before, after, strict=True))
    return Speed(
        rows=(read / median(before), read / median(after)),
        tokens=(tokens / median(before), tokens / median(after)),
        times=median(ratios),
        spread=(ratios[0], ratios[-1]),
        timed=read,
    )


def _within_tokens(rows: Sequences) -> tuple[int, int]:
    """Return how many of the first rows are timed, at least one, and their tokens."""
    ends = np.cumsum([len(mask) for mask in rows.counted])
    read = max(1, int(np.searchsorted(ends, TOKENS, side="right")))
    return read, int(ends[read - 1])
