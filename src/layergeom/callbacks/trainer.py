"""The callback for transformers' Trainer.

The base class is needed to define it, so this module imports transformers.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerCallback

from layergeom.callbacks.live_network import bare
from layergeom.callbacks.watch import PREFIX, Watch
from layergeom.errors import GeometryWarning


class GeometryCallback(TrainerCallback):  # type: ignore[misc]  # of a library without types
    """Measures the geometry of every layer while a ``Trainer`` trains, and logs it.

    Parameters
    ----------
    data : path, list or dataset
        The probe set.
    **settings
        Of :class:`layergeom.callbacks.watch.Watch`: ``every``, ``max_share``, ``labels``, ``k``,
        ``errors``, ``on_error``, ``folder`` ….

    Attributes
    ----------
    watch : Watch
        ``watch.measurements`` has all that was measured.
    trainer : Trainer or None
        Who logs: ``GeometryCallback(…).attach(trainer)``, or set it. transformers tells a callback
        of no trainer; without one, values go to ``state.log_history`` and to the record alone,
        with a warning.

    Notes
    -----
    Values are logged as ``geometry/<quantity>/<layer>`` to whatever ``report_to`` names (which
    writes them as ``train/geometry/…``). Measured before the first step, then after every step
    that is due. The network's modes, random numbers, buffers, gradients and the data loader are as
    they were: weights are bit by bit those of a training without the callback.

    In distributed training process 0 measures; the others do nothing and wait for it where they
    next exchange gradients. Weights that are spread over processes (FSDP, ZeRO-3) cannot be
    measured: the training ends before its first step, with the reason.
    """

    def __init__(self, data: Any, **settings: Any) -> None:
        self.watch = Watch(data, **settings)
        self.trainer: Any = None

    def attach(self, trainer: Any) -> GeometryCallback:
        """Add this callback to a trainer, and log through it."""
        trainer.add_callback(self)
        self.trainer = trainer
        return self

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        """Make the probe set ready and measure the network as it is."""
        bare(model)  # refused on all processes alike
        if not state.is_world_process_zero:
            return
        if self.trainer is None:
            warnings.warn(
                "the geometry is written to state.log_history and the record only: a callback is "
                "told of no trainer; use GeometryCallback(…).attach(trainer) for TensorBoard, "
                "W&B and the like.",
                GeometryWarning,
                stacklevel=2,
            )
        processor = kwargs.get("processing_class")
        self.watch.begin(model, state.global_step, Path(args.output_dir) / PREFIX, processor)
        self._look(model, state, control)

    def on_step_end(
        self,
        args: Any,  # noqa: ARG002
        state: Any,
        control: Any,
        model: Any = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Measure if the step is due."""
        if state.is_world_process_zero:
            self._look(model, state, control)

    def _look(self, model: Any, state: Any, control: Any) -> None:
        found = self.watch.look(model, state.global_step)
        if found is None:
            return
        if self.trainer is None:
            state.log_history.append({**found.values, "step": found.step})
            return
        due = control.should_log
        self.trainer.log(dict(found.values))
        control.should_log = due  # which logging has unset: the loss of this step would be lost
