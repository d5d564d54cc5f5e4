"""What earlier versions have written is still read, and says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layergeom import profiles
from layergeom.layer import Settings
from layergeom.measure import measure
from layergeom.states.stored import stored_states
from layergeom.tasks.check import check

RELEASED = sorted(path for path in (Path(__file__).parent / "released").iterdir() if path.is_dir())


@pytest.mark.parametrize("run", RELEASED, ids=lambda run: run.name)
def test_a_run_of_an_earlier_version(run: Path) -> None:
    assert {one.state for one in check(run)} == {"sound"}
    profile, hidden = profiles.load(run), stored_states(run / "states")
    assert hidden.layers == profile.layers == ("embedding", "block_1", "block_2", "block_3")
    assert (hidden.n, profile.counts["rows"]) == (40, 40)
    again = measure(hidden, settings=Settings(k=5, ranks=8), labels=[row % 3 for row in range(40)])
    assert again.provenance["key"] == profile.provenance["key"]  # it is found, not made again
    for name in ("dimension", "label_overlap", "anisotropy", "overlap_next"):
        # float32 states and their neighbours are read; sums may go another way elsewhere
        np.testing.assert_allclose(again[name].values, profile[name].values, rtol=1e-6)
