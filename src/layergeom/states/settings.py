"""The settings of an extraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from layergeom.arrays import count
from layergeom.errors import InputError
from layergeom.states.pooling import Pooling
from layergeom.states.tokenization import Long
from layergeom.states.views import HookPoint, View

TokenRule: TypeAlias = Literal["random", "first"]
MAX_TOKENS = 20_000  # rows of token states when nobody says how many

_ELSEWHERE = ("batch_size", "device", "max_unknown")  # not in the numbers
_OF_TOKENS = ("max_tokens", "token_rule", "token_seed")


@dataclass(frozen=True)
class Extraction:
    """Settings of an extraction, which are also its provenance.

    Parameters
    ----------
    pool : str
        ``auto`` is the model's own where it has ``modules.json``, else ``mean``; ``token`` keeps
        single tokens as rows.
    hook_point : {"residual", "first_norm", "final_norm"}
        Where the states are taken; see `layergeom.states.views.View`.
    layers : sequence of str, optional
        The only layers that are kept; blocks behind the last of them are not run.
    special_tokens : bool
        Special tokens enter the pooling (always, where the model's own pooling is used).
    max_length : int or None
        Tokens per row, special ones included; None is the model's own limit.
    long : {"truncate", "skip", "error", "window"}
        What happens to longer rows; ``window`` reads them piece by piece (``pool="mean"`` only).
    stride : int or None
        Tokens that a window shares with the one before it; None is half a window.
    max_unknown : float
        Largest share of unknown tokens, in [0, 1].
    max_tokens : int or None
        Rows of token states at most; None keeps every token.
    token_rule : {"random", "first"}
        ``random`` draws uniformly from the tokens of all rows, ``first`` takes the data's first.
    token_seed : int
        Seed of the drawing.
    dtype : str or None
        As in `layergeom.states.models.load`; None is float32.
    batch_size : int or None
        Rows per batch; None fills batches by their number of tokens.
    device : str
        ``auto`` takes a GPU if there is one.

    Raises
    ------
    InputError
        For a value that does not exist or does not fit the others.
    """

    pool: Pooling = "auto"
    hook_point: HookPoint = "residual"
    layers: Sequence[str] | None = None
    special_tokens: bool = False
    max_length: int | None = None
    long: Long = "truncate"
    stride: int | None = None
    max_unknown: float = 0.01
    max_tokens: int | None = MAX_TOKENS
    token_rule: TokenRule = "random"  # noqa: S105  no password
    token_seed: int = 0
    dtype: str | None = None
    batch_size: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        View(self.pool, self.hook_point)
        for name, known in (("long", get_args(Long)), ("token_rule", get_args(TokenRule))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}."
                )
        for name in ("max_length", "batch_size", "max_tokens"):
            if getattr(self, name) is not None:
                count(getattr(self, name), name, low=1)
        for name in ("stride", "token_seed"):
            if getattr(self, name) is not None:
                count(getattr(self, name), name, low=0)
        if not 0 <= self.max_unknown <= 1:
            raise InputError(f"max_unknown must be between 0 and 1 but is {self.max_unknown!r}.")
        if self.long == "window" and self.pool != "mean":
            raise InputError(
                f"long='window' needs pool='mean', not {self.pool!r}: only means of windows can "
                "be put together; choose pool='mean' or another long."
            )
        _check_layers(self.layers)

    @property
    def view(self) -> View:
        """Pooling and hook point."""
        return View(self.pool, self.hook_point)

    @property
    def content(self) -> dict[str, Any]:
        """The settings that determine the numbers: neither batches nor device do."""
        outside = set(_ELSEWHERE)
        if self.pool != "token":
            outside.update(_OF_TOKENS)
        if self.long != "window":
            outside.add("stride")
        content = {name: value for name, value in asdict(self).items() if name not in outside}
        layers = None if self.layers is None else sorted(set(self.layers))
        return {**content, "layers": layers}


def settings(**given: Any) -> Extraction:
    """Return the settings; an InputError that lists them, if one does not exist."""
    known = Extraction.__dataclass_fields__
    if strange := [name for name in given if name not in known]:
        raise InputError(f"There is no setting {strange[0]!r}; there are {', '.join(known)}.")
    return Extraction(**given)


def _check_layers(layers: Any) -> None:
    if layers is None:
        return
    if isinstance(layers, str) or not layers or not all(isinstance(key, str) for key in layers):
        raise InputError(
            f"layers must be a list of layer keys such as 'block_3' but is {layers!r}."
        )
