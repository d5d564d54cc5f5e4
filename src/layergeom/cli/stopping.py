"""Signals that ask a run to end: what is being written is put away, and nothing finished is lost.

Schedulers send one before they kill. Like Ctrl-C it is raised in the main thread, so that every
``with`` block ends, and the process leaves with 128 + the signal's number, as shells have it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

NAMES = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")  # of which Windows has the first


class Stopped(BaseException):
    """A signal has asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """What the process leaves with."""
        return 128 + self.signal


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the block when such a signal comes; what is ignored stays ignored.

    Only the first counts: a second one must not break off what the first has begun to put away.
    """
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
