"""One row of bars of a picture: where its lanes lie, and what a picture of a track has beside the analysis."""

from __future__ import annotations

from dataclasses import dataclass, field

from lstm_core.analysis.grid import Bools
from lstm_core.analysis.piece import Analysis
from lstm_core.analysis.roles import DRUM
from lstm_core.notes.score import Score, Tempo

ROLE_COLOURS = ("#d7263d", "#f08c00", "#7fb2e5", "#3a9d5d", "#5b3a8c", "#6b6b6b")  # in the order of ROLES
SECTION_COLOURS = ("#e8eef7", "#f7eee3", "#e9f4ea", "#f5e9f2", "#f3f3df", "#e6f3f3")  # one for each letter, in turn
PAPER, INK, LINE, ENERGY_COLOUR = "#ffffff", "#262b36", "#aab0bd", "#f2b366"
REFERENCE = "#6b7284"  # what a bar repeats, and its number
MARK, CHANGED = "#b0126b", "#0f8f8c"  # lines at marks and of tempos; numbers of bars that were made again
BARS_PER_SYSTEM = 16
SYSTEM_HEIGHT = 300  # without the lanes that not all pictures have
MARGIN, LEGEND = 8, 22
SECTION, CHORD, DRUMS, ENERGY, NUMBER = 20, 18, 20, 26, 16  # heights of the lanes of a system, in pixels
TITLE, PLAYER, TEMPO = 20, 15, 40  # of lanes that not all pictures have; PLAYER of each player
_GAP = 8  # below a system


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A place that is named in a picture, such as a hit or another key."""

    tick: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Player:
    """Who plays a part, and where."""

    name: str
    role: int
    bars: frozenset[int]  # in which it sounds


@dataclass(frozen=True, kw_only=True, eq=False)
class Roll:
    """Some of the notes, drawn for themselves."""

    title: str = ""
    is_shown: Bools | None = None  # [N]; None: all


@dataclass(frozen=True, kw_only=True, eq=False)
class Extras:
    """What a picture of a track shows beside the analysis."""

    marks: tuple[Mark, ...] = ()
    tempos: tuple[Tempo, ...] = ()  # where there is more than one
    players: tuple[Player, ...] = ()
    rolls: tuple[Roll, ...] = field(default_factory=lambda: (Roll(),))  # the bars once for each, such as a layer
    changed: frozenset[int] = frozenset()  # bars in which something was made again while the rest stayed
    stays: Bools | None = None  # which notes stayed: [N]; None: no track was there before

    @property
    def system_height(self) -> int:
        """Pixels of a system with all its lanes."""
        title = TITLE if any(roll.title for roll in self.rolls) else 0
        return SYSTEM_HEIGHT + title + PLAYER * len(self.players) + (TEMPO if self.tempos else 0)


@dataclass(frozen=True, kw_only=True)
class System:
    """One row of bars: where its lanes, ticks and pitches lie."""

    first_bar: int
    last_bar: int  # not included
    start: int  # ticks
    stop: int
    pixels_a_tick: float
    top: int  # of the sections
    roll_top: int
    roll_bottom: int
    players_top: int  # below the drums
    tempo_top: int
    energy_bottom: int
    bottom: int  # of the numbers of bars
    low_pitch: int
    high_pitch: int

    def x(self, tick: float) -> float:
        return MARGIN + (tick - self.start) * self.pixels_a_tick

    def y(self, pitch: float) -> float:
        rows = self.high_pitch - self.low_pitch + 1
        return self.roll_bottom - (pitch - self.low_pitch) * (self.roll_bottom - self.roll_top) / rows


def layout(score: Score, analysis: Analysis, extras: Extras, number: int, width: int) -> System:
    """The system of this number, from the top of the picture."""
    num_bars = len(analysis.barlines) - 1
    row = number % num_systems(analysis)
    first, last = row * BARS_PER_SYSTEM, min((row + 1) * BARS_PER_SYSTEM, num_bars)
    longest = max(
        int(analysis.barlines[min(bar + BARS_PER_SYSTEM, num_bars)] - analysis.barlines[bar])
        for bar in range(0, num_bars, BARS_PER_SYSTEM)
    )
    pitches = score.notes["pitch"][analysis.note_role != DRUM]
    top = number * extras.system_height + 4 + (TITLE if any(roll.title for roll in extras.rolls) else 0)
    bottom = (number + 1) * extras.system_height - _GAP
    tempo_top = bottom - NUMBER - ENERGY - (TEMPO if extras.tempos else 0)
    players_top = tempo_top - PLAYER * len(extras.players)
    return System(
        first_bar=first,
        last_bar=last,
        start=int(analysis.barlines[first]),
        stop=int(analysis.barlines[last]),
        pixels_a_tick=(width - 2 * MARGIN) / longest,
        top=top,
        roll_top=top + SECTION + CHORD,
        roll_bottom=players_top - DRUMS,
        players_top=players_top,
        tempo_top=tempo_top,
        energy_bottom=bottom - NUMBER,
        bottom=bottom,
        low_pitch=int(pitches.min()) - 1 if len(pitches) else 48,
        high_pitch=int(pitches.max()) + 1 if len(pitches) else 72,
    )


def num_systems(analysis: Analysis) -> int:
    """Rows that the bars take."""
    return -(-(len(analysis.barlines) - 1) // BARS_PER_SYSTEM)


def paler(colour: str, share: float) -> str:
    """A colour of which so much is left, the rest being paper."""
    mixed = (round(255 + (value - 255) * share) for value in bytes.fromhex(colour[1:]))
    return "#" + bytes(mixed).hex()
