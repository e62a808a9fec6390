"""Tracks that start from others: bars, parts, variations, arrangements, steps between two; tunes to accompany."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstm_core.analysis.roles import ROLES
from lstm_core.composing.remaking import staying
from lstm_core.composing.take import Take
from lstm_core.foundation.errors import OrderError
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import NOTE_DTYPE, TICKS_PER_QUARTER, Meter, Score, Tempo
from lstm_core.orders.admission import admit
from lstm_core.orders.order import order_fields, order_from_fields
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.sources.between import rows_between
from lstm_core.orders.sources.reader import SourceRecord
from lstm_core.orders.sources.rearranged import rearranged
from lstm_core.tracks.sources import source_track

KINDS = ("bars", "parts", "bars and parts", "vary", "arrangement", "between")
ARRANGED = (("meter", ("3/4", "6/8", "5/4", "4/4")), ("key", ("C", "Dm", "Ab")), ("bpm", (70.0, 100.0, 150.0)),
            ("instruments", (("violin", "piano", "cello"), ("flute", "harp", "bass"), ("organ",))))  # fmt: skip
TUNES = ((4, 4, 16, 120), (3, 4, 12, 96), (6, 8, 16, 90))  # meter, bars, tempo
_STEPS = (0, 2, 4, 5, 7, 9, 11, 12)
STEPS = 4  # from one track to another
SOURCE = "source"  # id of a track that is in no catalogue


def made_again(tracks: list[tuple[PlannedTrack, Take]]) -> Iterator[tuple[str, PlannedTrack]]:
    """A kind and an order that starts from it for each track; those that such an order refuses are left out."""
    for number, (track, take) in enumerate(tracks):
        random, kind = np.random.default_rng([11, number]), KINDS[number % len(KINDS)]
        try:
            if kind == "between":
                yield kind, _between(tracks, number, random)
            else:
                yield kind, _again(track, take, kind, random, number)
        except OrderError as error:
            print(f"# {kind} is refused: {error}", flush=True)


def _again(track: PlannedTrack, take: Take, kind: str, random: np.random.Generator, seed: int) -> PlannedTrack:
    assert take.plan is not None
    pinned: dict[str, Any] = {"from": SOURCE, "from_notes": "pinned", "from_seed": track.order.plan_seed, "seed": seed}
    kept = {name: value for name, value in order_fields(track.order).items() if name not in ("seed", "name")}
    if kind == "arrangement":
        name, values = ARRANGED[int(random.integers(len(ARRANGED)))]
        given = {name: values[int(random.integers(len(values)))]}
        own = {key: value for key, value in kept.items() if key not in given}
        order = rearranged(track.order, SOURCE, own, {**given, **pinned})
    else:
        given = {}
        if "bars" in kind:
            first, last = sorted(random.integers(1, track.plan.num_bars + 1, size=2).tolist())
            given["bars"] = f"{first}-{last}"
        if "parts" in kind:
            given["parts"] = [ROLES[int(random.choice(take.plan.roles))]]
        if kind == "vary":
            given["vary"] = float(np.round(random.random(), 2))
        order = order_from_fields({**kept, **given, **pinned})
    found = replace(admit(order), source=source_track(track, take, 0))
    staying(found)  # refuses bars and parts in which nothing plays
    return found


def _between(tracks: list[tuple[PlannedTrack, Take]], number: int, random: np.random.Generator) -> PlannedTrack:
    """One of several steps from a track to the next one that it can lead to.

    Raises:
        OrderError: there is none.
    """
    first, refusal = tracks[number], OrderError("between needs two tracks")
    given = {
        "between": ["a" * 24, "b" * 24],
        "steps": STEPS,
        "step": int(random.integers(1, STEPS + 1)),
        "seed": number,
    }
    for last in [*tracks[number + 1 :], *tracks[:number]]:
        ends = [
            SourceRecord(track_id=name * 24, order=one[0].order, notes=name)
            for name, one in zip("ab", (first, last), strict=True)
        ]
        try:
            (row,) = rows_between(ends[0], ends[1], given)
        except OrderError as error:
            refusal = error
            continue
        sources = [source_track(track, take, 0) for track, take in (first, last)]
        return replace(admit(order_from_fields(row)), source=sources[0], target=sources[1])
    raise refusal


def write_tunes(folder: Path) -> tuple[str, ...]:
    """Tunes as MIDI files, whose names say meter, bars and tempo."""
    found = []
    for beats, unit, bars, bpm in TUNES:
        meter = Meter(tick=0, numerator=beats, denominator=unit)
        random, step = np.random.default_rng(bars * beats), TICKS_PER_QUARTER // 2
        count = bars * meter.bar_ticks // step
        walk = np.cumsum(random.integers(-1, 2, size=count)) % (2 * len(_STEPS))
        degrees = np.minimum(walk, 2 * len(_STEPS) - 1 - walk)  # turns at either end
        notes = np.zeros(count, dtype=NOTE_DTYPE)
        notes["onset"], notes["duration"], notes["velocity"] = np.arange(count) * step, step, 90
        notes["pitch"], notes["program"] = 64 + np.array(_STEPS)[degrees], 73
        score = Score(notes=notes, tempos=(Tempo(tick=0, bpm=float(bpm)),), meters=(meter,))
        path = folder / f"tune-{beats}-{unit}-{bars}-{bpm}.mid"
        path.write_bytes(write_midi(score))
        found.append(str(path))
    return tuple(found)
