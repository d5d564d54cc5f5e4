"""When not to believe the number: measurements for the page of this name.

python -m calibration.doubt RUNS...   # folders of finished runs; one with MODEL-on-DATA for pairs
python -m calibration.doubt --page    # the page, from the records
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from benchmarks import records
from calibration import doubt_maps, doubt_runs, doubt_similarity, doubt_traps
from calibration.doubt_page import PAGE, RECORDS, page

PARTS = ("traps", "similarity", "runs", "maps")


def measured(part: str, places: Sequence[Path]) -> Iterator[records.Record]:
    """Return the records of one part of the page."""
    if part == "runs":
        return chain.from_iterable(map(doubt_runs.measured, places))
    if part == "similarity":
        of_pairs = chain.from_iterable(map(doubt_similarity.pairs, places))
        return chain(doubt_similarity.widths(), doubt_similarity.depths(), of_pairs)
    return doubt_maps.measured() if part == "maps" else doubt_traps.measured()


def main() -> None:
    """Read the command line; measure, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs")
    parser.add_argument("--only", choices=PARTS, nargs="*", default=PARTS, help="these parts")
    parser.add_argument("--page", action="store_true", help="the page alone")
    given = parser.parse_args()
    for part in () if given.page else given.only:
        for record in measured(part, given.runs):
            records.append(RECORDS, record)
            print(record["job"], record["case"]["name"], flush=True)
    PAGE.write_text(page(records.read([RECORDS])), encoding="utf-8")


if __name__ == "__main__":
    main()
