"""Which recorded sample a program plays for a pitch and a velocity, and how: the presets of one SoundFont."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from lstm_core.foundation.errors import SoundFontError
from lstm_core.notes.score import DRUMS
from lstm_core.sound import sfbk
from lstm_core.sound.modulators import DEFAULT_MODULATORS, Modulator, ModulatorKey, combined

PAD_FRAMES = 4  # of silence or loop at either end of a recording, for the interpolation
_MIN_LOOP_FRAMES = 2048  # shorter loops are unrolled to this, so that the renderer seldom has to jump back
_DRUM_BANK = 128
_ORCHESTRA_KIT = 48  # from here on the keys of a kit mean other things
_LAST_VARIATION_BANK = 16  # presets of higher banks may wait for a breath controller, and be silent without

# Generators that a preset may not offset, section 8.5
_INSTRUMENT_ONLY = (
    *(sfbk.START, sfbk.END, sfbk.LOOP_START, sfbk.LOOP_END),
    *(sfbk.START_COARSE, sfbk.END_COARSE, sfbk.LOOP_START_COARSE, sfbk.LOOP_END_COARSE),
    *(sfbk.KEY, sfbk.VELOCITY, sfbk.SAMPLE_MODES, sfbk.EXCLUSIVE_CLASS, sfbk.ROOT_KEY, sfbk.SAMPLE, sfbk.INSTRUMENT),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One sample, ready to be read by an interpolator."""

    samples: npt.NDArray[np.float32]  # full scale is 1; frame 0 stands at index PAD_FRAMES
    loop_start: int  # frame; -1 without a loop
    loop_end: int  # frame that sounds as loop_start again; without a loop the end
    sample_rate: int
    pitch: int  # MIDI number at which it sounds when played as recorded
    correction_cents: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """What one sample does for one rectangle of pitches and velocities of a preset."""

    pitches: tuple[int, int]  # lowest and highest
    velocities: tuple[int, int]
    generators: npt.NDArray[np.int32]  # [NUM_GENERATORS], instrument and preset added up
    modulators: tuple[Modulator, ...]

    def amounts(
        self, pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Generators of each of N notes, float64 [NUM_GENERATORS, N], and centibels that modulators take off, [N]."""
        amounts = np.repeat(self.generators[:, None].astype(np.float64), len(pitch), axis=1)
        taken_off = np.zeros(len(pitch))
        for modulator in self.modulators:
            if modulator.destination == sfbk.ATTENUATION:
                taken_off += modulator.output(pitch, velocity)
            elif modulator.destination < sfbk.NUM_GENERATORS:
                amounts[modulator.destination] += modulator.output(pitch, velocity)
        return amounts, taken_off

    def has_velocity_timbre(self) -> bool:
        """Whether velocity changes more than the level."""
        return any(m.depends_on_velocity() and m.destination != sfbk.ATTENUATION for m in self.modulators)


def which_play(
    regions: Sequence[Region], pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which of R regions each of N notes is played by: bool [R, N]."""
    bounds = np.array([(*region.pitches, *region.velocities) for region in regions], dtype=np.int64).reshape(-1, 4)
    low, high, soft, loud = bounds.T[..., None]  # [R, 1] each
    return np.asarray((pitch >= low) & (pitch <= high) & (velocity >= soft) & (velocity <= loud))


@dataclass(frozen=True)
class _Zone:
    pitches: tuple[int, int]
    velocities: tuple[int, int]
    generators: npt.NDArray[np.int32]
    modulators: dict[ModulatorKey, int]


class SoundBank:
    """The presets and samples of one SoundFont file. Samples are read when first played."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = sfbk.read_sfbk(path)
        presets = list(enumerate(self._file.tables["phdr"][:-1]))
        self._presets: dict[tuple[int, int], int] = {(int(p["bank"]), int(p["program"])): i for i, p in presets[::-1]}
        self._regions: dict[int, list[Region]] = {}
        self._recordings: dict[tuple[int, ...], Recording] = {}
        if not self._presets:
            raise SoundFontError(f"{path} holds no presets: use another SoundFont")

    def regions(self, program: int, variation: int = 0) -> list[Region]:
        """Regions of a General MIDI program or of DRUMS; of the nearest program the file has if it lacks that one.

        Nearest means: the same family of eight, then the first melodic one. Nothing for DRUMS without a kit.
        `variation` counts through all that the file has for the program, 0 being General MIDI's, and begins again
        after the last: presets of other banks (GS and XG keep their variations there), other kits.
        """
        variations = self._variations_of(program) if variation else []
        index = variations[variation % len(variations)] if variations else self._preset_of(program)
        if index is None:
            return []
        if index not in self._regions:
            try:
                self._regions[index] = self._read_preset(index)
            except IndexError as error:
                raise SoundFontError(f"{self.path} is damaged: preset {index} points outside its tables") from error
        return self._regions[index]

    def recording(self, region: Region) -> Recording:
        """The sample of a region, its loop unrolled."""
        g = region.generators
        offsets = (
            int(g[sfbk.START]) + 32768 * int(g[sfbk.START_COARSE]),
            int(g[sfbk.END]) + 32768 * int(g[sfbk.END_COARSE]),
            int(g[sfbk.LOOP_START]) + 32768 * int(g[sfbk.LOOP_START_COARSE]),
            int(g[sfbk.LOOP_END]) + 32768 * int(g[sfbk.LOOP_END_COARSE]),
        )
        key = (int(g[sfbk.SAMPLE]), int(g[sfbk.SAMPLE_MODES]) & 1, *offsets)
        if key not in self._recordings:
            self._recordings[key] = self._read_recording(*key)
        return self._recordings[key]

    def _preset_of(self, program: int) -> int | None:
        if program == DRUMS:
            return next((self._presets[key] for key in sorted(self._presets) if key[0] == _DRUM_BANK), None)
        if (0, program) in self._presets:
            return self._presets[(0, program)]
        melodic = sorted(key for key in self._presets if key[0] != _DRUM_BANK)
        nearest = [key for key in melodic if key[1] // 8 == program // 8] or melodic
        return self._presets[nearest[0]] if nearest else None

    def _variations_of(self, program: int) -> list[int]:
        """Presets for a program, that of bank 0 first; for DRUMS the kits whose keys stand as in the standard kit."""
        if program == DRUMS:
            keys = [key for key in sorted(self._presets) if key[0] == _DRUM_BANK and key[1] < _ORCHESTRA_KIT]
        else:
            keys = [key for key in sorted(self._presets) if key[1] == program and key[0] <= _LAST_VARIATION_BANK]
        return [self._presets[key] for key in keys]

    def _read_preset(self, index: int) -> list[Region]:
        regions: list[Region] = []
        nothing = np.zeros(sfbk.NUM_GENERATORS, dtype=np.int32)
        for outer in self._zones(index, "phdr", "p", sfbk.INSTRUMENT, nothing, {}):
            offsets = outer.generators.copy()
            offsets[list(_INSTRUMENT_ONLY)] = 0
            instrument = int(outer.generators[sfbk.INSTRUMENT])
            base = sfbk.default_generators()
            for inner in self._zones(instrument, "inst", "i", sfbk.SAMPLE, base, DEFAULT_MODULATORS):
                region = Region(
                    pitches=_overlap(outer.pitches, inner.pitches),
                    velocities=_overlap(outer.velocities, inner.velocities),
                    generators=inner.generators + offsets,
                    modulators=combined(inner.modulators, outer.modulators),
                )
                kind = int(self._file.tables["shdr"][int(inner.generators[sfbk.SAMPLE])]["kind"])
                if not kind & sfbk.ROM_SAMPLE:
                    regions.append(region)
        return regions

    def _zones(
        self,
        index: int,
        heads: str,
        level: str,
        last: int,
        generators: npt.NDArray[np.int32],
        modulators: dict[ModulatorKey, int],
    ) -> list[_Zone]:
        """Zones of one preset ("p") or instrument ("i") that end in generator `last`, the global zone under each."""
        tables = self._file.tables
        head, bag = tables[heads], tables[f"{level}bag"]
        ground = _Zone((0, 127), (0, 127), generators, modulators)
        zones: list[_Zone] = []
        first, stop = int(head[index]["bag"]), int(head[index + 1]["bag"])
        for number in range(first, stop):
            here, after = bag[number], bag[number + 1]
            rows = tables[f"{level}gen"][int(here["generator"]) : int(after["generator"])]
            bends = tables[f"{level}mod"][int(here["modulator"]) : int(after["modulator"])]
            zone = _laid_over(ground, rows, bends, last)
            if last in rows["number"]:
                zones.append(zone)
            elif number == first:
                ground = zone
        return zones

    def _read_recording(
        self, number: int, is_looped: int, start: int, end: int, loop_start: int, loop_end: int
    ) -> Recording:
        """Sample `number` as recorded, its borders moved by the four offsets in frames."""
        head, pool = self._file.tables["shdr"][number], self._file.pool
        first, stop = int(head["start"]), int(head["end"])
        if self._file.version == sfbk.VORBIS_VERSION or int(head["kind"]) & sfbk.VORBIS_SAMPLE:
            frames, origin = self._decoded(pool[first:stop].tobytes())[max(start, 0) :], max(start, 0)
        else:
            origin = max(first + start, 0)
            pcm = pool[2 * origin : 2 * max(origin, stop + end)]
            frames = pcm[: len(pcm) // 2 * 2].view("<i2").astype(np.float32) / np.float32(32768)
        loop_start += int(head["loop_start"]) - origin
        loop_end = min(loop_end + int(head["loop_end"]) - origin, len(frames))
        if not is_looped or loop_start < 0 or loop_end - loop_start < 2:
            loop_start, loop_end = -1, len(frames)
            samples = np.pad(frames, PAD_FRAMES)
        else:
            period = frames[loop_start:loop_end]
            turns = -(-_MIN_LOOP_FRAMES // len(period))
            loop_end = loop_start + turns * len(period)
            ahead = np.tile(period, -(-PAD_FRAMES // len(period)))[:PAD_FRAMES]
            samples = np.concatenate([np.zeros(PAD_FRAMES), frames[:loop_start], *[period] * turns, ahead])
        return Recording(
            samples=samples.astype(np.float32),
            loop_start=loop_start,
            loop_end=loop_end,
            sample_rate=max(int(head["rate"]), 400),
            pitch=int(head["pitch"]) if int(head["pitch"]) <= 127 else 60,
            correction_cents=int(head["correction"]),
        )

    def _decoded(self, data: bytes) -> npt.NDArray[np.float32]:
        try:
            frames, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, TypeError) as error:
            raise SoundFontError(f"{self.path} is damaged: an Ogg Vorbis sample in it does not decode") from error
        return np.ascontiguousarray(frames[:, 0])


@lru_cache(maxsize=4)
def load_soundbank(path: Path, sha256: str) -> SoundBank:
    """The bank of a SoundFont file, kept for the next track of this process; `sha256` distinguishes versions."""
    return SoundBank(path)


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return max(a[0], b[0]), min(a[1], b[1])


def _laid_over(ground: _Zone, rows: npt.NDArray[np.void], bends: npt.NDArray[np.void], last: int) -> _Zone:
    """A zone of these generators and modulators where it says something, else `ground`."""
    generators, modulators = ground.generators.copy(), dict(ground.modulators)
    ranges = {sfbk.KEY_RANGE: ground.pitches, sfbk.VELOCITY_RANGE: ground.velocities}
    for row in rows:
        number, amount = int(row["number"]), int(row["amount"])
        if number in ranges:
            ranges[number] = (amount & 0xFF, amount >> 8 & 0xFF)
        elif number < sfbk.NUM_GENERATORS:
            generators[number] = amount & 0xFFFF if number == last else amount
    for bend in bends:
        key = int(bend["source"]), int(bend["destination"]), int(bend["amount_source"]), int(bend["transform"])
        modulators[key] = int(bend["amount"])
    return _Zone(ranges[sfbk.KEY_RANGE], ranges[sfbk.VELOCITY_RANGE], generators, modulators)
