"""What a customer requests of one track."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from lstm_core.foundation.errors import OrderError
from lstm_core.foundation.plain import PlainReader, UnknownKeyError
from lstm_core.notes.instruments import parse_instrument
from lstm_core.notes.keys import SCALES, has_mode, key_in_scale, parse_key
from lstm_core.notes.score import Meter
from lstm_core.orders.changes.keys import KEY_FIELDS, check_keys
from lstm_core.orders.changes.meters import METER_FIELDS, check_meters, read_meter
from lstm_core.orders.energy_curve import parse_energy
from lstm_core.orders.form_text import check_form, parse_form
from lstm_core.orders.section_fields import (
    check_sections,
    fold_fields,
    section_chords,
    section_ensembles,
    section_roles,
)
from lstm_core.orders.sources.asked import SOURCE_FIELDS, SPELLED, check_source
from lstm_core.orders.timing.bridge import BRIDGE_FIELDS, check_bridge
from lstm_core.orders.timing.checks import TIMING_FIELDS, check_time
from lstm_core.orders.timing.cue import check_cue
from lstm_core.sound.audio import AudioError
from lstm_core.sound.output_formats import output_format

MAX_DURATION_S = 3600.0
MIN_BPM, MAX_BPM = 30.0, 300.0
MIN_LUFS, MAX_LUFS = -40.0, -8.0
MAX_INSTRUMENTS = 32  # players in an order
MAX_INTRO_BARS = 999  # before a loop
FEWEST_LAYERS, MOST_LAYERS = 2, 5
MAX_LAYERED_S = 300.0  # of a track with layers: the stems of all of them are there at once
FREE_KEY = "free"  # value of `key`: no scale is enforced


@dataclass(frozen=True, kw_only=True)
class TrackOrder:
    """One row of an order. Everything has a default; the seed comes from the order as a whole.

    Raises:
        OrderError: a value is impossible in itself; the message names the field.
    """

    name: str = ""
    style: str = ""  # "": not given
    key: str = ""  # "": drawn from the seed; "free": whatever the model plays
    scale: str = ""  # "": that of the key's mode; or one of keys.SCALES
    key_changes: str = ""  # keys from sections on, "B: D; C: +2" semitones from the track's; "": one key
    duration_s: float = 60.0  # 0: as long as its melody
    bpm: float = 0.0  # 0: drawn from the seed
    exact_tempo: bool = False  # False: the tempo may move by TEMPO_TOLERANCE so that whole bars fill the length
    tempo_changes: str = ""  # tempos from sections on, "B: 140; C: 100"; "": one tempo
    hits: str = ""  # seconds at which sections begin, "12.5 31.0", or a cut list to be read; "": wherever it suits
    hits_fps: str = ""  # frames per second of the cut list, where it does not say; "" once it is read
    rit: float = 0.0  # share of the tempo that is lost by the last chord; 0: none
    fermata: bool = False  # the last chord is held twice as long
    meter: str = "4/4"  # "": that of its melody
    meter_changes: str = ""  # meters from sections on, "B: 3/4; C: 4/4"; "": one meter
    instruments: tuple[str, ...] = ()  # families, programs or drums, "strings*3" for three; each will sound; (): drawn
    density: float = 0.0  # notes per quarter; 0: not given
    polyphony: int = 24  # melodic notes that sound together at most
    pitch_low: int = 21  # MIDI numbers of the lowest and highest melodic note
    pitch_high: int = 108
    form: str = ""  # "intro A A' B A outro", with bars "A:8 B:8"; "stinger", "fanfare"; "": drawn
    variation: float | None = None  # how much A' differs from A, 0..1; None: drawn
    chords: str = ""  # "Am F C G", or by sections "A: Am F; B: C G"; one outside the scale is played; "": drawn
    energy: str = ""  # "0.5", a curve over the track "0.2 0.5 1", or rise, fall, arc; "": drawn
    ensemble: str = ""  # "strings*3, bass", or by sections "A: piano; B: piano, bass"; "": instruments throughout
    roles: str = ""  # that sound: "harmony, bass", "no melody", or by sections; "": drawn
    loop: bool = False
    loop_start: int = 0  # bars of an intro that is played once, before the loop; 0: the whole track goes round
    bridge: str = ""  # rows above, or ids of tracks, that it leads from and to, "forest > cave"; they decide key, tempo
    bridge_bars: int = 2  # of a bridge
    bridge_bpm: float = 0.0  # that it leads to; filled when an order is read
    bridge_at: str = ""  # bars from 1 on at which one between layers fits, "1, 5"; filled when an order is read
    transitions: bool = False  # make what leads between the tracks of its group as well, and between its layers
    primer: str = ""  # URI of a MIDI file that the track continues; in an order file relative to it
    primer_sha256: str = ""  # of the primer's bytes, filled when an order is read: a changed primer is another track
    melody: str = ""  # URI of a file with a tune that the track accompanies; as that of a primer
    melody_sha256: str = ""  # of its bytes, as that of a primer
    melody_notes: str = ""  # fingerprint of what was found in it where it is a recording, filled when an order is read
    from_track: str = ""  # id of the track that this one starts from, `from` in an order; "": none
    catalogue: str = ""  # folder or URI of the catalogue that holds it; "": the one that is made
    bars: str = ""  # of it that are made again, from 1 on, "9-16, 17"; "": all
    parts: tuple[str, ...] = ()  # of it that are made again, by role or instrument; (): all
    vary: float | None = None  # how far from it, 0..1; None: see bars and parts
    from_notes: str = ""  # fingerprint of its notes, filled when an order is read
    from_seed: int = 0  # by which its key, tempo and style were drawn, filled when an order is read
    between: str = ""  # ids of two tracks of a catalogue that it leads from and to, "ID_A > ID_B"; "": none
    steps: int = 0  # tracks from the one to the other, with both; 0: 5
    step: int = 0  # which of them this is, from 1 on; filled when an order is read
    between_notes: str = ""  # fingerprints of the notes of both, filled when an order is read
    temperature: float = 1.0
    top_p: float = 0.95
    loudness_lufs: float = -16.0
    sample_rate: int = 44100
    format: str = "flac"
    bit_depth: int = 16
    reverb: str = "studio"
    stems: bool = False  # deliver the stems as well
    layers: int = 0  # files of rising intensity that a game fades between, the last one with all parts; 0: none
    seed: int = 0

    def __post_init__(self) -> None:
        if self.duration_s or not self.melody:
            _check_range("duration_s", self.duration_s, 0.1, MAX_DURATION_S, "s")
        if self.bpm:
            _check_range("bpm", self.bpm, MIN_BPM, MAX_BPM, "quarters per minute")
        _check_range("density", self.density, 0.0, 64.0, "notes per quarter")
        _check_range("polyphony", self.polyphony, 1, 32, "notes")
        _check_range("pitch_low", self.pitch_low, 0, 127, "(MIDI number)")
        _check_range("pitch_high", self.pitch_high, 0, 127, "(MIDI number)")
        _check_range("temperature", self.temperature, 0.05, 3.0, "")
        _check_range("top_p", self.top_p, 0.05, 1.0, "")
        _check_range("loudness_lufs", self.loudness_lufs, MIN_LUFS, MAX_LUFS, "LUFS")
        _check_range("loop_start", self.loop_start, 0, MAX_INTRO_BARS, "bars")
        _check_range("seed", self.seed, 0, 2**63 - 1, "")
        self._check_layers()
        if self.pitch_low > self.pitch_high:
            raise OrderError(f"pitch_low is {self.pitch_low}, above pitch_high, which is {self.pitch_high}.")
        if self.sample_rate not in (44100, 48000):
            raise OrderError(f"sample_rate is {self.sample_rate}, it must be 44100 or 48000.")
        try:
            output_format(self.format, self.bit_depth)
            self._check_key()
            num_players = sum(parse_instrument(name)[1] for name in self.instruments)
            self._check_music()
            check_cue(self)
            check_bridge(self)
            check_time(self, slowest=MIN_BPM, fastest=MAX_BPM)
            check_keys(self, FREE_KEY)
            check_meters(self)
            check_source(self)
        except (AudioError, ValueError) as error:
            raise OrderError(str(error)) from error
        if self.exact_tempo and not self.bpm:
            raise OrderError("exact_tempo is true, but no bpm is given that could be kept exactly.")
        if self.reverb not in REVERBS:
            raise OrderError(f'reverb is "{self.reverb}", it must be one of {", ".join(REVERBS)}.')
        if self.meter or not self.melody:
            parse_meter(self.meter)
        if num_players > MAX_INSTRUMENTS:
            raise OrderError(f"instruments holds {num_players} names, at most {MAX_INSTRUMENTS} are played.")

    def _check_layers(self) -> None:
        if not self.layers:
            return
        _check_range("layers", self.layers, FEWEST_LAYERS, MOST_LAYERS, "files, or left out")
        if self.duration_s > MAX_LAYERED_S:
            raise OrderError(
                f"layers is {self.layers} and duration_s {self.duration_s:g}: layers are made of tracks of up to "
                f"{MAX_LAYERED_S:g} s. Request a shorter track, such as a loop, or leave layers out."
            )

    @property
    def plan_seed(self) -> int:
        """By which key, tempo and style are drawn that are not given: the seed, or that of the track it starts from."""
        return self.from_seed if self.from_track or self.between_notes else self.seed

    def _check_key(self) -> None:
        if self.scale and self.scale not in SCALES:
            raise OrderError(f'scale is "{self.scale}", it must be one of {", ".join(SCALES)}.')
        if self.key == FREE_KEY:
            if self.scale:
                raise OrderError(f'scale is "{self.scale}", but key is "{FREE_KEY}": a scale needs a tonic.')
        elif self.key:
            key = parse_key(self.key)
            if has_mode(self.key) and key_in_scale(key, self.scale) != key:
                raise OrderError(
                    f'scale "{self.scale}" does not go with the key "{self.key}". Leave "major" or "minor" out of key.'
                )

    def _check_music(self) -> None:
        """Raises ValueError for a form, chords, energy, ensembles or roles that are malformed or do not go together."""
        sections = parse_form(self.form) if self.form else ()
        if sections:
            check_form(sections, is_loop=self.loop, loop_start=self.loop_start)
        if self.loop_start and not self.loop:
            raise OrderError(
                f"loop_start is {self.loop_start}, but loop is false: nothing goes round. Set loop = true, or leave "
                "loop_start out."
            )
        if self.variation is not None:
            _check_range("variation", self.variation, 0.0, 1.0, "")
        if self.energy:
            parse_energy(self.energy)
        ensembles, roles = section_ensembles(self.ensemble), section_roles(self.roles)
        check_sections("chords", tuple(section_chords(self.chords)), sections)
        check_sections("ensemble", tuple(ensembles), sections)
        check_sections("roles", tuple(roles), sections)
        if self.instruments and "" in ensembles:
            raise OrderError(
                "instruments and ensemble both name who plays the whole track. Leave one of them out, or give "
                "ensembles of sections, such as ensemble.A."
            )


REVERBS = ("none", "studio", "hall")
_DIGEST_NAMES = {"reverb": "room"}  # a renamed field keeps its first name in digests, so track ids stay
_MUSIC_FIELDS = ("form", "variation", "chords", "energy", "ensemble", "roles", "loop_start", "layers")
_LATER_FIELDS = {
    field.name: field.default
    for field in fields(TrackOrder)
    if field.name
    in (
        *_MUSIC_FIELDS,
        *TIMING_FIELDS,
        *BRIDGE_FIELDS,
        *SOURCE_FIELDS,
        *KEY_FIELDS,
        *METER_FIELDS,
        "melody",
        "melody_sha256",
        "melody_notes",
        "transitions",
    )
}  # and their defaults: a row that does not use them keeps its digest
FILLED_FIELDS = (
    "bridge_bpm",
    "bridge_at",
    "primer_sha256",
    "melody_sha256",
    "melody_notes",
    "from_notes",
    "from_seed",
    "between_notes",
)  # that reading fills, so no command offers them
_NEVER = object()


def order_from_fields(values: Mapping[str, Any]) -> TrackOrder:
    """An order row from plain values, of CSV, Parquet or JSON.

    Raises:
        OrderError: a field is unknown (the nearest right one is offered) or of the wrong type.
    """
    named = {name: key for key, name in SPELLED.items()}
    given = {named.get(name, name): value for name, value in values.items() if value is not None and value == value}
    if given.get("melody"):
        given = {"duration_s": 0.0, "meter": "", **given}
    try:
        return _SPELLED.read(TrackOrder, fold_fields(given))
    except UnknownKeyError as error:
        raise OrderError(f'An order has no field "{error.key}". {error.hint}') from error
    except ValueError as error:
        raise OrderError(str(error)) from error


def order_fields(order: TrackOrder) -> dict[str, Any]:
    """An order row as plain values that JSON and Arrow can hold.

    Fields that came after the first catalogues are left out where they are not given: the same row stays the same.
    """
    values = {**asdict(order), "instruments": list(order.instruments)}
    return {
        SPELLED.get(name, name): list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if _LATER_FIELDS.get(name, _NEVER) != value
    }


def order_digest(order: TrackOrder) -> str:
    """Hash of all fields of an order row but its name, and what is made beside it: equal rows have equal digests.

    A primer or a melody counts by its bytes, and tracks that it starts from by their ids and notes, wherever they are
    kept.
    """
    left_out = {"name", "catalogue", "transitions"} | ({"bridge_bars"} if not order.bridge else set())
    if order.primer_sha256:
        left_out.add("primer")
    if order.melody_sha256:
        left_out.add("melody")
    values = {
        _DIGEST_NAMES.get(name, name): value for name, value in order_fields(order).items() if name not in left_out
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def parse_meter(text: str) -> Meter:
    """The meter of a name such as "6/8"."""
    try:
        return read_meter(text)
    except ValueError as error:
        raise OrderError(str(error)) from error


def derived_seed(seed: int, attempt: int) -> int:
    """Seed of a further attempt at a track; attempt 0 is the order's own."""
    return seed if attempt == 0 else drawn_number("attempt", seed, attempt) >> 1


def with_seed(order: TrackOrder, seed: int) -> TrackOrder:
    """The same order row with another seed."""
    return replace(order, seed=seed)


def drawn_number(*parts: object) -> int:
    """A number of 64 bits that looks random and depends on the parts alone."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "big")


def _check_range(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise OrderError(f"{name} is {value:g}, it must be {low:g} to {high:g} {unit}".rstrip() + ".")


def _spelled_bool(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[value.lower()]
    if value not in (0, 1):
        raise ValueError
    return bool(value)


def _spelled_int(value: Any) -> int:
    if isinstance(value, bool) or float(value) != int(float(value)):
        raise ValueError
    return int(value)


def _spelled_names(value: Any) -> tuple[str, ...]:
    parts = re.split(r"[;,|]", value) if isinstance(value, str) else value
    return tuple(name for part in parts if (name := str(part).strip()))


_SPELLED = PlainReader(  # a CSV file holds text alone, and a column of Parquet with gaps floats for whole numbers
    {
        bool: (_spelled_bool, "true or false"),
        int: (_spelled_int, "a whole number"),
        float: (float, "a number"),
        str: (str, "text"),
        tuple[str, ...]: (_spelled_names, "a list of names"),
    }
)
