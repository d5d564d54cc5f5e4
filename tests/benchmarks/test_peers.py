from __future__ import annotations

import numpy as np
import pytest

from benchmarks import answers, peers
from benchmarks.cases import Case
from benchmarks.peers import Absent, Peer

CASE = Case("c", "low_id", 600, 24, 10)
EXACT = [p for p in peers.PEERS if p.name in ("layergeom", "faiss", "sklearn", "torch", "chunked")]


@pytest.mark.parametrize("peer", EXACT, ids=lambda peer: peer.name)
def test_an_adapter_returns_the_neighbors_without_self(peer: Peer) -> None:
    try:
        peer.prepare()
    except Absent as reason:
        pytest.skip(str(reason))
    assert peer.search is not None
    X = CASE.points()
    answer = peer.search(X, CASE.k)
    assert answer is not None
    assert answers.compare(answers.reference(X, CASE.k), answer, peer.tolerance).agrees


def test_a_missing_library_is_absent_with_its_name() -> None:
    with pytest.raises(Absent, match="no_such_library"):
        Peer("x", "x", "no_such_library", 1.0, peers.sgemm).prepare()


def test_peers_elsewhere_are_absent_without_an_interpreter(monkeypatch) -> None:
    monkeypatch.delenv(peers.ELSEWHERE, raising=False)
    elsewhere = [peer for peer in peers.PEERS if peer.search is None]
    assert {peer.name for peer in elsewhere} == {"dadapy", "skdim"}
    for peer in elsewhere:
        with pytest.raises(Absent, match=peers.ELSEWHERE):
            peer.prepare()


def test_self_is_dropped_wherever_it_stands() -> None:
    indices = np.array([[0, 2, 1], [0, 1, 2], [1, 0, 3]])
    distances = np.array([[0.0, 1, 2], [0, 0, 3], [0, 1, 2]])
    left = peers.without_self(distances, indices, 2)
    assert left[1].tolist() == [[2, 1], [0, 2], [1, 0]]
    assert left[0].tolist() == [[1, 2], [0, 3], [0, 1]]
