"""From the plan of a track to the form that its record keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstm_core.analysis.roles import ROLES
from lstm_core.catalogue.form import TrackForm, placed_sections
from lstm_core.notes.chord_symbols import NO_CHORD as NO_ROOT
from lstm_core.notes.chord_symbols import chord_name
from lstm_core.notes.instruments import instrument_name
from lstm_core.orders.form_text import INTRO
from lstm_core.representations.plan.layout import EXACT, NO_CHORD, NUM_ENERGIES, NUM_QUALITIES, Ints, Plan

_MOST_PRIMES = 4  # further variants have a number: A'5


def form_of_plan(
    plan: Plan, shift: Ints | int, names: Sequence[str] | None = None, *, loop_start: int = 0
) -> TrackForm:
    """The form of a track that was made from a plan.

    Args:
        plan: Of at least one bar, in the home key.
        shift: Semitones from the key of the track to the home key, or from that of each bar: int64 [bars].
        names: Of the plan's sections, where an order gives them; else they are letters, with a prime for each new
            variant. A section all of whose bars are exact copies of a section of its letter has that one's name.
        loop_start: Bars that are played once before the loop: a section of so many is called intro.

    Raises:
        ValueError: there are not as many names as sections.
    """
    starts = plan.section_starts()
    counts = np.diff(np.append(starts, plan.num_bars)).tolist()
    if names is not None and len(names) != len(starts):
        raise ValueError(
            f"{len(names)} names ({', '.join(names)}) are given for a plan of {len(starts)} sections, "
            f"which begin with bars {', '.join(map(str, starts.tolist()))}. Give one name for each."
        )
    slots = int(plan.num_slots.max())
    shifts = np.repeat(np.broadcast_to(shift, plan.num_bars), slots).tolist()
    return TrackForm(
        sections=placed_sections(_section_names(plan, starts, loop_start) if names is None else names, counts),
        chords=tuple(
            _chord_name(value, bass, -up)
            for value, bass, up in zip(
                plan.chord[:, :slots].ravel().tolist(), plan.bass[:, :slots].ravel().tolist(), shifts, strict=True
            )
        ),
        slots_per_bar=slots,
        energy=tuple((plan.energy / (NUM_ENERGIES - 1)).round(2).tolist()),
        roles=_instruments(plan),
    )


def _section_names(plan: Plan, starts: Ints, loop_start: int) -> list[str]:
    """Letters of sections, with primes for what is not the same again; an intro before `loop_start` has no letter."""
    origin = np.arange(plan.num_bars)  # the first of the bars that each is an exact copy of
    for bar in np.flatnonzero(plan.relation == EXACT).tolist():
        origin[bar] = origin[plan.source[bar]]
    letters = plan.letters()[starts].tolist()
    has_intro = loop_start > 0 and loop_start in starts[1:2] and letters[0] not in letters[1:]
    if has_intro:
        letters = [letter - (letter > letters[0]) for letter in letters]
    variants: dict[int, list[tuple[int, ...]]] = {}  # of each letter, the music of its variants as origins of bars
    names: list[str] = []
    for letter, bars in zip(letters, np.split(origin, starts[1:]), strict=True):
        if has_intro and not names:
            names.append(INTRO)
            continue
        known, music = variants.setdefault(letter, []), tuple(bars.tolist())
        if music not in known:
            known.append(music)
        variant = known.index(music)
        primes = "'" * variant if variant <= _MOST_PRIMES else f"'{variant}"
        names.append(chr(ord("A") + letter) + primes)
    return names


def _chord_name(value: int, bass: int, semitones: int) -> str:
    if value == NO_CHORD:
        return chord_name(NO_ROOT, NO_ROOT, NO_ROOT)
    root, quality = divmod(value - 1, NUM_QUALITIES)
    moved_bass = NO_ROOT if bass < 0 else (bass + semitones) % 12
    return chord_name((root + semitones) % 12, quality, moved_bass)


def _instruments(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The instrument of each part that plays, by role, in the order of ROLES and of the plan."""
    plays = np.bitwise_or.reduce(plan.active) >> np.arange(plan.num_parts) & 1
    found: dict[str, tuple[str, ...]] = {}
    for role, name in enumerate(ROLES):
        programs = plan.programs[(plan.roles == role) & (plays == 1)]
        if len(programs):
            found[name] = tuple(instrument_name(int(program)) for program in programs)
    return found
