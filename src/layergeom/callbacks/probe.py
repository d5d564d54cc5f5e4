"""A fixed set of samples, tokenized once and fed to a network whose weights move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layergeom.arrays import IntArray, Points, labels
from layergeom.geometry.groups import check_groups
from layergeom.layer import Settings
from layergeom.measure import check_rows
from layergeom.states.batches import planned
from layergeom.states.content import content_key
from layergeom.states.feeds import Feed, feeds
from layergeom.states.forward import pass_plan
from layergeom.states.hidden import HiddenStates
from layergeom.states.image_processing import as_model_sees, part_for
from layergeom.states.inputs import Samples
from layergeom.states.models import load_source
from layergeom.states.provenance import counts, provenance
from layergeom.states.reader import reading
from layergeom.states.row_names import fed_rows, row_groups, row_ids
from layergeom.states.rows import PooledRows, Rows, TokenRows, WindowRows
from layergeom.states.settings import settings
from layergeom.states.sources import identify


@dataclass(frozen=True, eq=False)
class Probe:
    """Samples made ready for one network.

    Attributes
    ----------
    feed : Feed
        The network with its layers, and what it is fed.
    samples : Samples
        The rows, in the order of the data.
    codes : ndarray, shape (n,), or None
        Class of every row, -1 where it is missing; None without labels.
    groups : ndarray, shape (n,), or None
        Rows that are no independent samples; None if each is one.
    """

    feed: Feed
    samples: Samples
    codes: IntArray | None
    groups: IntArray | None

    @property
    def n(self) -> int:
        """Rows of every layer."""
        return len(fed_rows(self.feed)[0])

    def states(self, step: int) -> HiddenStates:
        """Run the network as its weights are now; every layer is kept in memory.

        A layer with values that are not finite raises an InputError where it is read.
        """
        arrays = self._arrays()
        loaded, sequences = self.feed.plan.loaded, self.feed.sequences
        with reading([self.feed.plan], [sequences], [self._rows(arrays)]) as reader:
            for batch in planned(sequences, **pass_plan(loaded, self.feed.options.batch_size)):
                reader.feed(batch)
        return self._hidden(step, {key: array["states"] for key, array in arrays.items()})

    def _arrays(self) -> dict[str, dict[str, Points]]:
        return {
            layer.name.key: {
                "states": np.zeros((self.n, layer.width), np.float32),
                "token_norms": np.zeros((self.n, 2), np.float32),
            }
            for layer in self.feed.plan.layers
        }

    def _rows(self, arrays: Mapping[str, Mapping[str, Points]]) -> Rows:
        feed, lines = self.feed, np.arange(self.n)
        if feed.chosen is not None:
            return TokenRows(feed.chosen, arrays, lines)
        kind = WindowRows if feed.sequences.windowed else PooledRows
        return kind(feed.plan, feed.sequences, arrays, lines)

    def _hidden(self, step: int, arrays: Mapping[str, Points]) -> HiddenStates:
        rows, positions = fed_rows(self.feed)
        facts = provenance(self.feed, self.samples) | {"step": step}
        return HiddenStates(
            layers=tuple(arrays),
            names=self.feed.plan.names,
            n=self.n,
            key=content_key("probe", facts["model_hash"], facts["data"], step),
            provenance=facts,
            ids=row_ids(self.samples, rows, positions),
            inputs=self.feed.sequences.hashes if positions is None else None,
            counts=counts(self.feed),
            warnings=(*self.samples.notes, *self.feed.plan.loaded.warnings, *self.feed.warnings),
            token_norms={},
            store=None,
            load=lambda key: arrays[key],
            rows=rows,
            groups=row_groups(self.samples, rows, positions),
        )


def prepared(
    network: Any,
    samples: Samples,
    measured: Settings,
    *,
    tokenizer: Any = None,
    image_processor: Any = None,
    blocks: Any = None,
    part: Any = None,
    **options: Any,
) -> Probe:
    """Make samples ready for a loaded network.

    Parameters
    ----------
    network : torch.nn.Module
        Any that :func:`layergeom.extract` takes; a head is not run.
    samples : Samples
    measured : Settings
        Of the geometry; k must suit the number of rows.
    tokenizer, image_processor, blocks, part, **options
        As for :func:`layergeom.states.extract.extract`.

    Raises
    ------
    InputError
        As ``extract`` does, before anything is run, and if k or the groups do not suit the rows.

    Notes
    -----
    Costs a reading of all weights (a hash, 1 GB/s), a few passes of twelve tokens, tokenization.
    """
    source = identify(network, tokenizer=tokenizer)
    fed = as_model_sees(samples, source, image_processor)
    loaded = load_source(
        source,
        dtype=None,
        device="auto",
        device_map=None,
        tokenizer=tokenizer,
        part=part or part_for(fed),
        blocks=blocks,
    )
    [feed] = feeds(loaded, fed, [settings(**options)])
    rows, positions = fed_rows(feed)
    check_rows(len(rows), measured)
    given, own = fed.take(rows).labels, row_groups(fed, rows, positions)
    return Probe(
        feed,
        fed,
        None if given is None else labels(given, len(rows)),
        None if own is None else check_groups(own, len(rows), max(measured.k, 2)),
    )
