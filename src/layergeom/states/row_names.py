"""What rows are called: the sample of each, its id, and what it has in common with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from layergeom.states.feeds import Feed
from layergeom.states.hidden import HiddenStates
from layergeom.states.inputs import Samples
from layergeom.states.labels import whole_groups
from layergeom.states.own_labels import keep_labels_of


def fed_rows(feed: Feed) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the sample of each row and, of tokens, the position in it."""
    if feed.chosen is None:
        return feed.sequences.kept, None
    rows = tuple(feed.sequences.rows[sequence] for sequence in feed.chosen.sequences)
    return rows, tuple(feed.chosen.positions.tolist())


def row_ids(
    samples: Samples, rows: Sequence[int], positions: Sequence[object] | None
) -> tuple[str, ...]:
    """Name the rows by their samples, and tokens by their positions too."""
    names = tuple(samples.ids[row] for row in rows)
    if positions is None:
        return names
    return tuple(f"{name}:{position}" for name, position in zip(names, positions, strict=True))


def row_groups(
    samples: Samples, rows: Sequence[int], positions: Sequence[object] | None
) -> tuple[str, ...] | None:
    """Name what rows have in common: the samples' group, of tokens else the sample."""
    if samples.groups is None and positions is None:
        return None
    groups = whole_groups(samples.groups) or samples.ids
    return tuple(groups[row] for row in rows)


def with_samples(hidden: HiddenStates, samples: Samples) -> HiddenStates:
    """Add what belongs to the data and not to the numbers: ids, groups, notes, the whole's size.

    Labels are kept in the states' store, by their names.
    """
    rows = hidden.rows or ()
    tokens = hidden.provenance["settings"]["pool"] == "token"
    positions = [name.rpartition(":")[2] for name in hidden.ids] if tokens else None
    joined = replace(
        hidden,
        ids=row_ids(samples, rows, positions),
        groups=row_groups(samples, rows, positions),
        counts={**hidden.counts, **samples.counts, "sampled_from": samples.sampled_from},
        warnings=(*samples.notes, *hidden.warnings),
    )
    keep_labels_of(samples, joined)
    return joined
