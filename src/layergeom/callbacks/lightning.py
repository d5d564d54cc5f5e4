"""The callback for Lightning, under either of its names.

The base class is needed to define it, so this module imports Lightning, if it is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from layergeom.callbacks.live_network import bare
from layergeom.callbacks.watch import PREFIX, Watch
from layergeom.errors import InputError

_NAMES = ("lightning.pytorch", "pytorch_lightning")


def _base() -> Any:
    """Return the base class of the library that is in use, else of the one that is installed."""
    for name in sorted(_NAMES, key=lambda name: name not in sys.modules):
        try:
            return import_module(name).Callback
        except ModuleNotFoundError:
            continue
    return object


_BASE = _base()


class LightningGeometryCallback(_BASE):  # type: ignore[misc, valid-type]  # whichever there is
    """Measures the geometry of every layer while a Lightning ``Trainer`` trains, and logs it.

    Parameters
    ----------
    data : path, list or dataset
        The probe set.
    network : str or callable, optional
        The attribute of the LightningModule that holds the transformer, or a function that takes
        the module and returns it; by default the only transformers model among its children.
    **settings
        Of :class:`layergeom.callbacks.watch.Watch`; texts need ``tokenizer=``.

    Attributes
    ----------
    watch : Watch
        ``watch.measurements`` has all that was measured.

    Raises
    ------
    InputError
        If Lightning is not installed, or as ``Watch`` does.

    Notes
    -----
    Values go to every logger of the trainer as ``geometry/<quantity>/<layer>``, at
    ``trainer.global_step``; the record to ``geometry`` in ``default_root_dir``. What is said of
    :class:`layergeom.callbacks.GeometryCallback` on cost, on what is left as it was and on
    distributed training holds here too.
    """

    def __init__(
        self, data: Any, *, network: str | Callable[[Any], Any] | None = None, **settings: Any
    ) -> None:
        if _BASE is object:
            raise InputError("Lightning is not here: pip install 'layergeom[lightning]'.")
        super().__init__()
        self.watch = Watch(data, **settings)
        self.network = network
        self._watched: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Make the probe set ready and measure the network as it is."""
        bare(pl_module)  # refused on all processes alike
        if trainer.is_global_zero:
            folder = Path(trainer.default_root_dir) / PREFIX
            self._watched = self._network(pl_module)
            self.watch.begin(self._watched, trainer.global_step, folder)
            self._look(trainer)

    def on_train_batch_end(
        self,
        trainer: Any,
        pl_module: Any,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Measure if the step is due; several batches may make one step."""
        if trainer.is_global_zero:
            self._look(trainer)

    def _look(self, trainer: Any) -> None:
        found = self.watch.look(self._watched, trainer.global_step)
        if found is not None:
            for logger in trainer.loggers:
                logger.log_metrics(dict(found.values), step=found.step)

    def _network(self, pl_module: Any) -> Any:
        if isinstance(self.network, str):
            return pl_module.get_submodule(self.network)
        return _only_transformer(pl_module) if self.network is None else self.network(pl_module)


def _only_transformer(pl_module: Any) -> Any:
    from transformers import PreTrainedModel

    named = {n: c for n, c in pl_module.named_children() if isinstance(bare(c), PreTrainedModel)}
    if len(named) != 1:
        held = ", ".join(named) or "none"
        raise InputError(
            f"{type(pl_module).__name__} must hold one transformers model but holds {held}; name "
            "it with network='attribute'."
        )
    return next(iter(named.values()))
