"""Checks of an order before any work: whether it can be met, and how large its files will be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lstm_core.analysis.grid import slots_per_bar
from lstm_core.analysis.roles import DRUM
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.chord_symbols import ChordBar
from lstm_core.notes.score import DRUMS, Meter
from lstm_core.orders.changes.keys import spread_of
from lstm_core.orders.constraints import make_rules
from lstm_core.orders.form_text import parse_form
from lstm_core.orders.melodies.placing import placed_tune, with_melody
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan, plan_track
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.primer import PrimerReader
from lstm_core.orders.section_fields import check_chords, for_section, section_chords, section_ensembles, section_roles
from lstm_core.orders.sections import sections_of
from lstm_core.orders.sources.asked import check_bars
from lstm_core.orders.timing.cue import with_cue
from lstm_core.orders.timing.hit_file import with_hits_read
from lstm_core.orders.track_key import FEWEST_PITCHES
from lstm_core.representations.note_events import FIRST_DRUM
from lstm_core.sound.output_formats import output_format

OCTAVE = 12  # semitones
OTHER_FILES_BYTES = 100_000  # of a track: MIDI, picture, record


def admit(order: TrackOrder, primers: PrimerReader | None = None) -> PlannedTrack:
    """The plan of an order that can be met; its primer or melody is read by `primers`, or by a reader for it alone.

    Raises:
        OrderError: it cannot be met; the message says why, and what could be.
    """
    if primers is None:
        with PrimerReader() as primers:
            return admit(order, primers)
    order = with_cue(with_hits_read(order))
    tune = primers.tune(order)
    order = order if tune is None else with_melody(order, tune)
    plan = plan_track(order)
    track = PlannedTrack(
        order=order,
        plan=plan,
        primer=primers.events(order, plan),
        tune=None if tune is None else placed_tune(order, plan, tune),
    )
    if order.loop_start >= plan.num_bars:
        raise OrderError(
            f"loop_start is {order.loop_start}, but the track has {plan.num_bars} bars: none is left to go round. "
            f"Write at most {plan.num_bars - 1}."
        )
    _check_source(order, plan)
    _check_form(order, plan)
    _check_roles(order)
    _check_layers(order, plan)
    _check_keys(order, plan)
    rules = make_rules(order, plan, primer=track.primer)
    num_pitches = int(rules.pitches[0, 0, 0, :FIRST_DRUM].sum())
    if rules.spans[0, 0]["last_instrument"] and num_pitches < FEWEST_PITCHES:
        raise OrderError(
            f"pitches {order.pitch_low} to {order.pitch_high} hold {num_pitches} notes of the key, and music of fewer "
            f"than {FEWEST_PITCHES} is not delivered. Widen pitch_low and pitch_high."
        )
    return track


def _check_source(order: TrackOrder, plan: TrackPlan) -> None:
    """Raises OrderError for bars that the track does not have that an order starts from, once that is known."""
    if order.from_notes:
        try:
            check_bars(order, plan.num_bars)
        except ValueError as error:
            raise OrderError(str(error)) from error


def _check_form(order: TrackOrder, plan: TrackPlan) -> None:
    """Raises OrderError for a form that does not fit the bars of a track, and for chords that do not fit the form."""
    chords = section_chords(order.chords)
    for meter, sequence in _chords_in_meters(order, plan):
        for first, second in sequence if slots_per_bar(meter) == 1 else ():
            if first != second:
                raise OrderError(
                    f"a bar of {meter} has one chord, chords gives one {first.name} and {second.name}. Write each "
                    "in a bar of its own."
                )
    if len(chords.get("", ())) > plan.num_bars:
        raise OrderError(f"chords holds {len(chords[''])} bars, the track has {plan.num_bars}. Write at most as many.")
    try:
        placed = sections_of(order, plan)
        check_chords(chords, [one.spec for one in placed], [one.num_bars for one in placed])
    except ValueError as error:
        raise OrderError(str(error)) from error


def _chords_in_meters(order: TrackOrder, plan: TrackPlan) -> list[tuple[Meter, Sequence[ChordBar]]]:
    """The chords of an order with the meters of the sections that have them."""
    chords = section_chords(order.chords)
    if not plan.section_meters:
        return [(plan.meter, sequence) for sequence in chords.values()]
    named = zip(parse_form(order.form), plan.section_meters, strict=True)
    return [(meter, for_section(chords, section) or ()) for section, meter in named]


def _check_keys(order: TrackOrder, plan: TrackPlan) -> None:
    """Raises OrderError for a range of pitches that is too small for music that is moved to several keys."""
    if not plan.section_keys or plan.key is None:
        return
    lowest, highest = spread_of(plan.section_keys, plan.key)
    least = OCTAVE + highest - lowest
    if order.pitch_high - order.pitch_low < least:
        raise OrderError(
            f"pitches {order.pitch_low} to {order.pitch_high} leave no octave for music that key_changes moves by "
            f"{lowest:+d} to {highest:+d} semitones. Let pitch_low and pitch_high be {least} apart or more."
        )


def _check_roles(order: TrackOrder) -> None:
    """Raises OrderError for players that no role of the order is left for."""
    texts = section_roles(order.roles)
    if not texts:
        return
    roles = frozenset().union(*texts.values())
    if "" not in texts and order.form:
        named = {section.name for section in parse_form(order.form)}
        if any(name not in texts for name in named):
            return
    names = [*order.instruments, *(re.split(r"[;,:]", order.ensemble) if order.ensemble else ())]
    is_drums = [name.strip().lower() == "drums" for name in names if name.strip()]
    if any(is_drums) and DRUM not in roles:
        raise OrderError(f'drums are asked for, but roles, "{order.roles}", leave them out. Drop one of the two.')
    if is_drums and not all(is_drums) and roles == {DRUM}:
        raise OrderError(f'roles, "{order.roles}", leave nothing to play for {", ".join(names)} but drums.')
    if is_drums and all(is_drums) and roles != {DRUM} and DRUM not in roles:
        raise OrderError(f'roles, "{order.roles}", cannot be played by drums alone. Name other instruments.')


def _check_layers(order: TrackOrder, plan: TrackPlan) -> None:
    """Raises OrderError for layers that the players of the order are too few for."""
    players = Counter(plan.programs)
    for named in section_ensembles(order.ensemble).values():
        players |= Counter(programs for programs, count in named for _ in range(count))
    num_parts = players.total() - max(players[(DRUMS,)] - 1, 0)  # all drums are one part
    if order.layers and players and num_parts < order.layers:
        raise OrderError(
            f"layers is {order.layers}, and {num_parts} {'player is' if num_parts == 1 else 'players are'} named: each "
            f"layer adds one at least. Name {order.layers} or more, drums counting once, or request fewer layers."
        )


def estimated_size_bytes(order: TrackOrder) -> float:
    """The approximate number of bytes that the files of a track take."""
    pcm = order.duration_s * order.sample_rate * 2 * order.bit_depth / 8
    share = output_format(order.format, order.bit_depth).size_share
    return pcm * share * ((3 if order.stems else 1) + order.layers) + OTHER_FILES_BYTES
