"""How much time measuring may take, and whether another measurement fits into it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from layergeom.errors import InputError

RECENT = 3  # measurements from whose dearest the next one's cost is expected


class Budget:
    """A share of the wall time of a training.

    Parameters
    ----------
    max_share : float in (0, 1], or None
        Measuring time by wall time since the start, at most; None is no limit.
    clock : callable
        Seconds.

    Notes
    -----
    A measurement is allowed if the share would not exceed ``max_share`` with it, at the cost of
    the dearest of the last three. The first is always allowed (nothing is known of its cost): what
    it took too much is paid back by waiting.

    Examples
    --------
    >>> times = iter([0, 0, 10, 10, 199, 200])
    >>> budget = Budget(0.1, clock=lambda: next(times))
    >>> budget.start()
    >>> with budget.spending():
    ...     pass
    >>> budget.allows(), budget.allows(), budget.allows()  # at 10, 199 and 200 seconds
    (False, True, True)
    """

    def __init__(
        self, max_share: float | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if max_share is not None and not 0 < max_share <= 1:
            raise InputError(f"max_share is {max_share}; it must lie in (0, 1], or be None.")
        self.max_share = max_share
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.spent = 0.0
        self.last = 0.0
        self._begun = 0.0

    def start(self) -> None:
        """Start the clock of the training."""
        self._begun = self._clock()
        self._recent.clear()
        self.spent = self.last = 0.0

    def allows(self) -> bool:
        """Return whether another measurement fits."""
        if self.max_share is None or not self._recent:
            return True
        expected = max(self._recent)
        wall = self._clock() - self._begun
        return self.spent + expected <= self.max_share * (wall + expected)

    @contextmanager
    def spending(self, *, counts: bool = True) -> Iterator[None]:
        """Count the time of the block; with ``counts`` it is what the next one is expected to cost.

        What fails has cost as much.
        """
        begun = self._clock()
        try:
            yield
        finally:
            self.last = self._clock() - begun
            self.spent += self.last
            if counts:
                self._recent.append(self.last)

    def share(self) -> float:
        """Return measuring time by wall time so far."""
        return self.spent / max(self._clock() - self._begun, 1e-9)
