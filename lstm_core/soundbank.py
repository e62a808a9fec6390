"""What a SoundFont file holds: which recorded sample a program plays for a pitch and a velocity, and how.

The format is the SoundFont Technical Specification 2.04 (E-mu Systems / Creative, 2006); section numbers below are
its. Version 3 files (MuseScore) differ in that each sample is an Ogg Vorbis stream.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from lstm_core.errors import SoundFontError
from lstm_core.notes import DRUMS

NUM_GENERATORS = 61
# Generators by number, section 8.1.2
START, END, LOOP_START, LOOP_END, START_COARSE = 0, 1, 2, 3, 4
MOD_LFO_TO_PITCH, VIB_LFO_TO_PITCH, MOD_ENV_TO_PITCH, FILTER_CUTOFF, FILTER_Q = 5, 6, 7, 8, 9
MOD_LFO_TO_CUTOFF, MOD_ENV_TO_CUTOFF, END_COARSE, MOD_LFO_TO_VOLUME, PAN = 10, 11, 12, 13, 17
MOD_LFO_DELAY, MOD_LFO_RATE, VIB_LFO_DELAY, VIB_LFO_RATE = 21, 22, 23, 24
MOD_DELAY, MOD_ATTACK, MOD_HOLD, MOD_DECAY, MOD_SUSTAIN, MOD_RELEASE, KEY_TO_MOD_HOLD, KEY_TO_MOD_DECAY = range(25, 33)
VOL_DELAY, VOL_ATTACK, VOL_HOLD, VOL_DECAY, VOL_SUSTAIN, VOL_RELEASE, KEY_TO_VOL_HOLD, KEY_TO_VOL_DECAY = range(33, 41)
INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, LOOP_START_COARSE, KEY, VELOCITY, ATTENUATION = 41, 43, 44, 45, 46, 47, 48
LOOP_END_COARSE, COARSE_TUNE, FINE_TUNE, SAMPLE, SAMPLE_MODES, SCALE_TUNING = 50, 51, 52, 53, 54, 56
EXCLUSIVE_CLASS, ROOT_KEY = 57, 58

_PRESET_HEAD = np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "<u4", 3)])
_INSTRUMENT_HEAD = np.dtype([("name", "S20"), ("bag", "<u2")])
_BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
_GENERATOR = np.dtype([("number", "<u2"), ("amount", "<i2")])
_SAMPLE_HEAD = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("pitch", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("kind", "<u2"),
    ]
)
_TABLES = {
    b"phdr": _PRESET_HEAD,
    b"pbag": _BAG,
    b"pgen": _GENERATOR,
    b"inst": _INSTRUMENT_HEAD,
    b"ibag": _BAG,
    b"igen": _GENERATOR,
    b"shdr": _SAMPLE_HEAD,
}
_ROM_SAMPLE = 0x8000
_VORBIS_SAMPLE = 0x10
_MIN_LOOP_FRAMES = 2048  # shorter loops are unrolled to this, so that the renderer seldom has to turn round
PAD_FRAMES = 4  # of silence or loop on either side, for the interpolation

# Generators that a preset may not offset, section 8.5
_INSTRUMENT_ONLY = (
    *(START, END, LOOP_START, LOOP_END, START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE),
    *(KEY, VELOCITY, SAMPLE_MODES, EXCLUSIVE_CLASS, ROOT_KEY, SAMPLE, INSTRUMENT, KEY_RANGE, VELOCITY_RANGE),
)


def _default_generators() -> npt.NDArray[np.int32]:
    generators = np.zeros(NUM_GENERATORS, dtype=np.int32)
    generators[FILTER_CUTOFF] = 13500
    for number in (MOD_LFO_DELAY, VIB_LFO_DELAY, *range(MOD_DELAY, MOD_DECAY + 1), MOD_RELEASE):
        generators[number] = -12000
    for number in (*range(VOL_DELAY, VOL_DECAY + 1), VOL_RELEASE):
        generators[number] = -12000
    generators[[KEY, VELOCITY, ROOT_KEY]] = -1
    generators[SCALE_TUNING] = 100
    return generators


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One sample, ready to be read by an interpolator."""

    samples: npt.NDArray[np.float32]  # full scale is 1; frame 0 stands at index PAD_FRAMES, padded at both ends
    num_frames: int  # where an unlooped note ends
    loop_start: int  # frame; -1 without a loop
    loop_end: int  # frame that sounds as loop_start again; num_frames without a loop
    sample_rate: int
    pitch: int  # MIDI number at which it sounds when played as recorded
    correction_cents: int


@dataclass(frozen=True, kw_only=True)
class Region:
    """What one sample does for one rectangle of pitches and velocities of a preset."""

    low_pitch: int
    high_pitch: int
    low_velocity: int
    high_velocity: int
    generators: npt.NDArray[np.int32]  # [NUM_GENERATORS], instrument and preset added up

    def amounts(self, pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Generators as each of N notes hears them: float64 [NUM_GENERATORS, N]."""
        return np.repeat(self.generators[:, None].astype(np.float64), len(pitch), axis=1)

    def is_velocity_heard(self) -> bool:
        """Whether velocity changes more than the level."""
        return False

    def extra_attenuation(
        self, pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Centibels that velocity takes off each of N notes: float64 [N]. The default modulator of section 8.4.1."""
        return 400 * np.log10(127 / np.maximum(velocity, 1))


class SoundBank:
    """The presets and samples of one SoundFont file. Samples are read when first played."""

    def __init__(self, path: Path) -> None:
        self.path = path
        chunks = _read_chunks(path)
        self._version = chunks.version
        self._pool = chunks.pool
        self._tables = chunks.tables
        presets = self._tables[b"phdr"]
        self._presets = {(int(p["bank"]), int(p["program"])): i for i, p in reversed(list(enumerate(presets[:-1])))}
        self._regions: dict[int, list[Region]] = {}
        self._recordings: dict[tuple[int, ...], Recording] = {}
        if not self._presets:
            raise SoundFontError(f"{path} holds no presets: use another SoundFont")

    def regions(self, program: int) -> list[Region]:
        """Regions of a General MIDI program or of DRUMS; of the nearest program the file has if it lacks that one.

        Nearest means: the same family of eight, then the first melodic one. An empty list for DRUMS without a kit.
        """
        index = self._preset_of(program)
        if index is None:
            return []
        if index not in self._regions:
            try:
                self._regions[index] = self._read_preset(index)
            except IndexError as error:
                raise SoundFontError(f"{self.path} is damaged: its preset {index} points outside its tables") from error
        return self._regions[index]

    def recording(self, region: Region) -> Recording:
        """The sample of a region with its loop unrolled."""
        g = region.generators
        offsets = (
            int(g[START]) + 32768 * int(g[START_COARSE]),
            int(g[END]) + 32768 * int(g[END_COARSE]),
            int(g[LOOP_START]) + 32768 * int(g[LOOP_START_COARSE]),
            int(g[LOOP_END]) + 32768 * int(g[LOOP_END_COARSE]),
        )
        key = (int(g[SAMPLE]), int(g[SAMPLE_MODES]) & 1, *offsets)
        if key not in self._recordings:
            self._recordings[key] = self._read_recording(*key)
        return self._recordings[key]

    def _preset_of(self, program: int) -> int | None:
        if program == DRUMS:
            kits = sorted(p for b, p in self._presets if b == 128)
            return self._presets[(128, kits[0])] if kits else None
        if (0, program) in self._presets:
            return self._presets[(0, program)]
        melodic = sorted((b, p) for b, p in self._presets if b != 128)
        family = [key for key in melodic if key[1] // 8 == program // 8]
        return self._presets[(family or melodic)[0]] if melodic else None

    def _read_preset(self, index: int) -> list[Region]:
        regions: list[Region] = []
        for zone in self._zones(index, b"phdr", b"pbag", b"pgen", INSTRUMENT, np.zeros(NUM_GENERATORS, dtype=np.int32)):
            preset = zone.generators.copy()
            preset[list(_INSTRUMENT_ONLY)] = 0
            instrument = int(zone.generators[INSTRUMENT])
            for inner in self._zones(instrument, b"inst", b"ibag", b"igen", SAMPLE, _default_generators()):
                head = self._tables[b"shdr"][int(inner.generators[SAMPLE])]
                region = Region(
                    low_pitch=max(zone.low_pitch, inner.low_pitch),
                    high_pitch=min(zone.high_pitch, inner.high_pitch),
                    low_velocity=max(zone.low_velocity, inner.low_velocity),
                    high_velocity=min(zone.high_velocity, inner.high_velocity),
                    generators=inner.generators + preset,
                )
                if region.low_pitch <= region.high_pitch and not int(head["kind"]) & _ROM_SAMPLE:
                    regions.append(region)
        return regions

    def _zones(
        self, index: int, heads: bytes, bags: bytes, lists: bytes, last: int, base: npt.NDArray[np.int32]
    ) -> list[Region]:
        """Zones of one preset or instrument that end in generator `last`, the global zone laid under each."""
        head, bag, table = self._tables[heads], self._tables[bags], self._tables[lists]
        zones: list[Region] = []
        for number in range(int(head[index]["bag"]), int(head[index + 1]["bag"])):
            generators, ranges = base.copy(), [0, 127, 0, 127]
            is_complete = False
            for row in table[int(bag[number]["generator"]) : int(bag[number + 1]["generator"])]:
                kind, amount = int(row["number"]), int(row["amount"])
                if kind in (KEY_RANGE, VELOCITY_RANGE):
                    at = 0 if kind == KEY_RANGE else 2
                    ranges[at : at + 2] = [amount & 0xFF, (amount >> 8) & 0xFF]
                elif kind < NUM_GENERATORS:
                    generators[kind] = amount & 0xFFFF if kind == last else amount
                is_complete = is_complete or kind == last
            zone = Region(
                low_pitch=ranges[0],
                high_pitch=ranges[1],
                low_velocity=ranges[2],
                high_velocity=ranges[3],
                generators=generators,
            )
            if is_complete:
                zones.append(zone)
            elif number == int(head[index]["bag"]):
                base = generators
        return zones

    def _read_recording(
        self, number: int, is_looped: int, start_offset: int, end_offset: int, loop_start: int, loop_end: int
    ) -> Recording:
        head = self._tables[b"shdr"][number]
        first, end = int(head["start"]), int(head["end"])
        if int(head["kind"]) & _VORBIS_SAMPLE or self._version == 3:
            frames = self._read_vorbis(bytes(self._pool[first:end]))[max(start_offset, 0) :]
            loop_start += int(head["loop_start"]) - max(start_offset, 0)
            loop_end += int(head["loop_end"]) - max(start_offset, 0)
        else:
            at = min(max(first + start_offset, 0), len(self._pool))
            frames = self._pool[at : max(at, end + end_offset)].astype(np.float32) / np.float32(32768)
            loop_start += int(head["loop_start"]) - at
            loop_end += int(head["loop_end"]) - at
        loop_end = min(loop_end, len(frames))
        if not is_looped or loop_start < 0 or loop_end - loop_start < 2:
            samples = np.pad(frames, PAD_FRAMES)
            loop_start, loop_end = -1, len(frames)
        else:
            period = frames[loop_start:loop_end]
            turns = -(-_MIN_LOOP_FRAMES // len(period))
            loop_end = loop_start + turns * len(period)
            ahead = np.tile(period, 1 + -(-PAD_FRAMES // len(period)))[:PAD_FRAMES]
            samples = np.concatenate([np.zeros(PAD_FRAMES), frames[:loop_start], *[period] * turns, ahead])
        return Recording(
            samples=samples.astype(np.float32),
            num_frames=len(frames),
            loop_start=loop_start,
            loop_end=loop_end,
            sample_rate=max(int(head["rate"]), 400),
            pitch=int(head["pitch"]) if head["pitch"] <= 127 else 60,
            correction_cents=int(head["correction"]),
        )

    def _read_vorbis(self, data: bytes) -> npt.NDArray[np.float32]:
        try:
            frames, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, TypeError) as error:
            raise SoundFontError(f"{self.path} is damaged: one of its Ogg Vorbis samples does not decode") from error
        return np.ascontiguousarray(frames[:, 0])


@lru_cache(maxsize=2)
def load_soundbank(path: Path, sha256: str) -> SoundBank:
    """The bank of a SoundFont file, kept for the next track of this process; `sha256` tells versions apart."""
    return SoundBank(path)


@dataclass(frozen=True)
class _Chunks:
    version: int
    pool: npt.NDArray[np.int16] | npt.NDArray[np.uint8]  # all samples: int16 frames, or bytes in version 3
    tables: dict[bytes, npt.NDArray[np.void]]


def _read_chunks(path: Path) -> _Chunks:
    """The RIFF chunks that we use; samples stay in the file, mapped."""
    file = np.memmap(path, dtype=np.uint8, mode="r")
    found: dict[bytes, npt.NDArray[np.uint8]] = {}
    at = 12
    while at + 12 <= len(file):
        size = int.from_bytes(file[at + 4 : at + 8].tobytes(), "little")
        if file[at : at + 4].tobytes() == b"LIST":
            inner, stop = at + 12, min(at + 8 + size, len(file))
            while inner + 8 <= stop:
                inner_size = int.from_bytes(file[inner + 4 : inner + 8].tobytes(), "little")
                found[file[inner : inner + 4].tobytes()] = file[inner + 8 : min(inner + 8 + inner_size, stop)]
                inner += 8 + inner_size + inner_size % 2
        at += 8 + size + size % 2
    missing = [name.decode() for name in (b"smpl", *_TABLES) if name not in found]
    if missing:
        raise SoundFontError(f"{path} is damaged: it lacks {', '.join(missing)}")
    tables = {
        name: np.frombuffer(found[name][: len(found[name]) // dtype.itemsize * dtype.itemsize].tobytes(), dtype=dtype)
        for name, dtype in _TABLES.items()
    }
    version = int.from_bytes(found[b"ifil"][:2].tobytes(), "little") if b"ifil" in found else 2
    pool = found[b"smpl"]
    if version == 3:
        return _Chunks(version, pool, tables)
    return _Chunks(version, pool[: len(pool) // 2 * 2].view(np.int16), tables)
