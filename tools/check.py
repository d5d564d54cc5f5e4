"""Run every check in order, say how long each took, and fail at the end if any failed.

The continuous integration, ``make check`` and a contributor run the same list. Each tool is
started through the running interpreter, so nothing has to be on the PATH.

    python tools/check.py          # everything
    python tools/check.py --fast   # style and the quick tests, under 20 seconds
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# import-linter has no __main__, only this console entry point.
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


@dataclass(frozen=True)
class Step:
    """One check: what it is called and the interpreter's arguments that run it."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a step ended."""

    name: str
    passed: bool
    seconds: float

    def __str__(self) -> str:
        """Return one line of the closing table."""
        return f"{'passed' if self.passed else 'FAILED':<8}{self.seconds:7.1f} s  {self.name}"


STYLE = Step("ruff check", ("-m", "ruff", "check", "."))
FULL = (
    STYLE,
    Step("ruff format --check", ("-m", "ruff", "format", "--check", ".")),
    Step("mypy", ("-m", "mypy")),
    Step("lint-imports", ("-c", LINT_IMPORTS)),
    Step("pytest", ("-m", "pytest", "--durations=5")),
    Step("cost ratios", ("-m", "benchmarks.guard")),
    Step("docs", ("-m", "sphinx", "-W", "-E", "-q", "-b", "html", "docs", "docs/_build/html")),
)
FAST = (
    STYLE,
    Step(
        "pytest, geometry and reading",
        ("-m", "pytest", "-x", "-m", "not slow", "tests/geometry", "tests/reading"),
    ),
)


def outcome(step: Step) -> Outcome:
    """Run one step from the repository's root and time it."""
    print(f"\n── {step.name}", flush=True)
    start = time.perf_counter()
    process = subprocess.run([sys.executable, *step.arguments], cwd=ROOT, check=False)
    return Outcome(step.name, process.returncode == 0, time.perf_counter() - start)


def main() -> int:
    """Run the chosen list and return the exit code: 0 if all passed, else 1."""
    parser = argparse.ArgumentParser(description="Run the project's checks.")
    parser.add_argument("--fast", action="store_true", help="style and quick tests only")
    steps = FAST if parser.parse_args().fast else FULL
    outcomes = [outcome(step) for step in steps]
    print("\n" + "\n".join(str(line) for line in outcomes))
    print(f"{'':<8}{sum(line.seconds for line in outcomes):7.1f} s  in all")
    return 0 if all(line.passed for line in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
