import numpy as np
import pytest

from lstm_core.sound.audio import AudioError, decode, encode_pcm
from lstm_core.sound.output_formats import OUTPUT_FORMATS, encode
from tests.lstm_core.sounds import ffmpeg_decode, sine


def on_grid(bit_depth: int) -> np.ndarray:
    steps = np.random.default_rng(1).integers(-(2 ** (bit_depth - 1)), 2 ** (bit_depth - 1), (2, 10007))
    return (steps / 2 ** (bit_depth - 1)).astype(np.float32)


@pytest.mark.parametrize(
    ("format", "bit_depth"), [(name, n) for name, row in OUTPUT_FORMATS.items() for n in row.bit_depths]
)
def test_every_format_gives_back_every_bit(format: str, bit_depth: int) -> None:
    waveform = on_grid(min(bit_depth, 24))
    data = encode(waveform, sample_rate=48000, format=format, bit_depth=bit_depth)
    decoded, sample_rate = decode(data)
    assert sample_rate == 48000
    np.testing.assert_array_equal(decoded, waveform)
    by_ffmpeg, rate = ffmpeg_decode(data)
    assert rate == 48000
    np.testing.assert_array_equal(by_ffmpeg, waveform)


def test_equal_audio_makes_equal_bytes_whenever_it_is_written() -> None:
    """libsndfile stamps float WAV files with the time of writing unless its PEAK chunk is switched off."""
    waveform = sine(440, 0.1)
    data = encode(waveform, sample_rate=44100, format="wav", bit_depth=32)
    assert b"PEAK" not in data
    assert data == encode(waveform, sample_rate=44100, format="wav", bit_depth=32)


def test_flac_predicts_by_whole_numbers() -> None:
    """What libFLAC predicts by floating point has other bytes on a processor without FMA: in 10 files of 108."""

    def kind_of_first_subframe(data: bytes) -> int:
        at, is_last = 4, False
        while not is_last:  # blocks of metadata
            is_last = bool(data[at] & 0x80)
            at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        assert data[at] == 0xFF and data[at + 4] == 0, "the first frame"
        return data[at + 6] >> 1  # RFC 9639, 9.2.1: 8 and more are fixed predictors, 32 and more linear prediction

    waveform = sine(440, 1.0)
    assert 8 <= kind_of_first_subframe(encode(waveform, sample_rate=44100)) < 16
    assert kind_of_first_subframe(encode_pcm(waveform, 44100, 16, container="FLAC", compression_level=0.375)) >= 32


def test_what_is_out_of_range_is_held_at_the_last_step() -> None:
    waveform = np.array([[2.0, -2.0, 1.0, 0.25 / 32768]], dtype=np.float32)
    decoded, _ = decode(encode(waveform, sample_rate=44100, format="wav", bit_depth=16))
    np.testing.assert_array_equal(decoded * 32768, [[32767, -32768, 32767, 0]])


def test_integers_are_written_as_they_are() -> None:
    steps = np.array([[5, -7, 2**23 - 1, -(2**23)]], dtype=np.int32)
    decoded, _ = decode(encode(steps, sample_rate=44100, bit_depth=24))
    np.testing.assert_array_equal(decoded * 2**23, steps)


def test_what_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(AudioError, match=r"format flac with bit_depth 32 is not made\. There is flac: 16, 24 bit"):
        encode(sine(440, 0.1), sample_rate=44100, format="flac", bit_depth=32)
    with pytest.raises(AudioError, match="format mp3 with bit_depth 16 is not made"):
        encode(sine(440, 0.1), sample_rate=44100, format="mp3")
    with pytest.raises(AudioError, match=r"shape \(100,\)"):
        encode(np.zeros(100, dtype=np.float32), sample_rate=44100)


@pytest.mark.parametrize("format", ["flac", "wav"])
def test_broken_bytes_do_not_decode(format: str) -> None:
    data = encode(on_grid(16), sample_rate=44100, format=format)
    for broken in (b"", b"junk" * 100, data[: len(data) // 2]):
        if format == "wav" and broken.startswith(b"RIFF"):
            assert decode(broken)[0].shape[1] < 10007  # WAV says no more than how much is there: the length gate tells
        else:
            with pytest.raises(AudioError, match="not audio that can be read"):
                decode(broken)
