"""The cost of each stage between a score and its delivered bytes, on one core, beside that of the obvious way.

    python -m benchmarks.track_stages [--repeats 7] [--soundfont PATH]

One track of 60 s, stereo, 44.1 kHz, six parts, in studio and at -16 LUFS, once as it ends and once as a loop. Times are
processor time of the process, the median of the repeats, first calls left out. Each line holds milliseconds per
second of audio; `realtime` is its inverse. `track_stages_total` is a whole track; the lines before it are its parts.
Peers: symusic's synthesiser for the same notes (which has neither velocity nor release), pyloudnorm, resample_poly
to four times the rate, one FFT convolution of the whole length.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyloudnorm
import symusic
from scipy import signal

from benchmarks.report import print_metric
from lstm_core.foundation.kept_heap import keep_heap
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.sound.audio import decode
from lstm_core.sound.loudness import integrated_loudness, true_peak_dbtp
from lstm_core.sound.mastering import Master, MasterSettings, Stems, master
from lstm_core.sound.output_formats import encode
from lstm_core.sound.reverb import convolve, impulse_response
from lstm_core.sound.soundfont import SoundFont, find_soundfont
from lstm_core.sound.synth import render_stems
from lstm_core.tracks.gates import audio_gates, score_gates

SECONDS = 60
SAMPLE_RATE = 44100
NUM_SAMPLES = SECONDS * SAMPLE_RATE
SETTINGS = MasterSettings()
MUSIC_END = NUM_SAMPLES - 2 * SAMPLE_RATE
CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--soundfont", default="")
    arguments = parser.parse_args()
    keep_heap()  # as the processes that make tracks do
    repeats, soundfont, score = arguments.repeats, find_soundfont(arguments.soundfont), six_parts()
    stems = render_stems(score, soundfont, num_samples=NUM_SAMPLES)
    masters = {loop: mastered(stems, loop=loop, music_end=None if loop else MUSIC_END) for loop in (False, True)}
    data = {loop: encode(one.waveform, sample_rate=SAMPLE_RATE) for loop, one in masters.items()}
    report_stages(repeats, score, soundfont, stems, masters[False].waveform, data)
    report_parts(repeats, masters[False].waveform, data[False])


def mastered(stems: Stems, *, loop: bool, music_end: int | None) -> Master:
    """The master of some stems as an ending or as a loop."""
    return master(stems, num_samples=NUM_SAMPLES, loop=loop, seed=1, settings=SETTINGS, music_end=music_end)


def report_stages(
    repeats: int,
    score: Score,
    soundfont: SoundFont,
    stems: Stems,
    waveform: npt.NDArray[np.float32],
    data: dict[bool, bytes],
) -> None:
    """Prints the stages of a track, and their sums for a track with an ending and for a loop.

    Args:
        repeats: Measurements of each stage.
        score: The music.
        soundfont: Of the instruments.
        stems: The rendered score.
        waveform: Its master with an ending, float32 [2, S].
        data: Encoded masters of an ending and of a loop.
    """
    total = report(
        "stage_synth",
        repeats,
        lambda: render_stems(score, soundfont, num_samples=NUM_SAMPLES),
        lambda: render_with_symusic(score, soundfont),
    )
    total += report("stage_encode", repeats, lambda: encode(waveform, sample_rate=SAMPLE_RATE))
    for loop, ending in ((False, "ending"), (True, "loop")):
        value = total + report(
            f"stage_master_{ending}", repeats, lambda loop=loop: mastered(stems, loop=loop, music_end=MUSIC_END)
        )
        value += report(
            f"stage_gates_{ending}",
            repeats,
            lambda loop=loop: (
                audio_gates(data[loop], num_samples=NUM_SAMPLES, loop=loop, settings=SETTINGS),
                score_gates(score, key_pitch_classes=None, num_bars=SECONDS // 2, bar_ticks=96),
            ),
        )
        print_metric(
            f"track_stages_total_{ending}", value, "ms/s", against={"target": 8.5}, realtime=round(1000 / value, 1)
        )


def report_parts(repeats: int, waveform: npt.NDArray[np.float32], data: bytes) -> None:
    """Prints single parts of the stages beside their peers. waveform: float32 [2, S], encoded in `data`."""
    send, response = waveform[0].copy(), impulse_response(SETTINGS.reverb, SAMPLE_RATE)
    as_float64, meter = waveform.T.astype(np.float64), pyloudnorm.Meter(SAMPLE_RATE)
    report(
        "part_loudness",
        repeats,
        lambda: integrated_loudness(waveform, SAMPLE_RATE),
        lambda: meter.integrated_loudness(as_float64),
    )
    report(
        "part_true_peak",
        repeats,
        lambda: true_peak_dbtp(waveform),
        lambda: np.abs(signal.resample_poly(waveform, 4, 1, axis=1)).max(),
    )
    report(
        "part_reverb",
        repeats,
        lambda: convolve(send, response),
        lambda: signal.fftconvolve(send[None], response, axes=1),
    )
    report("part_decode", repeats, lambda: decode(data))


def report(metric: str, repeats: int, work: Callable[[], object], peer: Callable[[], object] | None = None) -> float:
    """Milliseconds per second of audio that some work takes, printed beside those of its peer."""
    milliseconds = median_ms(work, repeats)
    against = {} if peer is None else {"peer": median_ms(peer, 3)}
    print_metric(metric, milliseconds, "ms/s", against=against, realtime=round(1000 / milliseconds))
    return milliseconds


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Processor milliseconds of one call per second of audio, after a first call that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000 / SECONDS


def six_parts() -> Score:
    """Piano, bass, strings, flute, pad and drums, 30 bars at 120 bpm, with slightly irregular lengths and loudness."""
    random = np.random.default_rng(0)
    rows: list[tuple[int, int, int, int, int]] = []

    def play(onset: int, duration: int, program: int, pitch: int, velocity: int) -> None:
        rows.append(
            (onset, duration + int(random.integers(-1, 2)), program, pitch, velocity + int(random.integers(12)))
        )

    for bar in range(SECONDS // 2 - 1):
        chord, start = CHORDS[bar % 4], bar * 96
        for beat in range(4):
            play(start + 24 * beat, 20, 33, 36 + chord[0 if beat % 2 == 0 else 2] % 12, 84)
            play(start + 24 * beat, 6, DRUMS, 36 if beat % 2 == 0 else 38, 90)
            for half in range(2):
                play(start + 24 * beat + 12 * half, 6, DRUMS, 42, 60)
            play(start + 24 * beat, 20, 73, 72 + int(random.choice([0, 2, 4, 5, 7, 9, 11])), 80)
        for step in chord:
            play(start, 94, 48, 60 + step, 56)
            play(start, 94, 89, 48 + step, 48)
        for eighth in range(8):
            play(start + 12 * eighth, 14, 0, 60 + chord[eighth % 3], 70)
    return Score(notes=make_notes(rows))


def render_with_symusic(score: Score, soundfont: SoundFont) -> object:
    """The same notes through symusic's synthesiser."""
    file = symusic.Score(24)
    file.tempos.append(symusic.Tempo(0, 120))
    for program in np.unique(score.notes["program"]):
        track = symusic.Track("", 0 if program == DRUMS else int(program), bool(program == DRUMS))
        for note in score.notes[score.notes["program"] == program]:
            track.notes.append(symusic.Note(*(int(note[name]) for name in ("onset", "duration", "pitch", "velocity"))))
        file.tracks.append(track)
    return symusic.Synthesizer(str(soundfont.path), SAMPLE_RATE, 0).render(file, True)


if __name__ == "__main__":
    main()
