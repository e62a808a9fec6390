"""What the trainer reads of a piece: a variation of what was written, whose conditions are all true of it."""

from __future__ import annotations

import numpy as np
import pytest

from lstm_core.blocks.feature_blocks import BlockSet, open_blocks
from lstm_core.dataset.pieces import SplitPieces
from lstm_core.notes.describe import describe
from lstm_core.notes.score import DRUMS, FAMILIES, Score, make_notes
from lstm_core.representations.conditions import CONTEXT_NAMES, KEY, POSITION, STYLE, TEMPO
from lstm_core.representations.note_events import FIRST_DRUM, FIRST_PITCH, PITCH, decode_events, encode_score
from lstm_core.representations.notes import HIGHEST_TRANSPOSED, LOWEST_TRANSPOSED, _kept_in_range
from lstm_core.representations.representation import AugmentSettings
from tests.lstm_core.block_sets import STYLES, write_tunes

ALL_GIVEN = AugmentSettings(transpose=6, condition_dropout=0.0)


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> BlockSet:
    return open_blocks(write_tunes(tmp_path_factory.mktemp("blocks"), 9, 2))


def test_a_transposed_piece_has_the_key_that_it_sounds_in(blocks: BlockSet) -> None:
    """Describing what the model reads gives the key of its contexts."""
    pieces = SplitPieces(blocks, "train", STYLES, seed=4, augment=ALL_GIVEN)
    shifts = set()
    for index in range(len(pieces)):
        written = blocks.piece("train", index)
        for epoch in range(3):
            arrays = pieces.load(index, epoch)
            score = decode_events(arrays.events.astype(np.uint8), tempos=written.tempos, meters=written.meters)
            described = describe(score)
            assert described.key_tonic is not None
            key = described.key_tonic + 12 * (described.key_mode == "minor")
            assert arrays.contexts[:, KEY].tolist() == [1 + key] * len(arrays.events)
            assert described.density == pytest.approx(written.density) and described.families == written.families
            is_melodic = (written.events[:, PITCH] >= FIRST_PITCH) & (written.events[:, PITCH] < FIRST_DRUM)
            moved = arrays.events[:, PITCH] - written.events[:, PITCH]
            assert len(set(moved[is_melodic])) == 1 and (moved[~is_melodic] == 0).all()
            shifts.add(int(moved[is_melodic][0]))
            melodic = score.notes["pitch"][score.notes["program"] != DRUMS]
            assert melodic.min() >= LOWEST_TRANSPOSED and melodic.max() <= HIGHEST_TRANSPOSED
    assert len(shifts) > 6 and min(shifts) >= -6 and max(shifts) <= 6


def test_the_same_number_and_epoch_give_the_same_variation(blocks: BlockSet) -> None:
    one, two = (SplitPieces(blocks, "train", STYLES, seed=4, augment=AugmentSettings()) for _ in range(2))
    other = SplitPieces(blocks, "train", STYLES, seed=5, augment=AugmentSettings())
    loads = [[source.load(i, epoch) for i in range(9) for epoch in range(4)] for source in (one, two, other)]
    for a, b in zip(loads[0], loads[1], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert any(not np.array_equal(a.events, c.events) for a, c in zip(loads[0], loads[2], strict=True))


def test_validation_pieces_are_as_written_with_all_conditions(blocks: BlockSet) -> None:
    pieces = SplitPieces(blocks, "valid", STYLES)
    for index in range(len(pieces)):
        arrays, written = pieces.load(index, 3), blocks.piece("valid", index)
        assert np.array_equal(arrays.events, written.events)
        assert (arrays.contexts[:, STYLE:] > 0).all() and set(np.unique(arrays.flags)) == {-1.0, 1.0}
        assert arrays.contexts[0, STYLE] == 1 + STYLES.index(written.style)
    assert SplitPieces(blocks, "valid", ("other",)).load(0, 0).contexts[0, STYLE] == 0  # a style it does not know


def test_conditions_are_left_open_one_by_one(blocks: BlockSet) -> None:
    pieces = SplitPieces(blocks, "train", STYLES, seed=4, augment=AugmentSettings(condition_dropout=0.3))
    loads = [pieces.load(index, epoch) for index in range(9) for epoch in range(60)]
    given = np.array([[*(load.contexts[0, STYLE:] > 0), bool(load.flags.any())] for load in loads])
    assert given.mean(axis=0) == pytest.approx([0.7] * 5, abs=0.06)
    assert abs(np.corrcoef(given.T)[~np.eye(5, dtype=bool)]).max() < 0.15
    assert (np.array([load.contexts[0, POSITION] for load in loads]) == 1).all()
    assert CONTEXT_NAMES[TEMPO] == "tempo"


def test_at_home_every_piece_is_in_c_major_or_a_minor(blocks: BlockSet) -> None:
    for split, augment in (("train", ALL_GIVEN), ("valid", None)):
        pieces = SplitPieces(blocks, split, STYLES, seed=4, augment=augment, home_key=True)
        for index in range(len(pieces)):
            arrays, written = pieces.load(index, 2), blocks.piece(split, index)
            score = decode_events(arrays.events.astype(np.uint8), tempos=written.tempos, meters=written.meters)
            described = describe(score)
            assert (described.key_tonic, described.key_mode) in ((0, "major"), (9, "minor"))
            key = described.key_tonic + 12 * (described.key_mode == "minor")
            assert (arrays.contexts[:, KEY] == 1 + key).all()


@pytest.mark.parametrize(
    ("lowest", "highest", "wanted", "expected"),
    [(40, 80, 5, 5), (40, 80, -6, -6), (40, 125, 5, -7), (3, 80, -6, 6), (0, 127, 5, 0), (2, 126, -4, 0)],
)
def test_no_note_leaves_the_midi_range(lowest: int, highest: int, wanted: int, expected: int) -> None:
    events = encode_score(Score(notes=make_notes([(0, 24, 0, lowest, 80), (24, 24, 0, highest, 80)])))
    assert _kept_in_range(events, wanted) == expected


def test_a_thinned_piece_has_the_conditions_of_what_is_left(blocks: BlockSet) -> None:
    augment = AugmentSettings(transpose=0, condition_dropout=0.0, thinned_share=0.5)
    pieces = SplitPieces(blocks, "train", STYLES, seed=4, augment=augment)
    num_thinned = 0
    for epoch in range(40):
        for index in range(0, 9, 3):  # those of three instruments
            written, arrays = blocks.piece("train", index), pieces.load(index, epoch)
            score = decode_events(arrays.events.astype(np.uint8), tempos=written.tempos, meters=written.meters)
            described = describe(score)
            flags = [1.0 if described.families >> i & 1 else -1.0 for i in range(len(FAMILIES))]
            assert arrays.flags.tolist() == flags
            num_programs = len(np.unique(score.notes["program"]))
            assert num_programs in (2, 3) and described.num_bars == written.num_bars
            num_thinned += num_programs == 2
    assert 0.3 < num_thinned / 120 < 0.7


def test_pieces_of_a_style_come_several_times_in_a_pass_each_time_in_another_variation(blocks: BlockSet) -> None:
    """All pieces once, in their order, then those of "march" twice more; without augmentation they are the same."""
    marches = [n for n in range(9) if blocks.piece("train", n).style == "march"]
    pieces = SplitPieces(blocks, "train", STYLES, seed=4, augment=AugmentSettings(), repeats={"march": 3, "none": 9})
    assert pieces.numbers.tolist() == [*range(9), *marches, *marches] and len(pieces) == 9 + 2 * len(marches)
    once = SplitPieces(blocks, "train", STYLES, seed=4, augment=AugmentSettings())
    assert once.numbers.tolist() == list(range(9))
    for index in range(9):
        assert np.array_equal(pieces.load(index, 1).events, once.load(index, 1).events)
    plain = SplitPieces(blocks, "train", STYLES, repeats={"march": 3})
    assert all(np.array_equal(plain.load(9 + i, 0).events, plain.load(n, 0).events) for i, n in enumerate(marches))
    varied = [pieces.load(index, 0) for index in [*range(9), *range(9, len(pieces))]]
    assert any(
        not np.array_equal(varied[9 + i].events, varied[n].events)
        or not np.array_equal(varied[9 + i].contexts, varied[n].contexts)
        for i, n in enumerate(marches)
    )
