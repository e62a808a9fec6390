"""The inner loop of the synthesiser: one recorded sample played by many notes, added into a stereo stem.

Envelopes, low-pass filter and LFOs follow the SoundFont model (Technical Specification 2.04, section 9). They move in
steps of CONTROL_FRAMES; the volume runs linearly between two steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.compiling import njit
from lstm_core.foundation.elementary.angles import cos_of, sin_of
from lstm_core.foundation.elementary.powers import exp2_of, exp10_of, log10_of
from lstm_core.sound.soundbank import PAD_FRAMES

CONTROL_FRAMES = 64
SILENCE_DB = 96.0  # a voice this far under its peak has ended; 16-bit audio holds no more
MAX_STEP = 32.0  # frames of a sample per frame of audio: five octaves up; beyond, only aliases would sound
FIXED_ONE = 4294967296.0  # positions have 32 bits below the dot
INAUDIBLE = np.float32(1e-6)  # a gain of -120 dB
CUT_S = 0.02  # a voice that another one cuts off (closed on open hi-hat) is gone after this

# Fields of a voice, in the order of its row; times in frames, a rate is a change per frame.
VOICE_DTYPE = np.dtype(
    [
        ("start", "<i8"),  # frame of the stem
        ("off", "<i8"),  # frames from the start to the release
        ("cut", "<i8"),  # frames from the start to where another note cuts it off; mostly practically unbounded
        ("step", "<f8"),  # frames of the sample per frame of the stem
        ("left", "<f8"),  # gain
        ("right", "<f8"),
        ("delay", "<f8"),
        ("attack", "<f8"),
        ("hold", "<f8"),
        ("decay_rate", "<f8"),  # dB
        ("sustain_db", "<f8"),  # under the peak
        ("release_rate", "<f8"),  # dB
        ("cutoff_cents", "<f8"),  # of the filter, above 8.176 Hz
        ("resonance_db", "<f8"),
        ("has_filter", "<f8"),
        ("mod_delay", "<f8"),
        ("mod_attack", "<f8"),
        ("mod_hold", "<f8"),
        ("mod_decay_rate", "<f8"),  # of the full height, 1
        ("mod_sustain", "<f8"),
        ("mod_release_rate", "<f8"),
        ("mod_to_cutoff", "<f8"),  # cents at full height
        ("mod_to_step", "<f8"),
        ("lfo_delay", "<f8"),
        ("lfo_rate", "<f8"),  # turns
        ("lfo_to_step", "<f8"),  # cents
        ("lfo_to_cutoff", "<f8"),
        ("lfo_to_db", "<f8"),
        ("vibrato_delay", "<f8"),
        ("vibrato_rate", "<f8"),
        ("vibrato_to_step", "<f8"),
    ]
)


@njit(cache=True, nogil=True)
def add_voices(
    voices: npt.NDArray[np.void],
    groups: npt.NDArray[np.int64],
    samples: npt.NDArray[np.float32],
    loop_start: int,
    loop_end: int,
    sample_rate: float,
    scratch: npt.NDArray[np.float32],
    stem: npt.NDArray[np.float32],
) -> None:
    """Adds each voice to `stem`, float32 [2, S], as far as the stem reaches.

    Music repeats itself: voices that differ in nothing but start, cut and gains are made once and added many times, and
    as long as one voice after another steps through the recording alike, it is interpolated once.

    Args:
        voices: VOICE_DTYPE [N], sorted by group.
        groups: int64 [N]; voices of one group differ in start, cut, left and right only.
        samples: of the recording, float32, PAD_FRAMES more at both ends.
        loop_start: frame, or -1 for none.
        loop_end: frame that equals loop_start; without loop the end of the recording.
        sample_rate: of the stem, in Hz.
        scratch: float32 [2, S], overwritten.
        stem: float32 [2, S].
    """
    faded = int(CUT_S * sample_rate)
    played = np.zeros(4, dtype=np.int64)
    sound, made = scratch[1], 0
    for number in range(len(voices)):
        v = voices[number]
        if number == 0 or groups[number] != groups[number - 1]:
            earliest = v["start"]
            last = number
            while last + 1 < len(voices) and groups[last + 1] == groups[number]:
                last += 1
                earliest = min(earliest, voices[last]["start"])
            sound = scratch[1, : stem.shape[1] - earliest]
            made = _make_voice(v, samples, loop_start, loop_end, sample_rate, scratch[0], played, sound)
        start = v["start"]
        count = min(made, stem.shape[1] - start)
        whole = min(count, v["cut"])
        _mix(sound[:whole], v["left"], v["right"], stem[0, start : start + whole], stem[1, start : start + whole])
        for i in range(whole, min(count, v["cut"] + faded)):
            gain = 1.0 - (i - v["cut"] + 1) / faded
            stem[0, start + i] += sound[i] * v["left"] * gain
            stem[1, start + i] += sound[i] * v["right"] * gain


@njit(cache=True, nogil=True)
def _make_voice(v, samples, loop_start, loop_end, sample_rate, plain, played, sound):  # type: ignore[no-untyped-def]
    """How many frames a voice sounds; they lie in `sound`, at most all of it.

    `plain` holds the recording as the last voice of steady pitch stepped through it; `played` says how far, where in
    the recording that is, whether it ended there, and the step.
    """
    is_steady = v["mod_to_step"] == 0.0 and v["lfo_to_step"] == 0.0 and v["vibrato_to_step"] == 0.0
    step = np.int64(v["step"] * FIXED_ONE)
    if not is_steady or played[3] != step:
        played[:] = 0
        played[3] = step if is_steady else 0
    coefficients, state, rows = np.zeros(4), np.zeros(4), np.empty((2, CONTROL_FRAMES + 2))  # of the filter
    last_gain = 0.0
    frame = 0
    while frame < len(sound):
        now = frame + CONTROL_FRAMES
        lfo = _triangle(now, v["lfo_delay"], v["lfo_rate"])
        gain = _gain(v, now, lfo)
        if gain == 0.0 and last_gain == 0.0 and now > v["delay"] + v["attack"] + 1:
            break
        modulation = _modulation(v, now)
        if not is_steady:
            step = _bent_step(v, now, modulation, lfo)
        count = min(CONTROL_FRAMES, len(sound) - frame)
        if frame + count > played[0] and not played[2]:
            # Whole blocks, also where this voice ends within one: the next may go on from here.
            _play(samples, loop_start, loop_end, step, plain[frame : frame + CONTROL_FRAMES], played)
        piece = sound[frame : min(frame + count, played[0])]
        piece[:] = plain[frame : frame + len(piece)]
        if v["has_filter"] > 0.0:
            cutoff = v["cutoff_cents"] + modulation * v["mod_to_cutoff"] + lfo * v["lfo_to_cutoff"]
            _low_pass(piece, cutoff, v["resonance_db"], sample_rate, coefficients, state, rows)
        _shape(piece, last_gain, gain)
        last_gain = gain
        frame += len(piece)
        if len(piece) < count:
            break
    return frame


@njit(cache=True, nogil=True)
def _gain(v, now, lfo):  # type: ignore[no-untyped-def]
    """Height of the volume envelope, tremolo included, 0..1 without it."""
    db = _volume_db(v, min(now, v["off"])) + max(now - v["off"], 0) * v["release_rate"]
    return exp10_of(-0.05 * (db - lfo * v["lfo_to_db"])) if db < SILENCE_DB else 0.0


@njit(cache=True, nogil=True)
def _volume_db(v, time):  # type: ignore[no-untyped-def]
    """dB under the peak, before the release."""
    time -= v["delay"]
    if time <= 0.0:
        return SILENCE_DB
    if time < v["attack"]:
        return min(-20.0 * log10_of(time / v["attack"]), SILENCE_DB)
    time -= v["attack"] + v["hold"]
    if time <= 0.0:
        return 0.0
    return min(time * v["decay_rate"], v["sustain_db"])


@njit(cache=True, nogil=True)
def _modulation(v, now):  # type: ignore[no-untyped-def]
    """Height of the modulation envelope, 0..1."""
    if v["mod_to_step"] == 0.0 and v["mod_to_cutoff"] == 0.0:
        return 0.0
    height = 0.0
    time = min(now, v["off"]) - v["mod_delay"]
    if time > 0.0:
        height = np.sqrt(min(time / v["mod_attack"], 1.0))
        time -= v["mod_attack"] + v["mod_hold"]
        if time > 0.0:
            height = max(1.0 - time * v["mod_decay_rate"], v["mod_sustain"])
    return max(height - max(now - v["off"], 0) * v["mod_release_rate"], 0.0)


@njit(cache=True, nogil=True)
def _bent_step(v, now, modulation, lfo):  # type: ignore[no-untyped-def]
    """Step through the recording under envelope, LFO and vibrato, fixed point."""
    cents = modulation * v["mod_to_step"] + lfo * v["lfo_to_step"]
    cents += _triangle(now, v["vibrato_delay"], v["vibrato_rate"]) * v["vibrato_to_step"]
    return np.int64(min(v["step"] * exp2_of(cents / 1200.0), MAX_STEP) * FIXED_ONE)


@njit(cache=True, nogil=True)
def _triangle(time, delay, rate):  # type: ignore[no-untyped-def]
    """A triangle wave of -1..1 that starts upwards from 0 after a delay."""
    if time <= delay:
        return 0.0
    turn = (time - delay) * rate + 0.25
    turn -= np.floor(turn)
    return 4.0 * turn - 1.0 if turn < 0.5 else 3.0 - 4.0 * turn


@njit(cache=True, nogil=True)
def _play(samples, loop_start, loop_end, step, sound, played):  # type: ignore[no-untyped-def]
    """Continues to fill `sound` from the sample, as far as that goes, and notes in `played` how far.

    Positions are fixed point, 32 bits below the dot: half the time of floating point, and exact in the longest note.
    Between frames runs the cubic of E. Catmull and R. Rom, A class of local interpolating splines (1974).
    """
    position = played[1]
    made = 0
    end = np.int64(loop_end) << 32
    while made < len(sound):
        if position >= end:
            if loop_start < 0:
                played[2] = 1
                break
            position -= np.int64(loop_end - loop_start) << 32
            continue
        run = min(len(sound) - made, (end - position - 1) // step + 1)
        base = samples[(position >> 32) + PAD_FRAMES - 1 :]
        below = position & 0xFFFFFFFF
        for i in range(run):
            place = below + i * step
            j = np.uint64(place >> 32)
            x = np.float32(np.int32((place >> 8) & 0xFFFFFF)) * np.float32(2.0**-24)
            a, b, c, d = base[j], base[j + np.uint64(1)], base[j + np.uint64(2)], base[j + np.uint64(3)]
            slope = (c - a) * np.float32(0.5)
            bow = a - np.float32(2.5) * b + np.float32(2.0) * c - np.float32(0.5) * d
            bend = (d - a) * np.float32(0.5) + np.float32(1.5) * (b - c)
            sound[made + i] = ((bend * x + bow) * x + slope) * x + b
        position += run * step
        made += run
    played[0] += made
    played[1] = position


@njit(cache=True, nogil=True)
def _low_pass(sound, cutoff_cents, resonance_db, sample_rate, coefficients, state, rows):  # type: ignore[no-untyped-def]
    """Runs a two-pole low-pass over `sound` in place (R. Bristow-Johnson, Audio EQ Cookbook).

    First the part that looks at the input alone, which the processor does many samples at a time, then the feedback,
    two samples from the same two results: half the time of one after the other. Indices without a sign need no check
    for counting from the end: 2.2 ns per sample, with it 3.2 (AMD EPYC, December 2026, busy).

    Args:
        coefficients: of the block before: its cutoff, then b0, a1, a2; float64 [4].
        state: the last two inputs and the last two outputs, newest first; float64 [4].
        rows: scratch, float64 [2, CONTROL_FRAMES + 2].
    """
    if coefficients[0] != cutoff_cents:
        _tune_low_pass(cutoff_cents, resonance_db, sample_rate, coefficients)
    b0, a1, a2 = coefficients[1], coefficients[2], coefficients[3]
    p1, p2 = a1 * a1 - a2, a1 * a2  # what the last result and the one before are worth two samples on
    y1, y2 = state[2], state[3]
    count, one, two = len(sound), np.uint64(1), np.uint64(2)
    inputs, driven = rows[0], rows[1]
    inputs[0], inputs[1] = state[1], state[0]
    for i in range(count):
        inputs[np.uint64(i) + two] = sound[np.uint64(i)]
    for i in range(count):
        j = np.uint64(i)
        driven[j] = b0 * (inputs[j + two] + 2.0 * inputs[j + one] + inputs[j])
    if count % 2:
        y = (driven[0] - a2 * y2) - a1 * y1
        y2, y1 = y1, y
        sound[0] = y
    for i in range(count % 2, count, 2):
        j = np.uint64(i)
        here = (driven[j] - a2 * y2) - a1 * y1
        after = ((driven[j + one] - a1 * driven[j]) + p2 * y2) + p1 * y1
        y2, y1 = here, after
        sound[j] = here
        sound[j + one] = after
    state[0], state[1], state[2], state[3] = inputs[count + 1], inputs[count], y1, y2


@njit(cache=True, nogil=True)
def _tune_low_pass(cutoff_cents, resonance_db, sample_rate, coefficients):  # type: ignore[no-untyped-def]
    hz = min(max(8.176 * exp2_of(cutoff_cents / 1200.0), 5.0), 0.45 * sample_rate)
    q = exp10_of((resonance_db - 3.01) / 20.0)
    angle = 2.0 * np.pi * hz / sample_rate
    alpha = sin_of(angle) / (2.0 * q)
    cosine = cos_of(angle)
    scale = 1.0 / (1.0 + alpha)
    height = exp10_of(-resonance_db / 40.0)  # half of the resonance comes off the whole, section 8.1.2, generator 9
    coefficients[0] = cutoff_cents
    coefficients[1] = 0.5 * (1.0 - cosine) * scale * height
    coefficients[2] = -2.0 * cosine * scale
    coefficients[3] = (1.0 - alpha) * scale


@njit(cache=True, nogil=True)
def _shape(sound, first, last):  # type: ignore[no-untyped-def]
    """Puts `sound` under a gain that runs from `first` to `last`."""
    slope = np.float32((last - first) / CONTROL_FRAMES)
    start = np.float32(first)
    for i in range(len(sound)):
        sound[i] *= start + slope * np.float32(i + 1)


@njit(cache=True, nogil=True)
def _mix(sound, left, right, left_side, right_side):  # type: ignore[no-untyped-def]
    """Adds mono `sound` to the two sides of a stem, each of its length.

    Sides that are known to be contiguous are added to sixteen samples at a time: 0.17 ns per frame of both, 0.62 where
    they were rows of a slice (AMD Zen 4, November 2026).
    """
    to_left, to_right = np.float32(left), np.float32(right)
    if to_left > INAUDIBLE and to_right > INAUDIBLE:
        for i in range(len(sound)):
            left_side[i] += sound[i] * to_left
            right_side[i] += sound[i] * to_right
    elif to_left > INAUDIBLE:  # half of most stereo sounds is panned hard to one side
        for i in range(len(sound)):
            left_side[i] += sound[i] * to_left
    elif to_right > INAUDIBLE:
        for i in range(len(sound)):
            right_side[i] += sound[i] * to_right
