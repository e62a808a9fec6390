"""Parts as events: with their plan they are the notes again, and a model is told nothing that comes later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.notes.score import DRUMS, Score
from lstm_core.representations.note_events import DURATIONS, VELOCITY_STEP, nearest_duration
from lstm_core.representations.parts.ahead import NUM_FLAGS
from lstm_core.representations.parts.events import (
    BAR,
    DURATION,
    END,
    FIRST_DRUM,
    FIRST_TEXTURE,
    PITCH,
    PLACE,
    STREAMS,
    VELOCITY,
    bar_event,
    moved_rows,
    read_parts,
    spell_parts,
    with_parts,
    with_written,
)
from lstm_core.representations.parts.parts import LEAST_PARTS, PARTS, plan_of_parts, score_of_parts
from lstm_core.representations.parts.steps import MOVING, ONSET_CONTEXTS, part_steps
from lstm_core.representations.parts.tables import BARS_AHEAD, FIRST_AHEAD, GIVEN_HERE, NOTHING, NUM_LAGS
from lstm_core.representations.plan.from_score import PlannedScore, plan_score
from lstm_core.representations.plan.layout import EXACT, TRANSPOSED, VARIED
from lstm_core.representations.plan.plan import NUM_CONDITIONS
from lstm_core.representations.representation import AugmentSettings, Reading
from tests.lstm_core.representations.planned_scores import STYLE, drawn, form, piece_of
from tests.properties import share

SEEDS = st.integers(0, 10**6)
ROLE, PROGRAM = 1, 2  # moving contexts


def planned(score: Score) -> PlannedScore:
    found = plan_score(score)
    assert found is not None
    return found


def sounds(notes: np.ndarray, part: np.ndarray) -> set[tuple[int, int, int]]:
    """Part, onset and pitch of notes."""
    return set(zip(part.tolist(), notes["onset"].tolist(), notes["pitch"].tolist(), strict=True))


def check_round_trip(score: Score) -> None:
    """All notes come back, those of copies perhaps in another part of the same program, as in their source."""
    found = planned(score)
    plan, events = found.plan, spell_parts(found)
    assert events.dtype == PARTS.dtype and (events < [stream.size for stream in STREAMS]).all()
    assert (events[:, PLACE] == BAR).sum() == len(plan.played()) + 1 and events[-1, PITCH] == END
    notes = read_parts(events, plan)
    assert sounds(notes, notes["program"]) == sounds(found.notes, found.notes["program"])
    assert np.array_equal(notes["program"], plan.programs[notes["part"]])


def _bars(found: PlannedScore, notes: np.ndarray) -> np.ndarray:
    return np.searchsorted(found.barlines, notes["onset"], side="right") - 1


@pytest.mark.parametrize("transpose", [2, -3])
def test_events_and_plan_are_the_notes_of_the_score(transpose: int) -> None:
    score = form(transpose=transpose)
    check_round_trip(score)
    found = planned(score)
    notes = read_parts(spell_parts(found), found.plan)
    ours, theirs = (np.sort(n[["onset", "program", "pitch", "duration"]]) for n in (notes, found.notes))
    kept = nearest_duration(found.notes["duration"].astype(np.int64))
    assert set(DURATIONS[kept].tolist()) == set(notes["duration"].tolist())
    assert np.array_equal(ours[["onset", "program", "pitch"]], theirs[["onset", "program", "pitch"]])
    assert np.abs(notes["velocity"].astype(int).mean() - found.notes["velocity"].mean()) < VELOCITY_STEP


@share(0.1)
@given(SEEDS)
def test_events_and_plan_of_any_score_are_its_notes(seed: int) -> None:
    """But for bars that are made like their source as a whole: there the source decides."""
    found = planned(drawn(seed))
    notes = read_parts(spell_parts(found), found.plan)
    is_like = np.isin(found.plan.relation, (EXACT, TRANSPOSED))
    own = sounds(found.notes[~is_like[found.bar]], found.part[~is_like[found.bar]])
    bars = _bars(found, notes)
    assert sounds(notes[~is_like[bars]], notes["part"][~is_like[bars]]) == own


def test_copies_sound_as_their_source_does_and_are_not_written() -> None:
    found = planned(form())
    plan = found.plan
    events = spell_parts(found)
    notes = read_parts(events, plan)
    bars, written = _bars(found, notes), {(int(p), int(b)) for p, b in plan.played()}
    counts = {EXACT: 0, TRANSPOSED: 0, VARIED: 0}
    for bar in range(plan.num_bars):
        for part in range(plan.num_parts):
            if not plan.copied[bar] >> part & 1:
                continue
            assert (part, bar) not in written
            source, up = int(plan.source[bar]), 0 if plan.programs[part] == DRUMS else int(plan.shift[bar])
            here, there = (notes[(bars == b) & (notes["part"] == part)] for b in (bar, source))
            assert np.array_equal(here["pitch"].astype(int), there["pitch"].astype(int) + up)
            distance = found.barlines[bar] - found.barlines[source]
            assert np.array_equal(here["onset"], there["onset"] + distance) and len(here) > 0
            counts[int(plan.relation[bar])] += 1
    assert all(counts.values())
    assert len(events) < len(found.notes)


def test_notes_are_moved_by_semitones_but_for_drums() -> None:
    found = planned(form())
    as_they_are, higher = (read_parts(spell_parts(found), found.plan, semitones) for semitones in (0, 5))
    is_drum = as_they_are["program"] == DRUMS
    assert np.array_equal(higher["pitch"].astype(int), as_they_are["pitch"].astype(int) + np.where(is_drum, 0, 5))


def test_notes_that_leave_the_midi_range_are_left_out_of_a_transposed_copy() -> None:
    rows = np.array([[0, 126, 3, 9], [0, 60, 3, 9], [6, FIRST_DRUM + 1, 3, 9]])
    assert moved_rows(rows, 2).tolist() == [[0, 62, 3, 9], [6, FIRST_DRUM + 1, 3, 9]]
    assert moved_rows(rows, 0) is rows


def test_a_bar_tells_its_texture_register_and_loudness() -> None:
    """Two onsets of three notes each: the second step of onsets, chords of three; register 60 to 63."""
    rows = np.array([[place, pitch, 5, loud] for place, loud in ((0, 9), (24, 11)) for pitch in (57, 60, 64)])
    found = bar_event(rows)
    assert found[[PLACE, PITCH, VELOCITY]].tolist() == [BAR, FIRST_TEXTURE + 1 * 3 + 2, 10]
    assert found[DURATION] - bar_event(rows - [0, 4, 0, 0])[DURATION] == 1


def test_events_of_another_plan_are_refused() -> None:
    found = planned(form())
    events = spell_parts(found)
    one_less = np.concatenate([events[: np.flatnonzero(events[:, PLACE] == BAR)[-2]], events[-1:]])
    with pytest.raises(ValueError, match=rf"write {len(found.plan.played()) - 1} bars, the plan wants"):
        read_parts(one_less, found.plan)
    score = score_of_parts(events, plan=found.plan)
    assert sounds(score.notes, score.notes["program"]) == sounds(found.notes, found.notes["program"])


@share(0.1)
@given(SEEDS)
def test_what_a_model_reads_has_the_sizes_that_it_expects(seed: int) -> None:
    piece = piece_of(drawn(seed), parts=True)
    augment = AugmentSettings(condition_dropout=0.5, thinned_share=0.5, given_share=0.5)
    random = np.random.Generator(np.random.Philox(key=[1, seed]))
    for reading in (Reading(styles=(STYLE,)), Reading(styles=(STYLE,), augment=augment, random=random)):
        arrays = PARTS.piece_arrays(piece, reading)
        contexts, n = PARTS.contexts((STYLE,)), len(arrays.events)
        if reading.augment is None:
            assert np.array_equal(arrays.events, piece.events)
        assert arrays.contexts.shape == (n, len(MOVING) + NUM_CONDITIONS) == (n, len(contexts))
        assert (arrays.contexts >= 0).all() and (arrays.contexts < [stream.size for stream in contexts]).all()
        assert arrays.flags.shape == (n, NUM_FLAGS) and set(np.unique(arrays.flags)) <= {0.0, 1.0}
        assert arrays.onset_contexts.shape == (n, len(ONSET_CONTEXTS))
        assert (arrays.onset_contexts >= 0).all()
        assert (arrays.onset_contexts < [stream.size for stream in ONSET_CONTEXTS]).all()
        assert arrays.recalled.shape == (n, NUM_LAGS, len(STREAMS))
        assert (arrays.recalled >= -1).all() and (arrays.recalled < [stream.size for stream in STREAMS]).all()


def test_parts_are_not_read_without_their_plan() -> None:
    with pytest.raises(ValueError, match="0 was loaded without its plan"):
        PARTS.piece_arrays(replace(piece_of(form(), parts=True), given=None), Reading())


@share(0.2)
@given(SEEDS)
def test_copies_that_are_written_out_are_the_same_music(seed: int) -> None:
    found = planned(form() if seed % 2 else drawn(seed))
    events = spell_parts(found)
    cells = np.random.default_rng(seed).random((found.plan.num_parts, found.plan.num_bars)) < 0.5
    written, plan = with_written(events, found.plan, cells)
    ours, theirs = read_parts(written, plan), read_parts(events, found.plan)
    assert np.array_equal(np.sort(ours), np.sort(theirs))
    assert len(written) >= len(events) and (plan.source == found.plan.source).all()


def _some_given(found: PlannedScore, seed: int) -> np.ndarray:
    """Which written bars of a piece are given: a third."""
    return np.random.default_rng(seed).random(len(found.plan.played())) < 0.3


@share(0.2)
@given(SEEDS)
def test_a_step_is_told_nothing_of_the_events_from_it_on_but_of_bars_that_are_given(seed: int) -> None:
    """Events from t on that are not given are other ones: what is told up to t stays."""
    found = planned(drawn(seed))
    events = spell_parts(found).astype(np.int64)
    num_notes = 8 * len(events) + found.plan.num_bars
    is_given = _some_given(found, seed)
    whole = part_steps(events, found.plan, num_notes, is_given)
    cell = np.cumsum(events[:, PLACE] == BAR) - 1
    is_open = ~np.append(is_given, False)[cell] & (events[:, PLACE] != BAR)
    for t in np.random.default_rng([2, seed]).permutation(np.flatnonzero(is_open))[:4].tolist():
        other = events.copy()
        later = np.flatnonzero(is_open[t:]) + t
        low = np.where(other[later, PITCH] >= FIRST_DRUM, FIRST_DRUM, 0)
        high = np.where(low == 0, FIRST_DRUM, END)
        other[later, PITCH] = low + (other[later, PITCH] - low + 1) % (high - low)
        other[later, VELOCITY] = 1 + other[later, VELOCITY] % 15
        told = part_steps(other, found.plan, num_notes, is_given)
        for ours, theirs in zip(told, whole, strict=True):
            assert np.array_equal(ours[: t + 1], theirs[: t + 1])


@share(0.2)
@given(SEEDS)
def test_given_bars_are_offered_where_they_stand(seed: int) -> None:
    """Of a form whose later bars are given: in each bar a lag offers the first note of the bar so far ahead."""
    found = planned(drawn(seed))
    events = spell_parts(found).astype(np.int64)
    cells = found.plan.played()
    is_given = _some_given(found, seed)
    moving, _, _, recalled = part_steps(events, found.plan, 8 * len(events) + found.plan.num_bars, is_given)
    starts = np.flatnonzero(events[:, PLACE] == BAR)
    ahead = [context.name for context in MOVING].index("ahead")
    for cell, start in enumerate(starts[:-1].tolist()):
        told = moving[start + 1, ahead]
        own = [n for n in range(cell + 1, len(cells)) if cells[n, 0] == cells[cell, 0] and is_given[n]]
        distances = {int(cells[n, 1] - cells[cell, 1]): n for n in own}
        assert told == (GIVEN_HERE if is_given[cell] else min(min(distances, default=0), GIVEN_HERE - 1))
        for number, bars in enumerate(BARS_AHEAD):
            offered = recalled[start + 1, FIRST_AHEAD + number]
            if bars in distances:
                assert offered.tolist() == events[starts[distances[bars]] + 1].tolist()
            else:
                assert (offered == NOTHING).all()


@share(0.2)
@given(SEEDS)
def test_a_step_is_told_nothing_of_the_events_from_it_on(seed: int) -> None:
    """What is told before event t stays when event t is another one, and nothing comes after it.

    Of event t itself the streams after the first are told its place, and nothing else.
    """
    found = planned(drawn(seed))
    events = spell_parts(found).astype(np.int64)
    num_notes = 8 * len(events) + found.plan.num_bars
    whole = part_steps(events, found.plan, num_notes)
    random = np.random.Generator(np.random.Philox(key=[2, seed]))
    for t in random.integers(len(events), size=4).tolist():
        other = events[: t + 1].copy()
        is_bar, pitch = other[t, PLACE] == BAR, other[t, PITCH]
        if not is_bar:
            low, high = (FIRST_DRUM, END) if pitch >= FIRST_DRUM else (0, FIRST_DRUM)
            other[t, PITCH] = low + (pitch - low + 1) % (high - low)
        else:
            other[t, PITCH] = END if pitch != END else FIRST_TEXTURE
        moving, flags, onsets, recalled = part_steps(other, found.plan, num_notes)
        for told, all_told in zip((moving, flags, onsets, recalled), whole, strict=True):
            assert np.array_equal(told, all_told[: t + 1])
        if not is_bar:
            other[t, PLACE] = (other[t, PLACE] + 6) % found.plan.bar_ticks.min()
            moving, flags, onsets, recalled = part_steps(other, found.plan, num_notes)
            for told, all_told in zip((moving, flags, recalled), (whole[0], whole[1], whole[3]), strict=True):
                assert np.array_equal(told, all_told[: t + 1])
            assert np.array_equal(onsets[:t], whole[2][:t]) and onsets[t, 0] == 1 + other[t, PLACE]


def test_the_source_is_recalled_as_the_next_event_where_a_part_repeats_it() -> None:
    """Of bars that vary their source: most of what is played is what the lag of the source offers."""
    found = planned(form())
    events = spell_parts(found).astype(np.int64)
    _, _, _, recalled = part_steps(events, found.plan, 8 * len(events))
    cells = found.plan.played()
    number = np.cumsum(events[:, PLACE] == BAR) - 1
    inside = (events[:, PLACE] != BAR) & (found.plan.relation[cells[np.minimum(number, len(cells) - 1), 1]] == VARIED)
    offered = recalled[inside, 4][:, [PLACE, PITCH]]
    assert inside.sum() > 10 and (offered == events[inside][:, [PLACE, PITCH]]).all(axis=1).mean() > 0.6


def test_a_thinned_piece_is_whole_parts_of_the_piece() -> None:
    """Each of its variations holds some of the parts, at least two, with their notes and copies and nothing else."""
    score = form()
    found, piece = planned(score), piece_of(score, parts=True)
    settings = AugmentSettings(thinned_share=1.0, condition_dropout=0.0)
    part_of_cell = found.plan.played()[:, 0]
    cells = np.cumsum(piece.events[:, PLACE] == BAR) - 1
    part = np.append(part_of_cell, -1)[cells]
    whole = read_parts(piece.events, found.plan)
    seen = set()
    for seed in range(12):
        random = np.random.Generator(np.random.Philox(key=[3, seed]))
        arrays = PARTS.piece_arrays(piece, Reading(styles=(STYLE,), augment=settings, random=random))
        pairs = set(zip(*arrays.contexts[:-1, [ROLE, PROGRAM]].T.tolist(), strict=True)) - {(0, 0)}
        names = [(1 + int(r), 1 + int(p)) for r, p in zip(found.plan.roles, found.plan.programs, strict=True)]
        kept = [number for number, name in enumerate(names) if name in pairs]
        assert LEAST_PARTS <= len(kept) < found.plan.num_parts
        assert np.array_equal(arrays.events, piece.events[np.isin(part, [*kept, -1])])
        seen.add(tuple(kept))
        notes = read_parts(with_parts(piece.events, found.plan, kept), plan_of_parts(found.plan, kept))
        mine = whole[np.isin(whole["part"], kept)]
        assert sounds(notes, np.array(kept)[notes["part"]]) == sounds(mine, mine["part"])
    assert len(seen) > 1


def test_a_reordered_piece_has_the_same_notes_and_hears_other_parts_first() -> None:
    score = form()
    found, piece = planned(score), piece_of(score, parts=True)
    settings = AugmentSettings(reordered_share=1.0, condition_dropout=0.0)
    whole = read_parts(piece.events, found.plan)
    orders = set()
    for seed in range(8):
        random = np.random.Generator(np.random.Philox(key=[3, seed]))
        arrays = PARTS.piece_arrays(piece, Reading(styles=(STYLE,), augment=settings, random=random))
        roles = list(dict.fromkeys(zip(*arrays.contexts[1:, [ROLE, PROGRAM]].T.tolist(), strict=True)))
        names = [(1 + int(r), 1 + int(p)) for r, p in zip(found.plan.roles, found.plan.programs, strict=True)]
        order = [names.index(pair) for pair in roles]
        assert sorted(order) == list(range(found.plan.num_parts))
        assert np.array_equal(arrays.events, with_parts(piece.events, found.plan, order))
        notes = read_parts(arrays.events.astype(np.uint8), plan_of_parts(found.plan, order))
        assert sounds(notes, np.array(order)[notes["part"]]) == sounds(whole, whole["part"])
        orders.add(tuple(order))
    assert len(orders) > 2


def test_a_piece_is_thinned_as_often_as_the_settings_say() -> None:
    piece = piece_of(form(), parts=True)
    for part, expected in ((0.0, 0), (1.0, 10)):
        settings = AugmentSettings(thinned_share=part)
        lengths = [
            len(PARTS.piece_arrays(piece, Reading(augment=settings, random=np.random.default_rng(n))).events)
            for n in range(10)
        ]
        assert sum(length < len(piece.events) for length in lengths) == expected
