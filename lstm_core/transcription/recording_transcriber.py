"""A recording becomes a score with its measures: decode, check quality, fingerprint, transcribe, align to its beats.

All of it happens in one pass over the samples, in memory that does not grow with the recording's length.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import RecordingError, ScoreError, StorageError
from lstm_core.foundation.returned_heap import Heap
from lstm_core.foundation.shingles import Shingles
from lstm_core.notes.score import Score
from lstm_core.recordings.decoding import IsolatedDecoder, IsolatedRecording
from lstm_core.recordings.facts import RecordingFacts
from lstm_core.recordings.fingerprint import Fingerprinter
from lstm_core.recordings.limits import RecordingLimits, TranscriptionLimits
from lstm_core.recordings.quality import QualityMeter, RecordingQuality, check_quality
from lstm_core.recordings.resampling import Resampler, mix_to_mono, mono_shares
from lstm_core.transcription.beats.grid import score_of
from lstm_core.transcription.spectrogram import SAMPLE_RATE
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcription import Transcription

Chunk = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Transcribed:
    """The score of one recording, with its measures."""

    score: Score
    facts: RecordingFacts
    quality: RecordingQuality
    confidence: float  # 0 to 1, see confidence_of
    has_beat: bool  # False: notes are on a plain grid at 120 bpm
    fingerprint: Shingles = field(repr=False)
    transcription: Transcription = field(repr=False)


@dataclass(frozen=True)
class Source:
    """A recording to be transcribed: a local path, or a file object that is closed afterwards."""

    name: str  # path in the corpus; its last name is the title where tags hold none
    file: Path | BinaryIO


class RecordingTranscriber(Closing):
    """Transcribes recordings, one after the other. A context manager: it owns a process that decodes."""

    def __init__(self, transcriber: Transcriber, limits: TranscriptionLimits | None = None) -> None:
        self.transcriber, self.limits = transcriber, limits or TranscriptionLimits()
        self._heap = Heap()
        self._decoder = IsolatedDecoder(
            floor_s=self.limits.decoding_floor_s,
            seconds_per_s=self.limits.decoding_seconds_per_s,
            memory_bytes=self.limits.decoding_memory_bytes,
        )

    def close(self) -> None:
        """Ends the process that decodes."""
        self._decoder.close()

    def transcribe(self, source: Source) -> Transcribed:
        """The score of one recording.

        Raises:
            RecordingError: it cannot be decoded, its quality is too low, or its transcription is not reliable.
            StorageError: it cannot be read.
        """
        found = next(self.transcribe_many([source]))
        if isinstance(found, Transcribed):
            return found
        raise found

    def transcribe_many(
        self, sources: Iterable[Source | RecordingError | StorageError]
    ) -> Iterator[Transcribed | RecordingError | StorageError]:
        """Yields the score of each recording, or why there is none, in order; errors passed in are passed on."""
        passes: deque[_Pass] = deque()

        def signals() -> Iterator[Iterable[Chunk]]:
            for source in sources:
                passes.append(_Pass(source))
                yield passes[-1].samples(self._decoder, self.limits.recording_limits(), self._heap)

        for transcription in self.transcriber.transcribe_many(signals()):
            yield passes.popleft().finish(transcription, self.limits.least_confidence)


class _Pass:
    """One recording in progress: its measures, taken while the transcriber consumes its samples."""

    def __init__(self, source: Source | RecordingError | StorageError) -> None:
        self._source = source
        self._error: RecordingError | StorageError | None = None if isinstance(source, Source) else source
        self._facts: RecordingFacts | None = None
        self._quality: RecordingQuality | None = None
        self._fingerprint: Shingles = np.zeros(0, dtype=np.uint32)

    def samples(self, decoder: IsolatedDecoder, limits: RecordingLimits, heap: Heap) -> Iterator[Chunk]:
        """Mono chunks, float32 [S] at SAMPLE_RATE; where the recording fails they end, and `finish` says why."""
        if not isinstance(self._source, Source):
            return
        try:
            with decoder.open(self._source.file, limits) as recording:
                for chunk in self._measured(recording):
                    yield chunk
                    heap.add(len(chunk) / SAMPLE_RATE)
        except (RecordingError, StorageError) as error:
            self._error = error
        except OSError as error:
            self._error = RecordingError("fetch", f"it cannot be read: {error.strerror or error}")
        finally:
            if not isinstance(self._source.file, Path):
                self._source.file.close()

    def _measured(self, recording: IsolatedRecording) -> Iterator[Chunk]:
        facts = self._facts = recording.facts
        meter = QualityMeter(facts.sample_rate, facts.channel_names)
        fingerprinter = Fingerprinter(SAMPLE_RATE)
        resampler, shares = Resampler(facts.sample_rate, SAMPLE_RATE), mono_shares(facts.channel_names)
        for chunk in recording.chunks():
            meter.add(chunk)
            mono = resampler.add(mix_to_mono(chunk, shares))
            fingerprinter.add(mono)
            yield mono
        mono = resampler.finish()
        fingerprinter.add(mono)
        yield mono
        self._quality, self._fingerprint = meter.finish(), fingerprinter.finish()

    def finish(
        self, transcription: Transcription, least_confidence: float
    ) -> Transcribed | RecordingError | StorageError:
        """The score of the recording, or the reason why there is none."""
        if self._error is not None:
            return self._error
        assert isinstance(self._source, Source) and self._facts is not None and self._quality is not None
        try:
            check_quality(self._quality)
            gridded = score_of(transcription, title=_title(self._facts, self._source.name), tags=_tags(self._facts))
        except RecordingError as error:
            return error
        except ScoreError as error:
            return RecordingError("transcribe", str(error))
        if gridded.confidence < least_confidence:
            return RecordingError(
                "transcribe",
                f"its transcription is not reliable: confidence {gridded.confidence:.2f}, under "
                f"{least_confidence:.2f} (listen.least_confidence)",
            )
        return Transcribed(
            score=gridded.score,
            facts=self._facts,
            quality=self._quality,
            confidence=gridded.confidence,
            has_beat=gridded.beats.has_beat,
            fingerprint=self._fingerprint,
            transcription=transcription,
        )


def measures_of(transcribed: Transcribed) -> dict[str, object]:
    """The columns of a piece (piece_fields.PIECE_FIELDS) that only a recording has."""
    loudness = transcribed.quality.loudness_lufs
    return {
        "source": "recording",
        "codec": transcribed.facts.codec,
        "sample_rate": transcribed.facts.sample_rate,
        "num_channels": transcribed.facts.num_channels,
        "loudness_lufs": loudness if math.isfinite(loudness) else None,
        "brightness_hz": transcribed.quality.brightness_hz,
        "confidence": transcribed.confidence,
        "has_beat": transcribed.has_beat,
    }


def _title(facts: RecordingFacts, name: str) -> str:
    return facts.tags.get("title") or PurePosixPath(name).stem


def _tags(facts: RecordingFacts) -> dict[str, str]:
    return {**facts.tags, "codec": facts.codec, "sample_rate": str(facts.sample_rate)}
