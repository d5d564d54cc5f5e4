"""Claim A8: one model and data at every hook point, pooling and number of neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from layergeom.profiles import Profile
from layergeom.states.extract import extract, extract_views
from layergeom.states.pooling import Pooling
from layergeom.states.store import Store
from layergeom.states.views import HookPoint, View
from layergeom.tasks.protocol_runs import measured, prepared

POOLS: tuple[Pooling, ...] = ("mean", "last", "max")
NEIGHBORS = (1, 3, 10, 30, 50)


def grid(
    model: Path, data: Path, options: dict[str, Any], folder: Path
) -> dict[tuple[View, int], Profile]:
    """Return a profile for every view and k, from one forward pass; what is there is read."""
    asked = {name: value for name, value in options.items() if name != "protocol"}
    plans = {k: prepared(options["protocol"], data, **asked, k=k) for k in NEIGHBORS}
    plan = plans[NEIGHBORS[0]]
    views = extract_views(
        model,
        plan.samples,
        pools=POOLS,
        hook_points=get_args(HookPoint),
        store=lambda view: Store(folder / view.name / "states"),
        **{n: v for n, v in plan.extraction.items() if n not in ("pool", "hook_point")},
    )
    return {
        (view, k): measured(plans[k].at(view), hidden, folder / view.name / f"k{k}")
        for view, hidden in views.items()
        for k in NEIGHBORS
    }


def without_exclusion(
    model: Path, data: Path, options: dict[str, Any], folder: Path, states: Path
) -> Profile:
    """Return the same run with neighbours of the same family; ``states`` is read (claim A6)."""
    asked = {n: value for n, value in options.items() if n not in ("protocol", "exclude")}
    plan = prepared(options["protocol"], data, **asked)
    hidden = extract(model, plan.samples, store=Store(states), **plan.extraction)
    return measured(plan, hidden, folder)
