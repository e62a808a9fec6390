"""What an order asks of form, chords, energy and roles becomes values of bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstm_core.composing.asked_players import players_of
from lstm_core.composing.form_rules import (
    bars_behind,
    chord_rules,
    energy_steps,
    final_chord,
    form_rules,
    role_rules,
    varied_bars,
    with_hits,
)
from lstm_core.composing.rules import draw_style, strangers_to
from lstm_core.engine.plans.rules import FREE
from lstm_core.notes.chord_symbols import QUALITIES
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import plan_track
from lstm_core.orders.sections import sections_of
from lstm_core.representations.plan.events import VARIED_CODE
from lstm_core.representations.plan.layout import chord_value
from tests.lstm_core.catalogue.made_up_forms import made_plan
from tests.lstm_core.composing.tiny_composer import STATISTICS

LOOP = TrackOrder(form="A:4 A':4 B:8 A:4", duration_s=40.0, bpm=120.0, loop=True)


def test_repeats_are_exact_and_variants_vary_their_last_bars() -> None:
    plan = plan_track(LOOP)
    rules = form_rules(sections_of(LOOP, plan), plan, 0.5)
    assert rules.relation.tolist() == [FREE] * 4 + [1, 1, 2, 2] + [FREE] * 8 + [1] * 4
    assert rules.back[4:8].tolist() == [4] * 4 and rules.back[16:].tolist() == [16] * 4
    assert np.flatnonzero(rules.section).tolist() == [0, 4, 8, 16] and rules.section[[0, 4, 8, 16]].tolist() == [
        1,
        1,
        2,
        1,
    ]
    assert rules.nearest[8:16].tolist() == [8] * 8


@pytest.mark.parametrize(("variation", "count"), [(0.0, 0), (0.01, 1), (0.5, 4), (1.0, 8)])
def test_variation_is_a_share_of_the_bars(variation: float, count: int) -> None:
    varied = varied_bars(8, variation)
    assert len(varied) == count and (count in (0, 8) or 3 in varied)


def test_the_last_chord_is_of_its_own_and_nothing_repeats_it() -> None:
    order = replace(LOOP, loop=False, form="A A", duration_s=33.0)
    plan = plan_track(order)
    rules = form_rules(sections_of(order, plan), plan, 0.5)
    assert plan.final_bar == plan.num_bars - 1
    assert (rules.back[plan.final_bar], rules.relation[plan.final_bar]) == (0, 0)
    assert not (np.arange(plan.num_bars) - rules.back)[rules.back > 0].tolist().count(plan.final_bar)


def test_chords_are_repeated_in_each_section() -> None:
    order = replace(LOOP, chords="A: Am F; B: C | G/B Em")
    plan = plan_track(order)
    chord, bass = chord_rules(order, plan, sections_of(order, plan), 0)
    minor, major = QUALITIES.index("min"), QUALITIES.index("maj")
    am, f, g = chord_value(9, minor), chord_value(5, major), chord_value(7, major)
    assert chord[:4].tolist() == [[am, am], [f, f]] * 2 == chord[16:].tolist()
    assert chord[9].tolist() == [g, chord_value(4, minor)] and bass[9].tolist() == [4, 0]


def test_roles_and_energy_by_bars() -> None:
    order = replace(LOOP, roles="A: harmony, bass; B: no melody")
    plan = plan_track(order)
    bits = role_rules(order, plan.num_bars, sections_of(order, plan))
    assert bits[0] == 1 << 2 | 1 << 4 and not bits[8] & 1 and bits[8] >> 5 & 1
    assert energy_steps(np.array([0.0, 0.49, 0.5, 1.0])).tolist() == [0, 3, 4, 7]


def test_players_are_counted_and_the_narrowest_served_first() -> None:
    order = TrackOrder(instruments=("strings*2", "violin", "drums"), duration_s=20.0)
    players = players_of(order, plan_track(order))
    assert [len(programs) for programs in players] == [1, 1, 8, 8] and (40,) in players


def test_a_style_is_drawn_from_those_with_an_ensemble() -> None:
    assert {draw_style(STATISTICS, seed) for seed in range(20)} == {"game"}
    assert draw_style({"song": STATISTICS["song"]}, 1) == ""


def test_instruments_that_nobody_of_a_style_plays_are_named() -> None:
    assert strangers_to("game", ("piano", "violin*2", "drums", "violin*2", "flute"), STATISTICS) == [
        "violin*2",
        "flute",
    ]
    assert strangers_to("song", ("violin",), STATISTICS) == [] == strangers_to("polka", ("violin",), STATISTICS)


def test_a_variant_that_ends_the_track_is_varied_before_the_last_chord() -> None:
    """Of two bars the one before it: the other one had its turn first, and nothing was varied."""
    order = TrackOrder(form="A B A B'", duration_s=41.8, seed=3)
    plan = plan_track(order)
    sections = sections_of(order, plan)
    last = sections[-1]
    assert plan.final_bar == last.start + last.num_bars - 1
    rules = form_rules(sections, plan, 0.5)
    assert VARIED_CODE in rules.relation[last.start : plan.final_bar].tolist()


def test_sections_begin_on_hits_where_there_is_no_form() -> None:
    """The second bar begins a section of its own, the sixth one of the letter of the bar that it repeats.

    The section of the third bar, which was the second letter, had the letter of the second bar, and so its music.
    """
    rules = form_rules((), plan_track(replace(LOOP, form="")), 0.5)
    rules.back[5], rules.section[2] = 5, 2
    section = with_hits(rules, (1, 2, 5)).section
    assert section[[1, 2, 5]].tolist() == [2, 3, 1] and (np.delete(section, [1, 2, 5]) == FREE).all()
    assert with_hits(rules, ()).section.tolist() == rules.section.tolist()


def test_what_a_hit_repeats_begins_like_it() -> None:
    plan = made_plan("A B A' A'", 2)
    assert bars_behind((6, 3), plan) == {6, 4, 0, 3}


def test_an_intro_before_a_loop_is_a_section_and_the_loop_repeats_nothing_of_it() -> None:
    plan = plan_track(replace(LOOP, form="", loop_start=3, duration_s=32.0))
    rules = form_rules((), plan, 0.5, 3)
    assert rules.section[:4].tolist() == [1, 0, 0, 2] and (rules.section[4:] == FREE).all()
    assert rules.nearest.tolist() == [0] * 3 + [3] * 13 and (rules.back == FREE).all()


def test_the_last_chord_has_the_third_of_its_scale() -> None:
    assert final_chord(7, "", -7) == chord_value(0, QUALITIES.index("maj"))
    assert final_chord(12 + 9, "", 0) == chord_value(9, QUALITIES.index("min"))
