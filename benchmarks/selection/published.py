"""Rules that need no geometry, on accuracies per layer that others published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from benchmarks import records

RULES: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {
        "embedding": lambda _: 0,
        "middle": lambda layers: (layers - 1) // 2,
        "last block": lambda layers: layers - 1,
    }
)


def published(path: Path) -> Iterator[records.Record]:
    """Yield what each rule loses on every complete list of a file.

    Parameters
    ----------
    path : Path
        JSON of ``"family|size|revision|task": [accuracy per layer, from the embedding on]``. Lists
        with gaps or fewer than five layers are left out.
    """
    for name, values in json.loads(path.read_text(encoding="utf-8")).items():
        if len(values) < 5 or None in values:
            continue
        family, size, revision, task = name.split("|")
        best = int(np.argmax(values))
        yield {
            "time": records.now(),
            "job": "selection-published",
            "case": {"name": name, "model": f"{family} {size}", "revision": revision, "task": task},
            "best_depth": best / (len(values) - 1),
            "regrets": {
                rule: 100 * (values[best] - values[at(len(values))]) for rule, at in RULES.items()
            },
        }
