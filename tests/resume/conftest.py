"""One set of processes and one uninterrupted run for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pipelines import Pipeline, left, numbers
from runs import ROWS, Runs

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    runs = Runs()
    yield Pipeline.made(tmp_path_factory.mktemp("pipeline"), runs)
    runs.close()


@pytest.fixture(scope="session")
def whole(pipeline: Pipeline) -> Any:
    """The numbers of a run that nothing interrupted."""
    done = pipeline.start(pipeline.place / "whole").ended()
    assert (done.code, done.err, done.fed) == (0, "", ROWS)
    assert left(pipeline.place / "whole") == []
    return numbers(pipeline.place / "whole")
