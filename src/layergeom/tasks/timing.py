"""How long a run will take, from a few of its batches and a smaller geometry, measured now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergeom import geometry
from layergeom.arrays import IntArray, Points
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.batches import planned
from layergeom.states.feeds import Feed, feeds
from layergeom.states.forward import Share, Target, pass_plan, passing
from layergeom.states.inputs import Samples
from layergeom.states.models import load
from layergeom.states.settings import settings as extraction
from layergeom.states.store import Store
from layergeom.states.stored import stored_states

BATCHES = 8  # that are fed, from the longest rows to the shortest
ROWS = 3000  # of the geometry that is measured, more where layers are wider
SEARCHED = 60_000  # rows of the larger search that is measured
ENTRIES = 1 << 26  # of their features
_LATENT = 10  # dimension of the points that it is measured on


@dataclass(frozen=True)
class Timing:
    """Seconds by the clock that a run will take.

    Attributes
    ----------
    load : float
        Reading the weights, hashing them, and learning what the layers are.
    forward : float
        The forward pass over all rows.
    search : float
        The neighbours of all layers, among all points.
    geometry : float
        All else of the layers, one by one: spectra, dimensions, thinned points.
    comparison : float
        The overlaps and covariances of all pairs of layers.
    batches, of : int
        Batches that were fed for it, of how many.
    device : str
        On which they were fed.
    """

    load: float
    forward: float
    search: float
    geometry: float
    comparison: float
    batches: int
    of: int
    device: str

    def total(self, workers: int = 1) -> float:
        """Return the seconds of the whole run, without figures and report.

        Workers share forward pass and layers, and each is taken to be as quick as this process:
        that holds for machines of one kind, not for processes of one machine.
        """
        shared = self.forward + self.search + self.geometry
        return self.load + shared / workers + self.comparison


def timing(
    model: Any, samples: Samples, settings: Settings, part: Any = None, **options: Any
) -> Timing:
    """Feed a few batches and measure a small geometry; scale both to the whole run.

    Parameters
    ----------
    model, samples, settings, part, **options
        Of the run; ``options`` as of :func:`layergeom.states.extract.extract`.

    Returns
    -------
    Timing

    Raises
    ------
    InputError
        As the extraction.

    Notes
    -----
    The forward pass: the batches of the run itself, every m-th of them, written to the disk as the
    run does; the first is left out where there are more (it also warms up). Seconds per token of
    the padded batches are taken for all. The geometry: points near a curved surface of dimension
    10 in the network's width, of which the search grows with the square of the rows, the rest with
    the rows, and comparing layers with their pairs as well.

    When it misleads: other work on the machine now, or then; rows whose neighbours are harder to
    find than those of a surface (the search then costs up to the full matrix product); labels,
    nulls and further quantities, which are not in it.
    """
    start = time.perf_counter()
    names = ("device", "dtype")
    loading = {name: options[name] for name in names if options.get(name) is not None}
    loaded = load(model, part=part, **loading)
    loading_took = time.perf_counter() - start
    given = {name: value for name, value in options.items() if value is not None}
    [feed] = feeds(loaded, samples, [extraction(**given)])
    forward, fed, of = _forward(feed)
    widths = [layer.width for layer in feed.plan.layers]
    rows = len(feed.sequences.kept if feed.chosen is None else feed.chosen.positions)
    search, alone, pairs = geometry_seconds(rows, len(widths), max(widths), settings)
    return Timing(
        load=loading_took,
        forward=forward,
        search=search,
        geometry=alone,
        comparison=pairs,
        batches=fed,
        of=of,
        device=loaded.device,
    )


def _forward(feed: Feed) -> tuple[float, int, int]:
    """Return the seconds of the whole pass, the batches that were fed, and all there are."""
    plan = pass_plan(feed.plan.loaded, feed.options.batch_size)
    every = planned(feed.sequences, **plan)
    share = Share(1, max(1, len(every) // BATCHES), plan)
    batches = [batch for part in share.parts(feed.sequences) for batch in part]
    target = Target(feed.plan, feed.sequences, Store.temporary(), "timing", feed.chosen)
    stamps = [time.perf_counter()]
    with passing([target], lambda *_: stamps.append(time.perf_counter()), share):
        pass
    cold = min(1, len(batches) - 1)
    took = stamps[len(batches)] - stamps[cold]
    return took * _tokens(feed, every) / _tokens(feed, batches[cold:]), len(batches), len(every)


def _tokens(feed: Feed, batches: Sequence[IntArray]) -> int:
    """Tokens of padded batches."""
    counted = feed.sequences.counted
    return sum(len(batch) * max(len(counted[row]) for row in batch) for batch in batches)


def geometry_seconds(
    rows: int, layers: int, width: int, settings: Settings
) -> tuple[float, float, float]:
    """Return the seconds by the clock of the search, all else of the layers, and their comparison.

    Notes
    -----
    As :func:`timing` says.
    """
    search = layers * search_seconds(rows, width, settings.ranks)
    row, row_of_two = row_seconds(rows, width, settings)
    rest = layers * rows * row + (thinned(settings) - 1) * search
    return search, rest, layers * (layers - 1) / 2 * rows * row_of_two


def thinned(settings: Settings) -> float:
    """Return how many searches of all rows those of all and of thinned rows are together."""
    return sum(1 / factor**2 for factor in settings.decimation)


def row_seconds(rows: int, width: int, settings: Settings) -> tuple[float, float]:
    """Return the seconds of each row: of a layer without its searches, and of two layers compared.

    Measured on at most as many rows as the run has.
    """
    few = min(rows, max(ROWS, width))
    one, two = _points(few, width, 0), _points(few, width, 1)
    alone = _measured([one], settings)
    pair = max(_measured([one, two], settings) - 2 * alone, 0.0)
    searched = thinned(settings) * search_seconds(few, width, settings.ranks)
    return max(alone - searched, 0.0) / few, pair / few


def search_seconds(rows: int, width: int, k: int) -> float:
    """Return the seconds by the clock that one neighbour search will take on this machine."""
    if rows <= _most(rows, width):
        return _search_took(rows, width, k)
    row, pair = search_cost(rows, width, k)
    return rows * row + rows * (rows - 1) / 2 * pair


def search_cost(rows: int, width: int, k: int) -> tuple[float, float]:
    """Return the seconds of a search for each of its rows, and for each two of them.

    Notes
    -----
    Two searches of fewer rows tell. A pair costs the less the more rows there are, since the
    neighbours are nearer; so the larger of the two is as large as a fraction of a minute allows.
    """
    most = _most(rows, width)
    few = most // 3
    each = [_search_took(n, width, k) / n for n in (few, most)]  # row + pair (n - 1) / 2
    pair = max(0.0, 2 * (each[1] - each[0]) / (most - few))
    return max(0.0, each[1] - pair * (most - 1) / 2), pair


def _most(rows: int, width: int) -> int:
    return min(rows, SEARCHED, max(ROWS, ENTRIES // width))


def _search_took(rows: int, width: int, k: int) -> float:
    X = _points(rows, width, 0)
    return _took(lambda: geometry.neighbor_graph(X, k=min(k, rows - 1)))


def _measured(points: Sequence[Points], settings: Settings) -> float:
    states = stored_states({f"layer_{at}": X for at, X in enumerate(points)})
    return _took(lambda: measure(states, settings=settings))


def _took(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _points(rows: int, width: int, seed: int) -> Points:
    draw = np.random.default_rng(seed)
    latent = draw.standard_normal((rows, _LATENT))
    curved = np.tanh(latent @ draw.standard_normal((_LATENT, 4 * _LATENT)))
    return (curved @ draw.standard_normal((4 * _LATENT, width))).astype(np.float32)
