"""Whether an order can be met, decided a second time: by search and from the documentation alone.

Nothing of lstm_core is used, so that a mistake of its planning is not made twice. `verdict` names what is impossible.
Where a bound is nearly met the answer is CLOSE: the documents do not say how what is left of a bar is rounded.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

CLOSE = "close"
TOLERANCE = 0.03  # by which a tempo may move
SLOWEST, FASTEST = 30.0, 300.0
ONE_CHORD_METERS = ("3/4", "2/4", "9/8", "5/4", "7/8")
MARGIN = 0.05  # of a length that counts as close
_NOT_WITH_MELODY = ("form", "hits", "tempo_changes", "key_changes", "meter_changes", "rit", "fermata", "loop_start")
Fields = dict[str, Any]


def verdict(fields: Fields) -> str:
    """Why an order is impossible, CLOSE where that hangs on rounding; "" where it is possible."""
    found = [
        rule(fields)
        for rule in (_ending, _form, _tempos, _keys, _meters, _chords, _players, _cue, _melody, _hits, _bars)
    ]
    certain = [reason for reason in found if reason and reason != CLOSE]
    return certain[0] if certain else CLOSE if CLOSE in found else ""


def sections(fields: Fields) -> list[tuple[str, int]]:
    """Name and bars of each section, 0 where none are written; [] without a form of sections."""
    text = fields.get("form", "")
    if _is_cue(fields) or not text:
        return []
    pairs = [part.partition(":") for part in text.split()]
    written = {name.rstrip("'"): int(bars) for name, _, bars in pairs if bars}
    return [(name, written.get(name.rstrip("'"), 0)) for name, _, _ in pairs]


def _is_cue(fields: Fields) -> bool:
    return str(fields.get("form", "")).partition(":")[0] in ("stinger", "fanfare")


def _bar_quarters(fields: Fields) -> float:
    beats, unit = fields.get("meter", "4/4").split("/")
    return 4.0 * int(beats) / int(unit)


def _bar_s(fields: Fields, bpm: float) -> float:
    return 60.0 * _bar_quarters(fields) / bpm


def _meter(fields: Fields) -> str:
    if fields.get("melody"):
        beats, unit, _, _ = _facts_of_tune(fields["melody"])
        return f"{beats}/{unit}"
    return str(fields.get("meter", "4/4"))


def _facts_of_tune(melody: str) -> list[int]:
    """Beats and unit of the meter, bars and tempo, which the name of the file says."""
    return [int(word) for word in re.findall(r"\d+", melody.rpartition("/")[2])]


def _ending(fields: Fields) -> str:
    if fields.get("loop_start") and not fields.get("loop"):
        return "loop_start without a loop"
    for name in ("rit", "fermata"):
        if fields.get(name) and fields.get("loop"):
            return f"{name} of a loop"
    if not 0.05 <= fields.get("rit", 0.3) <= 0.5:
        return "rit out of bounds"
    if fields.get("exact_tempo") and not fields.get("bpm"):
        return "exact_tempo without a tempo"
    return ""


def _slows(fields: Fields) -> bool:
    return bool(fields.get("rit") or fields.get("fermata"))


def _form(fields: Fields) -> str:
    names = [name for name, _ in sections(fields)]
    if fields.get("loop") and "outro" in names:
        return "outro of a loop"
    if fields.get("loop") and "intro" in names and not fields.get("loop_start"):
        return "intro of a loop without loop_start"
    return ""


def _tempos(fields: Fields) -> str:
    changes = [part.split(":") for part in fields.get("tempo_changes", "").split(";") if part.strip()]
    names = [name for name, _ in sections(fields)]
    for name, bpm in changes:
        if not SLOWEST <= float(bpm) <= FASTEST:
            return "tempo out of bounds"
        if name.strip() not in names:
            return "tempo of a section that is not there"
    return ""


def _keys(fields: Fields) -> str:
    names = [name for name, _ in sections(fields)]
    changes = _changes(fields, "key_changes")
    if any(name not in names for name in changes):
        return "key of a section that is not there"
    return "no key to be changed" if changes and fields.get("key") == "free" else ""


def _meters(fields: Fields) -> str:
    """A letter has one meter; a change holds up to the next."""
    names = [name for name, _ in sections(fields)]
    changes = _changes(fields, "meter_changes")
    if any(name not in names for name in changes):
        return "meter of a section that is not there"
    now, meter_of = fields.get("meter", "4/4"), dict[str, str]()
    for name in names if changes else ():
        letter = name.rstrip("'")
        now = changes.get(name, changes.get(letter, now))
        if meter_of.setdefault(letter, now) != now:
            return "a letter in two meters"
    return CLOSE if changes else ""


def _changes(fields: Fields, field: str) -> dict[str, str]:
    pairs = [part.partition(":") for part in fields.get(field, "").split(";") if part.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _chords(fields: Fields) -> str:
    text = fields.get("chords", "")
    if fields.get("meter_changes"):
        return ""
    has_two = "|" in text and any(len(bar.split()) > 1 for bar in text.split("|"))
    return "two chords in a bar of one" if has_two and _meter(fields) in ONE_CHORD_METERS else ""


def _players(fields: Fields) -> str:
    names = [name for one in fields.get("instruments", ()) for name in _each(one)]
    num_players = len([name for name in names if name != "drums"]) + ("drums" in names)
    if names and num_players < fields.get("layers", 0):
        return "fewer players than layers"
    if fields.get("roles") and "drums" in names and "drums" not in _roles(fields):
        return "drums without their role"
    if _is_cue(fields) and fields.get("polyphony", 24) < 8:
        return CLOSE  # a chord may need more voices
    return ""


def _roles(fields: Fields) -> set[str]:
    """Roles that sound."""
    roles = [part.strip() for part in fields["roles"].split(",")]
    only = {role for role in roles if not role.startswith("no ")}
    return only or {"melody", "bass", "drums", "harmony"} - {role[3:] for role in roles}


def _each(name: str) -> list[str]:
    base, _, count = name.partition("*")
    return [base] * int(count or 1)


def _cue(fields: Fields) -> str:
    if not _is_cue(fields):
        return ""
    if fields.get("loop"):
        return "a cue that loops"
    length = fields["duration_s"]
    if not 0.5 <= length <= 5.0:
        return "length of a cue"
    kind, _, bars = fields["form"].partition(":")
    least = int(bars) if bars else 2 if kind == "fanfare" else 1
    shortest = 1.5 * (least - 1) * _bar_s(fields, fields.get("bpm") or FASTEST)  # the chord has a third of the length
    return "" if shortest <= length * (1.0 - MARGIN) else CLOSE if shortest <= length else "bars of a cue"


def _melody(fields: Fields) -> str:
    if not fields.get("melody"):
        return ""
    if any(fields.get(name) for name in _NOT_WITH_MELODY):
        return "form and time beside a melody"
    if fields.get("roles") and "melody" not in _roles(fields):
        return "a melody without its role"
    beats, unit, bars, bpm = _facts_of_tune(fields["melody"])
    if fields.get("meter") and fields["meter"] != f"{beats}/{unit}":
        return "another meter than the melody's"
    shortest = bars * _bar_s({"meter": f"{beats}/{unit}"}, fields.get("bpm") or bpm)
    if fields.get("duration_s") and fields["duration_s"] < shortest * (1.0 - MARGIN):
        return "shorter than the melody"
    return CLOSE if fields.get("duration_s") or fields.get("instruments") or fields.get("key") else ""


def _hits(fields: Fields) -> str:
    hits = [float(word) for word in fields.get("hits", "").split()]
    if not hits:
        return ""
    if fields.get("exact_tempo"):
        return "hits at an exact tempo"
    if fields.get("melody") or fields.get("meter_changes"):
        return ""
    if hits[-1] >= fields["duration_s"]:
        return "hit after the end"
    form = sections(fields)
    if form and len(form) - 1 != len(hits):
        return "as many hits as sections"
    if (fields.get("loop_start") and form) or (_slows(fields) and fields["duration_s"] - hits[-1] < 6.0):
        return CLOSE  # where sections begin, and how long the last bars are, is the mill's choice
    bpms = [fields["bpm"]] if fields.get("bpm") else np.geomspace(SLOWEST, FASTEST, 4000).tolist()
    if any(_meets(fields, hits, form, bpm, TOLERANCE) for bpm in bpms):
        return ""
    return (
        CLOSE if any(_meets(fields, hits, form, bpm, 1.1 * TOLERANCE) for bpm in bpms) else "hits that no tempo meets"
    )


def _meets(fields: Fields, hits: list[float], form: list[tuple[str, int]], bpm: float, tolerance: float) -> bool:
    """Whether whole bars, moved by a tolerance, lie between all hits; in a loop after the last one too."""
    points = [0.0, *hits, *([fields["duration_s"]] if fields.get("loop") else [])]
    bar_s = _bar_s(fields, bpm)
    if not fields.get("loop") and fields["duration_s"] - hits[-1] < bar_s * (1.0 - tolerance):
        return False  # the last section has a bar
    for number, length in enumerate(np.diff(points)):
        counts = np.arange(1, int(length / bar_s * 1.1) + 2)
        if form and form[number][1]:
            counts = np.array([form[number][1]])
        if not (np.abs(counts * bar_s / length - 1.0) <= tolerance).any():
            return False
    return True


def _bars(fields: Fields) -> str:
    """Loops of whole bars, and forms that fill them."""
    if _is_cue(fields) or any(fields.get(name) for name in ("hits", "melody", "meter_changes")):
        return ""
    form, loop_start = sections(fields), fields.get("loop_start", 0)
    if fields.get("tempo_changes"):
        return CLOSE if fields.get("bpm") or fields.get("loop") or any(bars for _, bars in form) else ""
    length, bpm = fields["duration_s"], fields.get("bpm")
    slowest, fastest = (bpm, bpm) if bpm else (SLOWEST, FASTEST)
    move = 0.0 if fields.get("exact_tempo") else TOLERANCE if bpm and fields.get("loop") else 0.0
    counts = range(
        int(np.ceil(length / _bar_s(fields, slowest) * (1 - move) - 1e-6)),
        int(np.floor(length / _bar_s(fields, fastest) * (1 + move) + 1e-6)) + 1,
    )
    if not fields.get("loop"):  # what is left of a bar is silence or the last chord's
        fewest = sum(max(bars, 1) for _, bars in form)
        exact = length / _bar_s(fields, fastest)
        if form and exact < fewest:
            return CLOSE if exact > fewest - 1 else "too short for its form"
        if form and _slows(fields):
            return CLOSE  # its last bars are longer
        if form and all(bars for _, bars in form) and length / _bar_s(fields, slowest) > fewest + 1:
            return CLOSE if length / _bar_s(fields, slowest) < fewest + 2 else "too long for its form"
        return ""
    if not counts:
        return "no whole number of bars"
    near = [count for count in counts if count > loop_start and (not form or _fills(form, count, loop_start))]
    if not near and loop_start and form and any(_fills(form, count, 0) for count in counts):
        return CLOSE  # where sections without bars begin is the mill's choice
    if form and loop_start:
        return CLOSE if any(not bars for _, bars in form) else "" if near else "loop_start inside a section"
    return "" if near else "a form that fills no whole number of bars"


def _fills(form: list[tuple[str, int]], count: int, loop_start: int) -> bool:
    """Whether sections, equally long where they have one letter, fill so many bars."""
    letters = [re.sub("'", "", name) for name, _ in form]
    written = sum(bars for _, bars in form)
    bars_of = dict(zip(letters, [bars for _, bars in form], strict=True))
    times = [letters.count(letter) for letter, bars in bars_of.items() if not bars]
    left = count - written
    if not times:
        starts = np.cumsum([bars for _, bars in form])[:-1].tolist()
        return left == 0 and (loop_start == 0 or loop_start in starts)
    reachable = {0}
    for each in times:
        reachable = {
            done + each * bars
            for done in reachable
            for bars in range(1, left // each + 1)
            if done + each * bars <= left
        }
    return left in reachable
