"""What is read off a network for one view: its layers, and where each comes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from layergeom.errors import InputError
from layergeom.states.hidden import HEAD, LayerName
from layergeom.states.models import LoadedModel
from layergeom.states.pipelines import Pipeline
from layergeom.states.pooling import Mode
from layergeom.states.views import HookPoint

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Tap:
    """Where token states come by during a forward pass.

    Parameters
    ----------
    kind : {"residual", "first_norm", "final_norm", "output"}
        The stream behind ``layer`` blocks, that stream after the next block's first norm or after
        the final norm, or what the network returns.
    layer : int
        Number of blocks that have run.
    """

    kind: Literal["residual", "first_norm", "final_norm", "output"]
    layer: int


@dataclass(frozen=True)
class Layer:
    """One layer of a view.

    Parameters
    ----------
    name : LayerName
        What it is called.
    tap : Tap
        Where its token states come by.
    width : int
        Features after the pooling.
    head : bool
        True if the steps of a sentence pipeline follow the pooling.
    """

    name: LayerName
    tap: Tap
    width: int
    head: bool = False


@dataclass(frozen=True, eq=False)
class Plan:
    """What the forward pass keeps of every layer, for one view.

    Parameters
    ----------
    loaded : LoadedModel
        The network and its layers.
    modes : tuple of str
        Poolings whose results are concatenated; () keeps single tokens.
    pipeline : Pipeline or None
        Its steps make the layer ``final`` of the residual stream; None for the network alone.
    point : {"residual", "first_norm", "final_norm"}
        Where the states are taken.
    only : sequence of str, optional
        The keys of the layers that are kept; all by default.
    """

    loaded: LoadedModel
    modes: tuple[Mode, ...]
    pipeline: Pipeline | None = None
    point: HookPoint = "residual"
    only: Sequence[str] | None = None

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that are written, from the input to the output.

        Raises
        ------
        InputError
            If the network has no such hook point, or no layer of a name that is asked for.
        """
        layers = self._residual() if self.point == "residual" else self._normed()
        if self.only is None:
            return layers
        keys = [layer.name.key for layer in layers]
        if absent := [key for key in self.only if key not in keys]:
            raise InputError(f"There is no layer {absent[0]!r}; the layers are {', '.join(keys)}.")
        return tuple(layer for layer in layers if layer.name.key in self.only)

    @property
    def names(self) -> tuple[LayerName, ...]:
        """The same layers in each tool's words."""
        return tuple(layer.name for layer in self.layers)

    @property
    def blocks(self) -> int:
        """Blocks of the network, as they are called."""
        names = self.loaded.anatomy.names
        return len(names) - 1 - int(names[-1].key == "final")

    @property
    def blocks_run(self) -> int:
        """Blocks that have to run for these layers."""
        return max(layer.tap.layer for layer in self.layers)

    def finish(self, pooled: torch.Tensor) -> torch.Tensor:
        """Apply the pipeline's steps after the pooling."""
        return pooled if self.pipeline is None else self.pipeline.finish(pooled)

    def _residual(self) -> tuple[Layer, ...]:
        anatomy = self.loaded.anatomy
        layers = tuple(
            Layer(
                name,
                Tap("output" if name.key == "final" else "residual", min(number, self.blocks)),
                self._pooled(width),
            )
            for number, (name, width) in enumerate(zip(anatomy.names, anatomy.widths, strict=True))
        )
        return self._headed(layers) if self.pipeline is not None else layers

    def _headed(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """Put the pipeline's steps in place of the last norm's output, or behind the last block."""
        import torch

        if self.pipeline is None or not self.pipeline.steps:
            return layers
        last = layers[-1]
        head = f"{', '.join(self.pipeline.names[1:])}{HEAD}"
        name = LayerName("final", 1.0, None, head, last.name.blocks, last.name.final_norm)
        width = self.finish(torch.zeros(1, last.width)).shape[-1]
        before = layers[:-1] if last.name.key == "final" else layers
        return (*before, Layer(name, last.tap, width, head=True))

    def _normed(self) -> tuple[Layer, ...]:
        self.loaded.norms.check(self.point)
        return tuple(self._normed_layer(number) for number in range(self.blocks + 1))

    def _normed_layer(self, number: int) -> Layer:
        anatomy, norms = self.loaded.anatomy, self.loaded.norms
        name, kind, module = anatomy.names[number], self.point, norms.final
        if self.point == "first_norm" and number < self.blocks:
            module = (norms.first or {}).get(str(anatomy.names[number + 1].module))
        else:
            kind = "final_norm"
        output = anatomy.names[-1]
        same = number == self.blocks and output.key == "final" and output.module == norms.final
        name = replace(
            name,
            hidden_states=output.hidden_states if same else None,
            module=module,
            final_norm=kind == "final_norm",
        )
        return Layer(name, Tap(kind, number), self._pooled(anatomy.widths[number]))

    def _pooled(self, width: int) -> int:
        return width * max(1, len(self.modes))
