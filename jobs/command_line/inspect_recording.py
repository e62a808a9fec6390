"""`tonemill inspect` of a recording: what the transcriber makes of it, as figures, a picture and MIDI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table

from jobs.command_line.screen import Screen, heading
from lstm_core.blocks.corpus import UNKNOWN_LICENCE
from lstm_core.foundation.errors import RecordingError, ScoreError
from lstm_core.notes.describe import describe
from lstm_core.notes.midi import write_midi
from lstm_core.recordings.licences import licence_of_tags
from lstm_core.recordings.recording import open_recording
from lstm_core.recordings.resampling import resample_mono
from lstm_core.transcription.beats.grid import GriddedScore, score_of
from lstm_core.transcription.picture import MAX_S, draw_transcription
from lstm_core.transcription.roles import ROLE_NAMES
from lstm_core.transcription.spectrogram import BINS_PER_SEMITONE, FRAME_RATE, LOWEST_PITCH, SAMPLE_RATE, Spectrogram
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber
from lstm_core.transcription.transcription import DRUM_NAMES, Transcription

Chunk = npt.NDArray[np.float32]


def inspect_recording(path: str, folder: str | Path = ".") -> None:
    """Prints the transcription of a local recording; writes NAME.heard.png and NAME.heard.mid into `folder`.

    Raises:
        RecordingError: it cannot be decoded, or no note is found in it.
    """
    drawn: list[Chunk] = []
    try:
        with open_recording(Path(path)) as recording:
            facts = recording.facts
            mono = resample_mono(recording.chunks(), facts.sample_rate, SAMPLE_RATE, facts.channel_names)
            transcription = Transcriber(load_transcriber()).transcribe(_kept(mono, drawn))
        gridded = score_of(transcription, title=facts.tags.get("title") or Path(path).stem)
    except (RecordingError, ScoreError) as error:
        stage = error.stage if isinstance(error, RecordingError) else "transcribe"
        raise RecordingError(stage, f"{path}: {error}") from error
    picture, midi = (Path(folder) / f"{Path(path).stem}.heard{suffix}" for suffix in (".png", ".mid"))
    picture.write_bytes(_picture(np.concatenate(drawn), transcription, gridded))
    midi.write_bytes(write_midi(gridded.score))
    form = f"{facts.codec}, {facts.sample_rate} Hz, {facts.num_channels} channels, {transcription.duration_s:.2f} s"
    rows = [*_provenance(facts.tags), *_facts(transcription, gridded), ("written", f"{picture}, {midi}")]
    _show(f"{path}: {form}", rows)


def _show(title: str, rows: Iterable[tuple[str, str]]) -> None:
    screen = Screen()
    screen.print(heading("Recording", title))
    table = Table(show_header=False, box=None)
    for row in rows:
        table.add_row(*row)
    screen.print(table)


def _provenance(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Who made it and what may be done with it, as far as its tags say."""
    for name in ("title", "artist"):
        if name in tags:
            yield name, tags[name]
    yield "licence", licence_of_tags(tags) or UNKNOWN_LICENCE


def _facts(transcription: Transcription, gridded: GriddedScore) -> Iterator[tuple[str, str]]:
    score, beats = gridded.score, gridded.beats
    described = describe(score)
    yield "key", f"{described.key or 'none'} (clarity {described.key_clarity:.2f})"
    found = f"strength {beats.strength:.2f}, unsteadiness {beats.unsteadiness:.3f}"
    if beats.has_beat:
        more = "" if len(score.tempos) == 1 else f", {len(score.tempos)} tempi"
        yield (
            "tempo",
            f"{described.tempo_bpm:.1f} bpm{more}, meter {described.meter}, {described.num_bars} bars; {found}",
        )
        yield "beats", f"{len(beats.times_s)}, bar 1 begins at {gridded.start_s:.2f} s"
    else:
        yield "tempo", f"no steady beat ({found}); a plain grid at 120 bpm"
    roles = np.bincount(score.notes["part"], minlength=len(ROLE_NAMES))
    yield "notes", f"{len(transcription.notes)}: " + _counted(ROLE_NAMES[:-1], roles[:-1])
    hits = np.bincount(transcription.drums["drum"], minlength=len(DRUM_NAMES))
    yield "drums", f"{len(transcription.drums)}: " + _counted(DRUM_NAMES, hits)
    yield "confidence", f"{gridded.confidence:.2f}; {100 * gridded.grid_share:.0f} % of onsets near the grid"


def _counted(names: Iterable[str], counts: npt.NDArray[np.int64]) -> str:
    return ", ".join(f"{name} {count}" for name, count in zip(names, counts.tolist(), strict=True))


def _kept(chunks: Iterable[Chunk], drawn: list[Chunk]) -> Iterator[Chunk]:
    """The chunks, of which `drawn` keeps what the picture shows."""
    num_left = round(MAX_S * SAMPLE_RATE)
    for chunk in chunks:
        if num_left > 0:
            drawn.append(chunk[:num_left].copy())
            num_left -= len(drawn[-1])
        yield chunk


def _picture(waveform: Chunk, transcription: Transcription, gridded: GriddedScore) -> bytes:
    with torch.inference_mode():
        levels = Spectrogram()(torch.from_numpy(waveform)[None])[0].numpy()
    return draw_transcription(
        levels,
        transcription,
        frame_rate=FRAME_RATE,
        lowest_pitch=LOWEST_PITCH,
        bins_per_semitone=BINS_PER_SEMITONE,
        beats_s=gridded.beats.times_s,
        is_downbeat=gridded.beats.places == 0,
    )
