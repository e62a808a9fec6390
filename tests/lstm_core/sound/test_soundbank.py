from pathlib import Path

import numpy as np
import pytest

from lstm_core.foundation.errors import SoundFontError
from lstm_core.notes.score import DRUMS
from lstm_core.sound import sfbk
from lstm_core.sound.soundbank import PAD_FRAMES, SoundBank
from tests.lstm_core.sounds import write_soundfont

GLOBAL = ([(sfbk.ATTENUATION, 100), (sfbk.PAN, -250)], [(0x0002, sfbk.FILTER_CUTOFF, -1000, 0)])
LOW = ([(sfbk.KEY_RANGE, 59 << 8), (sfbk.PAN, 500), (sfbk.SAMPLE, 0)], [])
HIGH = ([(sfbk.KEY_RANGE, 127 << 8 | 60), (sfbk.VELOCITY_RANGE, 127 << 8 | 64), (sfbk.SAMPLE, 1)], [])
PRESET = [([(sfbk.VELOCITY_RANGE, 100 << 8), (sfbk.ATTENUATION, 30), (sfbk.INSTRUMENT, 0)], [])]


def bank_of(tmp_path: Path, instrument: list, preset: list, **where: int) -> SoundBank:
    return SoundBank(write_soundfont(tmp_path / "hand.sf2", instrument, preset, **where))


def test_zones_inherit_override_add_and_intersect(tmp_path: Path) -> None:
    low, high = bank_of(tmp_path, [GLOBAL, LOW, HIGH], PRESET).regions(0)
    assert (low.pitches, low.velocities) == ((0, 59), (0, 100))
    assert (high.pitches, high.velocities) == ((60, 127), (64, 100))
    assert low.generators[sfbk.ATTENUATION] == 130  # global 100, preset 30 more
    assert (low.generators[sfbk.PAN], high.generators[sfbk.PAN]) == (500, -250)
    assert low.generators[sfbk.FILTER_CUTOFF] == 13500 and low.generators[sfbk.SCALE_TUNING] == 100
    assert low.has_velocity_timbre()


def test_modulators_bend_generators_by_velocity(tmp_path: Path) -> None:
    low, _ = bank_of(tmp_path, [GLOBAL, LOW, HIGH], PRESET).regions(0)
    velocity = np.array([1, 64, 127])
    amounts, taken_off = low.amounts(np.full(3, 50), velocity)
    np.testing.assert_allclose(amounts[sfbk.FILTER_CUTOFF], 13500 - 1000 * velocity / 127)
    np.testing.assert_allclose(taken_off, 400 * np.log10(127 / velocity), atol=0.2)  # level as velocity squared


def test_a_modulator_of_a_zone_replaces_the_same_one_of_the_default(tmp_path: Path) -> None:
    flat = ([(sfbk.SAMPLE, 0)], [(0x0502, sfbk.ATTENUATION, 0, 0)])
    (region,) = bank_of(tmp_path, [flat], PRESET).regions(0)
    np.testing.assert_array_equal(region.amounts(np.full(2, 50), np.array([1, 127]))[1], [0, 0])
    assert not region.has_velocity_timbre()


def test_recordings_are_padded_and_loops_unrolled_without_a_seam(tmp_path: Path) -> None:
    looped = ([(sfbk.SAMPLE_MODES, 1), (sfbk.LOOP_START_COARSE, 0), (sfbk.SAMPLE, 0)], [])
    bank = bank_of(tmp_path, [looped, HIGH], PRESET)
    sine, flat = (bank.recording(region) for region in bank.regions(0))
    assert (sine.loop_start, (sine.loop_end - sine.loop_start) % 10000, sine.pitch) == (34100, 0, 69)
    body = sine.samples[PAD_FRAMES:]
    expected = 0.5 * np.sin(2 * np.pi * 441 * np.arange(len(body)) / 44100)
    np.testing.assert_allclose(body, expected, atol=1e-4)
    assert (flat.loop_start, flat.loop_end) == (-1, 22050)
    assert flat.samples[0] == 0 and flat.samples[PAD_FRAMES] == np.float32(32767 / 32768) and flat.samples[-1] == 0


def test_missing_programs_fall_back_to_their_family_and_missing_drums_to_nothing(tmp_path: Path) -> None:
    bank = bank_of(tmp_path, [LOW], PRESET, program=42)
    assert bank.regions(40) == bank.regions(42) == bank.regions(0)
    assert bank.regions(DRUMS) == []
    assert bank_of(tmp_path, [LOW], PRESET, bank=128).regions(DRUMS)


def test_damaged_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(SoundFontError, match="preset 0 points outside its tables"):
        bank_of(tmp_path, [([(sfbk.SAMPLE, 99)], [])], PRESET).regions(0)
    whole = write_soundfont(tmp_path / "hand.sf2", [LOW], PRESET).read_bytes()
    (tmp_path / "hand.sf2").write_bytes(whole.replace(b"shdr", b"xxxx"))
    with pytest.raises(SoundFontError, match="has no shdr"):
        SoundBank(tmp_path / "hand.sf2")


def test_variations_begin_again_after_the_last(tmp_path: Path) -> None:
    """A file with one preset plays it as every variation; one that lacks the program falls back as it does without."""
    bank = bank_of(tmp_path, [GLOBAL, LOW, HIGH], PRESET, program=5)
    assert bank.regions(5, 0) is bank.regions(5, 1) is bank.regions(5, 7)
    assert bank.regions(9, 3) is bank.regions(9)
    kits = bank_of(tmp_path, [GLOBAL, LOW, HIGH], PRESET, bank=128, program=48)
    assert kits.regions(DRUMS, 2) is kits.regions(DRUMS)  # an orchestra kit is no variation
