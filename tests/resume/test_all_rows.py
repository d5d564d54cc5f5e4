"""Every row of the register of interrupted runs has a test that bears its name."""

from __future__ import annotations

from pathlib import Path

import pytest

ROWS = (
    *("R-kill9-overwrite", "R-kill9-run", "R-truncated", "R-bit-flip", "R-missing-chunk"),
    *("R-disk-full", "R-other-model", "R-other-data", "R-same-run", "R-two-runs", "R-stale-lock"),
    *("R-read-only", "R-schema-newer", "R-sigint", "R-worker-killed", "R-preflight", "R-moved"),
    *("R-fuzz-files", "R-power-loss"),
)
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("row", ROWS)
def test_a_test_bears_the_name(row: str) -> None:
    files = [path for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert f"{row.replace('-', '_')}_" in text or f'"{row}' in text
