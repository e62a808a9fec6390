"""Lanes walk through every piece once an epoch, in windows that join up, and resume exactly anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lstm_core.dataset.lanes import Batch, Lanes, sequential_windows
from lstm_core.representations.representation import PieceArrays

LENGTHS = (5, 12, 1, 7, 4, 9, 20)


class Numbered:
    """Piece i has LENGTHS[i] events (i, 0), (i, 1), ...; the epoch is its context."""

    def __len__(self) -> int:
        return len(LENGTHS)

    def load(self, index: int, epoch: int) -> PieceArrays:
        length = LENGTHS[index]
        events = np.stack([np.full(length, index), np.arange(length)], axis=1)
        context = np.full((length, 1), epoch)
        recalled = np.broadcast_to(events[:, None], (length, 3, 2))
        return PieceArrays(events, context, np.zeros(0, dtype=np.float32), np.arange(length)[:, None], recalled)


def lanes(num_lanes: int = 4, window: int = 5, **changes: int) -> Lanes:
    return Lanes(Numbered(), num_lanes=num_lanes, window=window, seed=2, **changes)


def same(one: Batch, two: Batch) -> bool:
    tensors = zip([*one.inputs, *one[1:3]], [*two.inputs, *two[1:3]], strict=True)
    return all(torch.equal(a, b) for a, b in tensors) and one.pieces == two.pieces


def test_windows_join_up_and_each_piece_comes_once_an_epoch() -> None:
    walk, read, ended = lanes(), {}, []
    for _ in range(40):
        batch = walk.next_batch()
        for b, piece in enumerate(batch.pieces):
            rows = batch.inputs.events[b][batch.is_event[b]].tolist()
            before = batch.inputs.previous[b][batch.is_event[b]].tolist()
            if batch.is_start[b]:
                read[b] = []
                assert before[0] == [0, 0]
            else:
                assert before[0] == read[b][-1]
            assert before[1:] == rows[:-1]
            read[b] += rows
            epoch = int(batch.inputs.contexts[b, 0, 0])
            assert read[b] == [[piece, i] for i in range(len(read[b]))]
            if len(read[b]) == LENGTHS[piece]:
                ended.append((epoch, piece))
    for epoch in range(3):
        assert sorted(piece for e, piece in ended if e == epoch) == list(range(len(LENGTHS)))
    orders = [[piece for e, piece in ended if e == epoch] for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert len(ended) == len(set(ended))


def test_what_is_after_the_end_is_no_event() -> None:
    batch = lanes(num_lanes=7, window=30).next_batch()
    assert sorted(batch.pieces) == list(range(7)) and batch.is_start.all()
    assert batch.is_event.sum(1).tolist() == [LENGTHS[piece] for piece in batch.pieces]
    assert (batch.inputs.events[~batch.is_event] == 0).all()


@pytest.mark.parametrize("after", [1, 6, 17])
def test_seek_goes_on_exactly(after: int) -> None:
    one, two = lanes(), lanes()
    for _ in range(after):
        one.next_batch()
    two.seek(one.positions())
    assert all(same(one.next_batch(), two.next_batch()) for _ in range(12))
    assert np.array_equal(one.positions(), two.positions()) and one.epochs() == two.epochs()


def test_workers_share_the_batches_of_one() -> None:
    whole, shares = lanes(num_lanes=6), [lanes(num_lanes=6, first=first, count=2) for first in (0, 2, 4)]
    for _ in range(15):
        batch, parts = whole.next_batch(), [share.next_batch() for share in shares]
        assert batch.pieces == [piece for part in parts for piece in part.pieces]
        for name in batch.inputs._fields:
            joined = torch.cat([getattr(part.inputs, name) for part in parts])
            assert torch.equal(getattr(batch.inputs, name), joined)
    assert np.array_equal(whole.positions(), np.concatenate([share.positions() for share in shares]))


def test_more_lanes_than_pieces() -> None:
    walk = lanes(num_lanes=20, window=50)
    batch = walk.next_batch()
    assert np.bincount(batch.pieces).tolist() == [3, 3, 3, 3, 3, 3, 2] or sorted(np.bincount(batch.pieces)) == [
        2, 3, 3, 3, 3, 3, 3,
    ]  # fmt: skip
    assert batch.inputs.contexts[:, 0, 0].tolist() == [0] * 7 + [1] * 7 + [2] * 6


def test_validation_reads_each_piece_once_and_in_whole() -> None:
    indices, read, states = [6, 0, 3, 5], {}, {}
    for batch in sequential_windows(Numbered(), indices, num_lanes=3, window=4):
        for b, piece in enumerate(batch.pieces):
            rows = batch.inputs.events[b][batch.is_event[b]].tolist()
            if piece < 0:
                assert rows == []
                continue
            assert bool(batch.is_start[b]) == (piece not in read)
            states.setdefault(piece, b)
            assert states[piece] == b  # a piece stays in its lane
            read.setdefault(piece, []).extend(rows)
    assert read == {piece: [[piece, i] for i in range(LENGTHS[piece])] for piece in indices}
    assert list(sequential_windows(Numbered(), [], num_lanes=3, window=4)) == []


def test_nothing_to_walk_through_is_refused() -> None:
    class Empty(Numbered):
        def __len__(self) -> int:
            return 0

    with pytest.raises(ValueError, match="no pieces"):
        Lanes(Empty(), num_lanes=2, window=4, seed=1)
