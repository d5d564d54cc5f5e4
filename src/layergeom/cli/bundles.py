"""Options that go together: written once, taken by every command that names their bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from functools import partial
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

from layergeom.cli.app import app


@dataclass(frozen=True)
class Bundle:
    """Options as the fields of a dataclass, each annotated as a parameter of a command.

    An option that is not given is None, so that the library's own default holds.
    """

    def given(self) -> dict[str, Any]:
        """Return the options that were given, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Add a command to the application; a parameter that is a bundle becomes its options."""
    bundles = {name: kind for name, kind in _hints(function).items() if _is_bundle(kind)}

    def called(**given: Any) -> None:
        for name, kind in bundles.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        function(**given)

    parameters = list(flat(function))
    called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    called.__name__, called.__doc__ = function.__name__, function.__doc__
    app.command()(called)
    return function


def flat(function: Callable[..., None]) -> Iterator[Parameter]:
    """Yield the parameters of a command, those of its bundles in their place."""
    hints = _hints(function)
    for name, parameter in signature(function).parameters.items():
        if _is_bundle(hints[name]):
            of_bundle = _hints(hints[name])
            yield from (_option(field, of_bundle[field.name]) for field in fields(hints[name]))
        else:
            yield parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)


_hints = partial(get_type_hints, include_extras=True)


def _is_bundle(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Bundle)


def _option(field: Field[Any], annotation: Any) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
