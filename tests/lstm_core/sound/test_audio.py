import numpy as np
import pytest

from lstm_core.sound.audio import AudioError, decode
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
