"""What workers are given in tests: quick to import, as each process does it anew."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from layergeom.errors import InputError

_RUNNING: list[int] = []


def named(*piece: object) -> str:
    return f"piece {piece[0]}"


def squared(number: int) -> int:
    return number**2


def at_once(number: int) -> int:
    """Return how many pieces are being carried out in this process."""
    _RUNNING.append(number)
    time.sleep(0.01)
    found = len(_RUNNING)
    _RUNNING.remove(number)
    return found


def failing(number: int) -> None:
    if number == 2:
        raise InputError("two is too much; give one.")


def killed_once(folder: Path, number: int) -> int:
    """End the own process the first time, as the system does where memory is short."""
    mark = folder / f"{number}"
    if number == 1 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return number
