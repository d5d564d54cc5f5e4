"""Ask DADApy and scikit-dimension the rows of the reliability table, each in a process of its own.

    PYTHONPATH=tests:tests/reliability python -m calibration.reliability_peers

Runs where the two are installed; this package need not be. Writes records/reliability_peers.jsonl.
Each is used as its documentation says, with its own defaults, and what it prints counts as a
warning. Rows about the state of a package, and our own rows, are not asked.
"""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np

RECORDS = Path(__file__).parent / "records" / "reliability_peers.jsonl"
LIMIT = 60.0  # seconds for a row
LIMIT_SLOW = 300.0  # for repeated draws
FORK = multiprocessing.get_context("fork")  # so that a library is imported once


class Peer:
    """A tool that offers nothing; the rows' functions say what each answers."""

    name = ""  # also that of its distribution
    module = ""
    exactness = math.inf

    def __getattr__(self, name: str) -> Any:
        return _not_offered() if name == "package" else _not_offered


def _not_offered(*_: Any, **__: Any) -> None:
    raise import_module("rows").NotOfferedError


def _observe(call: Callable[[], Any]) -> Any:
    return import_module("outcomes").observe(call)


def _with_self(distances: Any, indices: Any) -> tuple[Any, Any]:
    """Put each row itself first, as DADApy wants it."""
    n = len(distances)
    first = np.zeros((n, 1)), np.arange(n)[:, None]
    return np.hstack([first[0], distances]), np.hstack([first[1], indices])


class Dadapy(Peer):
    """DADApy's ``Data``."""

    name = "DADApy"
    module = "dadapy"

    def _data(self, *arguments: Any, **options: Any) -> Any:
        return import_module("dadapy").Data(*arguments, **options)

    def dimension(self, points: Any) -> Any:
        """TwoNN with its defaults."""
        return _observe(lambda: self._data(points).compute_id_2NN()[:2])

    def dimension_of_lists(self, distances: Any, indices: Any, *, self_included: bool) -> Any:
        """TwoNN of neighbour lists."""
        lists = (distances, indices) if self_included else _with_self(distances, indices)
        return _observe(lambda: self._data(distances=lists).compute_id_2NN()[:2])

    def bound(self, points: Any) -> tuple[float, bool]:
        """TwoNN; there is no flag."""
        return self.dimension(points).value, False

    def gride(self, distances: Any, indices: Any, n1: int) -> Any:
        """Gride at one of the doubling ranks, with its error."""

        def call() -> tuple[float, float]:
            data = self._data(distances=_with_self(distances, indices))
            values, errors, _ = data.return_id_scaling_gride(range_max=2 * n1)
            return values[-1], errors[-1]

        return _observe(call)

    def scales(self, points: Any, most: int) -> Any:
        """Gride at doubling ranks."""
        return _observe(lambda: self._data(points).return_id_scaling_gride(range_max=most)[0])

    def data_overlap(self, a: Any, b: Any, k: Any, listed: int | None = None) -> Any:
        """Return the overlap of two layers."""
        most = k if listed is None else listed
        return _observe(lambda: self._data(a, maxk=most).return_data_overlap(coordinates=b, k=k))

    def overlap_of_lists(self, a: Any, b: Any, k: int, *, self_included: bool) -> Any:
        """Return the overlap of two pairs (distances, indices)."""
        pairs = [lists if self_included else _with_self(*lists) for lists in (a, b)]
        return _observe(
            lambda: self._data(distances=pairs[0]).return_data_overlap(distances=pairs[1], k=k)
        )

    def label_overlap(
        self, points: Any, labels: Any, k: Any, *, by_class: bool = False, listed: int | None = None
    ) -> Any:
        """Return the overlap with labels, over rows or weighted by class."""
        most = k if listed is None else listed
        return _observe(
            lambda: self._data(points, maxk=most).return_label_overlap(
                labels, k=k, weighted=by_class
            )
        )


class Skdim(Peer):
    """The estimators of scikit-dimension."""

    name = "scikit-dimension"
    module = "skdim.id"

    def _of(self, estimator: str, points: Any, name: str = "dimension_", **options: Any) -> Any:
        made = getattr(import_module("skdim.id"), estimator)(**options)
        return _observe(lambda: getattr(made.fit(points), name))

    def dimension(self, points: Any) -> Any:
        """TwoNN with its defaults."""
        return self._of("TwoNN", points)

    def dimension_of_lists(self, distances: Any, _: Any, *, self_included: bool) -> Any:
        """TwoNN of the two nearest distances."""
        if self_included:
            _not_offered()
        return self._of("TwoNN", np.asarray(distances)[:, :2], dist=True)

    def bound(self, points: Any) -> tuple[float, bool]:
        """TwoNN; there is no flag."""
        return self.dimension(points).value, False

    def scales(self, points: Any, most: int) -> Any:
        """Gride at doubling ranks."""
        return self._of("GRIDE", points, "dimension_scales_", multiscale=True, range_max=most)

    def levina_bickel(self, points: Any) -> Any:
        """Return the maximum likelihood of Levina and Bickel; it tells no error."""
        return self._of("MLE", points)


PEERS = (Dadapy(), Skdim())


def asked(peer: Peer, entry: Any) -> dict[str, str]:
    """Return a peer's result in a row, whatever becomes of its process."""
    answers = FORK.Queue()
    process = FORK.Process(target=_answer, args=(peer, entry, answers))
    process.start()
    try:
        result, observed = answers.get(timeout=LIMIT_SLOW if entry.slow else LIMIT)
    except Empty:
        alive = process.is_alive()
        result, observed = "failed", "no answer in time" if alive else "the process died"
        process.kill()
    process.join()
    return {"tool": peer.name, "row": entry.name, "result": result, "observed": observed}


def _answer(peer: Peer, entry: Any, answers: Any) -> None:
    try:
        answers.put(("passed", entry.check(peer)))
    except AssertionError as short:
        silent = str(short) == "standard error nan"
        answers.put(("not offered" if silent else "failed", str(short).split("\n")[0]))
    except import_module("rows").NotOfferedError:
        answers.put(("not offered", ""))
    except Exception as error:  # noqa: BLE001
        answers.put(("failed", f"{type(error).__name__}: {error}"[:120]))


def main() -> None:
    """Ask every peer every row, and write the records anew."""
    rows = [entry for entry in import_module("rows").all_rows().values() if "+" not in entry.name]
    rows.sort(key=lambda entry: entry.slow)
    with RECORDS.open("w", encoding="utf-8") as file:
        for peer in PEERS:
            import_module(peer.module)
            version = {"version": metadata.version(peer.name)}
            for entry in rows:
                record = asked(peer, entry) | version
                print(json.dumps(record, ensure_ascii=False), file=file, flush=True)


if __name__ == "__main__":
    main()
