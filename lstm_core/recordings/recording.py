"""Recordings of any codec, decoded in a stream: float32 chunks at their own rate, and the facts of the file.

The content of a file decides its format; its name is never used. FFmpeg (PyAV) decodes, held to the containers and
decoders listed here: playlists, which could make it open other files, and its hundreds of decoders for games and films
stay out of reach of hostile files. A file that may be hostile is decoded with
lstm_core.recordings.decoding, in a process that may crash.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import RecordingError
from lstm_core.recordings.facts import facts_of, stated_duration
from lstm_core.recordings.frames import convert, rows_of
from lstm_core.recordings.limits import RecordingLimits
from lstm_core.recordings.source_file import SourceFile, is_protected_asf, what_it_is

Chunk = npt.NDArray[np.float32]  # [C, S]

CONTAINERS = ("wav", "w64", "aiff", "caf", "au", "flac", "mp3", "ogg", "aac", "mov", "asf", "matroska")
CODECS = (
    "flac alac vorbis opus libopus mp3 mp3float mp2 mp2float mp1 mp1float aac wmav1 wmav2 wmapro wmalossless"
    " pcm_u8 pcm_s8 pcm_alaw pcm_mulaw pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_s64le pcm_f32le"
    " pcm_f32be pcm_f64le pcm_f64be adpcm_ms adpcm_ima_wav adpcm_ima_qt"
).split()
PROTECTED_ENTRIES = ("enca", "drms", "aavd")  # sample entries of ISO media whose samples are encrypted
CHUNK_S = 4.0
MAX_CHUNK_BYTES = 8 * 2**20  # of a chunk; those of 32 channels at 192 kHz are shorter
READ_BYTES = 128 * 1024  # that FFmpeg requests at a time; at 32 kB the calls cost a tenth of decoding WAV

# A file is cut short when both are passed; encoders round, and the stated lengths of VBR files are estimates.
MAX_MISSING_SHARE = 0.1
MAX_MISSING_S = 1.0
SUFFIXES = (".wav", ".aiff", ".aif", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".wma")
# Damaged packets: the last one of a cut file, and tags that some programs write between frames, are no damage.
MAX_DAMAGED_PACKETS = 4
MAX_DAMAGED_SHARE = 0.02
# Samples that are not finite, or far beyond full scale, become zeros while they are rare: an unstable filter for a few
# samples is one click. With more of them the file holds something other than audio. 64 is 36 dB over full scale.
MAX_MAGNITUDE = 64.0
MAX_CLEANED_SHARE = 0.001
_CLEANED_GRACE_S = 10.0  # the share counts as if at least so much had been decoded


class Recording(Closing):
    """A recording being decoded, once from start to end. A context manager; made by `open_recording`."""

    def __init__(self, source: SourceFile, container: Any, stream: AudioStream, limits: RecordingLimits) -> None:
        self._source, self._container, self._stream, self._limits = source, container, stream, limits
        self._file: BinaryIO | None = None  # to be closed with this
        self._num_packets = 0
        self._last_damage = ""
        self._pending: list[npt.NDArray[Any]] | None = None  # the part of the last frame that is in no chunk yet
        self.num_samples = 0  # decoded so far
        self.num_cleaned = 0  # samples of any channel that were not finite, now zeros
        self.num_damaged_packets = 0
        self._frames = self._decoded_frames()
        try:
            self._first = next(self._frames, None)
        except BaseException:
            self.close()
            raise
        if self._first is None:
            self.close()
            raise RecordingError("decode", self._nothing())
        self.facts = facts_of(container, stream, self._first, stated_duration(source, container, stream))
        stated = self.facts.duration_s
        if stated is not None and stated > limits.max_duration_s:
            self.close()
            raise _too_long(stated, limits)
        self._is_float = str(self._first.format.name)[:3] in ("flt", "dbl")

    def close(self) -> None:
        """Frees what FFmpeg holds; closes the file where `open_recording` was given a path."""
        self._frames.close()
        self._container.close()
        if self._file is not None:
            self._file.close()

    @property
    def duration_s(self) -> float:
        """Seconds decoded so far."""
        return self.num_samples / self.facts.sample_rate

    def chunk_samples(self, chunk_s: float = CHUNK_S) -> int:
        """Samples of a chunk of so many seconds, fewer where that would be too many bytes."""
        facts = self.facts
        return max(1, min(round(chunk_s * facts.sample_rate), MAX_CHUNK_BYTES // (4 * facts.num_channels)))

    def chunks(self, chunk_s: float = CHUNK_S) -> Iterator[Chunk]:
        """The rest, in chunks of equal length except the last: float32 [C, S], each in separate memory.

        Raises:
            RecordingError: the recording is too long, too short, cut short, damaged, or mostly not finite.
        """
        while True:
            chunk = np.empty((self.facts.num_channels, self.chunk_samples(chunk_s)), dtype=np.float32)
            num_samples = self.read_into(chunk)
            if num_samples == 0:
                return
            yield chunk[:, :num_samples]

    def read_into(self, target: Chunk) -> int:
        """Number of samples put at the start of `target`, float32 [C, S]; fewer than S only at the end.

        Raises:
            RecordingError: as `chunks`.
        """
        filled, capacity = 0, target.shape[1]
        while filled < capacity:
            if self._pending is None:
                frame, self._first = (self._first or next(self._frames, None)), None
                if frame is None:
                    break
                self._pending = rows_of(frame)
            left = len(self._pending[0])
            taken = min(capacity - filled, left)
            for row, channel in zip(self._pending, target, strict=True):
                convert(row[:taken], channel[filled : filled + taken])
            self._pending = [row[taken:] for row in self._pending] if taken < left else None
            filled += taken
        self.num_samples += filled
        if self._is_float:
            self._clean(target[:, :filled])
        if self.duration_s > self._limits.max_duration_s:
            raise _too_long(self.duration_s, self._limits)
        if filled == 0:
            self._check_end()
        return filled

    def _decoded_frames(self) -> Generator[AudioFrame, None, None]:
        """Frames of equal rate and channels; others, and packets that cannot be decoded, are damage."""
        wanted: tuple[int, int] | None = None
        for packet in self._packets():
            self._num_packets += 1
            try:
                frames = packet.decode()
            except av.error.MemoryError:
                raise
            except (av.error.FFmpegError, ValueError) as error:
                self._damage(getattr(error, "strerror", None) or str(error))
                continue
            for frame in frames:
                found = (frame.sample_rate, frame.layout.nb_channels)
                wanted = wanted or found
                if found == wanted and frame.samples:
                    yield frame
                elif frame.samples:
                    self._damage(f"it changes from {_form(wanted)} to {_form(found)}")

    def _packets(self) -> Iterator[Any]:
        """Packets up to the end, or up to where FFmpeg finds no more; an error of the file object is raised."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            if self._source.error is None:
                self._damage(getattr(error, "strerror", None) or str(error))
        if self._source.error is not None:
            raise self._source.error

    def _nothing(self) -> str:
        """The reason why there is not one frame."""
        if self._container.format.name.startswith("mov") and not self._source.seekable():
            return "an M4A file whose index is at its end must come from a source that seeks"
        return f"nothing could be decoded ({self._last_damage or 'there is no audio in it'})"

    def _damage(self, what: str) -> None:
        self.num_damaged_packets += 1
        self._last_damage = what
        if self.num_damaged_packets > 50 and self.num_damaged_packets > self._num_packets / 2:
            raise self._damaged()

    def _damaged(self) -> RecordingError:
        share = f"{self.num_damaged_packets} of {self._num_packets} packets cannot be decoded"
        return RecordingError("decode", f"damaged: {share}, the last because: {self._last_damage}")

    def _clean(self, chunk: Chunk) -> None:
        """Replaces samples that are not finite by zeros, while they are rare."""
        for channel in chunk:
            if len(channel) and not (channel.min() >= -MAX_MAGNITUDE and channel.max() <= MAX_MAGNITUDE):
                with np.errstate(invalid="ignore"):
                    bad = ~(np.abs(channel) <= MAX_MAGNITUDE)
                channel[bad] = 0.0
                self.num_cleaned += int(np.count_nonzero(bad))
        facts = self.facts
        values = max(self.num_samples, _CLEANED_GRACE_S * facts.sample_rate) * facts.num_channels
        if self.num_cleaned > MAX_CLEANED_SHARE * values:
            raise RecordingError(
                "decode",
                f"{self.num_cleaned:,} of the first {self.num_samples * facts.num_channels:,} samples are NaN, infinite"
                f" or beyond {MAX_MAGNITUDE:g} times full scale; at most {MAX_CLEANED_SHARE:.1%} may be",
            )

    def _check_end(self) -> None:
        stated, found = self.facts.duration_s, self.duration_s
        if stated is not None and stated - found > max(MAX_MISSING_S, MAX_MISSING_SHARE * stated):
            raise RecordingError("decode", f"cut short: the file states {stated:.1f} s, {found:.1f} s of it are there")
        damaged = self.num_damaged_packets
        if damaged > MAX_DAMAGED_PACKETS and damaged > MAX_DAMAGED_SHARE * self._num_packets:
            raise self._damaged()
        if found < self._limits.min_duration_s:
            raise RecordingError(
                "decode", f"lasts {found:.3f} s; at least {self._limits.min_duration_s:g} s are needed"
            )


def open_recording(source: BinaryIO | Path | str, limits: RecordingLimits | None = None) -> Recording:
    """The recording in a local file or in a binary file object, its first frame decoded.

    A file object need not seek (but an M4A file whose index is at its end can be read from one that seeks only); its
    own errors come through as they are. It is not closed.

    Raises:
        RecordingError: this is no recording that can be decoded; the message says why.
        OSError: the file cannot be opened or read.
    """
    limits = limits or RecordingLimits()
    if not isinstance(source, (str, Path)):
        return _open(source, limits)
    file = Path(source).open("rb")  # noqa: SIM115 - it lives as long as the recording
    try:
        recording = _open(file, limits)
    except BaseException:
        file.close()
        raise
    recording._file = file
    return recording


def _open(file: BinaryIO, limits: RecordingLimits) -> Recording:
    source = SourceFile(file, max_bytes=limits.max_bytes)
    try:
        container = av.open(
            source,
            mode="r",
            options={"format_whitelist": ",".join(CONTAINERS), "codec_whitelist": ",".join(CODECS)},
            metadata_errors="replace",
            buffer_size=READ_BYTES,
            io_open=_open_nothing,
        )
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        if source.error is not None:
            raise source.error from None
        raise RecordingError("decode", what_it_is(source, error)) from error
    try:
        return Recording(source, container, _audio_stream(source, container), limits)
    except BaseException:
        container.close()
        raise


def _open_nothing(url: str, flags: int, options: dict[str, str]) -> Any:
    """Raises RecordingError: a recording is one file."""
    raise PermissionError(f"the file refers to another one, {url[:200]!r}")


def _audio_stream(source: SourceFile, container: Any) -> AudioStream:
    """The first audio stream, checked before anything is decoded."""
    if not container.streams.audio:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise RecordingError("decode", f"holds no audio stream (it is {container.format.name} with {kinds})")
    stream: AudioStream = container.streams.audio[0]
    if is_protected_asf(source.head) or str(stream.codec_tag) in PROTECTED_ENTRIES:
        raise RecordingError("decode", "is encrypted (protected by digital rights management)")
    context = stream.codec_context
    name = getattr(context, "name", None)
    if name not in CODECS:
        raise RecordingError("decode", f"its codec is {name or 'unknown'}; known are {', '.join(CODECS)}")
    context.thread_count = 1  # threads take address space, and one worker has one core
    return stream


def _form(rate_and_channels: tuple[int, int]) -> str:
    rate, num_channels = rate_and_channels
    return f"{rate} Hz with {num_channels} channel{'s' if num_channels > 1 else ''}"


def _too_long(duration_s: float, limits: RecordingLimits) -> RecordingError:
    return RecordingError(
        "decode", f"lasts {duration_s:.0f} s or more; at most {limits.max_duration_s:.0f} s are allowed"
    )
