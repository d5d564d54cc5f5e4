"""A shorter model: the first blocks up to the chosen layer, written, read again and compared."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from layergeom.errors import InputError
from layergeom.states import durable
from layergeom.states.hidden import block_number
from layergeom.states.inputs import read_samples
from layergeom.states.loading import Part
from layergeom.states.models import LoadedModel, load
from layergeom.states.patches import PIXELS, entrance
from layergeom.states.pooling import Pooling, check_pooling
from layergeom.states.sentence_folder import copy_beside, write_pipeline
from layergeom.states.shortened import Shortened, depth, shortened
from layergeom.states.sources import weight_files
from layergeom.tasks.chosen_layer import chosen_layer
from layergeom.tasks.cut_check import (
    ROWS,
    TIMED,
    Speed,
    difference,
    made_up_rows,
    rows_of,
    speed,
)
from layergeom.version import VERSION
from layergeom.written import percent

RECORD = "truncation.json"
AGREE = 1e-4  # of the largest state; the same operations on the same numbers give 0
REBUILD = (
    "Embeddings of the cut model are other vectors: an index that was built with another model or "
    "layer must be rebuilt."
)


@dataclass(frozen=True)
class Truncation:
    """A model that was cut behind a block, and what that changed.

    Attributes
    ----------
    folder : str
        Where it was written.
    layer : str
        The layer whose states it gives.
    blocks : (int, int)
        Blocks before and after.
    emits : str
        What the model's output is, in words.
    final_norm : str or None
        Path of the final norm that is applied to the block's states; None if there is none.
    loads_with : str
        The class of transformers that reads the folder.
    parameters : (int, int)
        Before and after, heads and poolers of the loaded network included.
    bytes : (int or None, int)
        Weight files before and after; None where the model was a loaded module.
    disk : (int or None, int)
        Bytes of the whole folder before and after, tokenizer files included.
    rows_per_second, tokens_per_second : (float, float)
        Before and after, on the same rows (images: patches per second): the forward pass alone.
    speedup : float
        Median of the paired ratios of both times.
    speedup_range : (float, float)
        The smallest and the largest of these seven.
    timed : int
        Rows that were timed.
    difference : float
        Largest difference from the full model's layer, relative to its largest state.
    rows : int
        Rows that were compared.
    left_out : tuple of str
        Weights of poolers and heads that were not written.
    warnings : tuple of str
        What was assumed, and what other libraries do otherwise.
    model : str
        What was cut.
    """

    folder: str
    layer: str
    blocks: tuple[int, int]
    emits: str
    final_norm: str | None
    loads_with: str
    parameters: tuple[int, int]
    bytes: tuple[int | None, int]
    disk: tuple[int | None, int]
    rows_per_second: tuple[float, float]
    tokens_per_second: tuple[float, float]
    speedup: float
    speedup_range: tuple[float, float]
    timed: int
    difference: float
    rows: int
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    model: str

    @property
    def advice(self) -> str:
        """What must be done with indices of other embeddings."""
        return REBUILD

    def lines(self) -> list[str]:
        """Return what was changed, in sentences."""
        (whole, left), (before, after) = self.blocks, self.parameters
        weights, folder = (_before(sizes[0]) for sizes in (self.bytes, self.disk))
        return [
            f"{left} of {whole} blocks; the output is {self.emits}.",
            f"{after:,} of {before:,} parameters ({percent(after / before)}).",
            f"{self.bytes[1]:,} bytes of weights{weights}, {self.disk[1]:,} on the disk{folder}.",
            self._speed_line(),
            f"Checked on {self.rows} rows: differs by {self.difference:.1e} of the largest state.",
            f"Loads with {self.loads_with}.",
            self.advice,
        ]

    def _speed_line(self) -> str:
        (slow, fast), (least, most) = self.rows_per_second, self.speedup_range
        return (
            f"{fast:,.0f} rows/s instead of {slow:,.0f} ({self.tokens_per_second[1]:,.0f} tokens/s "
            f"instead of {self.tokens_per_second[0]:,.0f}): {self.speedup:.2f} times as fast "
            f"({least:.2f} to {most:.2f} in paired timings of {self.timed} rows; the network "
            "alone, without tokenizing or searching)."
        )


def _before(size: int | None) -> str:
    return "" if size is None else f" (before: {size:,})"


def truncate(
    model: Any,
    output: Path | str,
    *,
    layer: str | int,
    run: Path | str | None = None,
    data: Any = None,
    text_column: Any = None,
    pool: Pooling = "auto",
    seed: int = 0,
    revision: str | None = None,
    tokenizer: Any = None,
    dtype: Any = "auto",
    device: str = "auto",
    part: Part | None = None,
) -> Truncation:
    """Write a model of the first blocks only, and make sure that it gives the layer's states.

    Parameters
    ----------
    model : str, Path or torch.nn.Module
        Hub id, local folder or loaded module; left as it is.
    output : path
        A folder that does not exist yet, or is empty.
    layer : str or int
        ``block_l`` or l, below the number of blocks; "recommended" with ``run``.
    run : path, optional
        Folder of a run whose recommendation is meant.
    data : path, list or dataset, optional
        Texts or token ids: both models are compared on the longest 16 of at most 256 rows, and
        timed on all of these; by default 16 rows of random token ids, and for networks that take
        images random images.
    text_column : str, int or sequence of these, optional
        Column of the texts.
    pool : str
        Pooling written for sentence-transformers (see
        :func:`layergeom.states.sentence_folder.write_pipeline`).
    seed : int
        Of the rows that are compared.
    revision, tokenizer, device, part
        As :func:`layergeom.states.models.load`.
    dtype : str or torch.dtype
        The weights keep the checkpoint's own by default.

    Returns
    -------
    Truncation
        Also written into the folder, as ``truncation.json``.

    Raises
    ------
    InputError
        If the layer is no block before the last, the folder holds something, the family cannot be
        cut, or the cut model's output differs from the full model's layer by more than 1e-4: the
        folder is then removed.
    StoreError
        If the folder cannot be written.

    Notes
    -----
    The folder loads with ``AutoModel.from_pretrained`` (T5: ``T5EncoderModel``) and, where there is
    a tokenizer, with sentence-transformers. **What it gives**: transformers applies a network's
    final norm after its last block, so the cut model gives ``norm(h_l)``, while the layer
    ``block_l`` of a profile is ``h_l`` before the norm; families without a final norm (BERT) give
    ``h_l`` itself. Cost: the weights are read twice; sixteen forward passes of the timed rows.

    When it misleads: poolers are left out, so ``pooler_output`` of the written model is made of
    random weights; a final norm was learnt on the last block's states.
    """
    _check_pooling(pool)
    place = _free(Path(output))
    asked = chosen_layer(layer, run)
    samples = None
    if data is not None:
        samples = read_samples(data, text_column=text_column, max_samples=TIMED, seed=seed)
    options: dict[str, Any] = {"device": device, "part": part}
    full = load(model, revision=revision, tokenizer=tokenizer, dtype=dtype, **options)
    cut = shortened(full, _blocks(full, asked))
    rows = made_up_rows(full, seed) if samples is None else rows_of(full, samples)
    with _unfinished(place) as folder:
        warnings = _write(full, cut, pool, folder)
        short = load(folder, dtype="auto", **options)
        gap = _checked(difference(full, short, cut.blocks, rows), full, cut)
        timed = speed(full, short, rows)
        result = _truncation(full, cut, folder, timed, (gap, len(rows.ids)), warnings)
        result = replace(result, folder=str(place))
        _record(result, folder)
    return result


def _truncation(
    full: LoadedModel,
    cut: Shortened,
    folder: Path,
    timed: Speed,
    compared: tuple[float, int],
    warnings: tuple[str, ...],
) -> Truncation:
    return Truncation(
        folder=str(folder),
        layer=f"block_{cut.blocks}",
        blocks=(depth(full), cut.blocks),
        emits=_emits(full, cut.blocks),
        final_norm=full.anatomy.final_norm,
        loads_with=type(cut.network).__name__,
        parameters=(_numbers(full.module.parameters()), _numbers(cut.weights.values())),
        bytes=(_bytes(full.source.folder), _bytes(folder) or 0),
        disk=(_on_disk(full.source.folder), _on_disk(folder) or 0),
        rows_per_second=timed.rows,
        tokens_per_second=timed.tokens,
        speedup=timed.times,
        speedup_range=timed.spread,
        timed=timed.timed,
        difference=compared[0],
        rows=min(ROWS, compared[1]),
        left_out=cut.left_out,
        warnings=(*full.warnings, *warnings),
        model=full.source.name,
    )


def _check_pooling(pool: Pooling) -> None:
    check_pooling(pool)
    if pool == "token":
        raise InputError("A pipeline gives one vector per text; choose another pool than 'token'.")


def _free(folder: Path) -> Path:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already and is not empty; choose another folder.")
    return folder


def _blocks(full: LoadedModel, layer: str | int) -> int:
    """Return the number of blocks that remain."""
    number = block_number(layer) if isinstance(layer, str) else layer
    last = depth(full)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < last:
        raise InputError(
            f"A model can be cut behind block_1 to block_{last - 1} of {full.source.name!r}, but "
            f"layer is {layer!r}; use embed(layer=…) for other layers."
        )
    if full.anatomy.names[-1].final_norm and full.final_norm is None:
        raise InputError(
            f"What a {type(full.module).__name__} does after its last block is no module of its "
            "own, so its cut cannot be checked; use embed(layer=…) instead."
        )
    return number


@contextmanager
def _unfinished(place: Path) -> Iterator[Path]:
    """Give a folder beside ``place`` that becomes it at the end, or is removed after an error."""
    folder = place.with_name(f"{durable.UNFINISHED}{secrets.token_hex(8)}")
    with durable.explained(place):
        folder.mkdir(parents=True)
    try:
        yield folder
        with durable.explained(place):
            if place.exists():
                place.rmdir()
            folder.replace(place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(full: LoadedModel, cut: Shortened, pool: Pooling, folder: Path) -> tuple[str, ...]:
    with durable.explained(folder):
        cut.write(folder)
        copy_beside(full, folder)
        if entrance(full.module) == PIXELS or full.tokenizer is None:
            return ()
        return write_pipeline(full, pool, folder)


def _checked(gap: float, full: LoadedModel, cut: Shortened) -> float:
    if not gap <= AGREE:
        raise InputError(
            f"A {type(full.module).__name__} cut to {cut.blocks} blocks differs from block_"
            f"{cut.blocks} of {full.source.name!r} by {gap:.1e} of its largest state (at most "
            f"{AGREE:.0e} is allowed), as where blocks depend on their number; nothing was kept, "
            "use embed(layer=…) instead."
        )
    return gap


def _emits(full: LoadedModel, blocks: int) -> str:
    if full.anatomy.final_norm is None:
        return f"the states of block_{blocks}"
    return (
        f"the states of block_{blocks} after the model's final norm ({full.anatomy.final_norm}); "
        f"the layer block_{blocks} of a profile is before it"
    )


def _numbers(tensors: Iterable[Any]) -> int:
    """Count the numbers in tensors, each of those that are tied once."""
    return sum({tensor.data_ptr(): tensor.numel() for tensor in tensors}.values())


def _bytes(folder: Path | None) -> int | None:
    sizes = [path.stat().st_size for path in weight_files(folder)] if folder is not None else []
    return sum(sizes) if sizes else None


def _on_disk(folder: Path | None) -> int | None:
    """Return the bytes of a model's folder; None where its weights lie elsewhere."""
    if folder is None or not weight_files(folder):
        return None
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _record(result: Truncation, folder: Path) -> None:
    content = {**asdict(result), "advice": result.advice, "layergeom": VERSION}
    (folder / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
