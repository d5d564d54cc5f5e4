"""What a study of partitions or clouds leaves beside its numbers: the recipe, and what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from layergeom.reading.verdicts import Claim
from layergeom.states import durable

RECORD = "study.json"


def write_record(
    folder: Path, record: Mapping[str, Any], warnings: Sequence[str], claims: Sequence[Claim]
) -> None:
    """Write the protocol with its departures, the warnings and the claims into ``study.json``.

    Parameters
    ----------
    folder : Path
        Of the study.
    record : mapping
        As of :func:`layergeom.tasks.protocols.record_of`.
    warnings, claims
        Of the result.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    told = {
        "protocol": record,
        "warnings": list(warnings),
        "claims": [asdict(claim) for claim in claims],
    }
    with durable.explained(folder / RECORD):
        durable.write(folder / RECORD, (json.dumps(told, indent=1) + "\n").encode())
