"""Geometry while a model is trained: a fixed probe set, measured every few steps at bounded cost.

::

    Watch: when to measure (Budget), what was found (record.jsonl, one profile per step)
      |  Probe: samples tokenized once, fed to the live network
      v
    GeometryCallback (transformers.Trainer)      LightningGeometryCallback (Lightning)

The callbacks load on first use: their base classes are those of the libraries that train.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergeom.callbacks.lightning import LightningGeometryCallback
    from layergeom.callbacks.record import training_record, training_report
    from layergeom.callbacks.trainer import GeometryCallback
    from layergeom.callbacks.watch import Watch

_HOME = {
    "GeometryCallback": "layergeom.callbacks.trainer",
    "LightningGeometryCallback": "layergeom.callbacks.lightning",
    "Watch": "layergeom.callbacks.watch",
    "training_record": "layergeom.callbacks.record",
    "training_report": "layergeom.callbacks.record",
}

__all__ = [
    "GeometryCallback",
    "LightningGeometryCallback",
    "Watch",
    "training_record",
    "training_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'layergeom.callbacks' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
