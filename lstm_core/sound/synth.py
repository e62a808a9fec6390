"""A score becomes audio: one stereo stem for each instrument family, played from a SoundFont."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import groupby

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.elementary.angles import cos, sin
from lstm_core.foundation.elementary.powers import exp2, exp10
from lstm_core.notes.score import DRUMS, FAMILIES, NoteArray, Score, family_of
from lstm_core.sound import sfbk
from lstm_core.sound.audio import Waveform
from lstm_core.sound.soundbank import Recording, Region, SoundBank, load_soundbank, which_play
from lstm_core.sound.soundfont import SoundFont
from lstm_core.sound.voices import MAX_STEP, SILENCE_DB, VOICE_DTYPE, add_voices

MIN_RELEASE_S = 0.02  # over SILENCE_DB; a shorter one clicks
EMU_ATTENUATION = 0.4  # a decibel of the generator is worth this much on the hardware that SoundFonts are made for
MIN_STEP = 1e-3  # a recording played slower than this, ten octaves down, is no pitch
OPEN_FILTER_CENTS = 13500  # 20 kHz: a filter that never closes further is left out
LONGEST_TIMECENTS = 8000  # 100 s
END_FADE_S = 0.02  # over the last of a stem, for voices that are still sounding there
_NEVER = np.iinfo(np.int64).max // 2


def render_stems(
    score: Score, soundfont: SoundFont, *, sample_rate: int = 44100, num_samples: int, tail_s: float = 4.0
) -> dict[str, Waveform]:
    """Stereo stems by name of instrument family: float32 [2, num_samples + tail] each, frame 0 at tick 0.

    Families stand in the order of notes.FAMILIES; only those with notes are there. No reverb, no limiter: samples may
    lie outside -1..1. The time taken grows with the sum of the lengths of the notes. The same score gives the same
    bytes, whatever was rendered before.

    Args:
        score: notes that begin after `num_samples` are left out.
        soundfont: from `find_soundfont`.
        sample_rate: in Hz.
        num_samples: length of the track.
        tail_s: what sounds after the track's end is kept this long, then faded out.

    Raises:
        SoundFontError: when the file turns out to be damaged.
    """
    return dict(iter_stems(score, soundfont, sample_rate=sample_rate, num_samples=num_samples, tail_s=tail_s))


def iter_stems(
    score: Score,
    soundfont: SoundFont,
    *,
    sample_rate: int = 44100,
    num_samples: int,
    tail_s: float = 4.0,
    variations: Mapping[int, int] | None = None,
) -> Iterator[tuple[str, Waveform]]:
    """Yields what `render_stems` returns, one family after the other: half an hour of ten families is 6 GB at once.

    `variations` says by program which of the SoundFont's presets for it plays, where it is not General MIDI's.
    """
    bank = load_soundbank(soundfont.path, soundfont.sha256)
    length = num_samples + round(tail_s * sample_rate)
    scratch = np.empty((2, length), dtype=np.float32)
    notes = score.notes
    starts = np.rint(score.seconds(notes["onset"].astype(np.int64)) * sample_rate).astype(np.int64)
    notes, starts = notes[starts < num_samples], starts[starts < num_samples]
    onset, release = (score.seconds(t.astype(np.int64)) for t in (notes["onset"], notes["onset"] + notes["duration"]))
    lengths = np.maximum(np.rint((release - onset) * sample_rate).astype(np.int64), 1)
    programs = sorted({int(program) for program in notes["program"]}, key=lambda p: (family_of(p), p))
    for family, members in groupby(programs, key=family_of):
        stem = np.zeros((2, length), dtype=np.float32)
        for program in members:
            own = notes["program"] == program
            regions = bank.regions(program, (variations or {}).get(program, 0))
            _play_program(bank, regions, program, notes[own], starts[own], lengths[own], sample_rate, scratch, stem)
        _fade_end(stem, round(END_FADE_S * sample_rate))
        yield FAMILIES[family], stem


def _play_program(
    bank: SoundBank,
    regions: list[Region],
    program: int,
    notes: NoteArray,
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    sample_rate: int,
    scratch: npt.NDArray[np.float32],
    stem: Waveform,
) -> None:
    """Adds all notes of one program to `stem`."""
    pitch, velocity = notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int64)
    chosen_by = pitch if program == DRUMS else _covered_pitches(regions, pitch, velocity)
    plays = which_play(regions, chosen_by, velocity)
    cuts = _cuts(regions, plays, starts) if program == DRUMS else {}
    for region, is_played in zip(regions, plays, strict=True):
        if not is_played.any():
            continue
        recording = bank.recording(region)
        voices = _kept_voices(region, recording, sample_rate).of(pitch[is_played], velocity[is_played])
        voices["start"], voices["off"] = starts[is_played], lengths[is_played]
        voices["cut"] = _NEVER
        exclusive_class = int(region.generators[sfbk.EXCLUSIVE_CLASS])
        if exclusive_class in cuts:
            onsets = cuts[exclusive_class]
            after = np.searchsorted(onsets, voices["start"], side="right")
            has_next = after < len(onsets)
            voices["cut"][has_next] = onsets[after[has_next]] - voices["start"][has_next]
        sound = (pitch[is_played] << 40) + (lengths[is_played] << 7)  # with the region, all that a sound depends on
        if region.has_velocity_timbre():
            sound += velocity[is_played]
        order = np.argsort(sound, kind="stable")
        loop = recording.loop_start, recording.loop_end
        add_voices(voices[order], sound[order], recording.samples, *loop, float(sample_rate), scratch, stem)


def _covered_pitches(
    regions: list[Region], pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The pitch of each note, or the nearest that the preset covers at its velocity: int64 [N].

    SoundFonts have holes: the alto saxophone of TimGM6mb has no region for E4. Only the choice of the region follows
    this pitch; the note still sounds at its own.
    """
    pitch = pitch.copy()
    is_covered = which_play(regions, pitch, velocity).any(axis=0)
    every_pitch = np.arange(128)
    for loudness in np.unique(velocity[~is_covered]):
        covered = np.flatnonzero(which_play(regions, every_pitch, np.full(128, loudness)).any(axis=0))
        lost = ~is_covered & (velocity == loudness)
        if len(covered):
            pitch[lost] = covered[np.abs(covered - pitch[lost][:, None]).argmin(axis=1)]
    return pitch


def _cuts(
    regions: list[Region], plays: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]
) -> dict[int, npt.NDArray[np.int64]]:
    """Sorted onsets of each exclusive class: where one begins, what sounds of the same class ends."""
    onsets: dict[int, list[npt.NDArray[np.int64]]] = {}
    for region, is_played in zip(regions, plays, strict=True):
        exclusive_class = int(region.generators[sfbk.EXCLUSIVE_CLASS])
        if exclusive_class and is_played.any():
            onsets.setdefault(exclusive_class, []).append(starts[is_played])
    return {number: np.unique(np.concatenate(found)) for number, found in onsets.items()}


class _KeptVoices:
    """What `make_voices` gives for the pitches and velocities that a region has played so far.

    A track plays a hundred regions, a few notes each, and two hundred calls of NumPy for each region took a tenth of
    the synthesis (0.40 of 3.3 ms per second of audio, AMD Zen 4, November 2026).
    """

    def __init__(self, region: Region, recording: Recording, sample_rate: int) -> None:
        self._made_of = region, recording, sample_rate
        self._row_of = np.full(128 * 128, -1, dtype=np.int16)
        self._rows: npt.NDArray[np.void] = np.zeros(0, dtype=VOICE_DTYPE)

    def of(self, pitch: npt.NDArray[np.int64], velocity: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        """VOICE_DTYPE [N], to be written to."""
        wanted = pitch * 128 + velocity
        new = np.unique(wanted[self._row_of[wanted] < 0])
        if len(new):
            region, recording, sample_rate = self._made_of
            made = make_voices(region, recording, new // 128, new % 128, sample_rate)
            self._row_of[new] = np.arange(len(self._rows), len(self._rows) + len(new))
            self._rows = np.concatenate([self._rows, made])
        return np.asarray(self._rows[self._row_of[wanted]])


@lru_cache(maxsize=1024)  # some 40 kB each
def _kept_voices(region: Region, recording: Recording, sample_rate: int) -> _KeptVoices:
    return _KeptVoices(region, recording, sample_rate)


def make_voices(
    region: Region,
    recording: Recording,
    pitch: npt.NDArray[np.int64],
    velocity: npt.NDArray[np.int64],
    sample_rate: int,
) -> npt.NDArray[np.void]:
    """How a region plays each of N notes, in the units of the renderer, without times: VOICE_DTYPE [N]."""
    g, taken_off = region.amounts(pitch, velocity)
    voices = np.zeros(len(pitch), dtype=VOICE_DTYPE)
    key = np.where(g[sfbk.KEY] >= 0, g[sfbk.KEY], pitch)
    root = np.where(g[sfbk.ROOT_KEY] >= 0, g[sfbk.ROOT_KEY], recording.pitch)
    cents = (key - root) * g[sfbk.SCALE_TUNING] + 100 * g[sfbk.COARSE_TUNE] + g[sfbk.FINE_TUNE]
    ratio = exp2((cents + recording.correction_cents) / 1200)
    voices["step"] = np.clip(ratio * recording.sample_rate / sample_rate, MIN_STEP, MAX_STEP)
    attenuation_db = np.maximum(g[sfbk.ATTENUATION] * EMU_ATTENUATION + taken_off, 0) / 10
    level = exp10(-attenuation_db / 20)
    angle = (np.clip(g[sfbk.PAN], -500, 500) / 1000 + 0.5) * (np.pi / 2)
    voices["left"], voices["right"] = level * cos(angle), level * sin(angle)
    _set_volume_envelope(voices, g, key, sample_rate)
    _set_modulation(voices, g, key, sample_rate)
    return voices


def _set_volume_envelope(
    voices: npt.NDArray[np.void], g: npt.NDArray[np.float64], key: npt.NDArray[np.float64], sample_rate: int
) -> None:
    """Fills in delay to release. Decay and release are times to SILENCE_DB, as the specification has it."""
    hold = g[sfbk.VOL_HOLD] + (60 - key) * g[sfbk.KEY_TO_VOL_HOLD]
    decay = g[sfbk.VOL_DECAY] + (60 - key) * g[sfbk.KEY_TO_VOL_DECAY]
    voices["delay"] = _frames(g[sfbk.VOL_DELAY], sample_rate, least_s=0.0)
    voices["attack"] = _frames(g[sfbk.VOL_ATTACK], sample_rate)
    voices["hold"] = _frames(hold, sample_rate, least_s=0.0)
    voices["decay_rate"] = SILENCE_DB / _frames(decay, sample_rate)
    voices["sustain_db"] = np.clip(g[sfbk.VOL_SUSTAIN] / 10, 0, SILENCE_DB)
    voices["release_rate"] = SILENCE_DB / _frames(g[sfbk.VOL_RELEASE], sample_rate, least_s=MIN_RELEASE_S)


def _set_modulation(
    voices: npt.NDArray[np.void], g: npt.NDArray[np.float64], key: npt.NDArray[np.float64], sample_rate: int
) -> None:
    """Fills in filter, modulation envelope, modulation LFO and vibrato."""
    voices["cutoff_cents"] = g[sfbk.FILTER_CUTOFF]
    voices["resonance_db"] = np.clip(g[sfbk.FILTER_Q] / 10, 0, 96)
    voices["mod_to_cutoff"], voices["mod_to_step"] = g[sfbk.MOD_ENV_TO_CUTOFF], g[sfbk.MOD_ENV_TO_PITCH]
    voices["lfo_to_cutoff"], voices["lfo_to_step"] = g[sfbk.MOD_LFO_TO_CUTOFF], g[sfbk.MOD_LFO_TO_PITCH]
    voices["lfo_to_db"], voices["vibrato_to_step"] = g[sfbk.MOD_LFO_TO_VOLUME] / 10, g[sfbk.VIB_LFO_TO_PITCH]
    lowest = g[sfbk.FILTER_CUTOFF] + np.minimum(g[sfbk.MOD_ENV_TO_CUTOFF], 0) - np.abs(g[sfbk.MOD_LFO_TO_CUTOFF])
    voices["has_filter"] = (lowest < OPEN_FILTER_CENTS) | (voices["resonance_db"] > 0)
    hold = g[sfbk.MOD_HOLD] + (60 - key) * g[sfbk.KEY_TO_MOD_HOLD]
    decay = g[sfbk.MOD_DECAY] + (60 - key) * g[sfbk.KEY_TO_MOD_DECAY]
    voices["mod_delay"] = _frames(g[sfbk.MOD_DELAY], sample_rate, least_s=0.0)
    voices["mod_attack"] = _frames(g[sfbk.MOD_ATTACK], sample_rate)
    voices["mod_hold"] = _frames(hold, sample_rate, least_s=0.0)
    voices["mod_decay_rate"] = 1 / _frames(decay, sample_rate)
    voices["mod_sustain"] = np.clip(1 - g[sfbk.MOD_SUSTAIN] / 1000, 0, 1)
    voices["mod_release_rate"] = 1 / _frames(g[sfbk.MOD_RELEASE], sample_rate)
    voices["lfo_delay"] = _frames(g[sfbk.MOD_LFO_DELAY], sample_rate, least_s=0.0)
    voices["lfo_rate"] = _hz(g[sfbk.MOD_LFO_RATE]) / sample_rate
    voices["vibrato_delay"] = _frames(g[sfbk.VIB_LFO_DELAY], sample_rate, least_s=0.0)
    voices["vibrato_rate"] = _hz(g[sfbk.VIB_LFO_RATE]) / sample_rate


def _frames(timecents: npt.NDArray[np.float64], sample_rate: int, *, least_s: float = 0.001) -> npt.NDArray[np.float64]:
    """Times as numbers of frames; what is at the bottom of the scale, 1 ms, or under becomes `least_s` at least."""
    seconds = exp2(np.clip(timecents, -12000, LONGEST_TIMECENTS) / 1200)
    return np.where(timecents <= -12000, least_s, np.maximum(seconds, least_s)) * sample_rate


def _hz(cents: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(8.176 * exp2(np.clip(cents, -16000, 4500) / 1200))


def _fade_end(stem: Waveform, num_faded: int) -> None:
    num_faded = min(num_faded, stem.shape[1])
    if num_faded and np.any(stem[:, -num_faded:]):
        stem[:, -num_faded:] *= (cos(np.linspace(0, np.pi / 2, num_faded)) ** 2).astype(np.float32)
