"""The content key of a function: of its code and of all that it refers to, never of its name."""

from __future__ import annotations

import dis
import functools
import platform
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from layergeom.errors import InputTypeError
from layergeom.states.content import content_key

_LIBRARIES = {"site-packages", "dist-packages"}
_SCALARS = (type(None), bool, int, float, str, bytes, np.generic)


def code_key(value: object, name: str) -> str:
    """Return a key that changes whenever a function, or what it is made of, changes.

    Parameters
    ----------
    value : callable or object
        A function, a method, a partial, or an object such as an estimator.
    name : str
        What the message calls it.

    Returns
    -------
    str
        64 hexadecimal digits. Of a function: its bytecode, constants, defaults, what it closes
        over, and the globals that it reads, functions among them in the same way. Of an object:
        its class and parameters (``get_params()``, else what it would be copied by). Of what an
        installed library brings: its name and the library's version. Of another module of the
        user's: the file.

    Raises
    ------
    InputTypeError
        If it refers to something without tellable content, such as an open file.

    Notes
    -----
    The bytecode is what runs, also where there is no source (a notebook, a changed file). Comments
    do not count; another version of Python gives another key. Two modules of the user's that are
    reached through each other's names (``mine.part.f``) count by the file of the first.

    Examples
    --------
    >>> def spread(points, graph, power=2):
    ...     return abs(points**power).mean()
    >>> def wider(points, graph, power=3):
    ...     return abs(points**power).mean()
    >>> code_key(spread, "spread") == code_key(wider, "wider")
    False
    """
    walk = _Walk(name)
    try:
        return content_key(walk.content(value))
    except RecursionError:
        raise walk.refusal(value) from None


class _Walk:
    """One pass over all that a value refers to; what comes again is named by its number."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: dict[int, tuple[int, object]] = {}  # holds them, lest an id is used again

    def content(self, value: Any) -> Any:
        """Return nested lists of what a content key can hold."""
        if isinstance(value, (complex, Path)):
            return str(value)
        if isinstance(value, _SCALARS):
            return value
        if id(value) in self._seen:
            return ["again", self._seen[id(value)][0]]
        self._seen[id(value)] = (len(self._seen), value)
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, *map(self.content, value)]
        if isinstance(value, (set, frozenset, Mapping)):
            return [type(value).__name__, *self._without_order(value)]
        if hasattr(value, "__array__") and not isinstance(value, type):
            return self._array(value)
        return self._object(value)

    def _without_order(self, value: Any) -> list[Any]:
        pairs = value.items() if isinstance(value, Mapping) else value
        return sorted(content_key(self.content(item)) for item in pairs)

    def _array(self, value: Any) -> Any:
        if hasattr(value, "detach"):  # a tensor that asks for a gradient gives no array
            value = value.detach().cpu()
        array = np.asarray(value)
        return array if array.dtype.kind in "?biufc" else self.content(array.tolist())

    def _object(self, value: Any) -> list[Any]:
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, (type, FunctionType)):
            home = _library(value.__module__)
            if home is not None:
                return ["library", value.__module__, value.__qualname__, home]
            return self._class(value) if isinstance(value, type) else self._function(value)
        if isinstance(value, CodeType):
            return self._code(value)
        return ["object", *self._state(value)]

    def _module(self, value: ModuleType) -> list[Any]:
        home = _library(value.__name__)
        file = getattr(value, "__file__", None)
        if home is None and file is not None and Path(file).is_file():
            return ["file", value.__name__, Path(file).read_bytes()]
        return ["library", value.__name__, home]

    def _class(self, value: type) -> list[Any]:
        parts = {name: _unwrapped(part) for name, part in vars(value).items()}
        told = {
            name: part
            for name, part in parts.items()
            if isinstance(part, FunctionType)
            or (not name.startswith("__") and isinstance(part, (*_SCALARS, list, tuple, dict)))
        }
        return ["class", value.__qualname__, self.content(value.__bases__), self.content(told)]

    def _function(self, value: FunctionType) -> list[Any]:
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        names = sorted(set(_read(value.__code__)) & set(value.__globals__))
        reads = [[name, self.content(value.__globals__[name])] for name in names]
        given = [value.__defaults__, value.__kwdefaults__, cells]
        return ["function", self._code(value.__code__), *map(self.content, given), reads]

    def _code(self, code: CodeType) -> list[Any]:
        runs = [code.co_code, code.co_exceptiontable, code.co_flags, list(code.co_names)]
        return ["code", *runs, [self.content(constant) for constant in code.co_consts]]

    def _state(self, value: Any) -> list[Any]:
        if hasattr(value, "get_params"):  # of an estimator, whether it has been fitted or not
            return [self.content(type(value)), self.content(value.get_params(deep=False))]
        try:
            reduced = value.__reduce_ex__(2)
        except (TypeError, AttributeError):
            raise self.refusal(value) from None
        if isinstance(reduced, str):
            return ["named", reduced, *self._named(value)]
        parts = (list(part) if isinstance(part, Iterator) else part for part in reduced)
        return [self.content(part) for part in parts]

    def _named(self, value: Any) -> list[Any]:
        """Return what stands behind a value that is copied by its name: compiled, or wrapped."""
        module = getattr(value, "__module__", None)
        if hasattr(value, "__wrapped__"):  # by functools.cache
            return [self.content(value.__wrapped__)]
        home = _library(module)
        if home is None and module in sys.modules:
            return [module, self.content(sys.modules[module])]
        return [module, home]

    def refusal(self, value: object) -> InputTypeError:
        """Return the error for what has no tellable content."""
        return InputTypeError(
            f"the quantity {self._name} refers to {type(value).__name__} {value!r:.60}, of which "
            "nothing says whether it has changed; let it refer to numbers, texts, arrays, "
            "functions and objects made of them."
        )


def _read(code: CodeType) -> Iterator[str]:
    """Names of the globals that a function and those inside it read."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _read(constant)


def _unwrapped(part: Any) -> Any:
    if isinstance(part, (staticmethod, classmethod)):
        return part.__func__
    if isinstance(part, functools.cached_property):
        return part.func
    return part.fget if isinstance(part, property) else part


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # a name that is bound later
        return False
    return True


@functools.cache
def _library(module: str | None) -> str | None:
    """Return the version of the installed library that a module is of; None for the user's own."""
    if module is None:  # of a function that was made in a bare namespace
        return None
    top = module.partition(".")[0]
    home = sys.modules.get(module)
    file = getattr(home, "__file__", None)
    version = str(getattr(sys.modules.get(top), "__version__", platform.python_version()))
    if top in ("layergeom", "builtins") or (file is None and module in sys.builtin_module_names):
        return version
    if file is None:
        return None
    inside = Path(file).resolve()
    standard = Path(sysconfig.get_paths()["stdlib"]).resolve() in inside.parents
    return version if standard or _LIBRARIES & set(inside.parts) else None
