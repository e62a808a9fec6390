"""Recordings of every codec: what comes out of a file, and which files are refused and why."""

from __future__ import annotations

import io
import pickle
import re
import struct
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lstm_core.foundation.errors import RecordingError
from lstm_core.recordings.facts import RecordingFacts
from lstm_core.recordings.limits import RecordingLimits
from lstm_core.recordings.recording import Recording, open_recording
from lstm_core.recordings.tags import MAX_TAGS, MAX_VALUE_LETTERS, clean_tags
from tests.lstm_core.encoded import FORMATS, encode

INDEX_FIRST = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}
LOSSLESS = ("wav", "wav24", "wav_float", "aiff", "flac", "alac")
TAGS = {"title": "Übung", "artist": "Ada", "album": "One", "copyright": "CC BY 4.0", "comment": "a\nb", "date": "2020"}


def two_sines(sample_rate: int, duration_s: float = 3.0) -> np.ndarray:
    """440 Hz at 0.5 on the left, 660 Hz at 0.25 on the right: float32 [2, S]."""
    t = np.arange(round(sample_rate * duration_s)) / sample_rate
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * t), 0.25 * np.sin(2 * np.pi * 660 * t)]).astype(np.float32)


def decode(data: bytes, chunk_s: float = 4.0, limits: RecordingLimits | None = None) -> tuple[np.ndarray, Recording]:
    with open_recording(io.BytesIO(data), limits) as recording:
        return np.concatenate(list(recording.chunks(chunk_s)), axis=1), recording


def refusal(data: bytes, limits: RecordingLimits | None = None) -> str:
    with pytest.raises(RecordingError) as refused:
        decode(data, limits=limits)
    assert refused.value.stage == "decode"
    return str(refused.value)


def float_wav(waveform: np.ndarray, sample_rate: int = 8000) -> bytes:
    body = np.ascontiguousarray(waveform.T, dtype="<f4").tobytes()
    channels = len(waveform)
    form = struct.pack("<HHIIHH", 3, channels, sample_rate, 4 * channels * sample_rate, 4 * channels, 32)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def silent_flac(duration_s: int) -> bytes:
    """So many seconds of silence at 1 kHz."""
    return encode(np.zeros((1, 1000 * duration_s), dtype=np.float32), "flac", sample_rate=1000)


class Stream:
    """A file object that only reads, as from a pipe."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 3000))


@pytest.mark.parametrize("name", FORMATS)
def test_frequency_level_and_length_survive_every_codec(name: str) -> None:
    rate = FORMATS[name].rate
    waveform = two_sines(rate)
    decoded, recording = decode(encode(waveform, name))
    assert (recording.facts.sample_rate, recording.facts.num_channels) == (rate, 2)
    assert recording.facts.channel_names == ("FL", "FR")
    assert recording.num_cleaned == recording.num_damaged_packets == 0
    assert recording.facts.duration_s == pytest.approx(3.0, abs=0.03)
    assert abs(decoded.shape[1] - waveform.shape[1]) <= (0 if name in LOSSLESS else 4096)
    middle = decoded[:, rate // 2 : rate // 2 + 2 * rate]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(2 * rate), axis=1))
    np.testing.assert_allclose(spectrum.argmax(axis=1) / 2, [440, 660], atol=0.5)
    np.testing.assert_allclose(
        middle.std(axis=1), [0.5 / np.sqrt(2), 0.25 / np.sqrt(2)], rtol=0.06
    )  # LAME takes 0.4 dB off
    if name in LOSSLESS:
        np.testing.assert_allclose(decoded, waveform, atol={"wav24": 2**-23, "wav_float": 0}.get(name, 2**-15))


def test_facts_of_each_codec() -> None:
    found = {}
    for name, form in FORMATS.items():
        with open_recording(io.BytesIO(encode(two_sines(form.rate), name))) as recording:
            facts = recording.facts
        found[name] = (facts.container, facts.codec, facts.bit_depth)
    assert found == {
        "wav": ("wav", "pcm_s16le", 16),
        "wav24": ("wav", "pcm_s24le", 24),
        "wav_float": ("wav", "pcm_f32le", 32),
        "aiff": ("aiff", "pcm_s16be", 16),
        "flac": ("flac", "flac", 16),
        "mp3": ("mp3", "mp3", None),
        "vorbis": ("ogg", "vorbis", None),
        "opus": ("ogg", "opus", None),
        "m4a": ("mov", "aac", None),
        "alac": ("mov", "alac", 16),
        "wma": ("asf", "wmav2", None),
    }


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "vorbis", "opus", "m4a", "wma"])
def test_tags_are_kept_under_lower_case_names(name: str) -> None:
    with open_recording(io.BytesIO(encode(two_sines(FORMATS[name].rate), name, tags=TAGS))) as recording:
        tags = recording.facts.tags
    assert {key: tags[key] for key in TAGS} == TAGS | {"comment": "a b"}
    assert list(tags) == sorted(tags)


def test_a_licence_is_found_under_each_of_its_names() -> None:
    for name in ("LICENSE", "licence", "WCOP"):
        assert clean_tags({name: "CC0"}) == {"license": "CC0"}
    assert clean_tags({"licence": "second", "License": "first"}) == {"license": "first"}
    assert clean_tags({"major_brand": "M4A ", "a\x00": "x", "artist": " \x00 ", "title": "a\x07b�"}) == {"title": "a b"}
    many = clean_tags({f"tag{i:03}": "y" * 5000 for i in range(200)})
    assert len(many) == MAX_TAGS and {len(value) for value in many.values()} == {MAX_VALUE_LETTERS}


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "opus", "wma"])
def test_chunks_of_any_length_and_a_stream_that_does_not_seek_give_the_same_samples(name: str) -> None:
    data = encode(two_sines(FORMATS[name].rate), name)
    whole, _ = decode(data)
    for chunk_s in (0.0005, 0.0371, 1.0):
        short = encode(two_sines(FORMATS[name].rate, 1.2), name) if chunk_s < 0.01 else data
        parts, _ = decode(short, chunk_s)
        np.testing.assert_array_equal(parts, decode(short)[0])
    with open_recording(Stream(data)) as recording:
        streamed = np.concatenate(list(recording.chunks()), axis=1)
    # The end of an MP3 file is known only from where it can be looked up beforehand.
    assert streamed.shape[1] - whole.shape[1] in ((range(2305)) if name in ("mp3", "wma") else (0,))
    np.testing.assert_array_equal(streamed[:, : whole.shape[1]], whole)


def test_all_chunks_but_the_last_have_the_requested_length() -> None:
    with open_recording(io.BytesIO(encode(two_sines(44100, 3.5), "mp3"))) as recording:
        lengths = [chunk.shape for chunk in recording.chunks(1.0)]
    assert lengths[:-1] == [(2, 44100)] * 3 and 0 < lengths[-1][1] < 44100


def test_a_path_is_opened_and_its_name_is_not_believed(tmp_path: Path) -> None:
    waveform = two_sines(44100)
    path = tmp_path / "music.mp3"
    path.write_bytes(encode(waveform, "flac"))
    with open_recording(path) as recording:
        assert recording.facts.codec == "flac"
        decoded = np.concatenate(list(recording.chunks()), axis=1)
    np.testing.assert_allclose(decoded, waveform, atol=2**-15)
    with pytest.raises(FileNotFoundError):
        open_recording(tmp_path / "none.wav")


@pytest.mark.parametrize(("rate", "name"), [(8000, "wav"), (8000, "mp3"), (192_000, "flac"), (192_000, "wav_float")])
def test_low_and_high_rates(rate: int, name: str) -> None:
    decoded, recording = decode(encode(two_sines(rate, 1.5), name, sample_rate=rate))
    assert recording.facts.sample_rate == rate
    spectrum = np.abs(np.fft.rfft(decoded[0, rate // 4 : rate // 4 + rate] * np.hanning(rate)))
    assert spectrum.argmax() == pytest.approx(440, abs=1)


def test_eight_channels_keep_their_names_and_order() -> None:
    levels = np.arange(1, 9)[:, None] / 10
    waveform = (levels * np.sin(np.arange(16000) / 10)).astype(np.float32)
    decoded, recording = decode(encode(waveform, "flac", sample_rate=8000))
    assert recording.facts.channel_names == ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
    np.testing.assert_allclose(decoded, waveform, atol=2**-15)


def test_what_is_no_recording_is_refused_saying_what_it_is() -> None:
    assert refusal(b"") == "the file is empty (0 bytes)"
    text = "Once upon a time, täglich:\n" * 100
    assert refusal(text.encode()) == "is text, not audio; it begins with 'Once upon a time, täglich: Once upon a t'"
    assert "is text, not audio" in refusal(b"#EXTM3U\n#EXTINF:3\nfile:///etc/passwd\n")
    assert "is text, not audio" in refusal(b"ffconcat version 1.0\nfile /etc/passwd\n" * 10)
    noise = np.random.default_rng(0).bytes(30_000)
    assert f"begins with the bytes {noise[:8].hex(' ')}" in refusal(noise)
    assert "no audio" in refusal(b"PK\x03\x04" + bytes(3000))


def test_a_wav_file_of_no_channels_is_refused() -> None:
    data = bytearray(encode(two_sines(44100), "wav"))
    at = data.index(b"fmt ") + 10
    data[at : at + 2] = b"\0\0"
    assert "channel" in refusal(bytes(data)) or "decode" in refusal(bytes(data))


def test_a_film_without_sound_has_no_audio_stream() -> None:
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    assert refusal(target.getvalue()) == "holds no audio stream (it is mov,mp4,m4a,3gp,3g2,mj2 with video)"


def test_protected_files_are_refused() -> None:
    m4a = encode(two_sines(44100), "m4a")
    for entry in (b"enca", b"drms"):
        assert "encrypted" in refusal(m4a.replace(b"mp4a", entry, 1))
    wma = encode(two_sines(44100), "wma")
    objects = struct.unpack_from("<I", wma, 24)[0]
    guard = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 40) + bytes(16)
    size = struct.unpack_from("<Q", wma, 16)[0]
    guarded = wma[:16] + struct.pack("<QI", size + 40, objects + 1) + wma[28:30] + guard + wma[30:]
    assert "encrypted" in refusal(guarded)


@pytest.mark.parametrize("name", ["wav", "wav_float", "aiff", "flac", "mp3"])
def test_a_file_cut_short_is_refused_with_both_lengths(name: str) -> None:
    data = encode(two_sines(44100, 8.0), name)
    message = refusal(data[: len(data) // 2])
    stated, found = (float(word) for word in re.findall(r"[\d.]+", message))
    assert message.startswith("cut short: the file states")
    assert stated == pytest.approx(8.0, abs=0.8) and found == pytest.approx(4.0, abs=0.3)
    _, recording = decode(data[: int(len(data) * 0.95)])
    assert recording.duration_s == pytest.approx(7.6, abs=0.15)


def test_ogg_wma_and_m4a_cut_short() -> None:
    """Ogg and WMA state the length of what is there, which is decoded; an M4A file without its index is nothing."""
    for name in ("vorbis", "opus", "wma"):
        data = encode(two_sines(FORMATS[name].rate, 8.0), name)
        _, recording = decode(data[: len(data) // 2])
        assert 2.5 < recording.duration_s < 5.5
    data = encode(two_sines(44100, 8.0), "m4a")
    assert refusal(data[: len(data) // 2]) == "is an M4A file without an index, so cut short or damaged"


def test_m4a_from_a_stream() -> None:
    with pytest.raises(RecordingError, match="must come from a source that seeks"):
        open_recording(Stream(encode(two_sines(44100), "m4a")))
    with open_recording(Stream(encode(two_sines(44100), "m4a", options=INDEX_FIRST))) as recording:
        assert sum(chunk.shape[1] for chunk in recording.chunks()) == pytest.approx(3 * 44100, abs=2048)


def test_a_few_samples_that_are_no_numbers_become_zeros_many_are_refused() -> None:
    waveform = two_sines(8000, 12.0)
    waveform[0, 100], waveform[1, 5000], waveform[0, 70_000] = np.nan, np.inf, 1e30
    decoded, recording = decode(float_wav(waveform))
    assert recording.num_cleaned == 3
    assert decoded[0, 100] == decoded[1, 5000] == decoded[0, 70_000] == 0
    good = np.isfinite(waveform) & (np.abs(waveform) < 2)
    np.testing.assert_array_equal(decoded[good], waveform[good])
    waveform[:, 8000:8800] = -np.inf
    assert "1,602 of the first 64,000 samples are NaN, infinite or beyond 64 times" in refusal(float_wav(waveform))
    assert "are NaN" in refusal(float_wav(np.full((1, 16000), np.nan)))
    integers_as_floats = two_sines(8000) * 32768
    assert "beyond 64 times full scale; at most 0.1% may be" in refusal(float_wav(integers_as_floats))


def test_limits_of_duration_and_size() -> None:
    assert refusal(encode(two_sines(44100, 0.05), "wav")) == "lasts 0.050 s; at least 1 s are needed"
    assert refusal(encode(two_sines(44100, 0.05), "mp3")).endswith("at least 1 s are needed")
    data = encode(two_sines(44100), "wav")
    short = RecordingLimits(max_duration_s=2.0)
    assert refusal(data, short) == "lasts 3 s or more; at most 2 s are allowed"
    small = RecordingLimits(max_bytes=10_000)
    assert refusal(data, small) == f"the file holds {len(data):,} bytes or more; at most 10,000 are allowed"
    with pytest.raises(RecordingError, match="at most 10,000 are allowed"):
        list(open_recording(Stream(data), small).chunks())
    with pytest.raises(ValueError, match="no duration lies between"):
        RecordingLimits(max_duration_s=0.5)


def test_a_bomb_that_hides_its_length_is_stopped_at_the_limit() -> None:
    """20 minutes of silence in 100 kB whose header states no length; decoding ends at the limit, not at the end."""
    data = bytearray(silent_flac(1200))
    assert len(data) < 100_000
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # number of samples: unknown
    with open_recording(Stream(bytes(data)), RecordingLimits(max_duration_s=60)) as recording:
        assert recording.facts.duration_s is None
        with pytest.raises(RecordingError, match=r"lasts 6[0-4] s or more; at most 60 s"):
            list(recording.chunks())
    assert "lasts 1200 s" not in refusal(bytes(data), RecordingLimits(max_duration_s=60))


@pytest.mark.slow
def test_three_hours_take_the_memory_of_twenty_minutes() -> None:
    peaks = []
    for duration_s in (1200, 3 * 3600):
        data = silent_flac(duration_s)
        tracemalloc.start()
        with open_recording(io.BytesIO(data)) as recording:
            num_samples = sum(chunk.shape[1] for chunk in recording.chunks(10.0))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert num_samples == 1000 * duration_s
    assert peaks[1] < peaks[0] + 300_000  # the samples are 43 MB


def test_errors_of_the_file_object_come_through() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 200_000:
                raise ConnectionResetError("the line is dead")
            return super().read(size)

    with pytest.raises(ConnectionResetError, match="the line is dead"):
        list(open_recording(Failing(encode(two_sines(44100), "wav"))).chunks())  # type: ignore[arg-type]

    class Generous(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read((size or 0) + 1)

    with pytest.raises(ValueError, match=r"a file object gave .* bytes for"):
        open_recording(Generous(encode(two_sines(44100), "wav")))


def test_damage_is_counted_and_much_of_it_is_refused() -> None:
    data = bytearray(encode(two_sines(44100, 20.0), "flac"))
    random = np.random.default_rng(0)
    data[len(data) // 2 : len(data) // 2 + 200] = random.bytes(200)
    _, recording = decode(bytes(data))
    assert recording.duration_s == pytest.approx(20.0, abs=0.5)
    for first in range(9000, len(data), 4000):
        data[first : first + 1500] = random.bytes(1500)
    assert any(word in refusal(bytes(data)) for word in ("damaged: ", "cut short: "))


def test_the_error_survives_a_trip_between_processes() -> None:
    error = pickle.loads(pickle.dumps(RecordingError("quality", "is noise")))
    assert (error.stage, error.reason, str(error)) == ("quality", "is noise", "is noise")


def test_facts_are_frozen_and_equal_for_equal_files() -> None:
    data = encode(two_sines(44100), "flac", tags=TAGS)
    facts = [open_recording(io.BytesIO(data)).facts for _ in range(2)]
    assert isinstance(facts[0], RecordingFacts) and facts[0] == facts[1]
    assert all(a <= b for a, b in pairwise(facts[0].tags))
