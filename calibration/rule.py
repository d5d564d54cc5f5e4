"""How often the layer rule finds a minimum that is not there, and how small a one it sees.

python -m calibration.rule [--only TEXT] [--repetitions R] [--first F]   # adds records, the page
python -m calibration.rule --page                                       # the page alone

Repetitions are numbered and each has its own seed: a run with another ``--first`` adds to the
former ones.
"""

from __future__ import annotations

import argparse
import zlib

import numpy as np

from benchmarks import records
from calibration.rule_cells import Cell, cells, noisy_copies, stack
from calibration.rule_draws import Answer, answer, correlation, profile_of
from calibration.rule_figure import figure
from calibration.rule_page import FIGURE, PAGE, RECORDS, page, part_of
from calibration.rule_tally import JOB, tallies


def draw(cell: Cell, repetition: int, shrink: float = 1.0) -> Answer:
    """Draw a stack of a cell and put the rule to it; the same for the same repetition."""
    rng = np.random.default_rng([zlib.crc32(cell.name.encode()), repetition])
    if cell.sampling == "demo":
        return answer(profile_of(noisy_copies(cell, rng), shrink=shrink))
    law = stack(cell)
    return answer(profile_of(law.layers(rng), law.groups if cell.told else None, shrink))


def judged(cell: Cell, first: int, repetitions: int) -> records.Record:
    """Draw a cell many times and return what came out."""
    drawn = [draw(cell, first + i) for i in range(repetitions)]
    values = np.array([each.profile.dimension.values for each in drawn])
    errors = np.array([each.profile.dimension.errors for each in drawn])
    return {
        "time": records.now(),
        "job": JOB,
        "case": {"name": cell.name, "part": cell.part, "shape": cell.shape}
        | {"layers": cell.layers, "rows": cell.rows, "dip": cell.dip, "minimum": cell.minimum}
        | {"own_noise": cell.own_noise, "sampling": cell.sampling, "told": cell.told},
        "first": first,
        "repetitions": repetitions,
        "moves": sum(each.moves for each in drawn),
        "found": [_found(each) for each in drawn],
        "values": values.mean(axis=0).round(3).tolist(),
        "spread": values.std(axis=0, ddof=1).round(4).tolist(),
        "error": np.sqrt((errors**2).mean(axis=0)).round(4).tolist(),
        "correlation": [
            round(float(np.mean([correlation(each.profile, steps) for each in drawn])), 3)
            for steps in (1, 4)
        ],
        "factor": round(float(np.mean([each.factor for each in drawn])), 3),
        "versions": records.versions(),
    }


def _found(each: Answer) -> list[float] | None:
    """First and last tie, the minimum, the repeatability; None if nothing was found."""
    if each.ties is None or each.minimum is None:
        return None
    return [*each.ties, each.minimum, round(each.repeatability, 3)]


def main() -> None:
    """Read the command line; draw, then write page and figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help="the page alone, from the records")
    parser.add_argument("--only", default="", help="cells whose names hold this")
    parser.add_argument("--repetitions", type=int, help="of every cell, instead of its own number")
    parser.add_argument("--first", type=int, default=0, help="number of the first repetition")
    given = parser.parse_args()
    for cell in () if given.page else cells():
        if given.only in cell.name:
            print(cell.name, flush=True)
            repetitions = given.repetitions or cell.repetitions
            records.append(RECORDS, judged(cell, given.first, repetitions))
    found = records.read([RECORDS])
    PAGE.write_text(page(found), encoding="utf-8")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    FIGURE.write_bytes(figure(part_of(tallies(found), "power")))


if __name__ == "__main__":
    main()
