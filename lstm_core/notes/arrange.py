"""Tempo, instruments and dynamics that a written page does not specify, filled in by fixed rules.

Chorales and dance tunes are mostly printed without any of the three; read literally they are all played by a piano at
120 bpm, every note as loud as the next, and a model would learn that. Each rule acts only where the page specifies
nothing, and chooses by a hash of the notes: the same page always sounds the same, different pages differ.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstm_core.notes.score import DRUMS, TICKS_PER_QUARTER, Meter, NoteArray, Score, Tempo, bar_starts, tidy

DEFAULT_TEMPO_BPM = 120.0  # of readers for a page without a tempo, and the default of notation programs
DEFAULT_PROGRAM = 0
VOICES = (DEFAULT_PROGRAM, 52, 53)  # choir aahs and voice oohs: what readers make of parts called Soprano, Alto, ...
MAX_CHORD_SHARE = 0.1  # of the notes of a melody, for double stops

# Usual tempos in quarters per minute of a melody by its meter: dances as they are danced (a jig in 6/8 at 116 beats of
# three eighths is 174 quarters), and of music in parts. The hash spreads them by TEMPO_SPREAD.
TUNE_BPM = {
    "2/2": 192.0,
    "4/4": 168.0,
    "2/4": 96.0,
    "6/8": 174.0,
    "9/8": 174.0,
    "12/8": 174.0,
    "3/4": 126.0,
    "3/8": 108.0,
}
PARTS_BPM = {"2/2": 144.0, "4/2": 144.0, "3/2": 144.0, "6/4": 132.0, "3/4": 96.0}
OTHER_BPM = {"tune": 132.0, "parts": 84.0}
TITLE_BPM = {"reel": 200.0, "hornpipe": 168.0, "clog": 160.0, "strathspey": 132.0, "fling": 144.0, "waltz": 150.0}
# A dance named in the title wins over the meter; in 2/4 it is written in half the note values.
TEMPO_SPREAD = 0.12  # share up or down at most

ACCENTS = (96, 88, 80, 72)  # velocity on a bar's first beat, its other beats, halves (thirds) of a beat, anywhere else
VELOCITY_PER_OCTAVE = 12  # the higher, the louder: a rule of Friberg, Bresin, Sundberg, "Overview of the KTH rule
# system for musical performance", Advances in Cognitive Psychology 2 (2006)
INNER_VELOCITY = -8  # of parts below the uppermost
FLAT_SHARE = 0.75  # of the notes at one velocity: a page with accents alone specifies no dynamics


@dataclass(frozen=True, kw_only=True)
class _Player:
    program: int
    lowest: int  # pitches that the instrument plays
    highest: int


_SOLOISTS = (
    _Player(program=40, lowest=55, highest=100),  # violin
    _Player(program=73, lowest=60, highest=96),  # flute
    _Player(program=21, lowest=48, highest=96),  # accordion
    _Player(program=71, lowest=50, highest=93),  # clarinet
    _Player(program=24, lowest=40, highest=88),  # nylon guitar
    _Player(program=46, lowest=24, highest=103),  # harp
    _Player(program=0, lowest=21, highest=108),  # piano
)
_ENSEMBLES = (  # programs from the uppermost part to the lowest
    (52, 52, 52, 52),  # choir
    (48, 48, 48, 48),  # string ensemble
    (19, 19, 19, 19),  # church organ
    (40, 40, 41, 42),  # violins, viola, cello
    (56, 60, 57, 58),  # trumpet, horn, trombone, tuba
    (73, 68, 71, 70),  # flute, oboe, clarinet, bassoon
    (0, 0, 0, 0),  # piano
)


def arrange(score: Score) -> Score:
    """The score with tempo, instruments and dynamics filled in where it has none.

    The tempo counts as not given when it is 120 bpm throughout; the instruments when all is for piano or voices and no
    part plays chords (instruments may play voices, as was the custom); the dynamics when nearly all velocities are
    equal. A score that has all three is returned unchanged.
    """
    notes = score.notes
    if len(notes) == 0:
        return score
    number = int.from_bytes(hashlib.blake2b(notes.tobytes(), digest_size=8).digest(), "little")
    parts = _parts_from_above(notes)
    is_melodic = not (notes["program"] == DRUMS).any()
    in_lines = is_melodic and _plays_lines(notes)
    if in_lines and len(score.tempos) == 1 and score.tempos[0].bpm == DEFAULT_TEMPO_BPM:
        score = replace(score, tempos=(Tempo(tick=0, bpm=_usual_bpm(score, len(parts), number)),))
    usual_velocity = int(np.bincount(notes["velocity"]).argmax())
    is_flat = np.count_nonzero(notes["velocity"] == usual_velocity) >= FLAT_SHARE * len(notes)
    velocities = _velocities(score, parts, usual_velocity) if is_flat else notes["velocity"]
    programs = notes["program"]
    if in_lines and np.isin(programs, VOICES).all():
        programs = _programs(notes, parts, number)
    notes = notes.copy()
    notes["velocity"], notes["program"] = velocities, programs
    return replace(score, notes=tidy(notes))


def _parts_from_above(notes: NoteArray) -> list[int]:
    """Numbers of the parts, that of the highest mean pitch first."""
    parts = np.unique(notes["part"])
    return [int(p) for p in sorted(parts, key=lambda part: -notes["pitch"][notes["part"] == part].mean())]


def _plays_lines(notes: NoteArray) -> bool:
    """Whether the parts, with few exceptions, begin one note at a time."""
    moments = notes["onset"].astype(np.int64) * 256 + notes["part"]
    return len(notes) - len(np.unique(moments)) <= MAX_CHORD_SHARE * len(notes)


def _usual_bpm(score: Score, num_parts: int, number: int) -> float:
    meter = str(score.meters[0])
    usual = TUNE_BPM.get(meter, OTHER_BPM["tune"]) if num_parts == 1 else PARTS_BPM.get(meter, OTHER_BPM["parts"])
    dance = next((bpm for word, bpm in TITLE_BPM.items() if word in score.title.lower()), None)
    if dance is not None:
        usual = dance / 2 if meter == "2/4" else dance
    return float(round(usual * (1.0 + TEMPO_SPREAD * ((number >> 8) % 201 - 100) / 100)))


def _programs(notes: NoteArray, parts: list[int], number: int) -> npt.NDArray[np.uint8]:
    """Program of each note: one player's for a melody, an ensemble's for parts: uint8 [N]."""
    programs = np.zeros(len(notes), dtype=np.uint8)
    if len(parts) == 1:
        low, high = int(notes["pitch"].min()), int(notes["pitch"].max())
        able = [player for player in _SOLOISTS if player.lowest <= low and high <= player.highest]
        programs[:] = able[number % len(able)].program if able else DEFAULT_PROGRAM
        return programs
    ensemble = _ENSEMBLES[number % len(_ENSEMBLES)]
    for rank, part in enumerate(parts):
        programs[notes["part"] == part] = ensemble[round(rank * (len(ensemble) - 1) / (len(parts) - 1))]
    return programs


def _velocities(score: Score, parts: list[int], usual_velocity: int) -> npt.NDArray[np.uint8]:
    """Velocity of each note from where it stands in its bar, how high it is, its part, and its accent: uint8 [N]."""
    notes = score.notes
    barlines = bar_starts(score.meters, score.end_tick)
    bar = np.searchsorted(barlines, notes["onset"], side="right") - 1
    in_bar = notes["onset"] - barlines[bar]
    meter_index = np.searchsorted([meter.tick for meter in score.meters], notes["onset"], side="right") - 1
    beats = np.array([_beat_ticks(meter) for meter in score.meters])[np.maximum(meter_index, 0)]
    halves = np.where(beats % (TICKS_PER_QUARTER * 3 // 2) == 0, beats // 3, beats // 2)
    level = np.select([in_bar == 0, in_bar % beats == 0, in_bar % halves == 0], [0, 1, 2], 3)
    velocity = np.array(ACCENTS)[level] + notes["velocity"].astype(np.float64) - usual_velocity
    is_drum = notes["program"] == DRUMS
    for part in parts:
        own = (notes["part"] == part) & ~is_drum
        pitches = notes["pitch"][own].astype(np.float64)
        if len(pitches):
            velocity[own] += (pitches - pitches.mean()) * VELOCITY_PER_OCTAVE / 12
            velocity[own] += 0 if part == parts[0] else INNER_VELOCITY
    rounded: npt.NDArray[np.uint8] = np.clip(np.round(velocity), 1, 127).astype(np.uint8)
    return rounded


def _beat_ticks(meter: Meter) -> int:
    """Length of a beat: three of the denominator in 6/8, 9/8, 12/8, else one."""
    unit = max(2, 4 * TICKS_PER_QUARTER // meter.denominator)
    return 3 * unit if meter.denominator >= 8 and meter.numerator > 3 and meter.numerator % 3 == 0 else unit
