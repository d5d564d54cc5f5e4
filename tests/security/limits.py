"""A ceiling on the memory that a test may take, so that what swells fails instead of swapping."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20


@contextmanager
def ceiling(spare: int) -> Iterator[None]:
    """Let the process take ``spare`` bytes of addresses more than it has; beyond is a MemoryError.

    The product turns a MemoryError into its own words, so a test must match the words it expects.
    """
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
