"""The rules that an order sets for the form, chords, energy and roles of a plan, bar by bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lstm_core.analysis.grid import Floats
from lstm_core.engine.plans.rules import FREE, NUM_ROLES
from lstm_core.notes.chord_symbols import CHORD_STEPS, ChordSymbol
from lstm_core.notes.keys import scale_pitch_classes
from lstm_core.orders.energy_curve import energy_of_bars, parse_energy
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.section_fields import for_section, roles_by_name, section_chords, section_roles
from lstm_core.orders.sections import PlacedSection
from lstm_core.representations.plan.events import EXACT_CODE, NEW_CODE, VARIED_CODE
from lstm_core.representations.plan.layout import MAX_LETTERS, NO_SOURCE, NUM_ENERGIES, Ints, Plan, chord_value

SOFTEST, LOUDEST = 44.0, 108.0  # mean velocity of bars of energy 0 and 1


@dataclass(frozen=True, kw_only=True, eq=False)
class FormRules:
    """Values that bars must have, FREE where the model may choose: int64 [N]."""

    back: Ints
    relation: Ints
    section: Ints
    nearest: Ints


def varied_bars(num_bars: int, variation: float) -> set[int]:
    """Which bars of a variant are varied: this share of them, the ends of phrases of four bars first."""
    count = max(round(variation * num_bars), 1) if variation > 0 else 0
    ranked = sorted(range(num_bars), key=lambda bar: (-(bar % 4), bar))
    return set(ranked[:count])


def form_rules(
    sections: tuple[PlacedSection, ...], plan: TrackPlan, variation: float, loop_start: int = 0
) -> FormRules:
    """A section again is the same, a variant of it varied in a share of its bars; each new one repeats but itself.

    The bar of the last chord of a track is of its own. Where there are no sections, the bars before `loop_start` are
    one, and what comes after repeats nothing of it.
    """
    n = plan.num_bars
    rules = FormRules(
        back=np.full(n, FREE), relation=np.full(n, FREE), section=np.full(n, FREE), nearest=np.zeros(n, dtype=np.int64)
    )
    if loop_start and not sections:
        rules.section[:loop_start] = 0
        rules.section[[0, loop_start]] = 1, 2
        rules.nearest[loop_start:] = loop_start
    known: dict[str, PlacedSection] = {}
    letters: dict[str, int] = {}
    for placed in sections:
        letter = letters.setdefault(placed.spec.letter, len(letters))
        rules.section[placed.bars] = 0
        rules.section[placed.start] = 1 + min(letter, MAX_LETTERS - 1)
        rules.nearest[placed.bars] = placed.start
        same = known.get(placed.spec.name)
        source = same or next((one for name, one in known.items() if one.spec.letter == placed.spec.letter), None)
        if source is not None:
            num_bars = min(placed.num_bars, source.num_bars)
            is_last = plan.final_bar is not None and placed.start + num_bars > plan.final_bar
            varied = set() if same else varied_bars(num_bars - is_last, variation)  # the last chord is of its own
            for bar in range(num_bars):
                rules.back[placed.start + bar] = placed.start - source.start
                rules.relation[placed.start + bar] = VARIED_CODE if bar in varied else EXACT_CODE
        known.setdefault(placed.spec.name, placed)
    if plan.final_bar is not None:
        rules.back[plan.final_bar], rules.relation[plan.final_bar] = 0, NEW_CODE
        # Bars that would copy the last chord are of their own: no source ends there.
        if sections:
            copies = np.flatnonzero((rules.back > 0) & (np.arange(n) - rules.back == plan.final_bar))
            rules.back[copies], rules.relation[copies] = 0, NEW_CODE
    return rules


def with_hits(rules: FormRules, hit_bars: Sequence[int]) -> FormRules:
    """The rules of a form without sections of its own in which a section begins with each of these bars.

    Where none does there yet, one that repeats a bar has the letter of that bar, another one a new letter. Letters
    are numbered as they appear, so those that first come after a new one move up: it is no later section's own.
    """
    section = rules.section.copy()
    letters = np.zeros(len(section), dtype=np.int64)  # of each bar so far, from 1 on
    renamed: dict[int, int] = {1: 1}
    num_new = 0
    for bar in range(len(section)):
        if (own := int(section[bar])) > 0:
            section[bar] = renamed.setdefault(own, min(own + num_new, MAX_LETTERS))
        letters[bar] = section[bar] if section[bar] > 0 else letters[bar - 1] if bar else 1
        if bar in hit_bars and section[bar] <= 0:
            source = bar - rules.back[bar] if rules.back[bar] > 0 else None
            new = min(int(letters[:bar].max()) + 1, MAX_LETTERS)
            section[bar] = letters[bar] = new if source is None else letters[source]
            num_new += source is None
    return replace(rules, section=section)


def bars_behind(hit_bars: Sequence[int], plan: Plan) -> frozenset[int]:
    """These bars of a plan and the earlier ones that they repeat."""
    found: set[int] = set()
    for bar in hit_bars:
        while bar != NO_SOURCE and bar not in found:
            found.add(bar)
            bar = int(plan.source[bar])
    return frozenset(found)


def chord_rules(
    order: TrackOrder, plan: TrackPlan, sections: tuple[PlacedSection, ...], shift: Ints | int
) -> tuple[Ints, Ints]:
    """Chords and basses that bars must have in the home key: int64 [N, 2] twice, FREE where the model may choose.

    `shift` is from the key of the track to the home key, or of each bar from its own: int64 [N]. What an order gives is
    in the key of the first section that has it, and is moved with the later ones.
    """
    n = plan.num_bars
    chord, bass = np.full((n, 2), FREE), np.full((n, 2), FREE)
    texts = section_chords(order.chords)
    if not texts:
        return chord, bass
    shifts, first = np.broadcast_to(shift, n), dict[str, int]()
    named = {name: (name, sequence) for name, sequence in texts.items()}
    spans = [(placed.bars, for_section(named, placed.spec)) for placed in sections] or [(slice(0, n), named.get(""))]
    for bars, given in spans:
        name, sequence = given or ("", [])
        for place, bar in enumerate(range(n)[bars]):
            if sequence:
                as_written = first.setdefault(name, int(shifts[bar]))
                for slot, symbol in enumerate(sequence[place % len(sequence)]):
                    chord[bar, slot], bass[bar, slot] = _values(symbol, as_written)
    return chord, bass


def _values(symbol: ChordSymbol, shift: int) -> tuple[int, int]:
    if symbol.root < 0:
        return FREE, FREE
    return chord_value((symbol.root + shift) % 12, symbol.quality), (symbol.bass - symbol.root) % 12


def asked_energy(order: TrackOrder, num_bars: int) -> Floats | None:
    """Energy of all bars, 0 to 1, None where the order leaves it open: float64 [N]."""
    return energy_of_bars(parse_energy(order.energy), num_bars) if order.energy else None


def velocity_of(energy: Floats) -> Floats:
    """The mean velocity of the notes of bars of some energies, 0 to 1: float64, shape of `energy`."""
    return SOFTEST + (LOUDEST - SOFTEST) * energy


def energy_steps(energy: Floats) -> Ints:
    """Steps of energy of a plan: int64 [N]."""
    return np.minimum((energy * NUM_ENERGIES).astype(np.int64), NUM_ENERGIES - 1)


def role_rules(order: TrackOrder, num_bars: int, sections: tuple[PlacedSection, ...]) -> Ints:
    """Bits of the roles that may sound in each bar: int64 [N]."""
    bits = np.full(num_bars, (1 << NUM_ROLES) - 1)
    texts = section_roles(order.roles)
    if not texts:
        return bits
    for placed in sections:
        roles = for_section(texts, placed.spec)
        if roles is not None:
            bits[placed.bars] = sum(1 << role for role in roles)
    if not sections and "" in texts:
        bits[:] = sum(1 << role for role in texts[""])
    return bits


def entering_roles(order: TrackOrder, num_bars: int, sections: tuple[PlacedSection, ...]) -> Ints:
    """Bits of the roles that an order names for a section, at its first bar, where they come in: int64 [N]."""
    bits, texts = np.zeros(num_bars, dtype=np.int64), roles_by_name(order.roles)
    for placed in sections:
        bits[placed.start] = sum(1 << role for role in for_section(texts, placed.spec) or ())
    if not sections:
        bits[0] = sum(1 << role for role in texts.get("", ()))
    return bits


def final_chord(key: int, scale: str, shift: int) -> int:
    """The chord of the tonic that a track in this key ends on, in the home key: the triad of the scale, or a fifth."""
    tonic, third = key % 12, 3 if key >= 12 else 4
    classes = scale_pitch_classes(key, scale)
    quality = (1 if third == 3 else 0) if (tonic + third) % 12 in classes else 11
    return chord_value((tonic + shift) % 12, quality)


@lru_cache(maxsize=256)
def chords_of_scale(classes: frozenset[int]) -> npt.NDArray[np.uint8]:
    """1 for each chord all of whose tones are in a set of pitch classes: uint8 [NUM_CHORDS]."""
    allowed = np.zeros(1 + 12 * len(CHORD_STEPS), dtype=np.uint8)
    for root in range(12):
        for quality, steps in enumerate(CHORD_STEPS):
            allowed[chord_value(root, quality)] = all((root + step) % 12 in classes for step in steps)
    allowed.setflags(write=False)
    return allowed
