"""Timecodes against tables that were worked out by hand from SMPTE's rule of dropped frame numbers."""

from __future__ import annotations

import pytest

from lstm_core.orders.timing.timecode import RATES, frame_of, parse_fps


@pytest.mark.parametrize(
    ("timecode", "frame"),
    [
        ("00:00:00;00", 0),
        ("00:00:59;29", 1799),
        ("00:01:00;02", 1800),  # 00 and 01 do not exist
        ("00:01:59;29", 3597),
        ("00:02:00;02", 3598),
        ("00:09:59;29", 17981),
        ("00:10:00;00", 17982),  # the tenth minute drops none
        ("00:10:00;01", 17983),
        ("00:11:00;02", 19782),
        ("01:00:00;00", 107892),
        ("10:00:00;00", 1078920),
        ("23:59:59;29", 2589407),
    ],
)
def test_drop_frame_by_a_table(timecode: str, frame: int) -> None:
    assert frame_of(timecode, RATES["29.97"], is_drop=True) == frame


def test_every_frame_of_an_hour_of_drop_frame_has_one_name() -> None:
    names = (
        f"00:{minute:02d}:{second:02d};{frame:02d}"
        for minute in range(60)
        for second in range(60)
        for frame in range(30)
        if not (second == 0 and frame < 2 and minute % 10)
    )
    assert [frame_of(name, RATES["29.97"], is_drop=True) for name in names] == list(range(107892))


@pytest.mark.parametrize(
    ("fps", "timecode", "frame", "seconds"),
    [
        ("24", "00:00:10:12", 252, 10.5),
        ("25", "01:00:00:05", 90005, 3600.2),
        ("30", "00:01:00:00", 1800, 60.0),
        ("29.97ndf", "00:01:00:00", 1800, 60.06),
        ("23.976", "00:00:10:00", 240, 10.01),
        ("23.98", "01:00:00:00", 86400, 3603.6),
    ],
)
def test_other_rates(fps: str, timecode: str, frame: int, seconds: float) -> None:
    rate, is_drop = parse_fps(fps)
    assert not is_drop and frame_of(timecode, rate) == frame
    assert float(frame / rate.per_second) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("timecode", ["00:01:00;00", "00:01:00;01", "00:59:00;01"])
def test_dropped_numbers_do_not_exist(timecode: str) -> None:
    with pytest.raises(ValueError, match=f"{timecode} does not exist in drop-frame"):
        frame_of(timecode, RATES["29.97"], is_drop=True)


@pytest.mark.parametrize(("timecode", "fps"), [("00:00:00:25", "25"), ("00:60:00:00", "25"), ("24:00:00:00", "24")])
def test_numbers_out_of_range_are_no_timecode(timecode: str, fps: str) -> None:
    with pytest.raises(ValueError, match=f"{timecode} is no timecode at {fps} frames"):
        frame_of(timecode, RATES[fps])


@pytest.mark.parametrize("text", ["26", "fast", "", "29.97xy", "25df"])
def test_unknown_rates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hits_fps is"):
        parse_fps(text)
