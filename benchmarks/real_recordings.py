"""Transcriptions of real recordings: a JSON line and a picture of each.

    python -m benchmarks.real_recordings FOLDER --pictures docs/real-recordings

There are no scores of these recordings, so the notes cannot be measured; docs/real-recordings.md describes them as
listened to. The pictures show the first quarter of a minute: spectrogram, notes, drum hits and beats.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.report import print_metric
from lstm_core.notes.describe import describe
from lstm_core.recordings.recording import open_recording
from lstm_core.recordings.resampling import resample_mono
from lstm_core.transcription.beats.grid import score_of
from lstm_core.transcription.picture import draw_transcription
from lstm_core.transcription.roles import ROLE_NAMES
from lstm_core.transcription.spectrogram import BINS_PER_SEMITONE, FRAME_RATE, LOWEST_PITCH, SAMPLE_RATE, Spectrogram
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber
from lstm_core.transcription.transcription import DRUM_NAMES

DRAWN_S = 15.0
SUFFIXES = (".ogg", ".wav", ".flac", ".mp3", ".m4a", ".opus")


def report(path: Path, transcriber: Transcriber, pictures: Path | None) -> None:
    """Prints the transcription of one recording, and draws it."""
    with open_recording(path) as recording:
        facts = recording.facts
        mono = np.concatenate(
            list(resample_mono(recording.chunks(), facts.sample_rate, SAMPLE_RATE, facts.channel_names))
        )
    transcription = transcriber.transcribe([mono])
    gridded = score_of(transcription, title=path.stem)
    described, beats = describe(gridded.score), gridded.beats
    roles = np.bincount(gridded.score.notes["part"], minlength=len(ROLE_NAMES)).tolist()
    hits = np.bincount(transcription.drums["drum"], minlength=len(DRUM_NAMES)).tolist()
    print_metric(
        "real_recording",
        round(gridded.confidence, 3),
        unit="confidence",
        recording=path.name,
        duration_s=round(transcription.duration_s, 1),
        notes=len(transcription.notes),
        roles=dict(zip(ROLE_NAMES, roles, strict=True)),
        drums=dict(zip(DRUM_NAMES, hits, strict=True)),
        key=described.key,
        key_clarity=round(described.key_clarity, 2),
        has_beat=beats.has_beat,
        bpm=[round(tempo.bpm, 1) for tempo in gridded.score.tempos],
        meter=described.meter,
        beat_strength=round(beats.strength, 2),
        grid_share=round(gridded.grid_share, 2),
    )
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        drawn = mono[: round(DRAWN_S * SAMPLE_RATE)]
        with torch.inference_mode():
            levels = Spectrogram()(torch.from_numpy(drawn)[None])[0].numpy()
        picture = draw_transcription(
            levels,
            replace(transcription, duration_s=min(transcription.duration_s, DRAWN_S)),
            frame_rate=FRAME_RATE,
            lowest_pitch=LOWEST_PITCH,
            bins_per_semitone=BINS_PER_SEMITONE,
            beats_s=beats.times_s,
            is_downbeat=beats.places == 0,
            width=1200,
        )
        (pictures / f"{path.stem}.png").write_bytes(picture)


def main(arguments: list[str] | None = None) -> None:
    """Prints a line for each recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path, help="where pictures are written")
    parser.add_argument("--transcriber", default="base", help="folder of a transcriber's checkpoint")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    transcriber = Transcriber(load_transcriber(options.transcriber))
    for path in sorted(options.folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            report(path, transcriber, options.pictures)


if __name__ == "__main__":
    main()
