"""Of a track something is made again: what stays is there note for note, whatever the weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lstm_core.composing.remaking import staying
from lstm_core.composing.take import Take
from lstm_core.composing.voices import beside, most_together
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.score import NoteArray, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.planned import PlannedTrack
from lstm_core.representations.plan.layout import EXACT, NEW, VARIED
from lstm_core.tracks.promises import promise_gates
from lstm_core.tracks.sources import distance, source_track
from tests.lstm_core.composing.tiny_composer import same_notes, tiny_composer

ORDER = TrackOrder(
    duration_s=34.0, bpm=120.0, key="D minor", form="A:4 B:4 A:4 A':4", energy="rise", polyphony=6, seed=4,
    instruments=("flute", "piano", "strings", "bass", "drums"),
)  # fmt: skip


@cache
def made(order: TrackOrder = ORDER) -> tuple[PlannedTrack, Take]:
    """A track to start from, and its take."""
    track = admit(order)
    return track, next(tiny_composer().play([(track, 0)]))


def again(order: TrackOrder = ORDER, attempt: int = 0, **fields: Any) -> tuple[PlannedTrack, Take]:
    """A track that starts from that of an order, and its take."""
    before, take = made(order)
    asked = {"seed": 9, **fields}
    new = replace(order, from_track="a1", from_notes="n", from_seed=order.seed, **asked)
    track = replace(admit(new), source=source_track(before, take, 0))
    return track, next(tiny_composer().play([(track, attempt)]))


def in_cells(notes: NoteArray, parts: list[int], bars: range) -> np.ndarray[Any, Any]:
    """Which notes stand in some parts and bars."""
    bar = notes["onset"] // 96
    found: np.ndarray[Any, Any] = np.isin(notes["part"], parts) & (bar >= bars.start) & (bar < bars.stop)
    return found


def all_heard(take: Take) -> np.ndarray[Any, Any]:
    """The bars in which all parts sound that the plan has there, also where it repeats them: bool [N].

    Bounds may have taken all notes of a part in a bar: what stays of that is silence, which is no copy.
    """
    plan = take.plan
    assert plan is not None
    sounds = np.zeros(plan.num_bars, dtype=np.int64)
    np.bitwise_or.at(
        sounds, np.minimum(take.notes["onset"] // 96, plan.num_bars - 1), 1 << take.notes["part"].astype(np.int64)
    )
    heard = sounds == plan.active
    found: np.ndarray[Any, Any] = heard & heard[np.maximum(plan.source, 0)]
    return found


def broken(track: PlannedTrack, take: Take) -> list[str]:
    return [gate.name for gate in promise_gates(track, take) if not gate.is_passed]


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("bars", ["1-4", "5-6", "7, 9-10", "12-17"])
def test_bars_are_made_again_and_the_rest_stays_note_for_note(bars: str, attempt: int) -> None:
    _, before = made()
    track, take = again(bars=bars, attempt=attempt)
    assert broken(track, take) == []
    spans = [tuple(int(bar) for bar in part.split("-")) for part in bars.split(",")]
    is_named = np.zeros(len(before.notes), dtype=bool)
    is_new = np.zeros(len(take.notes), dtype=bool)
    for span in spans:
        named = range(span[0] - 1, span[-1])
        is_named |= in_cells(before.notes, list(range(12)), named)
        is_new |= in_cells(take.notes, list(range(12)), named)
    assert same_notes(before.notes[~is_named], take.notes[~is_new])
    assert distance(before.notes[is_named], take.notes[is_new]) > 0.1
    assert before.plan is not None and take.plan is not None
    assert (take.plan.chord == before.plan.chord).all() and (take.plan.section == before.plan.section).all()
    assert most_together(take.notes) <= ORDER.polyphony


def test_parts_are_made_again_by_role_or_instrument() -> None:
    _, before = made()
    assert before.plan is not None
    for names, has in ((("bass",), 4), (("drums",), 5)):
        track, take = again(parts=names)
        own = np.flatnonzero(before.plan.roles == has).tolist()
        assert own and broken(track, take) == []
        others = [part for part in range(before.plan.num_parts) if part not in own]
        everywhere = range(track.plan.num_bars)
        kept = before.notes[in_cells(before.notes, others, everywhere)]
        assert same_notes(kept, take.notes[in_cells(take.notes, others, everywhere)])
        assert distance(before.notes, take.notes) > 0.0
        heard = all_heard(before)
        assert take.plan is not None and heard.sum() > 5
        assert (take.plan.relation[heard] == before.plan.relation[heard]).all()  # copied among themselves
    flute = before.plan.programs.tolist().index(73)
    track, take = again(parts=("flute",), bars="5-8")
    stays = staying(track)
    assert stays is not None and np.flatnonzero(stays.is_new.any(axis=1)).tolist() == [flute]
    assert set(np.flatnonzero(stays.is_new.any(axis=0)).tolist()) <= {4, 5, 6, 7}


def test_bars_that_copied_a_changed_bar_keep_their_notes_and_new_ones_copy_new_ones() -> None:
    _, before = made()
    assert before.plan is not None and (before.plan.relation[8:12] == EXACT).all()
    _, take = again(bars="1-4")
    assert take.plan is not None and (take.plan.relation[8:12] == NEW).all() and (take.plan.source[8:12] == -1).all()
    _, take = again(bars="1-4, 9-12")
    assert take.plan is not None and (take.plan.relation[8:12] == EXACT).all()
    _, take = again(bars="1-12", parts=("bass",))
    assert take.plan is not None and (take.plan.relation[8:12] == EXACT).all()
    track, take = again(bars="9-10", parts=("bass",))
    assert take.plan is not None and set(take.plan.relation[8:10].tolist()) <= {VARIED, EXACT}
    assert broken(track, take) == []


def test_made_again_of_what_was_made_again() -> None:
    track, take = again(bars="5-8")
    source = source_track(track, take, 0)
    assert track.source is not None and same_notes(source.level, track.source.level)
    order = replace(track.order, seed=21, bars="1-2", from_track="b1", from_notes="m")
    second = replace(admit(order), source=source)
    (then,) = tiny_composer().play([(second, 0)])
    assert broken(second, then) == []
    after = then.notes["onset"] >= 2 * 96
    assert same_notes(then.notes[after], take.notes[take.notes["onset"] >= 2 * 96])


def test_a_take_that_starts_from_a_track_depends_on_its_attempt_alone() -> None:
    track, alone = again(bars="5-8")
    other, _ = made()
    together = {take.number: take for take in tiny_composer().play([(other, 0), (track, 0), (track, 1)])}
    assert same_notes(together[1].notes, alone.notes) and not same_notes(together[2].notes, alone.notes)


def test_a_variation_is_the_farther_the_greater_its_number() -> None:
    _, before = made()
    apart, cells = [], []
    for vary in (0.0, 0.25, 0.5, 0.8, 1.0):
        track, take = again(vary=vary)
        stays = staying(track)
        assert stays is not None and broken(track, take) == []
        apart.append(distance(before.notes, take.notes))
        cells.append(stays.is_new)
        assert take.plan is not None and before.plan is not None
        heard = all_heard(before)
        assert (take.plan.chord == before.plan.chord).all()
        assert (take.plan.source[heard] == before.plan.source[heard]).all()
        assert (take.plan.relation[heard] == before.plan.relation[heard]).all()
    assert apart[0] == 0.0 and apart == sorted(apart) and apart[-1] > 0.5
    assert all((small <= great).all() for small, great in pairwise(cells))
    assert same_notes(again(vary=0.0)[1].notes, before.notes)


def test_what_a_track_does_not_have_is_refused() -> None:
    with pytest.raises(OrderError, match=r'parts names "oboe", which track a1 does not have. It has .*flute \(bass\)'):
        again(parts=("oboe",))
    with pytest.raises(OrderError, match='bars is "16-19", but track a1 has 17 bars'):
        again(bars="16-19")
    _, before = made()
    assert before.plan is not None
    silent = replace(before.plan, active=before.plan.active & ~1)
    track, _ = again(bars="1")
    assert track.source is not None
    with pytest.raises(OrderError, match="nothing plays that bars and parts name: bars 1, flute"):
        staying(
            replace(
                track,
                source=replace(track.source, plan=silent),
                order=replace(track.order, parts=("flute",)),
            )
        )


def test_new_notes_give_way_to_those_that_stay() -> None:
    roles = np.array([0, 4])
    staying_notes = make_notes([(0, 96, 0, 60, 80), (96, 96, 0, 62, 80), (96, 96, 0, 64, 80)])
    new = make_notes(
        [
            (24, 24, 0, 60, 90),  # its pitch sounds
            (48, 96, 0, 62, 90),  # until its pitch begins again
            (48, 24, 0, 67, 90),  # no voice is left beside the one before
            (120, 24, 0, 70, 90),  # none either
        ]
    )
    assert beside(new, staying_notes, 2, roles)[["onset", "duration", "pitch"]].tolist() == [(48, 24, 67)]
    kept = beside(new, staying_notes, 3, roles)[["onset", "duration", "pitch"]].tolist()
    assert kept == [(48, 48, 62), (48, 24, 67), (120, 24, 70)]


def test_a_note_too_many_where_all_stays_is_held_back() -> None:
    track, take = again(bars="5-8")
    more = take.notes[:1].copy()
    more["pitch"] += 1
    (gate,) = [
        gate for gate in promise_gates(track, replace(take, notes=np.append(take.notes, more))) if gate.name == "kept"
    ]
    assert not gate.is_passed and gate.value < 1.0
