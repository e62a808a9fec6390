"""MusicXML in, without music21: what nearly all files hold, in a tenth of the time.

Where a file holds something that it does not cover (NotCoveredError), music21 reads that file. For files that both can
read the notes are the same, except for these kinds, where music21 differs from the page:

- Bars are equally long in all parts. music21 counts each part separately: one that rests through a pickup by a rest of
  a whole bar, leaves the end of a bar empty or fills it too far, is late or early from there on. A part with another
  meter (9/16 against 3/8) is stretched to the bars of the first.
- Of several instruments in a part each note is played by the one that it names. music21 gives all to the first: all
  strokes of a drum kit are one drum.
- Where a metronome mark holds no number, the tempo beside it (<sound tempo>) counts.
- A chord that a sign above the staff interrupts stays one chord.
- A repeat that begins at the right barline of a bar begins with the next; music21 ends one there.
- A title keeps its article where the page has it.
- By-measure files (score-timewise) are read.
"""

from __future__ import annotations

import gc
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

from lstm_core.foundation.errors import ScoreError
from lstm_core.notes.limits import MAX_BPM, MAX_DURATION_S, cleaned_text
from lstm_core.notes.musicxml.notes import whole
from lstm_core.notes.musicxml.part import PartBar, PartReader
from lstm_core.notes.musicxml.tree import NotCoveredError, parsed
from lstm_core.notes.performance import played
from lstm_core.notes.repeats import BarSigns, Ending, add_repeat, played_order
from lstm_core.notes.score import Score
from lstm_core.notes.written import WrittenBars

MAX_DIVISIONS = 10**6  # of a quarter; more come from a corrupt number
_MAX_QUARTERS = int(MAX_DURATION_S * MAX_BPM / 60)  # longer than this lasts too long at any tempo


def read_musicxml(text: str) -> Score:
    """The score of a MusicXML document.

    Raises:
        NotCoveredError: it holds something that music21 has to read.
        ScoreError: it holds no notes or is too long.
        ET.ParseError: it is not well-formed.
    """
    with _without_collection():
        return _score(parsed(text))


def _score(root: ET.Element) -> Score:
    per_quarter = _per_quarter(root)
    parts = _read_parts(root, per_quarter)
    if not any(parts):
        raise ScoreError("holds no notes")
    bars = _aligned(parts, per_quarter)
    signs, endings = _repeats(parts[0], len(bars.starts))
    return played(bars, played_order(signs, endings), *_texts(root))


@contextmanager
def _without_collection() -> Iterator[None]:
    """Pauses Python's collector: a tree of elements holds no cycles, and their search takes a quarter of the time.

    The tree has to be gone at the end, or the next collection walks through it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _per_quarter(root: ET.Element) -> int:
    """Units of a quarter in which all times of the score are whole numbers."""
    divisions = {whole(element.text, least=1) for element in root.iter("divisions")}
    common = math.lcm(*divisions)
    if common > MAX_DIVISIONS:
        raise NotCoveredError(f"{common:,} divisions of a quarter")
    return 64 * common  # halves of halves of staccato notes, and grace notes


def _read_parts(root: ET.Element, per_quarter: int) -> list[list[PartBar]]:
    """Bars of every part that the part-list names."""
    entries = {entry.get("id", ""): entry for entry in root.iterfind("part-list/score-part")}
    software = root.findtext("identification/encoding/software") or ""
    parts = []
    number = 0
    for part in root.findall("part"):
        entry = entries.get(part.get("id", ""))
        if entry is None:
            raise NotCoveredError("a part that the part-list does not name")
        reader = PartReader(part, entry, per_quarter=per_quarter, first_number=number, is_finale="Finale" in software)
        number += reader.num_staves
        parts.append(list(reader.bars()))
    return parts


def _aligned(parts: list[list[PartBar]], per_quarter: int) -> WrittenBars:
    """All parts bar by bar."""
    bars = WrittenBars(starts=[], lengths=[], per_quarter=per_quarter)
    start = 0
    for index in range(max(map(len, parts))):
        if start > _MAX_QUARTERS * per_quarter:
            raise ScoreError(f"lasts more than {MAX_DURATION_S / 3600:.0f} hours, which is the limit")
        column = [part[index] for part in parts if index < len(part)]
        column = [_stretched(bar, column[0].by_meter) for bar in column]
        length = _length(column, per_quarter)
        bars.starts.append(start)
        bars.lengths.append(length)
        bars.sounds.append([sound for bar in column for sound in bar.sounds])
        bars.tempos += [(start + at, bpm) for bar in column for at, bpm in bar.tempos]
        bars.meters += [(start + at, meter) for at, meter in column[0].meters]
        start += length
    return bars


def _stretched(bar: PartBar, by_meter: int) -> PartBar:
    """A bar of a part that has a different meter, made to last as long as the bars of the first part."""
    if bar.by_meter == by_meter or bar.filled in (0, by_meter):
        return bar
    factor = Fraction(by_meter, bar.by_meter)
    sounds = [replace(sound, onset=sound.onset * factor, length=sound.length * factor) for sound in bar.sounds]
    filled, rest = round(bar.filled * factor), round(bar.rest * factor)
    return replace(bar, by_meter=by_meter, filled=filled, rest=rest, sounds=sounds)


def _length(column: list[PartBar], per_quarter: int) -> int:
    """Length of a bar in units: what the parts fill, else the length of whole-bar rests, else the meter's.

    Parts that fill less than others leave something out. Parts that fill more than the meter, when others keep to it,
    or by no note value, are wrong.
    """
    by_meter = column[0].by_meter
    fillings = {bar.filled for bar in column if bar.filled}
    if not fillings:
        return min(max(bar.rest for bar in column), by_meter) or by_meter
    exact = {filling for filling in fillings if filling * 48 % per_quarter == 0}
    filled = max(exact or fillings)
    excess = filled - by_meter
    is_slip = excess > 0 and 2 * excess < per_quarter and not exact
    return by_meter if is_slip or (excess > 0 and by_meter in fillings) else filled


def _repeats(part: list[PartBar], num_bars: int) -> tuple[list[BarSigns], list[Ending]]:
    """Repeat signs and endings of the first part, which hold for all."""
    signs = [BarSigns() for _ in range(num_bars)]
    endings: list[Ending] = []
    opened: tuple[int, tuple[int, ...]] | None = None  # first bar and numbers of an ending
    for index, bar in enumerate(part):
        signs[index].signs = bar.signs
        for barline in bar.barlines:
            is_heavy = barline.get("location") != "left" and barline.findtext("bar-style") == "light-heavy"
            signs[index].is_final = is_heavy and barline.find("repeat") is None
            repeat, ending = barline.find("repeat"), barline.find("ending")
            if repeat is not None:
                is_start = repeat.get("direction") == "forward"
                times = whole(repeat.get("times")) if repeat.get("times") else None
                is_left = barline.get("location") == "left"
                add_repeat(signs, index, is_left=is_left, is_start=is_start, times=times)
            if ending is None:
                continue
            first = index if opened is None else opened[0]
            numbers = (0,) if opened is None else opened[1]
            if ending.get("type") == "start":
                opened = first, _numbers(ending)
            else:
                endings.append(Ending(first=first, last=index, numbers=numbers))
                opened = None
    return signs, endings


def _numbers(ending: ET.Element) -> tuple[int, ...]:
    """Numbers of the rounds that an ending is for; printed numbers count more than attributes."""
    printed = re.fullmatch(r"([0-9]{1,2})\.?", ending.text or "")
    text = printed[1] if printed else (ending.get("number") or "").replace(" ", "")
    if spanned := re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", text):
        return tuple(range(int(spanned[1]), int(spanned[2]) + 1)) or (1,)
    if re.fullmatch(r"[0-9]{1,2}(,[0-9]{1,2})*", text):
        return tuple(int(number) for number in text.split(","))
    return (1,)


def _texts(root: ET.Element) -> tuple[str, dict[str, str]]:
    """Title and tags of a score."""
    title = cleaned_text(root.findtext("work/work-title")) or cleaned_text(root.findtext("movement-title"))
    composers = [
        cleaned_text(creator.text)
        for creator in root.iterfind("identification/creator")
        if creator.get("type") == "composer"
    ]
    found = {"composer": _listed(composers), "copyright": cleaned_text(root.findtext("identification/rights"))}
    return title, {name: text for name, text in found.items() if text}


def _listed(names: list[str]) -> str:
    """Names as one text: A, B and C."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
