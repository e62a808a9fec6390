"""The facts that a recording's file states, and those of its first frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from lstm_core.recordings.source_file import SourceFile, stated_wav_duration
from lstm_core.recordings.tags import clean_tags


@dataclass(frozen=True, kw_only=True)
class RecordingFacts:
    """The facts that a file states, and those of its first frame."""

    container: str  # FFmpeg's name: wav, aiff, flac, mp3, ogg, mov, asf, ...
    codec: str  # flac, mp3, vorbis, opus, aac, wmav2, pcm_s16le, ...
    sample_rate: int  # Hz
    num_channels: int
    channel_names: tuple[str, ...]  # FL, FR, FC, LFE, ...; as many as channels, "" where unknown
    bit_depth: int | None  # of lossless codecs
    duration_s: float | None  # as stated, None where nothing is
    tags: dict[str, str]  # lower-case names: artist, title, album, license, copyright, comment, date, ...


def facts_of(container: Any, stream: AudioStream, frame: AudioFrame, duration_s: float | None) -> RecordingFacts:
    """The facts of an open container whose first frame is decoded."""
    codec = str(stream.codec_context.name)
    pcm = re.fullmatch(r"pcm_[suf](\d+)[lb]?e?", codec)
    lossless = {"s16": 16, "s16p": 16, "s32": 24, "s32p": 24, "u8": 8}.get(str(frame.format.name))
    num_channels = frame.layout.nb_channels
    tags = dict(stream.metadata) | dict(container.metadata)  # Ogg has them at the stream
    return RecordingFacts(
        container=container.format.name.split(",")[0],
        codec={"mp3float": "mp3", "mp2float": "mp2", "mp1float": "mp1", "libopus": "opus"}.get(codec, codec),
        sample_rate=frame.sample_rate,
        num_channels=num_channels,
        channel_names=_channel_names(frame),
        bit_depth=int(pcm[1]) if pcm else lossless if codec in ("flac", "alac", "wmalossless") else None,
        duration_s=duration_s,
        tags=clean_tags(tags),
    )


def stated_duration(source: SourceFile, container: Any, stream: AudioStream) -> float | None:
    """Seconds that the file states; None where FFmpeg only estimates them from its size."""
    if container.format.name in ("mp3", "aac") and not re.search(rb"Xing|Info|VBRI", source.head):
        return None
    if (stated := stated_wav_duration(source.head)) is not None:
        return stated  # FFmpeg reports what is there, not what should be there
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else float(container.duration / 1e6)


def _channel_names(frame: AudioFrame) -> tuple[str, ...]:
    """Names of the channels: left and right for two without names, none for more."""
    names = tuple(channel.name for channel in frame.layout.channels)
    num_channels: int = frame.layout.nb_channels
    if len(names) == num_channels and "NONE" not in names:
        return names
    return {1: ("FC",), 2: ("FL", "FR")}.get(num_channels, ("",) * num_channels)
