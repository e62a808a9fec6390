"""Schemes that tracks are drawn from, and the manners that parts take from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstm_core.composing.drawn_schemes import drawn_scheme
from lstm_core.composing.manners import ANY_TEXTURE, manners_for
from lstm_core.engine.parts.part_chooser import PartRequest
from lstm_core.engine.parts.rules import PartRules
from lstm_core.engine.plans.rules import FREE
from lstm_core.notes.score import DRUMS
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.representations.note_events import DURATIONS
from lstm_core.representations.parts.events import BAR, DURATION, FIRST_TEXTURE, PITCH, PLACE
from lstm_core.representations.plan.layout import BASS, DRUM, HARMONY, MELODY, VARIED, Plan
from lstm_core.representations.plan.schemes import OPEN
from tests.lstm_core.catalogue.made_up_forms import AM, made_plan
from tests.lstm_core.composing.tiny_composer import MANNERS, SCHEME, tiny_composer

SHORT = "0,0 4,0 2,0|1,0,0,4|3,7,0,0,4"
LOOP = TrackOrder(duration_s=32.0, bpm=120, loop=True, key="C", seed=5)


def test_a_scheme_is_drawn_that_is_as_long_as_the_track() -> None:
    plan = plan_track(LOOP)
    for seed in range(9):
        drawn = drawn_scheme({"schemes": [SCHEME, SHORT]}, plan, seed)
        assert drawn is not None and drawn.manners is None
        assert drawn.scheme.form[:, 1].tolist() == [0] * 4 + [1, 1, 2, 2] + [0] * 4 + [1] * 4
        assert drawn.scheme.bars[:, 1].tolist() == [15] * 4 + [OPEN] * 2 + [15] * 2 + [11] * 4 + [OPEN] * 4
    assert drawn_scheme({}, plan, 1) is None
    assert drawn_scheme({"schemes": ["0,73 2,0|1,0,0,4|3,3,0,0,4"]}, plan, 1) is None  # without a bass


def test_manners_come_with_their_scheme() -> None:
    of_style = {"schemes": [SCHEME.replace("0,73", "0,127"), SHORT], "manners": MANNERS}
    drawn = drawn_scheme(of_style, plan_track(LOOP), 1)
    assert drawn is not None and drawn.manners is not None  # the part of program 127 is no music and is left out
    assert drawn.scheme.parts[:, 0].tolist() == [BASS, DRUM, HARMONY]
    assert drawn.manners.textures.tolist() == [0x7, 0xFFFFFF, 0x1C0] and drawn.manners.held.tolist() == [100, 0, 50]
    drawn = drawn_scheme({**of_style, "manners": MANNERS[:1]}, plan_track(LOOP), 1)
    assert drawn is not None and drawn.manners is None  # they do not belong together


def test_a_part_plays_like_the_nearest_part_of_its_role() -> None:
    drawn = drawn_scheme({"schemes": [SCHEME], "manners": MANNERS[:1]}, plan_track(LOOP), 1)
    plan = made_plan("A B", 4, roles=np.array([MELODY, BASS, DRUM, HARMONY, HARMONY, 3]),
                     programs=np.array([0, 32, DRUMS, 19, 50, 24]),
                     active=np.array([0b111111, 0b100101, 0b101111, 0b101111] * 2))  # fmt: skip
    textures, held = manners_for(plan, drawn, 7, seed=3)
    assert textures is not None and held is not None
    assert textures[:, 0].tolist() == [0x38, 0x7, 0xFFFFFF, 0x1C0, 0x1C0, ANY_TEXTURE]
    assert (textures[:, 7] == ANY_TEXTURE).all() and (held[:, 7] == 0).all()
    assert held[1].tolist() == [1, 0, 0, 0, 1, 0, 0, 0] and (held[0] == 0).all()  # always, and never
    shares = [manners_for(plan, drawn, None, seed)[1] for seed in range(200)]
    assert 0.4 < np.mean([share[3, 0] > 0 for share in shares if share is not None]) < 0.6  # half of its pauses
    assert manners_for(plan, None, None, 1) == (None, None)


def test_parts_keep_to_their_textures_and_hold_through_pauses() -> None:
    """Even with random weights: the texture of every bar, and how long what is held sounds."""
    chord = np.full((8, 2), AM)
    plan = made_plan("A B", 4, roles=np.array([BASS, HARMONY]), programs=np.array([33, 48]), chord=chord,
                     active=np.array([0b11, 0b01, 0b01, 0b00, 0b11, 0b10, 0b10, 0b10]))  # fmt: skip
    held = np.array([[0, 0, 1, 0, 3, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0]])
    textures = np.array([[0b111000] * 8, [0b111000111] * 8])
    rules = PartRules(held=held, textures=textures, pitch_classes=np.isin(np.arange(12), (9, 0, 4)).astype(np.uint8))
    requests = [
        PartRequest(plan=plan, rules=replace(rules, seed=seed), conditions=np.zeros(4, dtype=np.int64))
        for seed in range(8)
    ]
    for made in tiny_composer().arranger.generate(requests):
        table = made.events.astype(np.int64)
        starts = np.flatnonzero(table[:, PLACE] == BAR)
        for (part, bar), start, stop in zip(plan.played().tolist(), starts, starts[1:], strict=False):
            texture = table[start, PITCH] - FIRST_TEXTURE
            assert textures[part, bar] >> texture & 1
            if held[part, bar] and part == 1:  # the bass may have four onsets only, so it holds nothing
                assert texture < 3
                ends = table[start + 1 : stop, PLACE] + DURATIONS[table[start + 1 : stop, DURATION]]
                assert (ends >= 4 * 96 - 24).all()  # the steps of long durations are 24 ticks


def test_bars_before_a_loop_come_before_the_scheme() -> None:
    plan, of_style = plan_track(replace(LOOP, loop_start=3)), {"schemes": [SCHEME]}
    drawn, without = drawn_scheme(of_style, plan, 1, 3), drawn_scheme(of_style, plan, 1)
    assert drawn is not None and without is not None
    scheme, whole = drawn.scheme, without.scheme
    assert len(scheme.form) == 16 == len(scheme.bars)
    assert scheme.form[:3].tolist() == [[FREE, FREE, 1], [FREE, FREE, 0], [FREE, FREE, 0]]
    assert (scheme.bars[:3] == OPEN).all() and (scheme.bars[3:] == whole.bars[:13]).all()
    assert (scheme.form[3:, :2] == whole.form[:13, :2]).all()
    assert scheme.form[[3, 11], 2].tolist() == [2, 3] and (scheme.form[3:, 0] <= np.arange(13)).all()


def test_a_variation_has_other_chords_where_its_scheme_has() -> None:
    """Even with random weights: no chord of the scale is left out but the one of the source."""
    tracks = [admit(replace(LOOP, style="game", seed=seed, duration_s=32.0)) for seed in range(40)]
    takes = tiny_composer().play([(track, 0) for track in tracks])
    moved = [is_same for take in takes for is_same in _kept_chords(take.plan)]
    assert len(moved) > 20 and not any(moved)


def _kept_chords(plan: Plan | None) -> list[bool]:
    """Of each bar that SCHEME varies with other chords whether it has those of its source, if that scheme was drawn."""
    assert plan is not None
    varied = np.flatnonzero(plan.relation == VARIED)
    if 48 not in plan.programs:
        return []
    return [(plan.chord[bar] == plan.chord[plan.source[bar]]).all() for bar in varied.tolist()]
