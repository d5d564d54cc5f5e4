"""Reading a checkpoint: dtype, device, safety, and whether all its weights are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from layergeom.errors import InputError
from layergeom.states.anatomy import call, trial_ids
from layergeom.states.hooks import tensor_of, untouched
from layergeom.states.sources import Source

if TYPE_CHECKING:
    import torch
    from torch import nn

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


def read_network(source: Source, dtype: Any, device_map: Any, warnings: list[str]) -> nn.Module:
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

    Returns
    -------
    torch.nn.Module
        With its head, if it was saved with one that AutoModel keeps.

    Raises
    ------
    InputError
        If it cannot be read, or lacks weights that the states depend on.
    """
    options: dict[str, Any] = {"dtype": _torch_dtype(dtype), "revision": source.commit}
    if device_map is not None:
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
    _check_complete(network, report, source)
    loaded: nn.Module = network
    return loaded


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
        raise _unreadable(source, error) from error


def _unreadable(source: Source, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(
        f"Model {source.name!r} cannot be loaded ({reason}); give a complete model in Hugging "
        "Face's layout that needs no code of its own."
    )


def _torch_dtype(dtype: Any) -> Any:
    import torch

    name = dtype_name(dtype)
    return name if name == "auto" else getattr(torch, name)


def _check_complete(network: Any, report: Mapping[str, Any], source: Source) -> None:
    """Weights that were made up must not reach the states."""
    parameters = dict(network.named_parameters())
    absent = {str(name) for name in report.get("missing_keys", ())}
    absent |= {str(entry[0]) for entry in report.get("mismatched_keys", ())}
    made_up = {name: parameters[name] for name in sorted(absent) if name in parameters}
    if made_up and (reaching := _reaching(network, made_up)):
        shown = ", ".join(reaching[:3]) + (" …" if len(reaching) > 3 else "")
        raise InputError(
            f"The checkpoint {source.name!r} lacks {len(reaching)} weights that the states depend "
            f"on ({shown}), so they would be random; give a complete checkpoint."
        )


def _reaching(network: Any, made_up: dict[str, torch.Tensor]) -> list[str]:
    """Names of the parameters on which the output depends: a pooler's are not among them."""
    import torch

    base = base_network(network, [])
    ids = trial_ids(base)
    with untouched(base), torch.enable_grad():
        output = tensor_of(call(base, ids, torch.ones_like(ids)), type(base).__name__)
        used = torch.autograd.grad(output.sum(), list(made_up.values()), allow_unused=True)
    return [name for name, slope in zip(made_up, used, strict=True) if slope is not None]


def base_network(network: Any, warnings: list[str]) -> Any:
    """Return the network without its head; of an encoder–decoder the encoder."""
    from transformers import PreTrainedModel

    if not isinstance(network, PreTrainedModel):
        return network
    base: Any = network.base_model
    if getattr(base.config, "is_encoder_decoder", False) and hasattr(base, "get_encoder"):
        warnings.append(f"{type(base).__name__} has an encoder and a decoder: the encoder is read.")
        base = base.get_encoder()
    if "text" not in str(base.main_input_name) and base.main_input_name != "input_ids":
        raise InputError(
            f"A {type(base).__name__} takes {base.main_input_name}, not token ids; extract its "
            "states yourself and give them as arrays."
        )
    return base
