"""What a bridge needs to know of the tracks that it joins, as they are planned."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_core.notes.chord_symbols import QUALITIES, ChordSymbol
from lstm_core.notes.keys import KEY_NAMES
from lstm_core.notes.score import Meter
from lstm_core.orders.planned import PlannedTrack
from lstm_core.orders.section_fields import for_section, section_chords, split_sections
from lstm_core.orders.sections import sections_of
from lstm_core.orders.timing.slowing import RIT_BARS

_MINOR = frozenset(map(QUALITIES.index, ("min", "dim", "min7", "m7b5", "dim7")))


@dataclass(frozen=True, kw_only=True)
class BridgeEnd:
    """A track that a bridge leads from or to."""

    style: str
    key: int | None
    scale: str
    meter: Meter  # that it ends in
    first_meter: Meter
    meter_text: str  # as its order has it
    first_bpm: float
    last_bpm: float
    last_chord: str  # that it leaves with; "": none is known
    leads_to: int | None  # root and mode, as a key, of what it begins with; None: unknown
    players: tuple[tuple[str, ...], str]  # instruments and ensemble that it ends with
    first_players: tuple[tuple[str, ...], str]
    first_energy: float | None = None  # of its first bar and of its last one, 0 to 1; None: unknown
    last_energy: float | None = None


def planned_end(track: PlannedTrack) -> BridgeEnd:
    """What is known of a track before it is made."""
    order, plan = track.order, track.plan
    return BridgeEnd(
        style=order.style,
        key=plan.last_key,
        scale=order.scale,
        meter=plan.last_meter,
        first_meter=plan.meter,
        meter_text=str(plan.last_meter) if order.meter_changes else order.meter,
        first_bpm=plan.tempos[0].bpm if plan.tempos else plan.bpm,
        last_bpm=_last_tempo(track),
        last_chord=_last_chord(track),
        leads_to=plan.key,
        players=_players(track, -1),
        first_players=_players(track, 0),
    )


def tonic_symbol(key: int | None) -> str:
    """The chord of the tonic of a key; "" without one."""
    return "" if key is None else KEY_NAMES[key % 12] + ("m" if key >= 12 else "")


def key_of_chord(chord: ChordSymbol, key: int | None) -> int | None:
    """The key whose tonic a chord is or stands for; a chord without a third is of the mode of a key on its root."""
    if chord.root < 0:
        return key
    if key is not None and chord.root == key % 12:
        return key
    return chord.root + 12 * (chord.quality in _MINOR)


def _last_tempo(track: PlannedTrack) -> float:
    """The tempo of the end of a track, before a ritardando or a fermata slows it."""
    plan, order = track.plan, track.order
    bars = plan.num_bars if plan.final_bar is None else plan.final_bar
    end = plan.tick_of(max(bars - (RIT_BARS if order.rit else 0), 0))
    return next((tempo.bpm for tempo in reversed(plan.tempos) if tempo.tick < end), plan.bpm)


def _players(track: PlannedTrack, place: int) -> tuple[tuple[str, ...], str]:
    """Instruments and ensemble of the first section of a track, place 0, or of its last, -1, as of a whole track."""
    placed = sections_of(track.order, track.plan)
    texts = split_sections(track.order.ensemble)
    ensemble = (for_section(texts, placed[place].spec) if placed else texts.get("")) or ""
    return () if ensemble else track.order.instruments, ensemble


def _last_chord(track: PlannedTrack) -> str:
    """The chord that a track leaves with: the last one of a loop in one key, if given, else its tonic; "" without."""
    texts = section_chords(track.order.chords)
    placed = sections_of(track.order, track.plan)
    bars = for_section(texts, placed[-1].spec) if placed else texts.get("")
    num_bars = placed[-1].num_bars if placed else track.plan.num_bars
    if track.order.loop and bars and not track.plan.section_keys:
        symbol = bars[(num_bars - 1) % len(bars)][-1]
        if symbol.root >= 0:
            return symbol.name
    return tonic_symbol(track.plan.last_key)
