"""Reading a checkpoint: dtype, device, safety, and whether all its weights are there."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from layergeom.errors import InputError
from layergeom.states.anatomy import call, trial_inputs
from layergeom.states.hooks import tensor_of, untouched
from layergeom.states.patches import PIXELS, entrance
from layergeom.states.sources import Source

if TYPE_CHECKING:
    import torch
    from torch import nn

Part: TypeAlias = Literal["encoder", "decoder", "text", "vision"]
DTYPES = ("float32", "float16", "bfloat16", "float64", "auto")


def dtype_name(dtype: Any) -> str:
    """One of ``DTYPES``; None is float32.

    Raises
    ------
    InputError
        For any other dtype.
    """
    name = "float32" if dtype is None else str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)} but is {dtype!r}.")
    return name


def pick_device(device: str) -> str:
    """Return the device's name; ``auto`` is the first of cuda, mps, cpu that is there.

    Raises
    ------
    InputError
        If the device does not exist here.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device={device!r} cannot be used here ({reason}); try 'cpu'.") from error
    return device


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from writing to the terminal, and give its settings back."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def read_network(
    source: Source, dtype: Any, device_map: Any, warnings: list[str], part: Part | None = None
) -> nn.Module:
    """Read a network with transformers; safetensors first, and nothing made up.

    Parameters
    ----------
    source : Source
        A folder or hub id.
    dtype : str, torch.dtype or None
        One of ``DTYPES``; None is float32.
    device_map : str, dict or None
        Handed to transformers.
    warnings : list of str
        Gets a line if there are no safetensors.
    part : str, optional
        The part whose weights must all be there.

    Returns
    -------
    torch.nn.Module
        With its head, if it was saved with one that AutoModel keeps.

    Raises
    ------
    InputError
        If it cannot be read, lacks weights that the states depend on, or a device map is given
        without the package accelerate.
    """
    options: dict[str, Any] = {"dtype": _torch_dtype(dtype), "revision": source.commit}
    if device_map is not None:
        _check_accelerate(device_map)
        options["device_map"] = device_map
    try:
        network, report = _from_pretrained(source, options, use_safetensors=True)
    except OSError as first:
        try:
            network, report = _from_pretrained(source, options, use_safetensors=False)
        except OSError:
            raise _unreadable(source, first) from first
        warnings.append(
            f"{source.name} has no safetensors: its PyTorch weights were read without unpickling."
        )
    _check_complete(network, report, source, part)
    loaded: nn.Module = network
    return loaded


def _check_accelerate(device_map: Any) -> None:
    if importlib.util.find_spec("accelerate") is None:
        raise InputError(
            f"device_map={device_map!r} needs the package accelerate; install it (pip install "
            "accelerate), or leave device_map out."
        )


def _from_pretrained(source: Source, options: dict[str, Any], use_safetensors: bool) -> Any:
    from transformers import AutoModel

    try:
        with quiet():
            return AutoModel.from_pretrained(
                source.location,
                trust_remote_code=False,
                use_safetensors=use_safetensors,
                output_loading_info=True,
                **options,
            )
    except OSError:
        raise
    except Exception as error:  # damaged files raise anything; all are bad input
        raise _unreadable(source, error, options.get("device_map")) from error


def _unreadable(source: Source, error: Exception, device_map: Any = None) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    other = "" if device_map is None else f", or another device_map than {device_map!r}"
    return InputError(
        f"Model {source.name!r} cannot be loaded ({reason}); give a complete model in Hugging "
        f"Face's layout that needs no code of its own{other}."
    )


@contextmanager
def spread(source: Source, device_map: Any) -> Iterator[None]:
    """Explain what stops a network whose weights a device map keeps off the devices.

    Raises
    ------
    InputError
        If weights are looked up where there are none: the checkpoint lacks them, or they are
        shared with a module that lies elsewhere.
    """
    try:
        yield
    except KeyError as error:
        if device_map is None:
            raise
        raise InputError(
            f"{source.name!r} does not run with device_map={device_map!r}: there are no weights "
            f"{error} where it puts them (the checkpoint lacks them, or another module shares "
            "them); give device_map='auto', or a complete checkpoint."
        ) from error


def _torch_dtype(dtype: Any) -> Any:
    import torch

    name = dtype_name(dtype)
    return name if name == "auto" else getattr(torch, name)


def _check_complete(
    network: Any, report: Mapping[str, Any], source: Source, part: Part | None
) -> None:
    """Weights that were made up must not reach the states."""
    parameters = dict(network.named_parameters())
    absent = {str(name) for name in report.get("missing_keys", ())}
    absent |= {str(entry[0]) for entry in report.get("mismatched_keys", ())}
    made_up = {name: parameters[name] for name in sorted(absent) if name in parameters}
    if made_up and (reaching := _reaching(network, made_up, part)):
        shown = ", ".join(reaching[:3]) + (" …" if len(reaching) > 3 else "")
        raise InputError(
            f"The checkpoint {source.name!r} lacks {len(reaching)} weights that the states depend "
            f"on ({shown}), so they would be random; give a complete checkpoint."
        )


def _reaching(network: Any, made_up: dict[str, torch.Tensor], part: Part | None) -> list[str]:
    """Names of the parameters on which the output depends: a pooler's are not among them."""
    import torch

    base = base_network(network, [], part)
    inputs = trial_inputs(base)
    with untouched(base), torch.enable_grad():
        output = tensor_of(call(base, inputs, torch.ones_like(inputs)), type(base).__name__)
        used = torch.autograd.grad(output.sum(), list(made_up.values()), allow_unused=True)
    return [name for name, slope in zip(made_up, used, strict=True) if slope is not None]


def base_network(network: Any, warnings: list[str], part: Part | None = None) -> Any:
    """Return the network without its head, or the part of it that is read.

    Parameters
    ----------
    network : torch.nn.Module
        As it was loaded.
    warnings : list of str
        Gets a line if the encoder is chosen because nobody chose.
    part : {"encoder", "decoder", "text", "vision"}, optional
        Of a network that has several; "vision" also admits a network that takes pixels.

    Raises
    ------
    InputError
        If there is no such part, or it takes neither token ids nor, as "vision", pixels.
    """
    from transformers import PreTrainedModel

    if part is not None and part not in get_args(Part):
        raise InputError(f"part must be one of {', '.join(get_args(Part))} but is {part!r}.")
    if not isinstance(network, PreTrainedModel):
        if part is not None:
            raise no_part(network, part)
        return network
    base: Any = network.base_model
    if entrance(base) not in inspect.signature(base.forward).parameters:
        base = network  # DINOv3's base is its stack, without the embedding
    if part in ("text", "vision"):
        base = getattr(base, f"{part}_model", base)
    else:
        base = _half(base, part, warnings)
    if part != "decoder":
        _check_entrance(base, part)
    return base


def _half(base: Any, part: Part | None, warnings: list[str]) -> Any:
    """Return the encoder or the decoder of a network that has both, whatever it is called."""
    from layergeom.states.decoders import Decoder

    # not config.is_encoder_decoder: it is false in a T5 that was saved as an encoder, and true in
    # the halves of a BART
    if not (hasattr(base, "encoder") and hasattr(base, "decoder")):
        if part == "decoder":
            raise no_part(base, part)
        return base
    if part == "decoder":
        _check_entrance(base, part)
        return Decoder(base)
    if part is None:
        warnings.append(
            f"{type(base).__name__} has an encoder and a decoder: the encoder is read "
            "(part='decoder' reads the other)."
        )
    return base.get_encoder()


def _check_entrance(base: Any, part: Part | None) -> None:
    if both := [name for name in ("text", "vision") if hasattr(base, f"{name}_model")]:
        raise InputError(
            f"A {type(base).__name__} has parts for {' and '.join(both)}; choose one with "
            f"part={both[0]!r}."
        )
    takes = entrance(base)
    if takes == PIXELS and part == "vision":
        return
    if part == "vision":
        raise no_part(base, part)
    if "text" not in takes and takes != "input_ids":
        raise InputError(
            f"A {type(base).__name__} takes {takes}, not token ids; extract its "
            "states yourself and give them as arrays."
        )


def no_part(network: Any, part: str) -> InputError:
    """Say that a network has no such part."""
    return InputError(f"A {type(network).__name__} has no part {part!r}; leave part out.")
