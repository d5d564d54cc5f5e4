"""Which rows of a large set are used: as many of each label as the labels allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from layergeom.arrays import count

MAX_SAMPLES = 20_000  # rows used when nobody says how many: the exact neighbours take seconds
LEAST = 2  # rows per label in a balanced sample: one alone has no neighbour with its label

Labels = Sequence[str | None]


def sampled_rows(
    n: int, labels: Labels | None, asked: int | Literal["all"] | None, seed: int
) -> tuple[list[int] | None, str]:
    """Choose the rows that are used, in their order.

    Parameters
    ----------
    n : int
        Number of rows.
    labels : sequence of str or None, or None
        Balanced over, as far as the classes reach; at random, where a class would have fewer than
        two rows.
    asked : int, "all" or None
        At most so many; None is 20,000.
    seed : int
        Of the choice.

    Returns
    -------
    rows : list of int, or None
        None if all are used.
    note : str
        How they were chosen.

    Raises
    ------
    InputError
        If ``asked`` is not at least 1.

    Examples
    --------
    >>> sampled_rows(6, ["a", "a", "a", "a", "b", "b"], 4, seed=0)[0]
    [2, 3, 4, 5]
    >>> sampled_rows(6, None, "all", seed=0)
    (None, '')
    """
    if asked == "all":
        return None, ""
    limit = MAX_SAMPLES if asked is None else count(asked, "max_samples", 1)
    if n <= limit:
        return None, ""
    classes = set(labels or ()) - {None}
    balanced = 0 < LEAST * len(classes) <= limit
    how = f"seed {seed}"
    if classes:
        how += f", {'' if balanced else 'too few rows to be '}balanced over {len(classes):,} labels"
    note = f"{limit:,} of {n:,} rows were sampled ({how}); max_samples='all' uses every row."
    return _balanced(n, labels if balanced else None, limit, seed), note


def _balanced(n: int, labels: Labels | None, limit: int, seed: int) -> list[int]:
    """``limit`` of ``n`` rows in order, as equal in number over the labels as these allow."""
    order = np.random.default_rng(seed).permutation(n).tolist()
    if labels is None:
        return sorted(order[:limit])
    queues: dict[str | None, list[int]] = {}
    for row in order:
        queues.setdefault(labels[row], []).append(row)
    # the j-th row of every class comes before the (j+1)-th of any: equal shares until one is empty
    ranked = sorted(
        (j, place, row) for place, q in enumerate(queues.values()) for j, row in enumerate(q)
    )
    return sorted(row for _, _, row in ranked[:limit])
