"""A score becomes audio: one stereo stem for each instrument family, played from a SoundFont."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core import soundbank as sb
from lstm_core.audio import Waveform
from lstm_core.notes import DRUMS, FAMILIES, NoteArray, Score, family_of
from lstm_core.soundbank import Recording, Region, SoundBank, load_soundbank
from lstm_core.soundfont import SoundFont
from lstm_core.voices import MAX_STEP, SILENCE_DB, VOICE_DTYPE, add_voices

MIN_RELEASE_S = 0.02  # over SILENCE_DB; a shorter one clicks
EMU_ATTENUATION = 0.4  # a decibel of the generator is worth this much on the hardware that SoundFonts are made for
END_FADE_S = 0.02  # over the last of a stem, for voices that are still sounding there
_NEVER = np.iinfo(np.int64).max // 2


def render_stems(
    score: Score, soundfont: SoundFont, *, sample_rate: int = 44100, num_samples: int, tail_s: float = 4.0
) -> dict[str, Waveform]:
    """Stereo stems by name of instrument family: float32 [2, num_samples + tail] each, frame 0 at tick 0.

    Families stand in the order of notes.FAMILIES; only those with notes are there. No room, no limiter: samples may
    lie outside -1..1. The time taken grows with the sum of the lengths of the notes. The same score gives the same
    bytes, whatever was rendered before.

    Args:
        score: notes that begin after `num_samples` are left out.
        soundfont: from `find_soundfont`.
        sample_rate: in Hz.
        num_samples: length of the track.
        tail_s: what sounds after the track's end is kept this long, then faded out.
    """
    bank = load_soundbank(soundfont.path, soundfont.sha256)
    length = num_samples + round(tail_s * sample_rate)
    scratch = np.empty(length, dtype=np.float32)
    stems: dict[str, Waveform] = {}
    programs = sorted({int(program) for program in score.notes["program"]}, key=lambda p: (family_of(p), p))
    for program in programs:
        notes = score.notes[score.notes["program"] == program]
        onset = score.seconds(notes["onset"].astype(np.int64))
        release = score.seconds((notes["onset"] + notes["duration"]).astype(np.int64))
        starts = np.rint(onset * sample_rate).astype(np.int64)
        lengths = np.maximum(np.rint((release - onset) * sample_rate).astype(np.int64), 1)
        is_inside = starts < num_samples
        if not is_inside.any():
            continue
        stem = stems.setdefault(FAMILIES[family_of(program)], np.zeros((2, length), dtype=np.float32))
        _play_program(
            bank, program, notes[is_inside], starts[is_inside], lengths[is_inside], sample_rate, scratch, stem
        )
    for stem in stems.values():
        _fade_end(stem, round(END_FADE_S * sample_rate))
    return stems


def _play_program(
    bank: SoundBank,
    program: int,
    notes: NoteArray,
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    sample_rate: int,
    scratch: npt.NDArray[np.float32],
    stem: Waveform,
) -> None:
    """Nothing; adds all notes of one program to `stem`."""
    pitch, velocity = notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int64)
    regions = bank.regions(program)
    plays = [
        (pitch >= region.low_pitch)
        & (pitch <= region.high_pitch)
        & (velocity >= region.low_velocity)
        & (velocity <= region.high_velocity)
        for region in regions
    ]
    cuts = _cuts(regions, plays, starts) if program == DRUMS else {}
    for region, is_played in zip(regions, plays, strict=True):
        if not is_played.any():
            continue
        recording = bank.recording(region)
        voices = make_voices(region, recording, pitch[is_played], velocity[is_played], sample_rate)
        voices["start"], voices["off"] = starts[is_played], lengths[is_played]
        voices["cut"] = _NEVER
        exclusive_class = int(region.generators[sb.EXCLUSIVE_CLASS])
        if exclusive_class in cuts:
            onsets = cuts[exclusive_class]
            after = np.searchsorted(onsets, voices["start"], side="right")
            has_next = after < len(onsets)
            voices["cut"][has_next] = onsets[after[has_next]] - voices["start"][has_next]
        sound = pitch[is_played] + (lengths[is_played] << 14)  # with the region, all that a sound depends on
        if region.is_velocity_heard():
            sound += velocity[is_played] << 7
        order = np.argsort(sound, kind="stable")
        loop = recording.loop_start, recording.loop_end
        add_voices(voices[order], sound[order], recording.samples, *loop, float(sample_rate), scratch, stem)


def _cuts(
    regions: list[Region], plays: list[npt.NDArray[np.bool_]], starts: npt.NDArray[np.int64]
) -> dict[int, npt.NDArray[np.int64]]:
    """Sorted onsets of each exclusive class: where one begins, what sounds of the same class ends."""
    onsets: dict[int, list[npt.NDArray[np.int64]]] = {}
    for region, is_played in zip(regions, plays, strict=True):
        exclusive_class = int(region.generators[sb.EXCLUSIVE_CLASS])
        if exclusive_class and is_played.any():
            onsets.setdefault(exclusive_class, []).append(starts[is_played])
    return {number: np.unique(np.concatenate(found)) for number, found in onsets.items()}


def make_voices(
    region: Region,
    recording: Recording,
    pitch: npt.NDArray[np.int64],
    velocity: npt.NDArray[np.int64],
    sample_rate: int,
) -> npt.NDArray[np.void]:
    """How a region plays each of N notes, in the units of the renderer, without times: VOICE_DTYPE [N]."""
    g = region.amounts(pitch, velocity)  # float64 [NUM_GENERATORS, N]
    voices = np.zeros(len(pitch), dtype=VOICE_DTYPE)
    key = np.where(g[sb.KEY] >= 0, g[sb.KEY], pitch)
    root = np.where(g[sb.ROOT_KEY] >= 0, g[sb.ROOT_KEY], recording.pitch)
    cents = (key - root) * g[sb.SCALE_TUNING] + g[sb.COARSE_TUNE] * 100 + g[sb.FINE_TUNE] + recording.correction_cents
    voices["step"] = np.minimum(np.exp2(cents / 1200) * recording.sample_rate / sample_rate, MAX_STEP)
    attenuation_db = np.maximum(g[sb.ATTENUATION] * EMU_ATTENUATION + region.extra_attenuation(pitch, velocity), 0) / 10
    level = 10 ** (-attenuation_db / 20)
    angle = (np.clip(g[sb.PAN], -500, 500) / 1000 + 0.5) * (np.pi / 2)
    voices["left"], voices["right"] = level * np.cos(angle), level * np.sin(angle)

    def frames(timecents: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(timecents <= -12000, 1e-3, np.exp2(np.clip(timecents, -12000, 8000) / 1200)) * sample_rate

    def scaled(time: int, by_key: int) -> npt.NDArray[np.float64]:
        return frames(g[time] + (60 - key) * g[by_key])

    voices["delay"] = np.where(g[sb.VOL_DELAY] <= -12000, 0, frames(g[sb.VOL_DELAY]))
    voices["attack"] = frames(g[sb.VOL_ATTACK])
    voices["hold"] = np.where(g[sb.VOL_HOLD] <= -12000, 0, scaled(sb.VOL_HOLD, sb.KEY_TO_VOL_HOLD))
    voices["decay_rate"] = SILENCE_DB / scaled(sb.VOL_DECAY, sb.KEY_TO_VOL_DECAY)
    voices["sustain_db"] = np.clip(g[sb.VOL_SUSTAIN] / 10, 0, SILENCE_DB)
    voices["release_rate"] = SILENCE_DB / np.maximum(frames(g[sb.VOL_RELEASE]), MIN_RELEASE_S * sample_rate)
    voices["cutoff_cents"] = g[sb.FILTER_CUTOFF]
    voices["resonance_db"] = np.clip(g[sb.FILTER_Q] / 10, 0, 96)
    voices["mod_to_cutoff"], voices["mod_to_step"] = g[sb.MOD_ENV_TO_CUTOFF], g[sb.MOD_ENV_TO_PITCH]
    voices["lfo_to_cutoff"] = g[sb.MOD_LFO_TO_CUTOFF]
    moves = (voices["mod_to_cutoff"] < 0) | (voices["lfo_to_cutoff"] != 0)
    voices["has_filter"] = (voices["cutoff_cents"] < 13500) | (voices["resonance_db"] > 0) | moves
    voices["mod_delay"] = np.where(g[sb.MOD_DELAY] <= -12000, 0, frames(g[sb.MOD_DELAY]))
    voices["mod_attack"] = frames(g[sb.MOD_ATTACK])
    voices["mod_hold"] = np.where(g[sb.MOD_HOLD] <= -12000, 0, scaled(sb.MOD_HOLD, sb.KEY_TO_MOD_HOLD))
    voices["mod_decay_rate"] = 1 / scaled(sb.MOD_DECAY, sb.KEY_TO_MOD_DECAY)
    voices["mod_sustain"] = np.clip(1 - g[sb.MOD_SUSTAIN] / 1000, 0, 1)
    voices["mod_release_rate"] = 1 / frames(g[sb.MOD_RELEASE])
    for name, delay, rate in (
        ("lfo", sb.MOD_LFO_DELAY, sb.MOD_LFO_RATE),
        ("vibrato", sb.VIB_LFO_DELAY, sb.VIB_LFO_RATE),
    ):
        voices[f"{name}_delay"] = frames(g[delay])
        voices[f"{name}_rate"] = 8.176 * np.exp2(np.clip(g[rate], -16000, 4500) / 1200) / sample_rate
    voices["lfo_to_step"], voices["vibrato_to_step"] = g[sb.MOD_LFO_TO_PITCH], g[sb.VIB_LFO_TO_PITCH]
    voices["lfo_to_db"] = g[sb.MOD_LFO_TO_VOLUME] / 10
    return voices


def _fade_end(stem: Waveform, num_faded: int) -> None:
    num_faded = min(num_faded, stem.shape[1])
    if num_faded and np.any(stem[:, -num_faded:]):
        stem[:, -num_faded:] *= np.cos(np.linspace(0, np.pi / 2, num_faded, dtype=np.float32)) ** 2
