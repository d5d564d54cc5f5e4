"""The package itself, and whether its estimators give error bars."""

from __future__ import annotations

import math

from inputs import X
from rows import row


@row("M-err-twonn-nonzero", "TwoNN on 1000 points", "a finite standard error > 0")
def _(tool):
    return _positive(tool.dimension(X))


@row("M-err-mle-nonzero", "Levina and Bickel on 1000 points", "a finite standard error > 0")
def _(tool):
    return _positive(tool.levina_bickel(X))


def _positive(found):
    error = float(found.errors[0])
    assert found.value > 0, found.words
    assert 0 < error < math.inf, f"standard error {error:g}"
    return f"{found.value:.3f} +- {error:.3f}"


@row("M-pkg-imports", "import in a clean interpreter, elsewhere", "exit status 0")
def _(tool):
    code, said = tool.package.imported()
    assert code == 0, said
    return "exit status 0"


@row(
    "M-sec-import-hijack",
    "a folder full of modules named as the package's own parts and options",
    "none of them is imported",
)
def _(tool):
    taken = tool.package.hijacked()
    assert not taken, f"imported {', '.join(taken)}"
    return "none imported"


@row("M-doc-examples-run", "the examples of the docstrings", "all give what they say")
def _(tool):
    failed, tried = tool.package.examples()
    assert tried >= 20, f"only {tried} were found"
    assert failed == 0, f"{failed} of {tried} fail"
    return f"{tried} run"
