"""The form of a track in words, such as "intro A A B A outro", and the bars of its sections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstm_core.foundation.elementary.powers import log2_of
from lstm_core.foundation.plain import nearest

MAX_SECTIONS = 200
MAX_SECTION_BARS = 999  # that may be written for one section
INTRO, OUTRO = "intro", "outro"
PART_WORDS = ("verse", "chorus", "bridge")  # letters of their own
STINGER, FANFARE = "stinger", "fanfare"  # each a whole piece, see timing/cue.py
_WORDS = (INTRO, OUTRO, *PART_WORDS, STINGER, FANFARE)
_HOW = 'Write letters and words with spaces between them, such as "intro A A B A\' outro" or "A:8 B:8 A:8".'
_SECTION = re.compile(r"(?P<letter>[A-Z]|[A-Za-z]{2,}?)(?P<primes>'*)(?::(?P<bars>\d+))?")
_LETTERS_TOGETHER = re.compile(r"(?:[A-Z]'*){2,}")

_CANDIDATES = 64  # lengths of a section that are tried at most
_NO_FIT = 1e9
_EDGE_SHARE = 0.5  # of a letter's length that an intro or outro has
_LONGER_EDGE = 2.0  # what one that is longer than a letter costs
_ODD_COST, _EVEN_COST = 0.6, 0.2  # of a length that is no multiple of two, or of four
_USUAL_INTRO = 4  # bars, for a message
_ENDING_COST = 0.25  # of each bar that the last section is longer than its letter


@dataclass(frozen=True, kw_only=True)
class SectionSpec:
    letter: str  # "A", "verse", "intro": sections of one letter are one music
    variant: int  # number of primes: 0 is the music of the letter itself, each other number a variation of it
    num_bars: int | None  # None: as the length of the track allows

    @property
    def name(self) -> str:
        """Such as "A", "B'", "intro"."""
        return self.letter + "'" * self.variant

    @property
    def is_edge(self) -> bool:
        """Whether it is an intro or outro."""
        return self.letter in (INTRO, OUTRO)


def parse_form(text: str) -> tuple[SectionSpec, ...]:
    """The sections of a form such as "intro A A B A outro" or "intro:4 A:8 A':8 B:8 A:8 outro:4".

    A section is a letter A to Z or one of the words verse, chorus, bridge, intro and outro; "stinger" or "fanfare"
    stands alone. A again is the same music,
    A' a variation of it, A'' another one. ":8" gives its bars; written once it holds for all sections of the letter.
    Letters may stand together where there are no bars: "AABA".

    Raises:
        ValueError: a section is unknown, varies none before it or has other bars than before; an intro does not begin
            or an outro does not end; there are none, or more than MAX_SECTIONS.
    """
    tokens = re.sub(r"[’′`]", "'", text).replace(",", " ").split()
    tokens = [
        part for token in tokens for part in (re.findall(r"[A-Z]'*", token) if _is_letters_together(token) else [token])
    ]
    if not tokens:
        raise ValueError(f"The form is empty. {_HOW}")
    if len(tokens) > MAX_SECTIONS:
        raise ValueError(f"The form has {len(tokens)} sections, at most {MAX_SECTIONS} are played.")
    sections = [parse_section(token) for token in tokens]
    for place, section in enumerate(sections):
        _check_place(section, place, sections)
    bars = _bars_of_letters(sections)
    return tuple(replace(section, num_bars=bars.get(section.letter)) for section in sections)


def parse_section(token: str) -> SectionSpec:
    """The section of one name with or without bars, such as "A", "B':8", "verse".

    Raises:
        ValueError: it is no section; the message names the nearest one.
    """
    found = _SECTION.fullmatch(token)
    letter = "" if found is None else found["letter"] if len(found["letter"]) == 1 else found["letter"].lower()
    if found is None or (len(letter) > 1 and letter not in _WORDS):
        capital = token[:1].upper() + token[1:]
        if len(token.split(":")[0].rstrip("'")) == 1 and _SECTION.fullmatch(capital):
            raise ValueError(f'"{token}" is no section. Did you mean {capital}? Letters are capitals.')
        hint = nearest(token.split(":")[0].lower(), _WORDS, otherwise=f"There are A to Z, {', '.join(_WORDS)}. {_HOW}")
        raise ValueError(f'"{token}" is no section. {hint}')
    bars = None if found["bars"] is None else int(found["bars"])
    if bars is not None and not 1 <= bars <= MAX_SECTION_BARS:
        raise ValueError(f'The form gives "{token}" {bars} bars, it must be 1 to {MAX_SECTION_BARS}.')
    return SectionSpec(letter=letter, variant=len(found["primes"]), num_bars=bars)


def check_form(sections: Sequence[SectionSpec], *, is_loop: bool, loop_start: int) -> None:
    """Raises ValueError for an intro or outro that a loop cannot have.

    A loop goes round without an intro; what comes before `loop_start` is played once. It has no end.
    """
    if is_loop and sections[-1].letter == OUTRO:
        raise ValueError("The form has an outro, but a loop has no end. Leave outro out, or loop.")
    if is_loop and sections[0].letter == INTRO and not loop_start:
        raise ValueError(
            "The form has an intro, which a loop would play again each time round. Leave intro out, or set loop_start "
            f"= {sections[0].num_bars or _USUAL_INTRO}: so many bars are played once, the rest goes round."
        )
    if loop_start and len(sections) == 1:
        raise ValueError(
            f"The form holds {sections[0].name} alone, and loop_start is {loop_start}: the loop begins with a section. "
            "Add one, such as B."
        )


def fit_form(
    sections: Sequence[SectionSpec],
    num_bars: int,
    *,
    is_loop: bool = False,
    loop_start: int = 0,
    bpm: float = 120.0,
    bar_quarters: float = 4.0,
) -> list[int]:
    """Bars of each section of a form in a track of so many bars.

    Sections of one letter are equally long, and letters are where that fits; lengths of four bars or of two are
    preferred, and intro and outro about half as long as a letter. Only the last section of a track that ends may be
    longer than its letter, by the bars that are left over; where all bars are written, by the one of the last chord.
    An intro without bars gets those before `loop_start` where no section would begin there else.

    Args:
        sections: Of parse_form.
        num_bars: Of the whole track; with `loop_start` those of the intro and of one time round.
        is_loop: Whether the track is a loop.
        loop_start: Bars that are played once before the loop; a section begins after them.
        bpm: The tempo, in quarters per minute, for the message.
        bar_quarters: Quarters of a bar, for the message.

    Raises:
        ValueError: the form does not fit; the message says how many bars and seconds it needs.
    """
    check_form(sections, is_loop=is_loop, loop_start=loop_start)
    bars = _fitted(sections, num_bars, is_loop, bpm, bar_quarters)
    is_open = sections[0].letter == INTRO and sections[0].num_bars is None
    if is_open and loop_start < num_bars and loop_start not in (0, *_starts(bars)):
        sections = (replace(sections[0], num_bars=loop_start), *sections[1:])
        return _fitted(sections, num_bars, is_loop, bpm, bar_quarters)
    return bars


def check_loop_start(bars: Sequence[int], loop_start: int) -> None:
    """Raises ValueError where no section begins after `loop_start` bars; `bars` are those of each section."""
    if loop_start not in (0, *_starts(bars)):
        raise ValueError(
            f"loop_start is {loop_start}, but no section of the form begins after so many bars: they begin after "
            f"{', '.join(map(str, _starts(bars)))}. Set loop_start to one of these, or give the sections other bars."
        )


def form_fits(sections: Sequence[SectionSpec], num_bars: int, loop_start: int) -> bool:
    """Whether a form fills a loop of so many bars, with a section that begins after `loop_start`."""
    try:
        check_loop_start(fit_form(sections, num_bars, is_loop=True, loop_start=loop_start), loop_start)
    except ValueError:
        return False
    return True


def _starts(bars: Sequence[int]) -> list[int]:
    """Bars at which all sections but the first begin."""
    return [int(start) for start in np.cumsum(bars[:-1])]


def _fitted(
    sections: Sequence[SectionSpec], num_bars: int, is_loop: bool, bpm: float, bar_quarters: float
) -> list[int]:
    """Bars of each section; see fit_form."""
    times: dict[str, int] = {}
    for section in sections:
        times[section.letter] = times.get(section.letter, 0) + 1
    written = {section.letter: section.num_bars for section in sections if section.num_bars is not None}
    free = [letter for letter in times if letter not in written]
    left = num_bars - sum(times[letter] * bars for letter, bars in written.items())
    least = num_bars - left + sum(times[letter] for letter in free)

    def spoken(bars: int) -> str:
        return f"{bars} bar{'s' if bars != 1 else ''} ({bars * bar_quarters * 60.0 / bpm:.2f} s at {bpm:g} bpm)"

    if num_bars < least:
        raise ValueError(
            f"The form needs at least {spoken(least)}, the track has {num_bars}. "
            f"Request a longer duration_s, a higher bpm, or fewer {'sections' if free else 'bars'}."
        )
    most_ending = 0 if is_loop else left if free else 1
    if not free and left > most_ending:
        raise ValueError(
            f"The form has {spoken(least)}, the track {num_bars}. Request a duration_s of "
            f"{least * bar_quarters * 60.0 / bpm:.2f}, or leave out the bars of a section, which then fills the rest."
        )
    found = _fill({letter: times[letter] for letter in free}, left, most_ending) if free else ({}, left)
    if found is None:
        step = np.gcd.reduce([times[letter] for letter in free])
        raise ValueError(
            f"The sections without bars ({', '.join(free)}) cannot fill {left} bars: they take multiples of {step}. "
            f"Request {spoken(num_bars - left % step)} or {spoken(num_bars + step - left % step)}."
        )
    bars_of, ending = {**written, **found[0]}, found[1]
    bars = [bars_of[section.letter] for section in sections]
    bars[-1] += ending
    return bars


def _is_letters_together(token: str) -> bool:
    return _LETTERS_TOGETHER.fullmatch(token) is not None and token.rstrip("'").lower() not in _WORDS


def _check_place(section: SectionSpec, place: int, sections: Sequence[SectionSpec]) -> None:
    if section.is_edge and section.variant:
        raise ValueError(f"The form names {section.name}, but an {section.letter} is played once. Leave the ' out.")
    if section.letter in (STINGER, FANFARE) and len(sections) > 1:
        raise ValueError(
            f"The form names a {section.letter} among other sections. It is a piece of its own: write form = "
            f'"{section.letter}".'
        )
    if section.letter == INTRO and place != 0:
        raise ValueError(f"In the form an intro is section {place + 1}. It can only begin; call it by a letter.")
    if section.letter == OUTRO and place != len(sections) - 1:
        raise ValueError(f"In the form an outro is section {place + 1}. It can only end; call it by a letter.")
    if section.variant and section.letter not in {other.letter for other in sections[:place]}:
        raise ValueError(f"The form names {section.name}, but no {section.letter} stands before it to be varied.")


def _bars_of_letters(sections: Sequence[SectionSpec]) -> dict[str, int]:
    """The bars of each letter for which some are written."""
    bars: dict[str, int] = {}
    for section in sections:
        if section.num_bars is not None and bars.setdefault(section.letter, section.num_bars) != section.num_bars:
            raise ValueError(
                f"The form gives {section.letter} {bars[section.letter]} bars and later {section.name} "
                f"{section.num_bars}: sections of one letter are equally long. Use another letter for the other one."
            )
    return bars


def _fill(times: dict[str, int], num_bars: int, most_ending: int) -> tuple[dict[str, int], int] | None:
    """Bars of each letter that together fill so many, and those left over for an ending; None if there are none.

    The cheapest filling, letter by letter: a shortest path over (letter, bars filled so far).
    """
    weight = {letter: _EDGE_SHARE if letter in (INTRO, OUTRO) else 1.0 for letter in times}
    usual = num_bars / sum(weight[letter] * times[letter] for letter in times)
    best = np.full(num_bars + 1, _NO_FIT)  # cost of having filled so many bars: float64 [num_bars + 1]
    best[0] = 0.0
    choices = []
    for letter, count in times.items():
        lengths, costs = _lengths(usual * weight[letter], num_bars // count, usual if weight[letter] < 1.0 else None)
        cheapest, chosen = np.full(num_bars + 1, _NO_FIT), np.zeros(num_bars + 1, dtype=np.int64)
        for length, cost in zip(lengths, costs, strict=True):
            filled = count * length
            after = best[: num_bars + 1 - filled] + count * cost
            is_better = after < cheapest[filled:] - 1e-9
            cheapest[filled:][is_better] = after[is_better]
            chosen[filled:][is_better] = length
        best = cheapest
        choices.append(chosen)
    endings = np.arange(min(most_ending, num_bars) + 1)
    total = best[num_bars - endings] + _ENDING_COST * endings
    ending = int(total.argmin())
    if total[ending] >= _NO_FIT:
        return None
    filled, bars = num_bars - ending, {}
    for letter, chosen in reversed(list(zip(times, choices, strict=True))):
        bars[letter] = int(chosen[filled])
        filled -= times[letter] * bars[letter]
    return bars, ending


def _lengths(usual: float, longest: int, letter_bars: float | None) -> tuple[list[int], list[float]]:
    """Lengths that a section may have, and what each costs; `letter_bars` is what an intro should not exceed."""
    lengths = list(range(1, longest + 1))
    if longest > _CANDIDATES:
        lengths = sorted({*range(1, _CANDIDATES // 4 + 1), *sorted(lengths, key=lambda bars: abs(bars - usual))[:48]})
    costs = []
    for length in lengths:
        cost = abs(float(log2_of(length / usual)))
        cost += 0.0 if length % 4 == 0 else _EVEN_COST if length % 2 == 0 else _ODD_COST
        costs.append(cost + (_LONGER_EDGE if letter_bars is not None and length > letter_bars else 0.0))
    return lengths, costs
